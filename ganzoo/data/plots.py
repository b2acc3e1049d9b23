"""Histograms and line plots, drawn with Pillow alone; `render.draw` chooses among them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_SIDE = 384  # of the square plot, in pixels
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 28, 18, 48  # around it, for the labels
_FONT_SIZE = 12
_TICK = 4

_PAPER = (255, 255, 255)
_INK = (60, 60, 67)
_FAINT = (226, 226, 231)
_BAR = (76, 114, 176)
_OTHER = (196, 78, 82)

# From dark to bright in even steps of lightness, so that more looks like more, in grey too.
_HEAT = np.array([(10, 8, 32), (66, 15, 106), (142, 41, 104), (212, 78, 65), (250, 152, 46), (252, 246, 190)])

# Few values get coarse bars, which are less ragged, and coarse cells, in which a single point stays visible.
_FEW = 5_000
_FINE_BARS, _COARSE_BARS = 64, 32
_FINE_CELLS, _COARSE_CELLS = 192, 96

_CELL_WIDTH, _CELL_HEIGHT, _GAP = 144, 72, 6


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values along a number of pixels, and what the values are."""

    low: float
    high: float
    pixels: int
    label: str = ""

    def position(self, value: float) -> float:
        """Return how many pixels from the low end a value lies."""
        return (value - self.low) / (self.high - self.low) * self.pixels

    def ticks(self) -> list[float]:
        """Return four to ten round numbers within the range."""
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * max(factor for factor in (1, 2, 5) if factor * unit <= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [step * k for k in range(first, last + 1)]


def histogram(values: Floats, low: float, high: float) -> "Image.Image":
    """Draw how numbers are distributed, as a density.

    Args:
        values: `(N,)` in the data's own units; those outside the range, and NaN, are left out.
        low: The low end of the horizontal axis.
        high: The high end.
    """
    values = values[np.isfinite(values)]
    bars = _COARSE_BARS if len(values) < _FEW else _FINE_BARS
    counts, edges = np.histogram(values, bins=bars, range=(low, high))
    density = counts / (max(len(values), 1) * (high - low) / bars)
    x, y = Axis(low, high, _SIDE, "value"), Axis(0, float(density.max()) * 1.05 or 1.0, _SIDE, "density")
    image, pen = _frame(x, y)
    bottom = _TOP + _SIDE
    for value, left, right in zip(density, edges[:-1], edges[1:], strict=True):
        if height := round(y.position(value)):
            pen.rectangle(
                (_LEFT + x.position(left), bottom - height, _LEFT + x.position(right) - 1, bottom - 1), fill=_BAR
            )
    return image


def overlaid(groups: Mapping[str, Floats], label: str) -> "Image.Image":
    """Draw how several groups of numbers are distributed, one outline over another, with their medians.

    Args:
        groups: Numbers from 0 up, each (N,), by what they are; at most as many as there are colours for, two.
        label: What is measured.
    """
    from PIL import ImageFont

    values = {name: each[np.isfinite(each)] for name, each in groups.items()}
    high = max((float(each.max()) for each in values.values() if len(each)), default=0.0) * 1.02 or 1.0
    counted = {}
    for name, each in values.items():
        counts, edges = np.histogram(each, bins=_COARSE_BARS, range=(0, high))
        counted[name] = counts / max(len(each), 1)
    top = max(float(shares.max()) for shares in counted.values()) * 1.15 or 1.0
    x, y = Axis(0, high, _SIDE, label), Axis(0, top, _SIDE, "share")
    image, pen = _frame(x, y)
    bottom, font = _TOP + _SIDE, ImageFont.load_default(size=_FONT_SIZE)
    for row, (name, colour) in enumerate(zip(values, (_BAR, _OTHER), strict=False)):
        steps = [
            (_LEFT + x.position(edge), bottom - y.position(share))
            for share, left, right in zip(counted[name], edges[:-1], edges[1:], strict=True)
            for edge in (left, right)
        ]
        pen.line([(_LEFT, bottom), *steps, (_LEFT + _SIDE, bottom)], fill=colour, width=2)
        told = f"{name} ({len(values[name]):,})"
        if len(values[name]):
            median = float(np.median(values[name]))
            told += f", median {median:.3g}"
            pen.line(
                (_LEFT + x.position(median), bottom, _LEFT + x.position(median), bottom - 12), fill=colour, width=3
            )
        pen.text((_LEFT + _SIDE - 6, _TOP + 6 + 16 * row), told, fill=colour, font=font, anchor="ra")
    return image


def density_map(points: Floats, low: float, high: float) -> "Image.Image":
    """Draw where points lie, as a 2-D histogram with counts on a log scale.

    Args:
        points: `(N, 2)` in the data's own units; those outside the range, and NaN, are left out.
        low: The low end of both axes.
        high: The high end.
    """
    from PIL import Image

    points = points[np.isfinite(points).all(axis=1)]
    cells = _COARSE_CELLS if len(points) < _FEW else _FINE_CELLS
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=cells, range=[(low, high), (low, high)])
    brightness = np.log1p(counts[::-1]) / np.log1p(max(counts.max(), 1))  # row 0 is the top
    heat = Image.fromarray(_heat(brightness)).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    image, _ = _frame(Axis(low, high, _SIDE, "x"), Axis(low, high, _SIDE, "y"))
    image.paste(heat, (_LEFT, _TOP))
    return image


