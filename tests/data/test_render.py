import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.plots import Axis
from ganzoo.data.render import draw, save_png
from ganzoo.errors import InputError, OutputError


def picture(samples, scale=1.0, offset=0.0, columns=None):
    return draw(samples, scale=scale, offset=offset, columns=columns)


@pytest.mark.parametrize(
    ("shape", "columns", "size"),
    [
        # 28 pixels are drawn as 56, with 2 between; 64 and more as they are.
        ((64, 1, 28, 28), None, (8 * 58 + 2, 8 * 58 + 2)),
        ((10, 1, 28, 28), 5, (5 * 58 + 2, 2 * 58 + 2)),
        ((4, 3, 64, 48), None, (2 * 50 + 2, 2 * 66 + 2)),
        ((4, 4, 64, 64), None, (2 * 66 + 2, 2 * 66 + 2)),
        ((4, 2, 64, 64), None, (2 * 130 + 2, 2 * 66 + 2)),
        ((1, 6, 8, 8), None, None),
        ((9, 1, 100), 3, (3 * 150 + 6, 3 * 78 + 6)),
        ((1, 1, 1), None, None),
        ((2, 1, 4), 9, None),
    ],
)
def test_size_follows_shape_and_columns(shape, columns, size):
    image = picture(torch.zeros(shape), columns=columns)
    assert size is None or image.size == size


def test_pixels_are_those_of_the_sample():
    samples = torch.full((2, 3, 64, 64), -1.0)
    samples[1, 0] = 1.0
    pixels = np.asarray(picture(samples, columns=2))
    assert (pixels[2:66, 2:66] == 0).all()
    assert (pixels[2:66, 68:132] == (255, 0, 0)).all()


def test_pictures_ignore_the_units_of_the_data():
    samples = torch.rand(4, 1, 8, 8) * 2 - 1
    assert picture(samples).tobytes() == picture(samples, scale=0.5, offset=0.5).tobytes()


def test_transparent_pictures_stay_so():
    assert picture(torch.zeros(4, 4, 8, 8)).mode == "RGBA"


def test_points_lie_where_they_are():
    # The top right quarter holds all points; the others are empty, so of one dark colour.
    image = picture(torch.rand(500, 2) * 0.9 + 0.05, scale=2.0)
    plot = np.asarray(image)[28 : 28 + 384, 52 : 52 + 384].astype(int).sum(axis=2)
    assert plot[:192, 192:].max() > 500
    for empty in (plot[:192, :192], plot[192:, :192], plot[192:, 192:]):
        assert empty.max() < 100


def test_axes_are_in_the_units_of_the_data():
    samples = torch.randn(300, 1).clamp(-1, 1)
    assert picture(samples).tobytes() != picture(samples, scale=7.5, offset=4.0).tobytes()


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 5), (1, 8, 8), (3, 8, 8)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_diverged_model_can_still_be_looked_at(shape, value):
    picture(torch.full((3, *shape), value))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (-3.5, 11.5, [-2, 0, 2, 4, 6, 8, 10]),
        (-1.1, 1.1, [-1, -0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 255, [0, 50, 100, 150, 200, 250]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert Axis(low, high, 100).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("samples", "columns", "message"),
    [
        (torch.zeros(4, 7), None, r"shape \(7,\) cannot be drawn; pictures \(C, H, W\)"),
        (torch.zeros(4, 2, 9), None, r"shape \(2, 9\) cannot be drawn"),
        (torch.zeros(0, 1, 8, 8), None, "no samples"),
        (torch.zeros(4, 1, 8, 8), 0, "columns is 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(samples, columns, message):
    with pytest.raises(InputError, match=message):
        picture(samples, columns=columns)


def test_png_is_whole_or_absent(tmp_path):
    image = picture(torch.zeros(4, 1, 8, 8))
    save_png(image, tmp_path / "new" / "grid.png")
    assert Image.open(tmp_path / "new" / "grid.png").size == image.size
    with pytest.raises(OutputError, match="cannot write"):
        save_png(image, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["grid.png", "new"]
