"""`feature_matching`: mean features as of real samples (Salimans et al. 2016, section 3.1, arXiv 1606.03498).

||E f(x) - E f(G(z))||^2, where f is a layer of the discriminator, the means are over the batch, and the squared norm
is the sum over all of a feature tensor's other dimensions. The paper uses it in place of the generator's adversarial
loss; here it is added to that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganzoo.errors import ConfigError, ObjectiveError
from ganzoo.losses.term import GeneratorTerm
from ganzoo.shares import batch_mean


@dataclass(frozen=True)
class FeatureMatching(GeneratorTerm):
    """The distance between mean features; `layer` counts from 0, shallow to deep, or backwards from -1."""

    uses_features: ClassVar[bool] = True

    layer: int = -1

    def __post_init__(self) -> None:
        if type(self.layer) is not int:
            raise ConfigError(f"feature_matching: layer is {self.layer!r}; it takes a whole number, such as -1")

    def value(
        self,
        fake: Tensor,
        real: Tensor,
        target: Tensor | None,
        condition: Tensor | None,
        features: Callable[[Tensor], tuple[Tensor, ...]],
    ) -> Tensor:
        """Return the squared distance of the batch means, a scalar; real features take no gradient.

        Raises:
            ObjectiveError: The discriminator has no such layer.
        """
        fake_mean = self._mean(features(fake))
        with torch.no_grad():
            real_mean = self._mean(features(real))
        return (real_mean - fake_mean).square().sum()

    def _mean(self, features: tuple[Tensor, ...]) -> Tensor:
        if not -len(features) <= self.layer < len(features):
            raise ObjectiveError(
                f"feature_matching: layer is {self.layer}, and the discriminator has {len(features)} feature tensors; "
                "choose another layer, counted from 0 or backwards from -1"
            )
        return batch_mean(features[self.layer])
