"""Binary cross-entropy on logits, for the losses whose discriminator is a classifier of real against fake."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ganzoo.losses.term import AdversarialLoss


def binary_cross_entropy(logits: Tensor, targets: Tensor | float) -> Tensor:
    """Return the mean of -t log s(l) - (1 - t) log(1 - s(l)), where s is the logistic function.

    Written so that a target of 1 loses no digits at large logits: softplus(-l) + (1 - t) l.

    Args:
        logits: Logits l of any shape.
        targets: Probabilities t that broadcast to the logits.
    """
    return (F.softplus(-logits) + (1.0 - targets) * logits).mean()


@dataclass(frozen=True)
class BinaryLoss(AdversarialLoss):
    """An adversarial loss whose discriminator minimises cross-entropy; what the generator does is left open."""

    binary_targets: ClassVar[bool] = True

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return the cross-entropy of real samples against their targets plus that of fakes against theirs."""
        real = binary_cross_entropy(real_logits, real_targets)
        # -l and 1 - t: the same loss seen from the other class, exact for a target of 0.
        fake = binary_cross_entropy(-fake_logits, 1.0 - fake_targets)
        return real + fake
