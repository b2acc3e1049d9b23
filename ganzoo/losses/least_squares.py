"""`least_squares`: logits are pulled to targets (Mao et al. 2017, section 3.2, equation 9, arXiv 1611.04076).

Discriminator: E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2. Generator: E (D(G(z)) - 1)^2 / 2, whose gradient l - 1 grows with
the distance on both sides: a fake that is far on the right side of the decision boundary is pulled back too.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganzoo.losses.term import AdversarialLoss


@dataclass(frozen=True)
class LeastSquares(AdversarialLoss):
    """The logit itself is compared with the target; the halves are the paper's."""

    binary_targets: ClassVar[bool] = True
    undecided_logit: ClassVar[float | None] = 0.5

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return half the mean squared distance of real logits to their targets, plus that of fakes to theirs."""
        real = (real_logits - real_targets).square().mean()
        fake = (fake_logits - fake_targets).square().mean()
        return (real + fake) / 2

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return E (l - 1)^2 / 2, a scalar."""
        return (fake_logits - 1.0).square().mean() / 2
