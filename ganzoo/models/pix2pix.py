"""`pix2pix`: a U-Net that translates pictures, and a discriminator of patches (Isola et al. 2017, arXiv 1611.07004).

As in the paper: 4x4 kernels with stride 2, leaky ReLU 0.2 on the way down and ReLU on the way up, skips between equal
sizes, noise by dropout alone in the three innermost decoder blocks, no normalization at the outermost encoder block,
weights from N(0, 0.02), and a discriminator that sees the source beside the picture and judges overlapping patches.
Unlike it: any size whose sides are multiples of 4, no normalization at the bottleneck (of 1x1 it would leave nothing in
a batch of one), dropout is off in eval mode unless noise is asked for (`ganzoo.models.noise`), and the discriminator
may be normalized otherwise, or see no source, so that it can serve other generators.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.errors import ConfigError, InputError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator
from ganzoo.models.dcgan import initialize, picture_arguments
from ganzoo.models.folding import fold_sequences
from ganzoo.models.noise import NoiseDropout
from ganzoo.models.roles import CHANNELS, SOURCE, Role, counted_from_the_end, of_inputs, weight_name

SMALLEST_SIDE, LARGEST_SIDE = 16, 512  # of what the generator makes; the discriminator takes smaller pictures too
FEWEST_HALVINGS, MOST_HALVINGS = 2, 8
PAPERS_DISCRIMINATOR_DEPTH = 3  # patches of 70x70 pixels
SMALLEST_LAST_SIDE = 3  # what the strided convolutions must leave: two more each take one pixel away
NOISY_BLOCKS = 3


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig:
    """What a `pix2pix` is made of."""

    image_size: int | tuple[int, int] = 256  # (height, width) of source and picture; an int means square
    source_channels: int = 3  # 0: no source, for the discriminator alone
    channels: int = 3
    base_channels: int = 64  # channels at half the picture's side; twice as many at each halving, up to 8 times
    depth: int = 0  # halvings in the U-Net, 2 to 8; 0: as many as fit
    normalization: Literal["batch", "instance"] = "batch"  # of the generator; for batches of one, instance
    dropout: float = 0.5  # the generator's noise; 0: none
    discriminator_base_channels: int = 0  # 0: as base_channels
    discriminator_depth: int = PAPERS_DISCRIMINATOR_DEPTH  # strided convolutions; patches of 1, 16, 34, 70, 142, 286 px
    discriminator_normalization: Literal["batch", "instance", "layer", "spectral", "none"] = "batch"

    def __post_init__(self) -> None:
        limits = {
            "source_channels": (0, 64),
            "channels": (1, 64),
            "base_channels": (1, 1024),
            "discriminator_base_channels": (0, 1024),
            "discriminator_depth": (0, 6),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"pix2pix: {name} is {getattr(self, name)}; it takes a whole number from {low} to {high}"
                )
        if not 1 <= min(self.size) <= max(self.size) <= LARGEST_SIDE:
            raise ConfigError(
                f"pix2pix: image_size is {self.size[0]}x{self.size[1]}; each side takes 1 to {LARGEST_SIDE} pixels"
            )
        if self.depth and not FEWEST_HALVINGS <= self.depth <= MOST_HALVINGS:
            raise ConfigError(
                f"pix2pix: depth is {self.depth}; it takes {FEWEST_HALVINGS} to {MOST_HALVINGS}, or 0 for as many as "
                "fit"
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"pix2pix: dropout is {self.dropout}; it takes 0 up to below 1")

    @property
    def size(self) -> tuple[int, int]:
        """The picture's (height, width)."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)


def halvings(size: tuple[int, int], depth: int = 0) -> int:
    """Return how often the U-Net halves pictures of a size.

    Args:
        size: (height, width).
        depth: The number asked for; 0 for as many as fit.

    Raises:
        ConfigError: The size cannot be halved so; the message names the nearest sizes and the depths that fit.
    """
    fitting = max(k for k in range(MOST_HALVINGS + 1) if size[0] % 2**k == size[1] % 2**k == 0)
    in_range = SMALLEST_SIDE <= min(size) <= max(size) <= LARGEST_SIDE
    if in_range and fitting >= (depth or FEWEST_HALVINGS):
        return depth or fitting
    nearest = [f"{height}x{width}" for height, width in nearest_sizes(size, depth or FEWEST_HALVINGS)]
    advice = f"the nearest valid size{'s are' if nearest[1:] else ' is'} {' and '.join(nearest)}"
    if in_range and fitting >= FEWEST_HALVINGS:
        advice += f", and the depths for this one are {', '.join(map(str, range(FEWEST_HALVINGS, fitting + 1)))}"
    raise ConfigError(
        f"pix2pix: image_size is {size[0]}x{size[1]}; the generator takes sides of {SMALLEST_SIDE} to {LARGEST_SIDE} "
        f"pixels that are multiples of {2 ** (depth or FEWEST_HALVINGS)}"
        f"{f', for a depth of {depth}' if depth else ''}; {advice}"
    )


