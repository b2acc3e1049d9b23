import pytest
import torch

from ganzoo.data.table import Table
from ganzoo.data.toy import gaussian_1d, grid, ring
from ganzoo.errors import InputError
from ganzoo.metrics.points import measure_points, wasserstein


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [([0, 1], [0, 1], 0), ([0, 1], [1, 2], 1), ([0], [1, 3], 2), ([0, 1], [1, 1, 0, 0], 0), ([0, 0, 3], [1], 4 / 3)],
)
def test_wasserstein_is_the_area_between_quantile_functions(first, second, expected):
    first, second = torch.tensor(first).double(), torch.tensor(second).double()
    assert wasserstein(first, second) == pytest.approx(expected)
    assert wasserstein(second, first) == pytest.approx(expected)


def test_wasserstein_of_a_shift_is_the_shift():
    numbers = gaussian_1d().samples.flatten().double()
    assert wasserstein(numbers[:2500] + 3, numbers[:2500]) == pytest.approx(3)


@pytest.mark.parametrize(("data", "modes"), [(ring(), 8), (grid(), 25)])
def test_the_data_itself_finds_every_mode(data, modes):
    found = measure_points(data.samples[:2500], data)
    assert found["modes"] == modes
    assert found["high_quality"] == pytest.approx(0.989, abs=0.01)


def test_numbers_on_a_line_have_mean_and_deviation():
    data = gaussian_1d()
    found = measure_points(data.samples[:2500], data)
    assert found["mean"] == pytest.approx(4, abs=0.1)
    assert found["deviation"] == pytest.approx(1.25, abs=0.1)
    assert found["wasserstein"] < 0.1


def test_points_without_known_modes_are_refused():
    data = Table(torch.zeros(3, 2), scale=1, offset=0, name="spiral")
    with pytest.raises(InputError, match=r"modes of 'spiral'.* the data sets ring and grid"):
        measure_points(data.samples, data)
