"""`weight_clipping`: weights in a box (Arjovsky, Chintala, Bottou 2017, section 3, arXiv 1701.07875).

After each step every learned parameter is cut off at plus and minus the limit, which bounds the discriminator's slope
(their algorithm 1). The paper itself calls it a bad way to do so; `gradient_penalty` is the usual replacement.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from ganzoo.errors import ConfigError
from ganzoo.losses.checks import check_numbers
from ganzoo.losses.term import Constraint


@dataclass(frozen=True)
class WeightClipping(Constraint):
    """Parameters within [-limit, limit], biases and those of normalization layers among them, as in the paper."""

    limit: float = 0.01

    def __post_init__(self) -> None:
        check_numbers("weight_clipping", limit=self.limit)
        if not 0 < self.limit < math.inf:
            raise ConfigError(f"weight_clipping: limit is {self.limit}; it takes a number above 0, such as 0.01")

    def apply(self, discriminator: nn.Module) -> None:
        """Clamp all parameters that require gradients, in place; frozen ones stay as they are."""
        with torch.no_grad():
            for parameter in discriminator.parameters():
                if parameter.requires_grad:
                    parameter.clamp_(-self.limit, self.limit)
