"""`relativistic`: is the real sample more real? (Jolicoeur-Martineau 2018, section 4.1, arXiv 1807.00734).

Discriminator: -E log s(D(x) - D(G(z))) over pairs, with s the logistic function. Generator: the same with the sign
turned, -E log s(D(G(z)) - D(x)). Only differences of logits count, so both players need both. A pair is the real and
the fake sample at the same place in the batch.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ganzoo.errors import ObjectiveError
from ganzoo.losses.term import AdversarialLoss


@dataclass(frozen=True)
class Relativistic(AdversarialLoss):
    """The pairing loss, in which one logit is judged against another."""

    generator_needs_real: ClassVar[bool] = True
    undecided_logit: ClassVar[float | None] = None

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return E softplus(fake - real) over pairs; there are no targets."""
        return F.softplus(fake_logits - real_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return E softplus(real - fake) over pairs, a scalar."""
        if real_logits is None:
            raise ObjectiveError("the generator's relativistic loss needs the logits of real samples; pass real_logits")
        return F.softplus(real_logits - fake_logits).mean()
