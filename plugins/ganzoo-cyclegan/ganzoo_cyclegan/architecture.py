"""`cyclegan`: two generators and two discriminators that learn without pairs (Zhu et al. 2017, arXiv 1703.10593).

As in the paper (section 7.1 and its appendix; Johnson et al. 2016): a generator of two strided convolutions, residual
blocks and two transposed ones, reflection padding, instance norm; discriminators of 70x70 patches with instance norm;
weights from N(0, 0.02). `generator` makes samples from sources and `discriminator` judges them; `generator_back` and
`discriminator_back` do the same the other way round. Unlike it: any size whose sides are multiples of 4, sources and
samples of different channel counts, and no biases where instance norm takes them away again.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.errors import ConfigError, InputError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator
from ganzoo_cyclegan.step import create_step

SMALLEST_SIDE, LARGEST_SIDE = 16, 1024
HALVINGS = 2
FEW_BLOCKS, MANY_BLOCKS, MANY_BLOCKS_FROM = 6, 9, 256  # the paper's, and from which size on
PAPERS_DEPTH = 3  # patches of 70x70 pixels
SMALLEST_LAST_SIDE = 3  # what the strided convolutions must leave: two more each take one pixel away


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig:
    """What a `cyclegan` is made of, and what its step weighs; `generator` alone needs none of the latter."""

    image_size: int | tuple[int, int] = 256  # (height, width) of sources and samples; an int means square
    source_channels: int = 3
    channels: int = 3
    base_channels: int = 64  # after the first convolution; twice and four times as many further in
    blocks: int = 0  # residual blocks; 0: 6, and 9 for sides of 256 pixels and more
    discriminator_base_channels: int = 0  # 0: as base_channels
    discriminator_depth: int = PAPERS_DEPTH  # strided convolutions; patches of 16, 34, 70, 142 px
    cycle_weight: float = 10.0  # of the distance of a source to itself there and back, beside the adversarial loss
    identity_weight: float = 0.5  # times cycle_weight, of what changes what is a sample already; 0: none
    pool_size: int = 50  # past fakes that each discriminator is shown in place of new ones half of the time; 0: none

    def __post_init__(self) -> None:
        limits = {
            "source_channels": (1, 64),
            "channels": (1, 64),
            "base_channels": (1, 512),
            "blocks": (0, 64),
            "discriminator_base_channels": (0, 1024),
            "discriminator_depth": (1, 6),
            "pool_size": (0, 10_000),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"cyclegan: {name} is {getattr(self, name)}; it takes a whole number from {low} to {high}"
                )
        for name in ("cycle_weight", "identity_weight"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"cyclegan: {name} is {value}; it takes a number from 0 up")
        step = 2**HALVINGS
        sides_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % step == 0 for side in self.size)
        if len(self.size) != 2 or not sides_fit:
            raise ConfigError(
                f"cyclegan: image_size is {'x'.join(map(str, self.size))}; each side takes {SMALLEST_SIDE} to "
                f"{LARGEST_SIDE} pixels, a multiple of {step}, so resize the pictures"
            )
        if self.discriminator_depth > (deepest := deepest_discriminator(self.size)):
            raise ConfigError(
                f"cyclegan: a discriminator_depth of {self.discriminator_depth} leaves no patch of "
                f"{self.size[0]}x{self.size[1]} pictures; take 1 to {deepest}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """The pictures' (height, width)."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)

    def turned(self) -> "CycleGANConfig":
        """Return the config of the way back: samples and sources exchanged."""
        return replace(self, source_channels=self.channels, channels=self.source_channels)


def deepest_discriminator(size: tuple[int, int]) -> int:
    """Return the largest `discriminator_depth` that leaves a patch of pictures of a size, at least 1."""
    return max((depth for depth in range(1, 7) if min(size) >> depth >= SMALLEST_LAST_SIDE), default=1)


class InstanceNorm(nn.Module):
    """Brings each plane of (N, C, h, w) to mean 0 and variance 1, as `nn.InstanceNorm2d` does.

    On a processor it is three to ten times as fast in this form, and more so over planes that are whole in memory.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the planes, normalized."""
        return F.group_norm(x.contiguous(), x.shape[1])


