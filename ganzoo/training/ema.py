"""The exponential moving average of a network's weights, which is what gets published."""

import copy

import torch
from torch import Tensor, nn


class ExponentialMovingAverage:
    """A copy of a network whose parameters follow the network's, and whose buffers are the network's.

    Buffers are copied rather than averaged, so that batch-norm statistics are those of the current network
    (an average of statistics fits no network).

    Attributes:
        network: The averaged copy, in eval mode, needing no gradients.
    """

    def __init__(self, network: nn.Module, *, batch_images: int, half_life_images: int) -> None:
        """Start the average at the network's current weights.

        Args:
            network: The network to follow.
            batch_images: How many images pass between two updates.
            half_life_images: After so many images a weight's influence has halved; 0 follows the network exactly.
        """
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = 0.5 ** (batch_images / half_life_images) if half_life_images else 0.0
        self._averages: list[Tensor] = list(self.network.parameters())
        self._weights: list[Tensor] = list(network.parameters())
        self._buffer_copies: list[Tensor] = list(self.network.buffers())
        self._buffers: list[Tensor] = list(network.buffers())

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the network's weights, and copy its buffers."""
        torch._foreach_lerp_(self._averages, self._weights, 1.0 - self.decay)
        if self._buffers:
            torch._foreach_copy_(self._buffer_copies, self._buffers)
