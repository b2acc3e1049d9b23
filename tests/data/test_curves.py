import numpy as np
import pytest

from ganzoo.data.curves import LEFT, RIGHT, TITLE, WIDTH, Curve, Panel, chart
from ganzoo.data.scales import Scale, fitting

BLUE, RED = (0, 0, 255), (255, 0, 0)
HEIGHT = 200
SPAN = WIDTH - LEFT - RIGHT


def coloured(image, colour):
    """Return where in the one panel's frame pixels have a hue, as (x, y) in pixels of the frame."""
    pixels = np.asarray(image).astype(int)[TITLE : TITLE + HEIGHT, LEFT : LEFT + SPAN]
    strong = pixels[..., np.argmax(colour)] - pixels[..., np.argmin(colour)] > 120
    y, x = np.nonzero(strong)
    return x, y


def drawn(values, positions=None, *, scale=None, colour=BLUE, **kwargs):
    values = np.asarray(values, dtype=float)
    positions = np.arange(1, len(values) + 1, dtype=float) if positions is None else np.asarray(positions, dtype=float)
    panel = Panel(
        title="t", curves=[Curve(name="c", values=values, colour=colour, **kwargs)], height=HEIGHT, scale=scale
    )
    return chart(positions, [panel], end=float(positions.max()))


def test_a_curve_goes_through_its_values():
    # From (0, 0) to (end, 1) on a scale of 0 to 1: the diagonal.
    x, y = coloured(drawn(np.linspace(0, 1, 101), np.linspace(0, 500, 101), scale=Scale(0, 1)), BLUE)
    assert x.min() <= 2
    assert x.max() >= SPAN - 3
    assert np.abs(y - HEIGHT * (1 - x / SPAN)).max() < 3


def test_a_logarithmic_scale_puts_each_decade_as_far_above_the_last():
    scale = Scale(0.01, 100, is_log=True)
    assert scale.heights(np.array([0.01, 0.1, 1, 10, 100])) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    x, y = coloured(drawn([0.1] * 20 + [10.0] * 20, scale=scale), BLUE)
    assert np.median(y[x < SPAN * 0.4]) == pytest.approx(0.75 * HEIGHT, abs=2)
    assert np.median(y[x > SPAN * 0.6]) == pytest.approx(0.25 * HEIGHT, abs=2)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_leaves_a_gap_and_one_between_gaps_a_dot(hole):
    values = [0.5] * 40
    values[9:19] = [hole] * 10
    values[14] = 0.5
    x, y = coloured(drawn(values, scale=Scale(0, 1)), BLUE)
    last, alone, first = (SPAN * place / 40 for place in (9, 15, 20))
    inside = x[(x > last + 5) & (x < first - 5)]
    assert len(inside)
    assert np.abs(inside - alone).max() <= 4
    assert set(range(int(first) + 2, SPAN - 2)) <= set(x)
    assert np.abs(y - HEIGHT / 2).max() <= 4


def test_values_beyond_the_scale_are_at_its_edge():
    x, y = coloured(drawn([0.5] * 20 + [7.0] * 20, scale=Scale(0, 1)), BLUE)
    assert y[x > SPAN * 0.6].max() <= 2


def test_many_values_are_drawn_as_means_and_a_band():
    values = np.tile([0.2, 0.8], 1000)
    image = drawn(values, scale=Scale(0, 1))
    _, y = coloured(image, BLUE)
    assert np.abs(y - HEIGHT / 2).max() <= HEIGHT * 0.1
    middle = np.asarray(image).astype(int)[TITLE : TITLE + HEIGHT, LEFT + SPAN // 3]
    tinted = np.flatnonzero(middle[:, 2] - middle[:, 0] > 20)
    assert tinted.min() == pytest.approx(0.2 * HEIGHT, abs=3)
    assert tinted.max() == pytest.approx(0.8 * HEIGHT, abs=3)


def test_a_dashed_curve_has_gaps_along_its_way_and_lies_below():
    x, _ = coloured(drawn([0.5] * 100, scale=Scale(0, 1), dashed=True), BLUE)
    assert 0.45 < len(set(x)) / (SPAN * 99 / 100) < 0.8
    curves = [
        Curve(name="sum", values=np.full(100, 0.5), colour=BLUE),
        Curve(name="part", values=np.full(100, 0.5), colour=RED, dashed=True),
    ]
    image = chart(np.arange(1.0, 101), [Panel(title="t", curves=curves, height=HEIGHT, scale=Scale(0, 1))], end=100)
    assert len(set(coloured(image, BLUE)[0])) > 0.95 * SPAN


def test_a_chart_of_nothing_is_drawn():
    assert chart(np.empty(0), [Panel(title="t", curves=[], height=HEIGHT)], end=1.0).width == WIDTH
    assert len(coloured(drawn([np.nan]), BLUE)[0]) == 0


@pytest.mark.parametrize(
    ("values", "low", "high", "is_log", "note"),
    [
        ([0.7, 1.0, 1.5], 0.668, 1.532, False, ""),
        ([0.1, 1.0], 0.0, 1.04, False, ""),
        ([-1.0, 1.0], -1.08, 1.08, False, ""),
        ([2.0, 2.0], 1.0, 3.0, False, ""),
        ([0.0, 0.0], 0.0, 0.5, False, ""),
        ([-3e30, -3e30 * (1 + 1e-15)], -4.5e30, -1.5e30, False, ""),
        ([0.01, 1.0, 10.0], 0.008, 12.5, True, "log scale"),
        ([0.0, 0.01, 1.0, 10.0], 0.008, 12.5, True, "log scale; 1 value lies below 0.01, drawn at the edge"),
        ([np.nan, np.inf], 0.0, 1.0, False, ""),
        ([], 0.0, 1.0, False, ""),
    ],
)
def test_the_scale_fits_the_values(values, low, high, is_log, note):
    scale = fitting(np.array(values), np.array(values))
    assert (scale.low, scale.high) == pytest.approx((low, high))
    assert (scale.is_log, scale.note) == (is_log, note)


@pytest.mark.parametrize("value", [1e-30, 1.0, -3e30])
def test_a_curve_that_stays_where_it_is_can_be_drawn(value):
    _, y = coloured(drawn([value, value * (1 + 1e-15), value]), BLUE)
    assert np.abs(y - HEIGHT / 2).max() <= 8


def test_outliers_are_clipped_and_told():
    values = np.concatenate([np.linspace(-1, 1, 400), [500.0, -80.0]])
    scale = fitting(values, values)
    assert not scale.is_log
    assert -3 < scale.low < -1 < 1 < scale.high < 3
    assert scale.note == "clipped: 2 values lie beyond, from -80 to 500"


def test_a_part_that_vanishes_leaves_room_for_the_sums():
    sums, part = np.array([1.0, 2.0]), np.array([1e-9, 0.5])
    scale = fitting(np.concatenate([sums, part]), sums)
    assert scale.low == pytest.approx(0.01 / 1.25)
    assert "1 value lies below 0.01" in scale.note


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0008, 20, [0.001, 0.01, 0.1, 1, 10]),
        (0.08, 20, [0.1, 0.3, 1, 3, 10]),
        (0.5, 6, [0.5, 1, 2, 5]),
    ],
)
def test_ticks_of_a_logarithmic_scale(low, high, ticks):
    assert Scale(low, high, is_log=True).ticks() == pytest.approx(ticks)
