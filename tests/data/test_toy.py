import math

import pytest
import torch

from ganzoo.data import toy
from ganzoo.data.table import Table

MIXTURES = {
    "ring": (toy.ring, toy.RING_MODES, toy.RING_SIGMA),
    "grid": (toy.grid, toy.GRID_MODES, toy.GRID_SIGMA),
}


def test_gaussian_moments():
    table = toy.gaussian_1d()
    assert table.samples.shape == (100_000, 1)
    assert float(table.samples.mean()) == pytest.approx(4, abs=5 * 1.25 / math.sqrt(100_000))
    assert float(table.samples.std()) == pytest.approx(1.25, abs=5 * 1.25 / math.sqrt(200_000))
    assert (table.offset - table.scale, table.offset + table.scale) == (-3.5, 11.5)


def test_mode_centres():
    assert toy.RING_MODES.shape == (8, 2)
    assert torch.allclose(toy.RING_MODES.norm(dim=1), torch.ones(8))
    assert {tuple(mode) for mode in toy.GRID_MODES.tolist()} == {
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    }


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures_are_even_and_as_wide_as_stated(name):
    build, modes, sigma = MIXTURES[name]
    samples = build().samples
    assert samples.shape == (100_000, 2)
    nearest = torch.cdist(samples, modes).argmin(dim=1)
    share = torch.bincount(nearest, minlength=len(modes)) / len(samples)
    assert torch.allclose(share, torch.full_like(share, 1 / len(modes)), atol=0.006)
    assert torch.allclose((samples - modes[nearest]).std(dim=0), torch.full((2,), sigma), rtol=0.01)


@pytest.mark.parametrize("name", MIXTURES)
def test_real_samples_score_as_published(name):
    build, modes, sigma = MIXTURES[name]
    found, quality = toy.mode_coverage(build().samples, modes, sigma)
    assert found == len(modes)
    assert quality == pytest.approx(1 - math.exp(-4.5), abs=0.0015)


@pytest.mark.parametrize("build", [toy.gaussian_1d, toy.ring, toy.grid])
def test_the_same_points_every_time(build):
    table = build()
    assert isinstance(table, Table)
    assert table.fingerprint() == build().fingerprint()
    assert table.source == table.name


def test_coverage_by_hand():
    modes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    points = torch.tensor([[0.02, 0.0], [0.0, -0.029], [1.031, 0.0], [0.5, 0.5]])
    assert toy.mode_coverage(points, modes, sigma=0.01) == (1, 0.5)


def test_coverage_of_a_diverged_generator_is_nothing():
    assert toy.mode_coverage(torch.full((10, 2), float("nan")), toy.RING_MODES, toy.RING_SIGMA) == (0, 0.0)
