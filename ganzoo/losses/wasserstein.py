"""`wasserstein`: the difference of mean logits (Arjovsky, Chintala, Bottou 2017, section 3, arXiv 1701.07875).

Discriminator: E D(G(z)) - E D(x). Generator: -E D(G(z)). The difference estimates a distance only while the
discriminator's slope is bounded, and nothing here bounds it: add `gradient_penalty` or `weight_clipping`.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganzoo.losses.term import AdversarialLoss


@dataclass(frozen=True)
class Wasserstein(AdversarialLoss):
    """The critic's loss; without a bound on the slope it has no minimum."""

    undecided_logit: ClassVar[float | None] = None

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return the mean of fake logits less that of real ones; there are no targets."""
        return fake_logits.mean() - real_logits.mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return -E l, a scalar."""
        return -fake_logits.mean()
