"""`cgan`: a GAN that is told what to make (Mirza & Osindero 2014, arXiv 1411.1784), on convolutions.

As in the paper: generator and discriminator both get the condition, a label or a vector, beside their input. Unlike it,
the networks are those of `dcgan` rather than fully connected, the generator may embed the condition first, and the
discriminator may take it by projection (Miyato & Koyama 2018, equation 4, arXiv 1802.05637): the inner product of an
embedding of the condition with the sample's last features, summed over positions, is added to the logit. Without a
latent to draw from (`latent_dim=0`) nothing would vary, so there is always one.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.errors import ConfigError
from ganzoo.models.architecture import Architecture, Discriminator, Generator
from ganzoo.models.condition import Condition, as_rows
from ganzoo.models.dcgan import (
    DCGANConfig,
    DCGANDiscriminator,
    DCGANGenerator,
    initialize,
    picture_arguments,
)
from ganzoo.models.roles import (
    CHANNELS,
    CLASSES,
    EMBEDDING,
    LATENT,
    VECTOR,
    Role,
    beneath,
    of_inputs,
    weight_name,
)


@dataclass(frozen=True, kw_only=True)
class CGANConfig:
    """What a `cgan` is made of."""

    image_size: int | tuple[int, int] = 64  # (height, width); an int means square
    channels: int = 3
    latent_dim: int = 100
    num_classes: int = 0  # the number of labels, or
    condition_dim: int = 0  # the length of a vector; exactly one of the two is above 0
    generator_conditioning: Literal["embedding", "one_hot"] = "embedding"  # one_hot: the label's, or the vector itself
    embedding_dim: int = 50
    conditioning: Literal["concat", "projection"] = "concat"  # how the discriminator takes the condition
    base_channels: int = 64  # channels at half the picture's side; twice as many at each halving
    discriminator_base_channels: int = 0  # 0: as base_channels
    discriminator_normalization: Literal["batch", "spectral", "layer", "none"] = "batch"
    generator_hidden: int = 0  # units of a hidden layer before the generator's projection; 0: none
    discriminator_hidden: int = 0  # units of a hidden layer before the logit; 0: none

    def __post_init__(self) -> None:
        if (self.num_classes > 0) + (self.condition_dim > 0) != 1 or min(self.num_classes, self.condition_dim) < 0:
            raise ConfigError(
                f"cgan: num_classes is {self.num_classes} and condition_dim is {self.condition_dim}; exactly one of "
                "them takes a number above 0: num_classes for labels, condition_dim for vectors"
            )
        for name in ("latent_dim", "num_classes", "condition_dim", "embedding_dim"):
            low = 0 if name in ("num_classes", "condition_dim") else 1
            if not low <= getattr(self, name) <= 2**16:
                raise ConfigError(
                    f"cgan: {name} is {getattr(self, name)}; it takes a whole number from {low} to {2**16}"
                )
        if self.latent_dim + self._generator_width > 2**16:
            raise ConfigError(
                f"cgan: latent_dim is {self.latent_dim}, and the generator takes {self._generator_width} numbers of "
                f"the condition beside it; together they take at most {2**16}, so choose a smaller latent_dim"
            )
        try:
            self.generator_trunk(), self.discriminator_trunk()
        except ConfigError as error:  # their settings are this config's
            raise ConfigError(f"cgan{str(error).removeprefix('dcgan')}") from None

    @property
    def condition(self) -> Condition:
        """What both networks are conditioned on."""
        return Condition.label(self.num_classes) if self.num_classes else Condition.vector(self.condition_dim)

    @property
    def condition_width(self) -> int:
        """How many numbers the condition is as a row."""
        return self.num_classes or self.condition_dim

    @property
    def condition_part(self) -> dict[str, tuple[int, ...]]:
        """What the numbers of that row are, for `tensor_roles`."""
        return {CLASSES if self.num_classes else VECTOR: (self.condition_width,)}

    @property
    def _generator_width(self) -> int:
        return self.embedding_dim if self.generator_conditioning == "embedding" else self.condition_width

    def generator_trunk(self) -> DCGANConfig:
        """Return the config of the generator's convolutions, whose latent has the condition appended."""
        return self._trunk(latent_dim=self.latent_dim + self._generator_width, generator_hidden=self.generator_hidden)

    def discriminator_trunk(self) -> DCGANConfig:
        """Return the config of the discriminator's convolutions, without what is done to the condition."""
        return self._trunk(
            discriminator_base_channels=self.discriminator_base_channels,
            discriminator_normalization=self.discriminator_normalization,
            discriminator_hidden=self.discriminator_hidden,
        )

    def _trunk(self, **further: Any) -> DCGANConfig:
        return DCGANConfig(
            image_size=self.image_size, channels=self.channels, base_channels=self.base_channels, **further
        )


