"""`r2`: a penalty on the discriminator's gradient at fakes (Mescheder, Geiger, Nowozin 2018, arXiv 1801.04406).

gamma / 2 * E ||grad_x D(x)||^2 over generated samples x, the norm over all of a sample's dimensions (their equation
10). The fakes are constants here, so the generator does not feel it. Like `r1` it makes training converge locally.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.losses.checks import check_penalty
from ganzoo.losses.term import Penalty, squared_gradient_norm


@dataclass(frozen=True)
class R2(Penalty):
    """The gradient penalty on generated samples."""

    gamma: float = 10.0
    every: int = 1

    def __post_init__(self) -> None:
        check_penalty("r2", "gamma", self.gamma, self.every)

    def penalty(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Return gamma / 2 times the mean squared gradient norm at `fake`, a scalar."""
        return self.gamma / 2 * squared_gradient_norm(discriminator, fake).mean()
