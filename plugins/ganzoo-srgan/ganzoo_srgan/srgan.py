"""`srgan`: residual blocks and pixel shuffle make small pictures larger (Ledig et al. 2017, arXiv 1609.04802).

As in the paper: the generator is conditioned on the small picture alone, works at its size, and doubles it by
convolutions to four times the channels and pixel shuffle (Shi et al. 2016, arXiv 1609.05158), 9x9 kernels at both ends,
3x3 else, parametric ReLU; the discriminator sees nothing but the large picture, and doubles its channels as it halves
the sides. Unlike it: what the generator computes is added to the bicubically enlarged picture, which is what a fresh
one gives (`enlarged="none"` computes the whole picture, through tanh), sub-pixel convolutions begin as enlargement by
nearest neighbours (ICNR; Aitken et al. 2017, arXiv 1707.02937), batch norm may be left out (Lim et al. 2017, arXiv
1707.02921), and the discriminator's dense layers are applied at each position of its last feature map, so that any size
is taken and each logit is one of a patch.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.errors import ConfigError, InputError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator

SMALLEST_SIDE, LARGEST_SIDE = 8, 1024  # of the large picture
FACTORS = (2, 4)
MOST_STAGES = 4  # each halves the discriminator's sides
WIDEST = 8  # times its first channels


@dataclass(frozen=True, kw_only=True)
class SRGANConfig:
    """What an `srgan` is made of."""

    image_size: int | tuple[int, int] = 64  # (height, width) of the large picture; an int means square
    factor: Literal[2, 4] = 4  # by how much the small picture is smaller on each side
    channels: int = 3  # of both
    base_channels: int = 64
    blocks: int = 16  # residual blocks
    normalization: Literal["batch", "none"] = "batch"  # of the generator
    enlarged: Literal["bicubic", "none"] = "bicubic"  # what the generator's output is added to
    discriminator_base_channels: int = 0  # 0: as base_channels
    discriminator_normalization: Literal["batch", "instance", "spectral", "none"] = "batch"

    def __post_init__(self) -> None:
        limits = {
            "channels": (1, 64),
            "base_channels": (1, 1024),
            "blocks": (1, 256),
            "discriminator_base_channels": (0, 1024),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"srgan: {name} is {getattr(self, name)}; it takes a whole number from {low} to {high}"
                )
        if not SMALLEST_SIDE <= min(self.size) <= max(self.size) <= LARGEST_SIDE:
            raise ConfigError(
                f"srgan: image_size is {self.size[0]}x{self.size[1]}; each side takes {SMALLEST_SIDE} to "
                f"{LARGEST_SIDE} pixels"
            )

    @property
    def size(self) -> tuple[int, int]:
        """The large picture's (height, width)."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)

    @property
    def small_size(self) -> tuple[int, int]:
        """The small picture's (height, width).

        Raises:
            ConfigError: The large one's sides are no multiples of the factor.
        """
        height, width = self.size
        if height % self.factor or width % self.factor:
            raise ConfigError(
                f"srgan: image_size is {height}x{width} and factor {self.factor}; each side takes a multiple of it"
            )
        return height // self.factor, width // self.factor


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, whose output is added to the input (N, channels, h, w)."""

    def __init__(self, channels: int, normalization: str) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_convolution(channels, normalization), nn.PReLU(), *_convolution(channels, normalization)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same shape."""
        added: Tensor = self.main(hidden)
        return hidden + added


def _convolution(channels: int, normalization: str) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=normalization == "none")
    return [convolution] if normalization == "none" else [convolution, nn.BatchNorm2d(channels)]


class PixelShuffleDoubling(nn.Sequential):
    """A convolution to four times the channels, laid out as twice the height and width: (N, C, h, w) -> (N, C, 2h, 2w).

    It begins as a convolution followed by nearest-neighbour enlargement: the four pixels that come of one start equal.
    """

    def __init__(self, channels: int) -> None:
        convolution = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        with torch.no_grad():
            # Channels 4c to 4c + 3 become the four pixels of channel c.
            for parameter in (convolution.weight, convolution.bias):
                if parameter is not None:
                    parameter.copy_(parameter[::4].repeat_interleave(4, dim=0))
        super().__init__(convolution, nn.PixelShuffle(2), nn.PReLU())


