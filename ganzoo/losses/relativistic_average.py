"""`relativistic_average`: more real than the mean? (Jolicoeur-Martineau 2018, section 4.3, arXiv 1807.00734).

Discriminator: -E log s(D(x) - E D(G(z))) - E log(1 - s(D(G(z)) - E D(x))), with s the logistic function. Generator: the
same with real and fake exchanged. The inner means are taken over the batch (over all patches, where there are any) and
have gradients. The two terms are added, not averaged: with one sample each this is twice `relativistic`.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ganzoo.errors import ObjectiveError
from ganzoo.losses.term import AdversarialLoss


@dataclass(frozen=True)
class RelativisticAverage(AdversarialLoss):
    """Each logit is judged against the mean logit of the other kind."""

    generator_needs_real: ClassVar[bool] = True
    undecided_logit: ClassVar[float | None] = None

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return E softplus(mean fake - real) + E softplus(fake - mean real); there are no targets."""
        return _mean_loss(higher=real_logits, lower=fake_logits)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return E softplus(mean real - fake) + E softplus(real - mean fake), a scalar."""
        if real_logits is None:
            raise ObjectiveError(
                "the generator's relativistic_average loss needs the logits of real samples; pass real_logits"
            )
        return _mean_loss(higher=fake_logits, lower=real_logits)


def _mean_loss(higher: Tensor, lower: Tensor) -> Tensor:
    """Return what is small where each of `higher` exceeds the mean of `lower`, and its mean each of `lower`."""
    return F.softplus(lower.mean() - higher).mean() + F.softplus(lower - higher.mean()).mean()
