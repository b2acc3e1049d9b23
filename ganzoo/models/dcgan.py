"""`dcgan`: strided convolutions, batch norm and no pooling (Radford, Metz, Chintala 2015, arXiv 1511.06434).

As in the paper: 4x4 kernels with stride 2, ReLU and tanh in the generator, leaky ReLU 0.2 in the discriminator, batch
norm everywhere but at the generator's output and the discriminator's input, weights from N(0, 0.02). Unlike it: any
side b * 2^k instead of 64 only, the discriminator may be normalized otherwise (gradient penalties need that), and a
label may be given: one-hot beside the latent, and as constant one-hot planes beside the picture. Both networks may have
a hidden layer that sees the whole picture, as InfoGAN's have on MNIST (Chen et al. 2016, appendix C.1, arXiv
1606.03657): at 28 pixels only two convolutions fit, and the second sees 10 pixels of the discriminator's input.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.errors import ConfigError
from ganzoo.models.architecture import Architecture, Discriminator, Generator
from ganzoo.models.condition import Condition, as_rows
from ganzoo.models.folding import PlanesLast, fold_planes, fold_sequences
from ganzoo.models.roles import CHANNELS, CLASSES, LATENT, Role, counted_from_the_end, of_inputs, weight_name

SMALLEST_SIDE, LARGEST_SIDE = 8, 256
VALID_SIDES = sorted({base * 2**k for base in (4, 5, 6, 7) for k in range(1, 7) if base * 2**k <= LARGEST_SIDE})


@dataclass(frozen=True, kw_only=True)
class DCGANConfig:
    """What a `dcgan` is made of."""

    image_size: int | tuple[int, int] = 64  # (height, width); an int means square
    channels: int = 3
    latent_dim: int = 100
    num_classes: int = 0  # 0: unconditional
    base_channels: int = 64  # channels at half the picture's side; twice as many at each halving
    discriminator_base_channels: int = 0  # 0: as base_channels
    discriminator_normalization: Literal["batch", "spectral", "layer", "none"] = "batch"
    generator_hidden: int = 0  # units of a hidden layer between latent and projection; 0: none, as in the paper
    discriminator_hidden: int = 0  # units of a hidden layer between convolutions and logit; 0: none, as in the paper

    def __post_init__(self) -> None:
        base_and_doublings(self.size)
        limits = {
            "channels": (1, 4),
            "latent_dim": (1, 2**16),
            "num_classes": (0, 2**20),
            "base_channels": (1, 4096),
            "discriminator_base_channels": (0, 4096),
            "generator_hidden": (0, 2**16),
            "discriminator_hidden": (0, 2**16),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"dcgan: {name} is {getattr(self, name)}; it takes a whole number from {low} to {high}"
                )

    @property
    def size(self) -> tuple[int, int]:
        """The picture's (height, width)."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)


