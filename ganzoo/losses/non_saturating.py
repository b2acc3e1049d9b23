"""`non_saturating`: the game whose generator keeps its gradient (Goodfellow et al. 2014, section 3, arXiv 1406.2661).

Discriminator: as in `minimax`. Generator: -E log s(D(G(z))), with s the logistic function, whose gradient -s(-l) is
strongest where the discriminator is sure of a fake.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ganzoo.losses.binary import discriminator_loss
from ganzoo.losses.term import AdversarialLoss


@dataclass(frozen=True)
class NonSaturating(AdversarialLoss):
    """The usual choice: no loss has been shown to beat it consistently (Lucic et al. 2018)."""

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
        """Return -E log s(l) = E softplus(-l), a scalar."""
        return F.softplus(-fake_logits).mean()
