"""Curves over images shown, in panels one below another, drawn with Pillow alone; `render.chart` calls it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ganzoo.data.plots import Axis, Floats
from ganzoo.data.scales import Scale, fitting

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

WIDTH = 1200  # of the whole chart, in pixels
LEFT, RIGHT = 72, 272  # beside the panels, for ticks and the legend
TITLE, TICKS = 34, 26  # above each panel, and below it
_FINE = 2  # Pillow's lines have no smooth edges, so they are drawn at twice the size
_FONT_SIZE, _HEAD_SIZE = 13, 15

# More values than this along a curve are drawn as means of as many parts of the run, and a band around them.
_MOST, _PARTS = 600, 300
_DOTTED = 15  # curves of at most so many values have a dot at each

_PAPER: Colour = (255, 255, 255)
_INK: Colour = (60, 60, 67)
_SOFT: Colour = (120, 120, 128)
_FAINT: Colour = (232, 232, 236)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a panel.

    Attributes:
        name: What the legend says.
        values: (N,), one for each of the chart's positions; where one is not finite the line has a gap.
        colour: Red, green and blue, 0 to 255.
        dashed: Draw a thin dashed line, such as for a part of another curve.
    """

    name: str
    values: Floats
    colour: Colour
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Curves that share a vertical scale.

    Attributes:
        title: What stands above, before what there is to know of the scale.
        curves: The curves in the order of the legend; dashed ones lie below the others.
        height: In pixels.
        scale: The vertical scale; None for the one that fits.
        line: The value of a faint horizontal line, such as where players are even; None for none.
    """

    title: str
    curves: Sequence[Curve]
    height: int
    scale: Scale | None = None
    line: float | None = None


def chart(positions: Floats, panels: Sequence[Panel], *, end: float) -> "Image.Image":
    """Draw panels one below another over a common horizontal axis of images shown, from 0.

    Args:
        positions: (N,), how many images were shown at each value, in order.
        panels: The panels from the top.
        end: Where the horizontal axis ends, above 0.
    """
    from PIL import Image, ImageDraw

    height = sum(TITLE + panel.height + TICKS for panel in panels) + 16
    image = Image.new("RGB", (WIDTH * _FINE, height * _FINE), _PAPER)
    pen = ImageDraw.Draw(image, "RGBA")
    x = Axis(0, end, (WIDTH - LEFT - RIGHT) * _FINE)
    top = 0
    for panel in panels:
        _draw_panel(pen, panel, positions, x, (top + TITLE) * _FINE)
        top += TITLE + panel.height + TICKS
    pen.text(
        (LEFT * _FINE + x.pixels / 2, (height - 2) * _FINE),
        "images shown",
        fill=_INK,
        font=font(_FONT_SIZE),
        anchor="md",
    )
    return image.reduce(_FINE)


def font(size: int, *, fine: int = _FINE) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    """Return the font of a size in pixels of the finished picture."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size * fine)


def _draw_panel(pen: "ImageDraw.ImageDraw", panel: Panel, positions: Floats, x: Axis, top: int) -> None:
    every = np.concatenate([np.empty(0), *(curve.values for curve in panel.curves)])
    main = np.concatenate([np.empty(0), *(curve.values for curve in panel.curves if not curve.dashed)])
    scale = panel.scale or fitting(every, main)
    height, left = panel.height * _FINE, LEFT * _FINE
    bottom, right = top + height, left + x.pixels
    small, gap = font(_FONT_SIZE), 5 * _FINE
    for value in x.ticks():
        at = left + x.position(value)
        pen.line((at, top, at, bottom), fill=_FAINT, width=_FINE)
        pen.text((at, bottom + gap), f"{value:,.10g}", fill=_INK, font=small, anchor="ma")
    for value, part in zip(scale.ticks(), scale.heights(np.array(scale.ticks())), strict=True):
        at = bottom - part * height
        pen.line((left, at, right, at), fill=_FAINT, width=_FINE)
        pen.text((left - gap, at), f"{0.0 if abs(value) < 1e-12 else value:.6g}", fill=_INK, font=small, anchor="rm")
    if panel.line is not None:
        at = bottom - float(scale.heights(np.array([panel.line]))[0]) * height
        _dashed(pen, [(left, at), (right, at)], _SOFT, _FINE, dash=4 * _FINE)
    pen.rectangle((left, top, right, bottom), outline=_INK, width=_FINE)
    notes = [note for note in (scale.note, _summary(positions, panel.curves)) if note]
    pen.text((left, top - gap), panel.title, fill=_INK, font=font(_HEAD_SIZE), anchor="ls")
    pen.text((right, top - gap), "; ".join(notes), fill=_SOFT, font=small, anchor="rs")
    for curve in sorted(panel.curves, key=lambda curve: not curve.dashed):
        _draw_curve(pen, curve, positions, scale, x, (left, top, height))
    _draw_legend(pen, panel.curves, right + 4 * gap, top)
    if not np.isfinite(every).any():
        pen.text(((left + right) / 2, (top + bottom) / 2), "nothing logged yet", fill=_SOFT, font=small, anchor="mm")


