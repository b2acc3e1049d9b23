"""`label_flip`: real and fake targets change places for a few samples (Chintala et al. 2016, "How to Train a GAN").

Each sample's target is flipped with the given probability when the discriminator learns, which keeps it from being
sure.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.errors import ConfigError
from ganzoo.losses.checks import check_numbers
from ganzoo.losses.term import LabelTrick


@dataclass(frozen=True)
class LabelFlip(LabelTrick):
    """Targets flipped with a probability in [0, 0.5); real and fake samples are drawn independently."""

    probability: float = 0.05

    def __post_init__(self) -> None:
        check_numbers("label_flip", probability=self.probability)
        if not 0 <= self.probability < 0.5:
            raise ConfigError(
                f"label_flip: probability is {self.probability}; it takes 0 up to below 0.5, such as 0.05"
            )

    @property
    def mean_real_target(self) -> float:
        """One less the probability."""
        return 1.0 - self.probability

    def targets(self, shape: torch.Size, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return targets of 1 and 0, a few of them flipped, each of the given shape."""
        real_flips = torch.rand(shape, generator=rng) < self.probability
        fake_flips = torch.rand(shape, generator=rng) < self.probability
        return 1.0 - real_flips.float(), fake_flips.float()
