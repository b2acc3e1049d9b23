"""`label_smoothing`: real samples get a target below 1 (Salimans et al. 2016, section 3.4, arXiv 1606.03498).

One-sided, as the paper says: fakes keep the target 0, and so does the generator its target 1. The argument is the
target itself, not the amount taken off. On equal densities a target t makes the optimal discriminator answer t / 2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.errors import ConfigError
from ganzoo.losses.checks import check_numbers
from ganzoo.losses.term import LabelTrick


@dataclass(frozen=True)
class LabelSmoothing(LabelTrick):
    """A constant target for real samples, in (0, 1]."""

    real_target: float = 0.9

    def __post_init__(self) -> None:
        check_numbers("label_smoothing", real_target=self.real_target)
        if not 0 < self.real_target <= 1:
            raise ConfigError(
                f"label_smoothing: real_target is {self.real_target}; it takes above 0 up to 1, such as 0.9"
            )

    @property
    def mean_real_target(self) -> float:
        """The target itself."""
        return self.real_target

    def targets(self, shape: torch.Size, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return constant targets, each of the given shape."""
        return torch.full(shape, self.real_target), torch.zeros(shape)