class SRGANGenerator(Generator):
    """Residual blocks at the small picture's size, then one doubling for each factor of two."""

    takes_any_size = True

    def __init__(self, config: SRGANConfig) -> None:
        super().__init__()
        self.latent_dim = 0
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.image((config.channels, *config.small_size))
        self.factor, self.adds_to_enlarged = config.factor, config.enlarged == "bicubic"
        width = config.base_channels
        self.head = nn.Sequential(nn.Conv2d(config.channels, width, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(ResidualBlock(width, config.normalization) for _ in range(config.blocks)))
        self.blocks.extend(_convolution(width, config.normalization))
        self.doublings = nn.Sequential(*(PixelShuffleDoubling(width) for _ in range(FACTORS.index(config.factor) + 1)))
        self.output = nn.Conv2d(width, config.channels, 9, padding=4)
        if self.adds_to_enlarged:
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, latent: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """Map small pictures (N, channels, h, w) to large ones (N, channels, factor * h, factor * w).

        Args:
            latent: Nothing; there is no noise.
            condition: The small pictures.

        Raises:
            InputError: There are none.
        """
        if condition is None:
            raise InputError(f"srgan needs {self.condition} for each sample; pass the small pictures")
        hidden = self.head(condition)
        hidden = self.doublings(hidden + self.blocks(hidden))
        computed: Tensor = self.output(hidden)
        if not self.adds_to_enlarged:
            return computed.tanh()
        pictures: Tensor = CutOff.apply(enlarged(condition, self.factor) + computed)  # type: ignore[no-untyped-call]
        return pictures


class CutOff(torch.autograd.Function):
    """Cut values off at -1 and 1; beyond, gradients pass that bring values back, and none that drive them on."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Cut values of any shape off."""
        ctx.save_for_backward(values)
        return values.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Pass the gradient at values within, and at others where a step against it leads towards the range."""
        (values,) = ctx.saved_tensors
        (gradient,) = gradients
        return gradient * ((values.abs() <= 1) | (gradient * values > 0))


def enlarged(pictures: Tensor, factor: int) -> Tensor:
    """Enlarge pictures bicubically, with the kernel that Pillow and MATLAB use (a = -0.5).

    Args:
        pictures: (N, C, h, w) in [-1, 1].
        factor: By how much on each side.

    Returns:
        (N, C, factor * h, factor * w), cut off at -1 and 1, float32, or float64 for such.
    """
    exact = pictures if pictures.dtype == torch.float64 else pictures.float()
    size = [factor * side for side in pictures.shape[2:]]
    # Where nothing shrinks, antialias chooses the kernel alone; without it, torch's has a = -0.75.
    return F.interpolate(exact, size=size, mode="bicubic", antialias=True).clamp(-1, 1)


class SRGANDiscriminator(Discriminator):
    """Pairs of 3x3 convolutions, the second of which halves the sides, and two dense layers at each position left."""

    def __init__(self, config: SRGANConfig) -> None:
        super().__init__()
        self.sample_shape = (config.channels, *config.size)
        base, normalization = (
            config.discriminator_base_channels or config.base_channels,
            config.discriminator_normalization,
        )
        stages = min(MOST_STAGES, min(config.size).bit_length() - 3)  # of a small picture, about 4x4 positions are left
        self.stages = nn.ModuleList()
        inputs = config.channels
        for k in range(stages):
            outputs = base * min(2**k, WIDEST)
            self.stages.append(
                nn.Sequential(
                    *_judging(inputs, outputs, 1, normalization if k else "none"),
                    *_judging(outputs, outputs, 2, normalization),
                )
            )
            inputs = outputs
        self.output = nn.Sequential(nn.Conv2d(inputs, 2 * inputs, 1), nn.LeakyReLU(0.2), nn.Conv2d(2 * inputs, 1, 1))
        if normalization == "spectral":
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, C, h, w) of each stage."""
        hidden, outputs = sample, []
        for stage in self.stages:
            hidden = stage(hidden)  # (N, C, h, w) -> (N, C', h/2, w/2), rounded up
            outputs.append(hidden)
        return tuple(outputs)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map pictures (N, channels, height, width) to logits (N, 1, h, w), one for each patch."""
        logits: Tensor = self.output(self.features(sample)[-1])
        return logits


def _judging(inputs: int, outputs: int, stride: int, normalization: str) -> list[nn.Module]:
    normalizers: dict[str, list[nn.Module]] = {
        "batch": [nn.BatchNorm2d(outputs)],
        "instance": [nn.InstanceNorm2d(outputs, affine=True)],
    }
    normalizer = normalizers.get(normalization, [])
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=not normalizer)
    return [convolution, *normalizer, nn.LeakyReLU(0.2)]


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data.

    Raises:
        ConfigError: The samples are not pictures, or their sources are no pictures of as many channels, 2 or 4 times
            smaller on both sides.
    """
    if len(sample_shape) != 3:
        raise ConfigError(f"srgan makes pictures (channels, height, width), and the samples have shape {sample_shape}")
    channels, height, width = sample_shape
    arguments: dict[str, Any] = {"image_size": (height, width), "channels": channels}
    if condition.kind != "image":
        return arguments
    fitting = [k for k in FACTORS if condition.shape == (channels, height / k, width / k)]
    if not fitting:
        sizes = " and ".join("x".join(map(str, shape)) for shape in (condition.shape, sample_shape))
        raise ConfigError(
            f"srgan: sources and pictures are {sizes} (channels x height x width); sources take the pictures' "
            "channels, and sides 2 or 4 times smaller, as 'downscaled,factor=4:DATA' makes them"
        )
    return {**arguments, "factor": fitting[0]}


SRGAN = Architecture(
    SRGANConfig,
    {"generator": SRGANGenerator, "discriminator": SRGANDiscriminator},
    arguments_for,
    {"generator": ("image",), "discriminator": ("none",)},
)
