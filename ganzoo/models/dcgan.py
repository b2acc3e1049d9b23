"""`dcgan`: strided convolutions, batch norm and no pooling (Radford, Metz, Chintala 2015, arXiv 1511.06434).

As in the paper: 4x4 kernels with stride 2, ReLU and tanh in the generator, leaky ReLU 0.2 in the discriminator, batch
norm everywhere but at the generator's output and the discriminator's input, weights from N(0, 0.02). Unlike it: any
side b * 2^k instead of 64 only, the discriminator may be normalized otherwise (gradient penalties need that), and a
label may be given: one-hot beside the latent, and as constant one-hot planes beside the picture.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.errors import ConfigError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator

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

    def __post_init__(self) -> None:
        base_and_doublings(self.size)
        limits = {"channels": (1, 4), "latent_dim": (1, 2**16), "num_classes": (0, 2**20), "base_channels": (1, 4096)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"dcgan: {name} is {getattr(self, name)}; it takes a whole number from {low} to {high}"
                )
        if not 0 <= self.discriminator_base_channels <= 4096:
            raise ConfigError(
                f"dcgan: discriminator_base_channels is {self.discriminator_base_channels}; "
                "it takes 1 to 4096, or 0 for as many as base_channels"
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
    """Return the valid sizes just below and just above one that is not valid (one of them at the ends)."""
    portrait = size[0] > size[1]
    smaller, larger = min(size), max(size)
    below = max((side for side in VALID_SIDES if side <= smaller), default=VALID_SIDES[0])
    above = min((side for side in VALID_SIDES if side >= smaller), default=VALID_SIDES[-1])
    sizes = []
    for side, up in ((below, False), (above, True)):
        step = 2 ** (side.bit_length() - 3)
        other = -(-larger // step) * step if up else larger // step * step
        other = max(side, min(other, LARGEST_SIDE // step * step))
        sizes.append((other, side) if portrait else (side, other))
    return list(dict.fromkeys(sizes))


def initialize(module: nn.Module) -> None:
    """Draw weights as in the paper: N(0, 0.02), and N(1, 0.02) for the scales of normalization layers."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
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
        self.project = nn.Linear(config.latent_dim + config.num_classes, width * base[0] * base[1], bias=False)
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
            one_hot = F.one_hot(condition, self.condition.num_classes)
            latent = torch.cat([latent, one_hot.to(latent.dtype)], dim=1)
        pictures: Tensor = self.layers(self.project(latent).unflatten(1, self.base_shape))
        return pictures


class DCGANDiscriminator(Discriminator):
    """k strided convolutions, each halving the side, then one convolution over what is left."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.label(config.num_classes)
        base, doublings = base_and_doublings(config.size)
        width = config.discriminator_base_channels or config.base_channels
        inputs = config.channels + config.num_classes
        self.blocks = nn.ModuleList()
        for depth in range(doublings):
            outputs = width * 2**depth
            normalization = config.discriminator_normalization if depth else "none"  # none at the input
            conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=normalization != "batch")
            block = nn.Sequential(conv)
            if normalization == "batch":
                block.append(nn.BatchNorm2d(outputs))
            elif normalization == "layer":
                block.append(nn.GroupNorm(1, outputs))  # one group: over channels and positions of each sample
            block.append(nn.LeakyReLU(0.2))
            self.blocks.append(block)
            inputs = outputs
        self.output = nn.Conv2d(inputs, 1, base)
        self.apply(initialize)
        if config.discriminator_normalization == "spectral":
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, C, h, w) of each block."""
        hidden = sample
        if self.condition.kind == "label" and condition is not None:
            planes = F.one_hot(condition, self.condition.num_classes).to(sample.dtype)[:, :, None, None]
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


def arguments_for(sample_shape: tuple[int, ...], num_classes: int) -> dict[str, Any]:
    """Fit the config to data.

    Raises:
        ConfigError: The samples are not pictures.
    """
    if len(sample_shape) != 3:
        raise ConfigError(
            f"dcgan makes pictures (channels, height, width), and this data has samples of shape "
            f"{sample_shape}; use the architecture 'mlp'"
        )
    channels, height, width = sample_shape
    return {"image_size": (height, width), "channels": channels, "num_classes": num_classes}


DCGAN = Architecture(DCGANConfig, {"generator": DCGANGenerator, "discriminator": DCGANDiscriminator}, arguments_for)
