"""`perceptual`: likeness of the features that a frozen network has (Johnson et al. 2016; Ledig et al. 2017, eq. 5).

The value is the mean of (phi(sample) - phi(target))^2 over samples, channels and positions, where phi is one level of a
network that is not trained along: a judge of ganzoo's, or a pretrained backbone of timm's.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.errors import ConfigError, ObjectiveError
from ganzoo.losses.term import BARE_NAME, GeneratorTerm
from ganzoo_srgan.frozen import frozen_network

DEEPEST = 100


@dataclass(frozen=True)
class Perceptual(GeneratorTerm):
    """How far the features of a sample are from those of its target.

    Attributes:
        network: A judge, such as `judge-mnist`, or a backbone of timm's, such as `vgg19.tv_in1k`.
        level: Which of its resolutions, from 0, the finest; of each the deepest tensor.
    """

    paired: ClassVar[bool] = True

    network: str
    level: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.network, str) or not BARE_NAME.fullmatch(self.network):
            raise ConfigError(
                f"perceptual: network is {str(self.network)[:100]!r}; it takes the name of a judge, such as "
                "judge-mnist, or of a backbone of timm's, such as vgg19.tv_in1k"
            )
        if type(self.level) is not int or not 0 <= self.level <= DEEPEST:
            raise ConfigError(f"perceptual: level is {self.level!r}; it takes a whole number from 0 to {DEEPEST}")

    def value(
        self,
        fake: Tensor,
        real: Tensor,
        target: Tensor | None,
        condition: Tensor | None,
        features: object,
    ) -> Tensor:
        """Return the mean square between the features of samples and of targets, both (N, C, H, W) in [-1, 1].

        Raises:
            ObjectiveError: The samples are no pictures that the network can look at, or it has no such level.
            UnknownNameError: There is no such network.
            WeightsError: Its weights cannot be had.
        """
        if fake.dim() != 4 or target is None:
            raise ObjectiveError(
                f"perceptual compares pictures (C, H, W) with their targets, and the samples have shape "
                f"{tuple(fake.shape[1:])}; leave it out"
            )
        channels, height, width = fake.shape[1:]
        network = frozen_network(self.network, self.level, (channels, height, width), fake.device)
        with torch.no_grad():
            goal = network(target)[self.level]
        return F.mse_loss(network(fake)[self.level], goal)