def nearest_sizes(size: tuple[int, int], depth: int) -> list[tuple[int, int]]:
    """Return the nearest sizes, at most two, that can be halved `depth` times; square ones to a square."""
    step = 2**depth
    lowest = max(SMALLEST_SIDE, step)

    def multiples(side: int) -> set[int]:
        below = side // step * step
        return {min(max(near, lowest), LARGEST_SIDE) for near in (below, below + step if side % step else below)}

    pairs = itertools.product(multiples(size[0]), multiples(size[1]))
    fitting = [pair for pair in pairs if size[0] != size[1] or pair[0] == pair[1]]
    return sorted(fitting, key=lambda pair: (abs(pair[0] - size[0]) + abs(pair[1] - size[1]), pair))[:2]


def deepest_discriminator(size: tuple[int, int]) -> int:
    """Return the largest `discriminator_depth` that leaves a patch of pictures of a size."""
    return max((depth for depth in range(1, 7) if min(size) >> depth >= SMALLEST_LAST_SIDE), default=0)


def normalizer(channels: int, normalization: str) -> list[nn.Module]:
    """Build the normalization layer of (N, channels, h, w), if it is one."""
    if normalization == "batch":
        return [nn.BatchNorm2d(channels)]
    if normalization == "instance":
        return [nn.InstanceNorm2d(channels, affine=True)]
    if normalization == "layer":
        return [nn.GroupNorm(1, channels)]  # one group: over channels and positions of each sample
    return []


