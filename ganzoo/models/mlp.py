"""`mlp`: fully connected networks for samples of any shape (Goodfellow et al. 2014, arXiv 1406.2661).

The original in today's terms: latents are normal instead of uniform, the output is tanh (or linear) on data in [-1, 1]
instead of a sigmoid, the discriminator gives logits, and its maxout units (Goodfellow et al. 2013, arXiv 1302.4389) are
one choice of activation. A label is appended to the input of each network, one-hot (Mirza & Osindero 2014).
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.errors import ConfigError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator
from ganzoo.models.folding import fold_sequences
from ganzoo.models.roles import CHANNELS, CLASSES, LATENT, Role, of_inputs, weight_name

Activation = Literal["relu", "leaky_relu", "maxout"]
Normalization = Literal["none", "batch", "layer", "spectral"]

# With these no layer has more weights than can be counted, whatever else the config asks for.
LARGEST_SAMPLE, MOST_PIECES = 2**28, 2**10


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """What an `mlp` is made of."""

    sample_shape: tuple[int, ...] = (1, 28, 28)
    latent_dim: int = 64
    num_classes: int = 0  # 0: unconditional
    generator_widths: tuple[int, ...] = (256, 512)
    generator_activation: Activation = "relu"
    generator_normalization: Normalization = "batch"
    output: Literal["tanh", "linear"] = "tanh"
    discriminator_widths: tuple[int, ...] = (512, 256)
    discriminator_activation: Activation = "leaky_relu"
    discriminator_normalization: Normalization = "none"
    discriminator_dropout: float = 0.0  # after each hidden layer
    maxout_pieces: int = 5  # linear pieces of a maxout unit

    def __post_init__(self) -> None:
        sizes = {
            "sample_shape": self.sample_shape,
            "latent_dim": (self.latent_dim,),
            "generator_widths": self.generator_widths,
            "discriminator_widths": self.discriminator_widths,
            "maxout_pieces": (self.maxout_pieces,),
        }
        for name, values in sizes.items():
            if not 1 <= len(values) <= 32 or not all(1 <= value <= 2**20 for value in values):
                raise ConfigError(
                    f"mlp: {name} is {str(values)[:100]}; it takes 1 to 32 whole numbers from 1 to {2**20}"
                )
        if math.prod(self.sample_shape) > LARGEST_SAMPLE:
            raise ConfigError(f"mlp: sample_shape is {self.sample_shape}; it takes at most {LARGEST_SAMPLE} numbers")
        if self.maxout_pieces > MOST_PIECES:
            raise ConfigError(f"mlp: maxout_pieces is {self.maxout_pieces}; it takes 1 to {MOST_PIECES}")
        if not 0 <= self.num_classes <= 2**20:
            raise ConfigError(f"mlp: num_classes is {self.num_classes}; it takes 0 (unconditional) or more")
        if not 0 <= self.discriminator_dropout < 1:
            raise ConfigError(f"mlp: discriminator_dropout is {self.discriminator_dropout}; it takes 0 up to below 1")


class Maxout(nn.Module):
    """Linear pieces, of which each unit outputs the largest: (N, in) -> (N, out)."""

    def __init__(self, linear: nn.Linear, pieces: int) -> None:
        super().__init__()
        self.linear, self.pieces = linear, pieces

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in) to (N, out)."""
        pieces: Tensor = self.linear(x).unflatten(1, (-1, self.pieces))  # (N, out * pieces) -> (N, out, pieces)
        return pieces.amax(dim=2)


def hidden_layer(
    inputs: int, width: int, activation: Activation, normalization: Normalization, pieces: int, dropout: float = 0.0
) -> nn.Sequential:
    """Build one hidden layer: linear, normalization, activation, dropout. (N, inputs) -> (N, width)."""
    linear = nn.Linear(inputs, width * pieces if activation == "maxout" else width)
    if normalization == "spectral":
        spectral_norm(linear)
    layer = nn.Sequential(Maxout(linear, pieces) if activation == "maxout" else linear)
    if normalization == "batch":
        layer.append(nn.BatchNorm1d(width))
    elif normalization == "layer":
        layer.append(nn.LayerNorm(width))
    if activation != "maxout":
        layer.append(nn.ReLU() if activation == "relu" else nn.LeakyReLU(0.2))
    if dropout:
        layer.append(nn.Dropout(dropout))
    return layer


