"""`gradient_penalty`: a slope of 1 between real and fake (Gulrajani et al. 2017, section 4, arXiv 1704.00028).

weight * E (||grad_x D(x)|| - 1)^2 at x = t * real + (1 - t) * fake, with one t per sample, uniform in [0, 1], and the
norm over all of a sample's dimensions (their equation 3). With `wasserstein` this is WGAN-GP.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.losses.checks import check_penalty
from ganzoo.losses.term import Penalty, squared_gradient_norm
from ganzoo.shares import draw

# Under the square root, whose own gradient is infinite at 0. It moves a norm of 1 by 5e-13.
EPSILON = 1e-12


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """The two-sided penalty on straight lines from fake to real samples."""

    weight: float = 10.0
    every: int = 1

    def __post_init__(self) -> None:
        check_penalty("gradient_penalty", "weight", self.weight, self.every)

    def penalty(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Return weight times the mean squared distance of gradient norms to 1, a scalar."""
        # (N, 1, ...): one draw a sample, the same for all of its dimensions.
        ones = [1] * (real.dim() - 1)
        mix = draw(lambda n: torch.rand([n, *ones], generator=rng), len(real)).to(real)
        between = mix * real + (1.0 - mix) * fake
        norm = (squared_gradient_norm(discriminator, between) + EPSILON).sqrt()
        return self.weight * (norm - 1.0).square().mean()