def base_and_doublings(size: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """Split a picture's size into a base and the number of doublings k: (height, width) = base * 2^k.

    k is the same for both sides, and the smaller base lies in 4 to 7.

    Raises:
        ConfigError: The size cannot be split so; the message names the nearest valid sizes.
    """
    smaller, larger = min(size), max(size)
    if smaller >= SMALLEST_SIDE and larger <= LARGEST_SIDE:
        doublings = smaller.bit_length() - 3  # the one k that brings the smaller base into [4, 8)
        step = 2**doublings
        if smaller % step == 0 and larger % step == 0:
            return (size[0] // step, size[1] // step), doublings
    nearest = nearest_sizes(size)
    raise ConfigError(
        f"dcgan: image_size is {size[0]}x{size[1]}; each side must be b * 2^k with one k for both and the smaller b "
        f"from 4 to 7, {SMALLEST_SIDE} to {LARGEST_SIDE} pixels; the nearest valid sizes are "
        + " and ".join(f"{height}x{width}" for height, width in nearest)
    )


def nearest_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the two valid sizes nearest to one that is not valid (one at the ends), square ones to a square."""
    smaller, larger = min(size), max(size)
    below = max((side for side in VALID_SIDES if side <= smaller), default=SMALLEST_SIDE)
    above = min((side for side in VALID_SIDES if side >= smaller), default=LARGEST_SIDE)
    pairs = set()
    for side in (below, above):
        step = 2 ** (side.bit_length() - 3)  # what both sides must be multiples of
        down = larger // step * step
        others = (side,) if smaller == larger else (down, down + step)
        pairs |= {(side, max(side, min(other, LARGEST_SIDE))) for other in others}
    nearest = sorted(pairs, key=lambda pair: (abs(pair[0] - smaller) + abs(pair[1] - larger), pair))[:2]
    return nearest if size[0] <= size[1] else [(larger, smaller) for smaller, larger in nearest]


def initialize(module: nn.Module) -> None:
    """Draw weights as in the paper: N(0, 0.02), and N(1, 0.02) for the scales of normalization layers."""
    if any(parameter.is_meta for parameter in module.parameters(recurse=False)):
        return  # built to be loaded: there is nothing to draw, and torch would import its compiler to find out
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class DCGANGenerator(Generator):
    """A linear projection to base size, then k transposed convolutions, each doubling the side."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.label(config.num_classes)
        base, doublings = base_and_doublings(config.size)
        width = config.base_channels * 2 ** (doublings - 1)
        self.base_shape = (width, *base)
        inputs = config.latent_dim + config.num_classes
        self.inputs: dict[str, tuple[int, ...]] = {LATENT: (config.latent_dim,), CLASSES: (config.num_classes,)}
        self.hidden = nn.Sequential()
        if hidden := config.generator_hidden:
            self.hidden.extend([nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()])
            inputs = hidden
        self.project = nn.Linear(inputs, width * base[0] * base[1], bias=False)
        self.planes: nn.Module = nn.Unflatten(1, self.base_shape)
        layers: list[nn.Module] = [nn.BatchNorm2d(width), nn.ReLU()]
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width // 2),
                nn.ReLU(),
            ]
            width //= 2
        layers += [nn.ConvTranspose2d(width, config.channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(initialize)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) and labels (N,) to pictures (N, channels, height, width)."""
        if self.condition.kind == "label" and condition is not None:
            latent = torch.cat([latent, as_rows(condition, self.condition, latent.dtype)], dim=1)
        pictures: Tensor = self.layers(self.planes(self.project(self.hidden(latent))))
        return pictures

    def tensor_roles(self) -> dict[str, Role]:
        """Count stages from the picture: one of twice the side has another stage, at the latent's end."""
        roles = counted_from_the_end("layers", self.layers)
        base = "x".join(map(str, self.base_shape[1:]))
        roles["project.weight"] = Role(f"project to {base}")
        if len(self.hidden):
            roles["hidden.0.weight"] = of_inputs("hidden.0.weight", self.inputs)
        else:
            roles["project.weight"] = of_inputs(f"project to {base}", self.inputs)
        last, channels = len(self.layers) - 2, {CHANNELS: (self.sample_shape[0],)}
        roles[f"layers.{last}.weight"] = Role("layers.-2.weight", 1, channels)
        roles[f"layers.{last}.bias"] = Role("layers.-2.bias", 0, channels)
        return roles

    def fold(self) -> None:
        """Arrange a copy for inference; see `ganzoo.inference`."""
        if projected := fold_planes(self.project, self.layers[0], self.base_shape):
            self.project, self.planes, self.layers = projected, PlanesLast(self.base_shape), self.layers[1:]
        fold_sequences(self)


def normalize_and_activate(channels: int, normalization: str) -> list[nn.Module]:
    """Build what follows a convolution of the discriminator."""
    layers: list[nn.Module] = [nn.LeakyReLU(0.2)]
    if normalization == "batch":
        layers.insert(0, nn.BatchNorm2d(channels))
    elif normalization == "layer":
        layers.insert(0, nn.GroupNorm(1, channels))  # one group: over channels and positions of each sample
    return layers


class DCGANDiscriminator(Discriminator):
    """k strided convolutions, each halving the side, then one convolution over what is left."""

    def __init__(self, config: DCGANConfig, further_channels: int = 0) -> None:
        """Build the network.

        Args:
            config: What it is made of.
            further_channels: How many channels more than the config's its input has, such as planes of a condition.
        """
        super().__init__()
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.label(config.num_classes)
        base, doublings = base_and_doublings(config.size)
        width = config.discriminator_base_channels or config.base_channels
        inputs = config.channels + config.num_classes + further_channels
        self.inputs: dict[str, tuple[int, ...]] = {CHANNELS: (config.channels,), CLASSES: (config.num_classes,)}
        self.blocks = nn.ModuleList()
        for depth in range(doublings):
            outputs = width * 2**depth
            normalization = config.discriminator_normalization if depth else "none"  # none at the input
            has_bias = normalization != "batch"
            conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=has_bias)
            self.blocks.append(nn.Sequential(conv, *normalize_and_activate(outputs, normalization)))
            inputs = outputs
        if hidden := config.discriminator_hidden:
            conv = nn.Conv2d(inputs, hidden, base)  # sees the whole picture: (N, hidden, 1, 1)
            self.blocks.append(nn.Sequential(conv, nn.LeakyReLU(0.2)))
        self.output = nn.Conv2d(hidden, 1, 1) if hidden else nn.Conv2d(inputs, 1, base)
        self.apply(initialize)
        if config.discriminator_normalization == "spectral":
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, C, h, w) of each block."""
        hidden = sample
        if self.condition.kind == "label" and condition is not None:
            planes = as_rows(condition, self.condition, sample.dtype)[:, :, None, None]
            hidden = torch.cat([sample, planes.expand(-1, -1, *sample.shape[2:])], dim=1)
        outputs = []
        for block in self.blocks:
            hidden = block(hidden)
            outputs.append(hidden)
        return tuple(outputs)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map pictures (N, channels, height, width) and labels (N,) to logits (N,)."""
        logits: Tensor = self.output(self.features(sample, condition)[-1])
        return logits.flatten()

    def lower_layers(self) -> tuple[nn.Module, ...]:
        """Return the blocks."""
        return tuple(self.blocks)

    def tensor_roles(self) -> dict[str, Role]:
        """Count blocks from the picture; the hidden layer, which sees the whole of it, is none of these."""
        base, doublings = base_and_doublings((self.sample_shape[1], self.sample_shape[2]))
        roles = {}
        if len(self.blocks) > doublings:
            place = f"blocks.{doublings}"
            names = (f"{place}.{name}" for name in self.blocks[doublings].state_dict())
            roles = {name: Role(name.replace(place, f"hidden layer over {base[0]}x{base[1]}")) for name in names}
        first = weight_name("blocks.0.0", self.blocks[0][0])  # type: ignore[index]
        return {**roles, first: of_inputs(first, self.inputs)}


def picture_arguments(owner: str, sample_shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the size and the channels of pictures.

    Raises:
        ConfigError: The samples are not pictures.
    """
    if len(sample_shape) != 3:
        raise ConfigError(
            f"{owner} takes pictures (channels, height, width), and this data has samples of shape "
            f"{sample_shape}; use the architecture 'mlp'"
        )
    channels, height, width = sample_shape
    return {"image_size": (height, width), "channels": channels}


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data.

    Raises:
        ConfigError: The samples are not pictures.
    """
    return {**picture_arguments("dcgan", sample_shape), "num_classes": condition.num_classes}


DCGAN = Architecture(
    DCGANConfig,
    {"generator": DCGANGenerator, "discriminator": DCGANDiscriminator},
    arguments_for,
    {"generator": ("none", "label"), "discriminator": ("none", "label")},
)
