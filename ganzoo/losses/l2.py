"""`l2`: the generator's distance to the target, in squares (Pathak et al. 2016, section 3.2, arXiv 1604.07379).

E (G(z) - y)^2, the mean over samples and all of their dimensions, without a half. Its optimum is the mean of what is
possible, which is blurred; `l1` is less so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganzoo.losses.checks import check_target
from ganzoo.losses.term import GeneratorTerm


@dataclass(frozen=True)
class L2(GeneratorTerm):
    """The mean squared difference."""

    paired: ClassVar[bool] = True

    def value(
        self,
        fake: Tensor,
        real: Tensor,
        target: Tensor | None,
        condition: Tensor | None,
        features: Callable[[Tensor], tuple[Tensor, ...]],
    ) -> Tensor:
        """Return the mean of (fake - target)^2, a scalar."""
        return (fake - check_target("l2", fake, target)).square().mean()
