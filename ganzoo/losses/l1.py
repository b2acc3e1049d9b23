"""`l1`: the generator's distance to the target, in absolute values (Isola et al. 2017, section 3.1, arXiv 1611.07004).

E |G(z) - y|, the mean over samples and all of their dimensions (their equation 3, where the weight is 100). Its optimum
is the median of what is possible, which blurs less than the mean that `l2` leads to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganzoo.losses.checks import check_target
from ganzoo.losses.term import GeneratorTerm


@dataclass(frozen=True)
class L1(GeneratorTerm):
    """The mean absolute difference."""

    paired: ClassVar[bool] = True

    def value(
        self,
        fake: Tensor,
        real: Tensor,
        target: Tensor | None,
        condition: Tensor | None,
        features: Callable[[Tensor], tuple[Tensor, ...]],
    ) -> Tensor:
        """Return the mean of |fake - target|, a scalar."""
        return (fake - check_target("l1", fake, target)).abs().mean()
