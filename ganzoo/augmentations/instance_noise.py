"""`instance_noise`: noise on real and generated samples (Sønderby et al. 2017, arXiv 1610.04490).

x + d(t) * e with e from N(0, 1), where the deviation d falls in a line from its start to 0 after `until` images. Noise
makes the two distributions overlap, so that the discriminator's best answer tells the generator where to go even while
they lie apart; it falls to 0 so that the generator learns the data itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from ganzoo.augmentations.augmentation import Augmentation, State
from ganzoo.errors import ConfigError
from ganzoo.losses.checks import check_numbers
from ganzoo.shares import draw


@dataclass(frozen=True)
class InstanceNoise(Augmentation):
    """Normal noise on samples of any shape, annealed to zero."""

    takes_pictures_only: ClassVar[bool] = False
    moves_pixels: ClassVar[bool] = False

    deviation: float = 0.1  # at the start; samples lie in [-1, 1]
    until: int = 0  # how many images until it is 0; 0: the budget

    def __post_init__(self) -> None:
        check_numbers("instance_noise", deviation=self.deviation)
        if not (0 <= self.deviation < math.inf and type(self.until) is int and self.until >= 0):
            raise ConfigError(
                f"instance_noise: deviation is {self.deviation} and until is {self.until}; it takes a deviation from 0 "
                "up and a whole number of images, 0 for the budget"
            )

    def resolved(self, images: int) -> Self:
        """Return it with a number of images to fall over."""
        return replace(self, until=self.until or images)

    def deviation_after(self, images: int) -> float:
        """Return the noise's standard deviation.

        Args:
            images: How many images the discriminator has been shown as real.
        """
        return self.deviation * max(0.0, 1.0 - images / self.until) if self.until else self.deviation

    def augment(
        self, samples: Tensor, source: Tensor | None, rng: torch.Generator, *, state: Mapping[str, Tensor], images: int
    ) -> tuple[Tensor, Tensor | None]:
        """Add noise to the samples."""
        deviation = self.deviation_after(images)
        if deviation == 0:
            return samples, source
        noise = draw(lambda n: torch.randn(n, *samples.shape[1:], generator=rng), len(samples))
        return samples + deviation * noise.to(samples), source

    def numbers(self, state: Mapping[str, Tensor], images: int) -> State:
        """Return the deviation."""
        return {"augment_deviation": torch.tensor(self.deviation_after(images))}
