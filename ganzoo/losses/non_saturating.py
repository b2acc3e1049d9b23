"""`non_saturating`: the game whose generator keeps its gradient (Goodfellow et al. 2014, section 3, arXiv 1406.2661).

Discriminator: as in `minimax`. Generator: -E log s(D(G(z))), with s the logistic function, whose gradient -s(-l) is
strongest where the discriminator is sure of a fake.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganzoo.losses.binary import BinaryLoss


@dataclass(frozen=True)
class NonSaturating(BinaryLoss):
    """The usual choice: no loss has been shown to beat it consistently (Lucic et al. 2018)."""

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return -E log s(l) = E softplus(-l), a scalar."""
        return F.softplus(-fake_logits).mean()