def normalized(convolution: nn.Module, activation: nn.Module | None = None) -> list[nn.Module]:
    """Return a convolution, instance norm, and an activation."""
    return [convolution, InstanceNorm(), *([] if activation is None else [activation])]


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to what they were given: (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *normalized(convolution(channels, channels, 3), nn.ReLU()),
            *normalized(convolution(channels, channels, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x and what the convolutions make of it, added."""
        changed: Tensor = self.convolutions(x)
        return x + changed


def convolution(inputs: int, outputs: int, size: int, *, bias: bool = False) -> nn.Conv2d:
    """Build a convolution of an odd kernel size that keeps height and width, with reflection padding."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="reflect", bias=bias)


class CycleGANGenerator(Generator):
    """Down twice, residual blocks, and up twice."""

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        self.latent_dim = 0
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.image((config.source_channels, *config.size))
        base = config.base_channels
        blocks = config.blocks or (MANY_BLOCKS if min(config.size) >= MANY_BLOCKS_FROM else FEW_BLOCKS)
        layers = normalized(convolution(config.source_channels, base, 7), nn.ReLU())
        for width in (2 * base, 4 * base):  # (N, C, h, w) -> (N, 2 C, h/2, w/2)
            down = nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False)
            layers += normalized(down, nn.ReLU())
        layers += [ResidualBlock(4 * base) for _ in range(blocks)]
        for width in (2 * base, base):  # (N, C, h, w) -> (N, C/2, 2 h, 2 w)
            up = nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1, bias=False)
            layers += normalized(up, nn.ReLU())
        self.layers = nn.Sequential(*layers, convolution(base, config.channels, 7, bias=True), nn.Tanh())
        self.apply(initialize)

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Map sources (N, source_channels, height, width) to samples (N, channels, height, width).

        Args:
            latent: None; one source has one translation.
            condition: The sources.

        Raises:
            InputError: There are no sources.
        """
        if condition is None:
            raise InputError(f"cyclegan needs {self.condition} for each sample; pass the images")
        samples: Tensor = self.layers(condition)
        return samples


class CycleGANDiscriminator(Discriminator):
    """Strided convolutions and two further ones: a logit for each of many overlapping patches, told no source."""

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        self.sample_shape = (config.channels, *config.size)
        base = config.discriminator_base_channels or config.base_channels
        self.blocks = nn.ModuleList()
        inputs = config.channels
        for k in range(config.discriminator_depth + 1):
            width, stride = base * min(2**k, 8), 2 if k < config.discriminator_depth else 1
            conv = nn.Conv2d(inputs, width, 4, stride=stride, padding=1, bias=not k)
            leaky = nn.LeakyReLU(0.2)
            layers = normalized(conv, leaky) if k else [conv, leaky]  # none at the input
            self.blocks.append(nn.Sequential(*layers))
            inputs = width
        self.output = nn.Conv2d(inputs, 1, 4, padding=1)
        self.apply(initialize)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, C, h, w) of each block."""
        outputs = []
        for block in self.blocks:
            sample = block(sample)
            outputs.append(sample)
        return tuple(outputs)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map pictures (N, channels, height, width) to logits (N, 1, h, w), one for each patch."""
        logits: Tensor = self.output(self.features(sample)[-1])
        return logits


def initialize(module: nn.Module) -> None:
    """Draw the weights of convolutions from N(0, 0.02); biases begin at 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def turned(build: Callable[[CycleGANConfig], nn.Module]) -> Callable[[CycleGANConfig], nn.Module]:
    """Return what builds the same network for the way back."""
    return lambda config: build(config.turned())


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data; small pictures get smaller patches.

    Raises:
        ConfigError: The samples are not pictures, or the sources have another size.
    """
    if len(sample_shape) != 3:
        raise ConfigError(f"cyclegan makes pictures (channels, height, width), and the samples have {sample_shape}")
    channels, height, width = sample_shape
    if condition.kind == "image" and condition.shape[1:] != (height, width):
        raise ConfigError(
            f"cyclegan: the sources are {condition.shape[1]}x{condition.shape[2]} and the samples {height}x{width}; "
            "they need one size, so resize them"
        )
    return {
        "image_size": (height, width),
        "channels": channels,
        "source_channels": condition.shape[0] if condition.kind == "image" else channels,
        "discriminator_depth": min(PAPERS_DEPTH, deepest_discriminator((height, width))),
    }


CYCLEGAN = Architecture(
    CycleGANConfig,
    {
        "generator": CycleGANGenerator,
        "generator_back": turned(CycleGANGenerator),
        "discriminator": CycleGANDiscriminator,
        "discriminator_back": turned(CycleGANDiscriminator),
    },
    arguments_for,
    {"generator": ("image",), "generator_back": ("image",)},
    step=create_step,
)
