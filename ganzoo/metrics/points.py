"""What samples of the toy distributions are worth: numbers on a line, and points from known modes."""

import torch
from torch import Tensor

from ganzoo.data.table import Table
from ganzoo.data.toy import GRID_MODES, GRID_SIGMA, RING_MODES, RING_SIGMA, mode_coverage
from ganzoo.errors import InputError

MIXTURES = {"ring": (RING_MODES, RING_SIGMA), "grid": (GRID_MODES, GRID_SIGMA)}


def measure_points(points: Tensor, data: Table) -> dict[str, float]:
    """Measure samples of point data.

    Args:
        points: (N, 1), or (N, 2) where the data is the ring or the grid; in the data's own units.
        data: What they are samples of.

    Returns:
        By name: for numbers on a line `wasserstein`, `mean` and `deviation`; for points from modes `modes`, the number
        found, and `high_quality`, a share in [0, 1] (`mode_coverage` has the definitions).

    Raises:
        InputError: The data is neither on a line nor a mixture of known modes.
    """
    if data.sample_shape == (1,):
        numbers = points.flatten().double()
        distance = wasserstein(numbers, data.samples.flatten().double())
        return {"wasserstein": distance, "mean": float(numbers.mean()), "deviation": float(numbers.std())}
    if data.name not in MIXTURES:
        raise InputError(
            f"the modes of {data.name!r}, of shape {data.sample_shape}, are not known; "
            f"evaluate takes pictures, numbers of shape (1,), and the data sets {' and '.join(MIXTURES)}"
        )
    modes, sigma = MIXTURES[data.name]
    found, high_quality = mode_coverage(points, modes, sigma)
    return {"modes": float(found), "high_quality": high_quality}


def wasserstein(first: Tensor, second: Tensor) -> float:
    """Return the Wasserstein-1 distance of two sets of numbers, the area between their quantile functions.

    The integral over [0, 1] is exact: both functions are constant between the merged steps i/N and j/M.

    Args:
        first: (N,).
        second: (M,).

    Returns:
        At least 0, in the numbers' own units.
    """
    steps = torch.cat([_steps(first), _steps(second)]).sort().values
    widths = steps.diff(prepend=steps.new_zeros(1))
    middles = steps - widths / 2
    gaps = (_quantiles(first, middles) - _quantiles(second, middles)).abs()
    return float((gaps * widths).sum())


def _steps(numbers: Tensor) -> Tensor:
    """Return where the quantile function of N numbers steps: 1/N, 2/N, ..., 1."""
    return torch.arange(1, len(numbers) + 1, dtype=torch.float64) / len(numbers)


def _quantiles(numbers: Tensor, levels: Tensor) -> Tensor:
    """Return the quantile function of numbers at levels in (0, 1)."""
    index = (levels * len(numbers)).long().clamp_(max=len(numbers) - 1)
    return numbers.sort().values[index]