def append_label(x: Tensor, label: Tensor | None, num_classes: int) -> Tensor:
    """Append the one-hot label to each row: (N, K) -> (N, K + num_classes); unchanged for 0 classes."""
    if not num_classes or label is None:
        return x
    return torch.cat([x, F.one_hot(label, num_classes).to(x.dtype)], dim=1)


def first_weight(layers: nn.Sequential | nn.ModuleList) -> str:
    """Return the name of the first hidden layer's weight in the state of a network."""
    linear = layers[0][0]  # type: ignore[index]
    if isinstance(linear, Maxout):
        return weight_name("layers.0.0.linear", linear.linear)
    return weight_name("layers.0.0", linear)


def sample_part(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return what the numbers of a flattened sample are, for `tensor_roles`: of a picture, channels."""
    return {CHANNELS if len(shape) == 3 else "sample": shape}


class MLPGenerator(Generator):
    """Hidden layers from the latent to the flattened sample."""

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.sample_shape = config.sample_shape
        self.condition = Condition.label(config.num_classes)
        widths = (config.latent_dim + config.num_classes, *config.generator_widths)
        self.layers = nn.Sequential(
            *(
                hidden_layer(a, b, config.generator_activation, config.generator_normalization, config.maxout_pieces)
                for a, b in pairwise(widths)
            )
        )
        self.output = nn.Linear(widths[-1], math.prod(config.sample_shape))
        self.tanh = config.output == "tanh"

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) and labels (N,) to samples (N, *sample_shape)."""
        hidden = self.layers(append_label(latent, condition, self.condition.num_classes))
        sample = self.output(hidden).unflatten(1, self.sample_shape)
        return torch.tanh(sample) if self.tanh else sample

    def tensor_roles(self) -> dict[str, Role]:
        """The first layer sees latent and label, and the last makes the sample."""
        first = first_weight(self.layers)
        inputs = {LATENT: (self.latent_dim,), CLASSES: (self.condition.num_classes,)}
        last = {
            f"output.{name}": Role(f"output.{name}", 0, sample_part(self.sample_shape)) for name in ("weight", "bias")
        }
        return {first: of_inputs(first, inputs), **last}

    def fold(self) -> None:
        """Arrange a copy for inference; see `ganzoo.inference`."""
        fold_sequences(self)


class MLPDiscriminator(Discriminator):
    """Hidden layers from the flattened sample to one logit."""

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.sample_shape = config.sample_shape
        self.condition = Condition.label(config.num_classes)
        normalization = config.discriminator_normalization
        widths = (math.prod(config.sample_shape) + config.num_classes, *config.discriminator_widths)
        self.layers = nn.ModuleList(
            hidden_layer(
                a,
                b,
                config.discriminator_activation,
                normalization,
                config.maxout_pieces,
                config.discriminator_dropout,
            )
            for a, b in pairwise(widths)
        )
        self.output = nn.Linear(widths[-1], 1)
        if normalization == "spectral":
            spectral_norm(self.output)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, width) of each hidden layer."""
        hidden = append_label(sample.flatten(1), condition, self.condition.num_classes)
        outputs = []
        for layer in self.layers:
            hidden = layer(hidden)
            outputs.append(hidden)
        return tuple(outputs)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map samples (N, *sample_shape) and labels (N,) to logits (N,)."""
        logits: Tensor = self.output(self.features(sample, condition)[-1])
        return logits.squeeze(1)

    def lower_layers(self) -> tuple[nn.Module, ...]:
        """Return the hidden layers."""
        return tuple(self.layers)

    def tensor_roles(self) -> dict[str, Role]:
        """The first layer sees sample and label."""
        first = first_weight(self.layers)
        return {first: of_inputs(first, {**sample_part(self.sample_shape), CLASSES: (self.condition.num_classes,)})}


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data."""
    return {"sample_shape": sample_shape, "num_classes": condition.num_classes}


MLP = Architecture(
    MLPConfig,
    {"generator": MLPGenerator, "discriminator": MLPDiscriminator},
    arguments_for,
    {"generator": ("none", "label"), "discriminator": ("none", "label")},
)
