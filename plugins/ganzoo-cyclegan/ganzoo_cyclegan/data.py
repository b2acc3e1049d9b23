"""The emoji of ganzoo-openmoji in half their size, 32x32 pixels, for a model that learns on a processor."""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from ganzoo.data.loading import open_data
from ganzoo.data.table import Table
from ganzoo.errors import MissingExtraError, UnknownNameError


def openmoji_32() -> Table:
    """Return the training part: sources (1, 32, 32), outlines, and samples (3, 32, 32), uint8, paired."""
    return _halved("openmoji")


def openmoji_32_test() -> Table:
    """Return the held-out part, like `openmoji_32`."""
    return _halved("openmoji-test")


def _halved(name: str) -> Table:
    try:
        table = open_data(f"openmoji/{name}")
    except UnknownNameError as error:
        raise MissingExtraError(
            f"these emoji are those of {name}, which no installed plugin has; install it with: pip install "
            "'ganzoo-cyclegan[train]'"
        ) from error
    own = name.replace("openmoji", "openmoji-32")
    sources = None if table.sources is None else half_size(table.sources)
    return replace(table, samples=half_size(table.samples), sources=sources, name=own, source=f"cyclegan/{own}")


def half_size(pictures: Tensor) -> Tensor:
    """Return pictures of half the size, each pixel the mean of four: (N, C, H, W), uint8 -> (N, C, H/2, W/2)."""
    return F.avg_pool2d(pictures.float(), 2).round().to(pictures.dtype)
