"""Signs of the two usual failures: a generator that makes one sample, and a discriminator that has won."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.table import Table
from ganzoo.errors import DiscriminatorWonWarning, ModeCollapseWarning

BATCH = 64  # how many fixed samples are compared
COLLAPSED_BELOW = 0.1  # part of the data's own mean pairwise distance
SETTLED_AFTER = 50_000  # images; before, samples of barely trained weights are alike, and nothing has collapsed
CERTAIN = 0.999  # a mean probability the discriminator gives only once the generator learns nothing from it
PATIENCE = 10  # lines of the log in a row: a tenth of the budget, unless it is logged otherwise


class Health:
    """Watches the lines of a run's log.

    Attributes:
        data_spread: The mean distance between two of the first samples of the data, in [-1, 1] units.
    """

    def __init__(self, table: Table) -> None:
        """Measure the data that samples are compared with."""
        self.data_spread = spread(table.normalise(table.samples[:BATCH]))
        self._in_a_row = {ModeCollapseWarning: 0, DiscriminatorWonWarning: 0}

    def relative_spread(self, samples: Tensor) -> float:
        """Return the mean pairwise distance of samples (N, *sample_shape) as a part of the data's."""
        return spread(samples) / self.data_spread if self.data_spread else 1.0

    def watch(self, line: Mapping[str, Any]) -> None:
        """Warn where several lines in a row show the same failure; once for each time it begins.

        Args:
            line: A line of the log, with `spread`, and `real_score` and `fake_score` where the step gives logits.
        """
        collapsed = line["spread"] < COLLAPSED_BELOW and line["images"] >= SETTLED_AFTER
        won = line.get("real_score", 0.0) > CERTAIN and line.get("fake_score", 1.0) < 1 - CERTAIN
        images = line["images"]
        self._note(
            ModeCollapseWarning,
            collapsed,
            f"mode collapse: after {images} images the samples differ by {line['spread']:.1%} of what the data do; "
            "try a penalty such as + r1(gamma=1), a smaller learning_rate, or a larger batch_size",
        )
        self._note(
            DiscriminatorWonWarning,
            won,
            f"the discriminator has won: after {images} images it is sure of real and fake, and the generator learns "
            "nothing; try + label_smoothing(0.9), + r1(gamma=1), or a smaller discriminator_learning_rate",
        )

    def _note(self, kind: type[UserWarning], shown: bool, message: str) -> None:
        self._in_a_row[kind] = self._in_a_row[kind] + 1 if shown else 0
        if self._in_a_row[kind] == PATIENCE:
            warnings.warn(message, kind, stacklevel=3)


def spread(samples: Tensor) -> float:
    """Return the mean Euclidean distance between two of the samples (N, *sample_shape); 0 for a single one."""
    return float(torch.pdist(samples.flatten(1).float()).mean()) if len(samples) > 1 else 0.0
