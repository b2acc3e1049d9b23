"""Vertical scales for curves: linear, clipped or logarithmic, as the values need, and words for which it is."""

import math
from dataclasses import dataclass

import numpy as np

from ganzoo.data.plots import Axis, Floats

_WIDE = 30  # values that spread over more than this factor are drawn on a logarithmic scale
_DECADES = 2  # that a logarithmic scale reaches below the lowest of the main values, at most
_FEW = 20  # values; among fewer, none counts as an outlier


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to a height.

    Attributes:
        low: The value at the bottom.
        high: The value at the top.
        is_log: Heights go with the values' logarithms.
        note: What a reader must know of it, such as `"log scale"`; empty for a plain linear scale.
    """

    low: float
    high: float
    is_log: bool = False
    note: str = ""

    def heights(self, values: Floats) -> Floats:
        """Return values as heights, 0 at the bottom and 1 at the top; beyond is at the edge, and NaN stays."""
        clipped = np.clip(values, self.low, self.high)
        if self.is_log:
            return np.asarray(np.log(clipped / self.low) / math.log(self.high / self.low))
        return np.asarray((clipped - self.low) / (self.high - self.low))

    def ticks(self) -> list[float]:
        """Return three to ten round values within the scale."""
        if not self.is_log:
            return Axis(self.low, self.high, 1).ticks()
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for factors in ((1,), (1, 3), (1, 2, 5)):
            found = [factor * 10.0**k for k in range(first, last + 1) for factor in factors]
            found = [value for value in found if self.low <= value <= self.high]
            if len(found) >= 4:
                break
        return found


def fitting(values: Floats, main: Floats) -> Scale:
    """Choose the scale on which curves can be read.

    Positive values over more than a factor of 30 get a logarithmic scale, which reaches at most two decades below the
    main values. On a linear scale, a few values far from all others are clipped to its edge. The note says either.

    Args:
        values: (N,), all values to be drawn; NaN and infinite ones are left out.
        main: (M,), those among them that must not be clipped at the bottom of a logarithmic scale.
    """
    values, main = values[np.isfinite(values)], main[np.isfinite(main)]
    if len(values) == 0:
        return Scale(0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high > 0:
        positive = values[values > 0]
        lowest, typical = np.percentile(positive, [2, 98])
        if typical / lowest > _WIDE:
            floor = float(main[main > 0].min(initial=high)) / 10.0**_DECADES
            return _logarithmic(values, max(float(positive.min()), floor), high)
    return _linear(values, low, high)


def _logarithmic(values: Floats, low: float, high: float) -> Scale:
    below = int((values < low).sum())
    note = "log scale" + (f"; {_counted(below)} below {low:.2g}, drawn at the edge" if below else "")
    return Scale(low / 1.25, high * 1.25, is_log=True, note=note)


def _linear(values: Floats, low: float, high: float) -> Scale:
    first, last = np.percentile(values, [1, 99])
    span = float(last - first)
    note = ""
    if len(values) >= _FEW and span > 0 and high - low > 3 * span:
        bottom, top = max(low, first - span / 2), min(high, last + span / 2)
        beyond = int(((values < bottom) | (values > top)).sum())
        note = f"clipped: {_counted(beyond)} beyond, from {low:.3g} to {high:.3g}"
        low, high = float(bottom), float(top)
    if 0 < low < 0.4 * high:
        low = 0.0
    largest = max(abs(low), abs(high))
    # Values alike to six digits are drawn as one flat line; a narrower axis would have no round numbers.
    margin = 0.04 * (high - low) if high - low > 1e-6 * largest else 0.5 * (largest or 1.0)
    return Scale(low - (margin if low else 0.0), high + margin, note=note)


def _counted(n: int) -> str:
    return f"{n} value lies" if n == 1 else f"{n} values lie"
