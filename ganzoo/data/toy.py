"""Small distributions with known answers: a Gaussian on a line, and the ring and grid of modes in the plane.

Ring and grid are those of PacGAN (Lin et al. 2018, https://arxiv.org/abs/1712.04086, section 4.1), with the figures it
reports: how many modes a generator finds, and how much of what it draws is close to one.
"""

import math

import torch
from torch import Tensor

from ganzoo.data.table import Table, scale_and_offset
from ganzoo.randomness import generator

POINTS = 100_000

GAUSSIAN_MEAN = 4.0
GAUSSIAN_SIGMA = 1.25

RING_SIGMA = 0.01
RING_MODES = torch.tensor(  # (8, 2): on the unit circle
    [[math.cos(2 * math.pi * k / 8), math.sin(2 * math.pi * k / 8)] for k in range(8)]
)

GRID_SIGMA = 0.05
GRID_MODES = torch.cartesian_prod(torch.arange(-4.0, 5.0, 2.0), torch.arange(-4.0, 5.0, 2.0))  # (25, 2)


def gaussian_1d() -> Table:
    """Return 100,000 numbers `(1,)` with mean 4 and standard deviation 1.25; the range is [-3.5, 11.5]."""
    noise = torch.randn(POINTS, 1, generator=generator(0, "gaussian-1d"))
    reach = 6 * GAUSSIAN_SIGMA
    scale, offset = scale_and_offset(GAUSSIAN_MEAN - reach, GAUSSIAN_MEAN + reach)
    samples = GAUSSIAN_MEAN + GAUSSIAN_SIGMA * noise
    return Table(samples, scale=scale, offset=offset, name="gaussian-1d", license="CC0-1.0", source="gaussian-1d")


def ring() -> Table:
    """Return 100,000 points `(2,)` from 8 Gaussians (sigma 0.01) on the unit circle; the range is [-1.1, 1.1]."""
    return _mixture("ring", RING_MODES, RING_SIGMA)


def grid() -> Table:
    """Return 100,000 points `(2,)` from 25 Gaussians (sigma 0.05) at {-4, -2, 0, 2, 4}²; the range is [-4.5, 4.5]."""
    return _mixture("grid", GRID_MODES, GRID_SIGMA)


def mode_coverage(points: Tensor, modes: Tensor, sigma: float) -> tuple[int, float]:
    """Count the modes that samples reach, and the share of samples that are close to one.

    A sample is of high quality when it is within 3 sigma of a mode; a mode is found when at least one such sample is
    there. Samples of the distribution itself find every mode and score `1 - exp(-4.5)`, about 0.989, in the plane.

    Args:
        points: `(N, D)` samples in the data's own units, N at least 1.
        modes: `(K, D)` centres, such as `RING_MODES`.
        sigma: The standard deviation about each, such as `RING_SIGMA`.

    Returns:
        The number of modes found, in 0..K, and the share of samples of high quality, in [0, 1].
    """
    # Not the matrix-product form: its rounding is of the size of sigma.
    distances = torch.cdist(points, modes.to(points), compute_mode="donot_use_mm_for_euclid_dist")  # (N, K)
    close = distances <= 3 * sigma
    return int(close.any(dim=0).sum()), float(close.any(dim=1).float().mean())


def _mixture(name: str, modes: Tensor, sigma: float) -> Table:
    rng = generator(0, name)
    chosen = torch.randint(len(modes), (POINTS,), generator=rng)
    samples = modes[chosen] + sigma * torch.randn(POINTS, modes.shape[1], generator=rng)
    reach = float(modes.max()) + 10 * sigma
    scale, offset = scale_and_offset(-reach, reach)
    return Table(samples, scale=scale, offset=offset, name=name, license="CC0-1.0", source=name)