class Pix2PixGenerator(Generator):
    """A U-Net: k convolutions, each halving the side, and k transposed ones that also see what was before each."""

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__()
        if not config.source_channels:
            raise ConfigError(
                "pix2pix: source_channels is 0, and the generator translates pictures; train it on pairs, or take "
                "another generator and pix2pix as its discriminator"
            )
        self.latent_dim = 0
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.image((config.source_channels, *config.size))
        depth = halvings(config.size, config.depth)
        widths = [config.base_channels * min(2**k, 8) for k in range(depth)]

        self.encoder = nn.ModuleList()
        inputs = config.source_channels
        for k, width in enumerate(widths):
            normalized = 0 < k < depth - 1
            block = nn.Sequential(nn.LeakyReLU(0.2)) if k else nn.Sequential()
            block.append(nn.Conv2d(inputs, width, 4, stride=2, padding=1, bias=not normalized))
            if normalized:
                block.extend(normalizer(width, config.normalization))
            self.encoder.append(block)
            inputs = width

        self.decoder = nn.ModuleList()  # from the bottleneck outwards
        for k, width in enumerate(reversed(widths[:-1])):
            block = nn.Sequential(
                nn.ReLU(),
                nn.ConvTranspose2d(inputs, width, 4, stride=2, padding=1, bias=False),
                *normalizer(width, config.normalization),
            )
            if config.dropout and k < NOISY_BLOCKS:
                block.append(NoiseDropout(config.dropout))
            self.decoder.append(block)
            inputs = 2 * width  # its own output and the encoder's of the same size
        last = nn.ConvTranspose2d(inputs, config.channels, 4, stride=2, padding=1)
        self.output = nn.Sequential(nn.ReLU(), last, nn.Tanh())
        self.apply(initialize)

    def forward(self, latent: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Map sources (N, source_channels, height, width) to pictures (N, channels, height, width).

        Args:
            latent: None; the noise is dropout.
            condition: The sources.

        Raises:
            InputError: There are no sources.
        """
        if condition is None:
            raise InputError(f"pix2pix needs {self.condition} for each sample; pass the images")
        hidden, skips = condition, []
        for block in self.encoder:
            hidden = block(hidden)  # (N, C, h, w) -> (N, C', h/2, w/2)
            skips.append(hidden)
        for block, skip in zip(self.decoder, reversed(skips[:-1]), strict=True):
            hidden = torch.cat([block(hidden), skip], dim=1)  # (N, C, h, w) -> (N, 2 C', 2 h, 2 w)
        pictures: Tensor = self.output(hidden)
        return pictures

    def tensor_roles(self) -> dict[str, Role]:
        """Count blocks of both sides from the pictures: another depth adds some at the bottleneck."""
        roles, channels = counted_from_the_end("decoder", self.decoder), {CHANNELS: (self.sample_shape[0],)}
        roles["encoder.0.0.weight"] = of_inputs("encoder.0.0.weight", {SOURCE: (self.condition.shape[0],)})
        roles["output.1.weight"] = Role("output.1.weight", 1, channels)
        roles["output.1.bias"] = Role("output.1.bias", 0, channels)
        return roles

    def fold(self) -> None:
        """Arrange a copy for inference; see `ganzoo.inference`."""
        fold_sequences(self)


class Pix2PixDiscriminator(Discriminator):
    """Strided convolutions and two further ones: a logit for each of many overlapping patches."""

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__()
        depth, deepest = config.discriminator_depth, deepest_discriminator(config.size)
        if depth > deepest:
            fitting = f"0 to {deepest}" if deepest else "0"
            raise ConfigError(
                f"pix2pix: a discriminator_depth of {depth} leaves no patch of {config.size[0]}x{config.size[1]} "
                f"pictures; take {fitting}, or pictures of at least {SMALLEST_LAST_SIDE * 2**depth} pixels a side"
            )
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.image((config.source_channels, *config.size))
        base = config.discriminator_base_channels or config.base_channels
        widths = [base * min(2**k, 8) for k in range(depth + 1)] if depth else [base, 2 * base]
        self.blocks = nn.ModuleList()
        inputs = config.source_channels + config.channels
        for k, width in enumerate(widths):
            normalization = config.discriminator_normalization if k else "none"  # none at the input
            has_bias = normalization not in ("batch", "instance")
            if not depth:
                conv = nn.Conv2d(inputs, width, 1, bias=has_bias)  # judges each pixel by itself
            else:
                conv = nn.Conv2d(inputs, width, 4, stride=2 if k < depth else 1, padding=1, bias=has_bias)
            self.blocks.append(nn.Sequential(conv, *normalizer(width, normalization), nn.LeakyReLU(0.2)))
            inputs = width
        self.output = nn.Conv2d(inputs, 1, 4, padding=1) if depth else nn.Conv2d(inputs, 1, 1)
        self.apply(initialize)
        if config.discriminator_normalization == "spectral":
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, C, h, w) of each block."""
        hidden = sample
        if self.condition.kind == "image":
            if condition is None:
                raise InputError(f"pix2pix needs {self.condition} for each sample; pass the images")
            hidden = torch.cat([condition.to(sample.dtype), sample], dim=1)
        outputs = []
        for block in self.blocks:
            hidden = block(hidden)
            outputs.append(hidden)
        return tuple(outputs)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map pictures (N, channels, height, width) and their sources to logits (N, 1, h, w), one for each patch."""
        logits: Tensor = self.output(self.features(sample, condition)[-1])
        return logits

    def lower_layers(self) -> tuple[nn.Module, ...]:
        """Return the blocks."""
        return tuple(self.blocks)

    def tensor_roles(self) -> dict[str, Role]:
        """The first block sees the source beside the picture."""
        first = weight_name("blocks.0.0", self.blocks[0][0])  # type: ignore[index]
        source = self.condition.shape[0] if self.condition.kind == "image" else 0
        return {first: of_inputs(first, {SOURCE: (source,), CHANNELS: (self.sample_shape[0],)})}


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data; small pictures get smaller patches.

    Raises:
        ConfigError: The samples are not pictures, or their sources have another size.
    """
    arguments = picture_arguments("pix2pix", sample_shape)
    size = arguments["image_size"]
    if condition.kind == "image" and condition.shape[1:] != size:
        raise ConfigError(
            f"pix2pix: the sources are {condition.shape[1]}x{condition.shape[2]} and the pictures {size[0]}x{size[1]}; "
            "they need one size, so resize the sources"
        )
    if (deepest := deepest_discriminator(size)) < PAPERS_DISCRIMINATOR_DEPTH:
        arguments["discriminator_depth"] = deepest
    return {**arguments, "source_channels": condition.shape[0] if condition.kind == "image" else 0}


PIX2PIX = Architecture(
    Pix2PixConfig,
    {"generator": Pix2PixGenerator, "discriminator": Pix2PixDiscriminator},
    arguments_for,
    {"generator": ("image",), "discriminator": ("none", "image")},
)
