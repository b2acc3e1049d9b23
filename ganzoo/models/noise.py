"""Dropout that serves as a generator's noise, as in pix2pix (Isola et al. 2017, section 2.2).

A generator that is given no latent varies by dropout alone. It is off in eval mode, so that one source has one
translation; inside `drawing_noise` it is on, with masks that belong to samples: sample `i` of seed `s` has the same
ones whatever batch it is in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo import randomness
from ganzoo.errors import ConfigError, InputError


@dataclass(frozen=True)
class _Draw:
    """Which masks one layer draws: those of samples `start` to `stop - 1` of a seed."""

    seed: int
    start: int
    stop: int
    layer: int


class NoiseDropout(nn.Module):
    """Dropout: as usual in train mode, and off in eval mode but inside `drawing_noise`. (N, ...) -> (N, ...)."""

    def __init__(self, probability: float) -> None:
        """Build the layer.

        Args:
            probability: How likely each number is set to 0, from 0 up to below 1.
        """
        super().__init__()
        if not 0 <= probability < 1:
            raise ConfigError(f"the probability of dropout is {probability}; it takes 0 up to below 1")
        self.probability = probability
        self._draw: _Draw | None = None

    def extra_repr(self) -> str:
        """Return what `repr` shows of the layer."""
        return f"{self.probability:g}"

    def forward(self, x: Tensor) -> Tensor:
        """Set numbers of (N, ...) to 0, and scale the others so that the mean stays."""
        if self.training or self._draw is None:
            return F.dropout(x, self.probability, self.training)
        n = self._draw.stop - self._draw.start
        if len(x) != n:
            raise InputError(f"noise is drawn for {n} samples, and a batch of {len(x)} was given; give those {n}")
        scaled = self._masks(self._draw, x.shape[1:]) / (1 - self.probability)
        return x * scaled.to(x.device, x.dtype)

    def _masks(self, draw: _Draw, shape: torch.Size) -> Tensor:
        """Draw the masks of samples, 0 or 1: (stop - start, *shape) float32, on the CPU."""
        masks = torch.empty(draw.stop - draw.start, *shape)
        for mask, index in zip(masks, range(draw.start, draw.stop), strict=True):
            mask.uniform_(generator=randomness.generator(draw.seed, index, draw.layer, "noise dropout"))
        return (masks >= self.probability).float()


def has_noise(network: nn.Module) -> bool:
    """Tell whether a network has dropout that serves as noise."""
    return any(isinstance(module, NoiseDropout) and module.probability > 0 for module in network.modules())


@contextmanager
def drawing_noise(network: nn.Module, seed: int, start: int, stop: int) -> Iterator[None]:
    """Make a network in eval mode draw the noise of samples `start` to `stop - 1` of a seed.

    Inside, each call takes a batch of these samples, in order. The masks of sample i depend on (seed, i) alone.

    Args:
        network: The network; one without `NoiseDropout` stays as it is.
        seed: The seed.
        start: The first sample's number.
        stop: One more than the last sample's number.

    Raises:
        InputError: There are less than no samples, or this network is drawing noise already.
    """
    if stop < start:
        raise InputError(f"noise for samples {start} to {stop} was asked for; stop takes {start} or more")
    layers = [module for module in network.modules() if isinstance(module, NoiseDropout)]
    if any(layer._draw is not None for layer in layers):
        raise InputError("this network is drawing noise already; leave one drawing_noise before you enter another")
    try:
        for number, layer in enumerate(layers):
            layer._draw = _Draw(seed, start, stop, number)
        yield
    finally:
        for layer in layers:
            layer._draw = None
