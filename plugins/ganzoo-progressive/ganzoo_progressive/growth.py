"""How far networks of `progressive` have grown: their config, its schedule, and the pictures of a stage.

A stage is a resolution, each twice the one before. How far a network has grown is a buffer, `images`: how many real
images were seen. The step of this architecture moves it; saved with the weights, it says at which stage a model is.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.errors import ConfigError

SMALLEST_SIDE, LARGEST_SIDE = 8, 1024
SMALLEST_BASE, LARGEST_BASE = 4, 7  # of the shorter side, at the first stage
LONGEST_STAGE = 10**9


@dataclass(frozen=True, kw_only=True)
class ProgressiveConfig:
    """What a `progressive` is made of, and its schedule in images shown as real."""

    image_size: int | tuple[int, int] = 64  # (height, width), each b * 2^k with one k; an int means square
    channels: int = 3
    latent_dim: int = 128
    num_classes: int = 0  # 0: unconditional
    base_channels: int = 16  # channels at the picture's full side; twice as many at each halving
    max_channels: int = 512  # but no more than these
    stabilise_images: int = 0  # how long each stage is trained once it is in
    fade_images: int = 0  # how long each stage but the first is faded in; with both 0 all are in from the beginning

    def __post_init__(self) -> None:
        limits = {
            "channels": (1, 64),
            "latent_dim": (1, 4096),
            "num_classes": (0, 4096),
            "base_channels": (1, 1024),
            "max_channels": (1, 1024),
            "stabilise_images": (0, LONGEST_STAGE),
            "fade_images": (0, LONGEST_STAGE),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"progressive: {name} is {getattr(self, name)}; it takes a whole number from {low} to {high}"
                )
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2**self.last_stage == 0 for side in self.size):
            raise ConfigError(
                f"progressive: image_size is {self.size[0]}x{self.size[1]}; its sides take b * 2^k from "
                f"{SMALLEST_SIDE} to {LARGEST_SIDE} pixels with one k for both and the smaller b from {SMALLEST_BASE} "
                f"to {LARGEST_BASE}, such as 28, 32, 48 or 64"
            )

    @property
    def size(self) -> tuple[int, int]:
        """The picture's (height, width)."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)

    @property
    def last_stage(self) -> int:
        """The number of the stage of full size, which is how often the base is doubled; the base is stage 0."""
        return max(1, min(self.size).bit_length() - SMALLEST_BASE.bit_length())

    @property
    def base(self) -> tuple[int, int]:
        """The (height, width) at stage 0."""
        return self.size[0] // 2**self.last_stage, self.size[1] // 2**self.last_stage

    @property
    def widths(self) -> list[int]:
        """The channels at each stage."""
        stages = range(self.last_stage + 1)
        return [min(self.max_channels, self.base_channels * 2 ** (self.last_stage - stage)) for stage in stages]

    @property
    def stages(self) -> list[int]:
        """The stages that are the newest one at some time; the last one alone where all are in from the beginning."""
        return list(range(self.last_stage + 1)) if self.stabilise_images + self.fade_images else [self.last_stage]

    def position(self, images: int) -> tuple[int, float]:
        """Say how far networks have grown after so many images.

        Returns:
            The newest stage, and how far it is faded in, from 0 to 1.
        """
        period = self.fade_images + self.stabilise_images
        if not period:
            return self.last_stage, 1.0
        number, images_in = divmod(images - self.stabilise_images, period)
        if number < 0 or number >= self.last_stage:
            return (0 if number < 0 else self.last_stage), 1.0
        return number + 1, min(1.0, images_in / self.fade_images) if self.fade_images else 1.0


class Growing(nn.Module):
    """What both networks have: their config, and how many images were seen."""

    config: ProgressiveConfig
    images: Tensor  # (), int64: exact also where weights are stored as float16

    def begin_at(self, config: ProgressiveConfig) -> None:
        """Take the config; no images were seen yet."""
        self.config = config
        self.register_buffer("images", torch.zeros((), dtype=torch.int64))

    @property
    def position(self) -> tuple[int, float]:
        """The newest stage, and how far it is faded in, from 0 to 1."""
        return self.config.position(int(self.images))

    def as_seen(self, pictures: Tensor) -> Tensor:
        """Return pictures with no more detail than the position has, mixed while a stage is faded in (figure 2).

        Args:
            pictures: (N, channels, height, width), of full size.
        """
        stage, alpha = self.position
        halvings = self.config.last_stage - stage
        small = average(pictures, halvings)
        if alpha < 1:
            small = torch.lerp(repeat(average(pictures, halvings + 1), 1), small, alpha)
        return repeat(small, halvings)


def repeat(pictures: Tensor, doublings: int) -> Tensor:
    """Double the sides so often, each pixel becoming a square of equal ones."""
    return F.interpolate(pictures, scale_factor=2.0**doublings) if doublings else pictures


def average(pictures: Tensor, halvings: int) -> Tensor:
    """Halve the sides so often, each square of pixels becoming their mean."""
    return F.avg_pool2d(pictures, 2**halvings) if halvings else pictures
