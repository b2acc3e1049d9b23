"""`minimax`: the game as first written (Goodfellow et al. 2014, equation 1, arXiv 1406.2661).

Discriminator: -E log s(D(x)) - E log(1 - s(D(G(z)))), with s the logistic function. Generator: E log(1 - s(D(G(z)))),
whose gradient -s(l) vanishes where the discriminator is sure of a fake: this one saturates, as the original does.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganzoo.losses.binary import BinaryLoss


@dataclass(frozen=True)
class Minimax(BinaryLoss):
    """The zero-sum game; prefer `non_saturating` for training."""

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return E log(1 - s(l)) = -E softplus(l), a scalar."""
        return -F.softplus(fake_logits).mean()
