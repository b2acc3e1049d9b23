"""`label_noise`: real samples get a random target (Chintala et al. 2016, "How to Train a GAN").

Targets are uniform in [low, high]. The loss is linear in the target, so its expected gradient is that of
`label_smoothing((low + high) / 2)`; the noise comes on top.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.errors import ConfigError
from ganzoo.losses.checks import check_numbers
from ganzoo.losses.term import LabelTrick


@dataclass(frozen=True)
class LabelNoise(LabelTrick):
    """Uniform targets for real samples; fakes keep the target 0."""

    low: float = 0.7
    high: float = 1.0

    def __post_init__(self) -> None:
        check_numbers("label_noise", low=self.low, high=self.high)
        if not (0 <= self.low <= self.high and math.isfinite(self.high)):
            raise ConfigError(
                f"label_noise: the targets are {self.low} to {self.high}; it takes 0 <= low <= high, such as 0.7 to 1.0"
            )

    @property
    def mean_real_target(self) -> float:
        """The middle of the range."""
        return (self.low + self.high) / 2

    def targets(self, shape: torch.Size, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return uniform targets for real and zeros for fake, each of the given shape."""
        real = torch.rand(shape, generator=rng) * (self.high - self.low) + self.low
        return real, torch.zeros(shape)