def _summary(positions: Floats, curves: Sequence[Curve]) -> str:
    """Say what of the values the curves do not show as it is."""
    missing = sum(int((~np.isfinite(curve.values)).sum()) for curve in curves if not curve.dashed)
    gaps = f"gaps: {missing} values not finite or missing" if missing and len(positions) else ""
    merged = f"means of 1/{_PARTS}; bands: lowest to highest" if len(positions) > _MOST else ""
    return "; ".join(filter(None, [merged, gaps]))


def _draw_curve(
    pen: "ImageDraw.ImageDraw", curve: Curve, positions: Floats, scale: Scale, x: Axis, corner: tuple[int, int, int]
) -> None:
    left, top, height = corner
    middle, low, high = _merged(positions, curve.values, x.high)
    at = left + middle[0] / x.high * x.pixels
    down = top + (1 - scale.heights(middle[1])) * height
    if len(positions) > _MOST and not curve.dashed:
        lower, upper = (top + (1 - scale.heights(values)) * height for values in (low, high))
        for part in _stretches(down):
            edge = [*zip(at[part], upper[part], strict=True), *zip(at[part][::-1], lower[part][::-1], strict=True)]
            if len(edge) > 3:
                pen.polygon([(float(a), float(b)) for a, b in edge], fill=(*curve.colour, 48))
    thick = (1 if curve.dashed else 2) * _FINE
    for part in _stretches(down):
        points = [(float(a), float(b)) for a, b in zip(at[part], down[part], strict=True)]
        if curve.dashed and len(points) > 1:
            _dashed(pen, points, curve.colour, thick + 1, dash=6 * _FINE)
        else:
            pen.line(points, fill=curve.colour, width=thick, joint="curve")
        if len(points) == 1 or len(positions) <= _DOTTED:
            for point in points:
                pen.circle(point, 3 * _FINE, fill=curve.colour)


def _merged(positions: Floats, values: Floats, end: float) -> tuple[Floats, Floats, Floats]:
    """Return (2, M) positions and values, and the lowest and highest of what each stands for."""
    values = np.where(np.isfinite(values), values, np.nan)
    if len(positions) <= _MOST:
        return np.stack([positions, values]), values, values
    part = np.minimum((positions / end * _PARTS).astype(int), _PARTS - 1)
    groups = [np.flatnonzero(part == k) for k in np.unique(part)]
    rows = []
    for group in groups:
        found = values[group][~np.isnan(values[group])]
        kept = (found.mean(), found.min(), found.max()) if len(found) else (np.nan,) * 3
        rows.append((positions[group].mean(), *kept))
    table = np.array(rows).T
    return table[:2], table[2], table[3]


def _stretches(values: Floats) -> list[slice]:
    """Return where values are finite, stretch by stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isfinite(values).astype(int), [0]])))
    return [slice(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _dashed(
    pen: "ImageDraw.ImageDraw", points: Sequence[tuple[float, float]], colour: Colour, width: int, *, dash: int
) -> None:
    """Draw a line in dashes of a length, with gaps of two thirds of it, that go on around corners."""
    where, period = 0.0, dash * 5 / 3
    for (x0, y0), (x1, y1) in pairwise(points):
        length = float(np.hypot(x1 - x0, y1 - y0))
        done = 0.0
        while done < length:
            phase = (where + done) % period
            step = min(length - done, (dash if phase < dash else period) - phase + 1e-6)
            if phase < dash:
                a, b = done / length, (done + step) / length
                ends = (x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0))
                pen.line(ends, fill=colour, width=width)
            done += step
        where += length


def _draw_legend(pen: "ImageDraw.ImageDraw", curves: Sequence[Curve], left: int, top: int) -> None:
    line, dash = 22 * _FINE, 26 * _FINE
    for row, curve in enumerate(curves):
        at = top + (row * 22 + 11) * _FINE
        if curve.dashed:
            _dashed(pen, [(left, at), (left + dash, at)], curve.colour, _FINE + 1, dash=6 * _FINE)
        else:
            pen.line((left, at, left + dash, at), fill=curve.colour, width=2 * _FINE)
        last = curve.values[np.isfinite(curve.values)][-1:]
        value = f"  {last[0]:.3g}" if len(last) else ""
        name, room = curve.name, WIDTH * _FINE - left - dash - line
        while name and pen.textlength(name + value, font=font(_FONT_SIZE)) > room:
            name = name.removesuffix("…")[:-1] + "…" if len(name) > 1 else ""
        pen.text((left + dash + line // 3, at), name + value, fill=_INK, font=font(_FONT_SIZE), anchor="lm")
