"""The two failures that a run warns about by name."""

import warnings

import pytest
import torch

from ganzoo.data.table import Table
from ganzoo.errors import DiscriminatorWonWarning, ModeCollapseWarning
from ganzoo.training.health import PATIENCE, Health, spread

HEALTHY = {"images": 60_000, "spread": 0.9, "real_score": 0.7, "fake_score": 0.3}


@pytest.fixture
def health():
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Health(Table(points, scale=1.0, offset=0.0))


def test_spread_is_the_mean_distance_of_pairs():
    square = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
    assert spread(square) == pytest.approx((3 + 4 + 5 + 4 + 3 + 5) / 6)
    assert spread(square.reshape(4, 1, 2)) == spread(square)
    assert spread(square[:1]) == 0


def test_the_data_itself_has_a_relative_spread_of_one(health):
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert health.relative_spread(points[:64]) == pytest.approx(1)
    assert health.relative_spread(points[:64] * 0.05) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("sign", "kind", "says"),
    [
        ({"spread": 0.05}, ModeCollapseWarning, "mode collapse: after 60000 images the samples differ by 5.0%"),
        ({"real_score": 0.9999, "fake_score": 0.0001}, DiscriminatorWonWarning, "the discriminator has won"),
    ],
)
def test_a_failure_is_warned_of_once_when_it_lasts(health, sign, kind, says):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(PATIENCE - 1):
            health.watch(HEALTHY | sign)
    with pytest.warns(kind, match=says):
        health.watch(HEALTHY | sign)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(PATIENCE):
            health.watch(HEALTHY | sign)


def test_a_failure_that_passes_is_no_failure(health):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            for _ in range(PATIENCE - 1):
                health.watch(HEALTHY | {"spread": 0.01, "real_score": 1.0, "fake_score": 0.0})
            health.watch(HEALTHY)


def test_barely_trained_weights_have_not_collapsed(health):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2 * PATIENCE):
            health.watch(HEALTHY | {"images": 10_000, "spread": 0.01})


def test_a_step_without_logits_has_no_winner(health):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2 * PATIENCE):
            health.watch({"images": 1, "spread": 1.0})
