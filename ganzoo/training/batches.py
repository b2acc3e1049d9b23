"""The batches of a run, in their order, as a step takes them."""

import torch

from ganzoo import randomness
from ganzoo.data.flips import flip_and_shift
from ganzoo.data.table import Batch, Table
from ganzoo.shares import cut
from ganzoo.training.order import DataOrder
from ganzoo.training.precision import as_double
from ganzoo.training.settings import Settings


class Batches:
    """Cuts batches out of the data: the rows that are due, flipped and shifted where asked for, on the run's device.

    Sources that belong to no sample come in an order of their own.

    Attributes:
        order: The order of rows.
        memory_format: Of samples of three dimensions.
    """

    def __init__(self, table: Table, settings: Settings, memory_format: torch.memory_format) -> None:
        """Bind the data, how to train, and the memory format of samples of three dimensions."""
        self.order = DataOrder(len(table), settings.batch_size, settings.seed)
        self._table, self._settings, self.memory_format = table, settings, memory_format
        self._source_order: DataOrder | None = None
        if table.sources is not None and not table.paired:
            self._source_order = DataOrder(len(table.sources), settings.batch_size, settings.seed, "order of sources")

    def batch(self, index: int, number: int) -> Batch:
        """Return this process's share of a batch.

        Args:
            index: The number of the step.
            number: The number of the discriminator's step within it, from 0.
        """
        settings = self._settings
        turn = index * settings.discriminator_steps + number
        rows = cut(self.order.batch(turn))
        sources = None if self._source_order is None else cut(self._source_order.batch(turn))
        batch = self._table.batch(rows, sources=sources, device=settings.device, memory_format=self.memory_format)
        if settings.flip or settings.shift:
            rng = randomness.generator(settings.seed, index, number, "flips")
            batch = flip_and_shift(batch, flip=settings.flip, shift=settings.shift, rng=rng)
        return as_double(batch) if settings.precision == "fp64" else batch
