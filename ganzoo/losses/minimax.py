"""`minimax`: the game as first written (Goodfellow et al. 2014, equation 1, arXiv 1406.2661).

Discriminator: -E log s(D(x)) - E log(1 - s(D(G(z)))), with s the logistic function. Generator: E log(1 - s(D(G(z)))),
whose gradient -s(l) vanishes where the discriminator is sure of a fake: this one saturates, as the original does.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ganzoo.losses.binary import discriminator_loss
from ganzoo.losses.term import AdversarialLoss


@dataclass(frozen=True)
class Minimax(AdversarialLoss):
    """The zero-sum game; prefer `non_saturating` for training."""

    binary_targets: ClassVar[bool] = True

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return the cross-entropy of real and fake logits, a scalar."""
        return discriminator_loss(real_logits, fake_logits, real_targets, fake_targets)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return E log(1 - s(l)) = -E softplus(l), a scalar."""
        return -F.softplus(fake_logits).mean()
