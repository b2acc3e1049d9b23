"""`hinge`: the discriminator learns within a margin (Lim and Ye 2017, arXiv 1705.02894).

Discriminator: E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), which ignores samples that are right by more than 1.
Generator: -E D(G(z)), whose gradient is -1 everywhere. As in Miyato et al. 2018, section 4, equations 16 and 17.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ganzoo.losses.term import AdversarialLoss


@dataclass(frozen=True)
class Hinge(AdversarialLoss):
    """The support vector machine's loss; usual with spectral normalization."""

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return E max(0, 1 - l) over real logits plus E max(0, 1 + l) over fake ones; there are no targets."""
        return F.relu(1.0 - real_logits).mean() + F.relu(1.0 + fake_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return -E l, a scalar."""
        return -fake_logits.mean()