class CGANGenerator(Generator):
    """A `dcgan` generator whose latent is followed by the condition, as it is or embedded."""

    def __init__(self, config: CGANConfig) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.condition = config.condition
        self.embedding: nn.Module = nn.Identity()
        if config.generator_conditioning == "embedding":
            # On one-hot rows a linear map without bias is an embedding; it takes vectors as well.
            self.embedding = nn.Linear(config.condition_width, config.embedding_dim, bias=False)
            if not self.embedding.weight.is_meta:
                nn.init.normal_(self.embedding.weight)  # of the latent's size
        self.trunk = DCGANGenerator(config.generator_trunk())
        self.condition_part = config.condition_part
        is_embedded = config.generator_conditioning == "embedding"
        row = {EMBEDDING: (config.embedding_dim,)} if is_embedded else self.condition_part
        self.trunk.inputs = {LATENT: (config.latent_dim,), **row}
        self.sample_shape = self.trunk.sample_shape

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) and labels (N,) or vectors (N, K) to pictures (N, channels, height, width)."""
        if condition is not None:
            rows = self.embedding(as_rows(condition, self.condition, latent.dtype))
            latent = torch.cat([latent, rows], dim=1)
        pictures: Tensor = self.trunk(latent)
        return pictures

    def tensor_roles(self) -> dict[str, Role]:
        """As the trunk's, with the condition beside the latent."""
        roles = beneath("trunk", self.trunk.tensor_roles())
        if isinstance(self.embedding, nn.Linear):
            roles["embedding.weight"] = of_inputs("embedding.weight", self.condition_part)
        return roles

    def fold(self) -> None:
        """Arrange a copy for inference; see `ganzoo.inference`."""
        self.trunk.fold()


class CGANDiscriminator(Discriminator):
    """A `dcgan` discriminator that sees the condition as constant planes beside the picture, or by projection."""

    def __init__(self, config: CGANConfig) -> None:
        super().__init__()
        self.condition = config.condition
        self.projects = config.conditioning == "projection"
        planes = 0 if self.projects else config.condition_width
        self.trunk = DCGANDiscriminator(config.discriminator_trunk(), further_channels=planes)
        self.condition_part = config.condition_part
        self.trunk.inputs = {CHANNELS: (config.channels,), **({} if self.projects else self.condition_part)}
        self.sample_shape = self.trunk.sample_shape
        if self.projects:
            self.embedding = nn.Linear(config.condition_width, self.trunk.output.in_channels, bias=False)
            self.embedding.apply(initialize)
            if config.discriminator_normalization == "spectral":
                spectral_norm(self.embedding)

    def _seen(self, sample: Tensor, condition: Tensor | None) -> Tensor:
        """Return the sample with the condition's planes, if it takes them: (N, C, H, W) -> (N, C + K, H, W)."""
        if self.projects or condition is None:
            return sample
        planes = as_rows(condition, self.condition, sample.dtype)[:, :, None, None]
        return torch.cat([sample, planes.expand(-1, -1, *sample.shape[2:])], dim=1)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, C, h, w) of each block."""
        return self.trunk.features(self._seen(sample, condition))

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map pictures (N, channels, height, width) and labels (N,) or vectors (N, K) to logits (N,)."""
        last = self.features(sample, condition)[-1]
        logits: Tensor = self.trunk.output(last).flatten()
        if self.projects and condition is not None:
            embedded = self.embedding(as_rows(condition, self.condition, sample.dtype))  # (N, C)
            logits = logits + (embedded * last.sum(dim=(2, 3))).sum(dim=1)
        return logits

    def lower_layers(self) -> tuple[nn.Module, ...]:
        """Return the trunk's blocks; an embedding of the condition is a part of what makes the logits."""
        return self.trunk.lower_layers()

    def tensor_roles(self) -> dict[str, Role]:
        """As the trunk's, with the condition's planes beside the picture or an embedding of it."""
        roles = beneath("trunk", self.trunk.tensor_roles())
        if self.projects:
            name = weight_name("embedding", self.embedding)
            roles[name] = of_inputs(name, self.condition_part)
        return roles


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data.

    Raises:
        ConfigError: The samples are not pictures.
    """
    wanted = (
        {"condition_dim": condition.shape[0]} if condition.kind == "vector" else {"num_classes": condition.num_classes}
    )
    return {**picture_arguments("cgan", sample_shape), **wanted}


CGAN = Architecture(
    CGANConfig,
    {"generator": CGANGenerator, "discriminator": CGANDiscriminator},
    arguments_for,
    {"generator": ("label", "vector"), "discriminator": ("label", "vector")},
)
