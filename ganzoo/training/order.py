"""The order in which rows of the data are shown: a function of (seed, epoch) alone."""

import torch
from torch import Tensor

from ganzoo import randomness


class DataOrder:
    """An endless order of rows: permutation(seed, epoch) for each epoch in turn, cut into batches.

    A batch across the end of an epoch goes on in the next, so any batch size goes with any number of rows.
    """

    def __init__(self, samples: int, batch_size: int, seed: int, purpose: str = "order") -> None:
        """Note the number of rows, the rows in a batch, the run's seed, and what tells this order from others."""
        self.samples, self.batch_size, self.seed, self.purpose = samples, batch_size, seed, purpose
        self._epoch = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def batch(self, number: int) -> Tensor:
        """Return the rows of a batch.

        Args:
            number: The batch's number from 0, counted over all epochs.

        Returns:
            (batch_size,) int64.
        """
        first, missing = number * self.batch_size, self.batch_size
        parts = []
        while missing:
            epoch, offset = divmod(first, self.samples)
            part = self._epoch_order(epoch)[offset : offset + missing]
            parts.append(part)
            first, missing = first + len(part), missing - len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _epoch_order(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            rng = randomness.generator(self.seed, epoch, self.purpose)
            self._epoch, self._permutation = epoch, torch.randperm(self.samples, generator=rng)
        return self._permutation
