"""`r1`: a penalty on the discriminator's gradient at real samples (Mescheder, Geiger, Nowozin 2018, arXiv 1801.04406).

gamma / 2 * E ||grad_x D(x)||^2 over real samples x, the norm over all of a sample's dimensions (their equation 9). It
makes GAN training converge locally. Computing it every k steps and multiplying it by k is cheaper (Karras et al. 2020).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.losses.checks import check_penalty
from ganzoo.losses.term import Penalty, squared_gradient_norm


@dataclass(frozen=True)
class R1(Penalty):
    """The gradient penalty on real samples."""

    gamma: float = 10.0
    every: int = 1

    def __post_init__(self) -> None:
        check_penalty("r1", "gamma", self.gamma, self.every)

    def penalty(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Return gamma / 2 times the mean squared gradient norm at `real`, a scalar."""
        return self.gamma / 2 * squared_gradient_norm(discriminator, real).mean()