def line_grid(sequences: Floats, low: float, high: float, columns: int) -> "Image.Image":
    """Draw each sequence as a line in a cell of its own; all cells share one vertical range.

    Args:
        sequences: `(N, T)` in the data's own units.
        low: The bottom of each cell.
        high: Its top.
        columns: How many cells stand side by side.
    """
    from PIL import Image, ImageDraw

    # Pillow's lines have no smooth edges, so they are drawn at twice the size.
    width, height, gap = 2 * _CELL_WIDTH, 2 * _CELL_HEIGHT, 2 * _GAP
    columns = min(columns, len(sequences))
    rows = math.ceil(len(sequences) / columns)
    size = (columns * (width + gap) + gap, rows * (height + gap) + gap)
    image = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(image)
    x, y = Axis(0, max(sequences.shape[1] - 1, 1), width), Axis(low, high, height)
    for i, sequence in enumerate(np.nan_to_num(sequences).clip(low, high)):
        left, top = gap + (i % columns) * (width + gap), gap + (i // columns) * (height + gap)
        pen.rectangle((left, top, left + width, top + height), outline=_FAINT, width=2)
        pen.line(
            [(left + x.position(t), top + height - y.position(float(value))) for t, value in enumerate(sequence)],
            fill=_BAR,
            width=3,
            joint="curve",
        )
    return image.reduce(2)


def _heat(brightness: Floats) -> Bytes:
    """Map `(H, W)` in [0, 1] to RGB `(H, W, 3)`."""
    anchors = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(brightness, anchors, channel) for channel in _HEAT.T], axis=-1).round().astype(np.uint8)


def _frame(x: Axis, y: Axis) -> "tuple[Image.Image, ImageDraw.ImageDraw]":
    """Return an empty square plot with ticks and their labels, and the pen to draw in it."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (_LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM), _PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=_FONT_SIZE)
    right, bottom = _LEFT + _SIDE, _TOP + _SIDE
    pen.rectangle((_LEFT - 1, _TOP - 1, right, bottom), outline=_INK)
    for value in x.ticks():
        at = _LEFT + x.position(value)
        pen.line((at, bottom, at, bottom + _TICK), fill=_INK)
        pen.text((at, bottom + 2 * _TICK), f"{value:g}", fill=_INK, font=font, anchor="ma")
    for value in y.ticks():
        at = bottom - y.position(value)
        pen.line((_LEFT - _TICK, at, _LEFT, at), fill=_INK)
        pen.text((_LEFT - 2 * _TICK, at), f"{value:g}", fill=_INK, font=font, anchor="rm")
    pen.text((_LEFT + _SIDE / 2, image.height - _TICK), x.label, fill=_INK, font=font, anchor="md")
    pen.text((_LEFT, _TOP - _TICK), y.label, fill=_INK, font=font, anchor="ld")
    return image, pen
