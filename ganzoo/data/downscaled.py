"""Pairs for super-resolution: pictures of any table, each with a smaller one of itself as the source."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.data.table import Table
from ganzoo.errors import DataError, InputError, did_you_mean, given

if TYPE_CHECKING:
    from collections.abc import Callable

Filter = Literal["bicubic", "box"]

DEFAULT_FACTOR, LARGEST_FACTOR = 2, 64
MAX_SOURCE_BYTES = 32 * 2**30

_ROWS = 256  # scaled down at a time, to work in bounded memory
_OPTIONS = ("factor", "filter")
_TEXT = re.compile(r"downscaled(?P<options>(?:,[^:,]*)*):(?P<data>.*)", re.DOTALL)


def downscaled(table: Table, factor: int = DEFAULT_FACTOR, *, filter: Filter = "bicubic") -> Table:
    """Give each picture of a table a smaller one of itself, from which it is to be made.

    Args:
        table: Pictures `(C, H, W)`, with sides that are multiples of the factor. Its labels, vectors and sources are
            left out.
        factor: By how much a source is smaller on each side.
        filter: `"bicubic"`, antialiased, as Pillow's and torchvision's, or `"box"`, the mean over each square of
            `factor` pixels.

    Returns:
        The same samples with sources `(C, H / factor, W / factor)` of the samples' dtype; uint8 is rounded. The name
        ends with the factor, as in `openmoji-x2`, and the source, if the table has one, is a text for `open_data`.

    Raises:
        InputError: The factor or the filter is none that can be taken.
        DataError: The samples are no pictures, their sides are no multiples of the factor, or there are too many.
    """
    if type(factor) is not int or not 2 <= factor <= LARGEST_FACTOR:
        raise InputError(f"factor is {given(factor)}; it takes a whole number from 2 to {LARGEST_FACTOR}")
    if filter not in get_args(Filter):
        raise InputError(f"filter is {filter!r}; use {', '.join(map(repr, get_args(Filter)))}")
    shape = table.sample_shape
    if len(shape) != 3:
        raise DataError(f"{table.name} has samples of shape {shape}, and only pictures (C, H, W) can be scaled down")
    channels, height, width = shape
    if height % factor or width % factor:
        nearest = "x".join(str(max(side // factor, 1) * factor) for side in (height, width))
        raise DataError(
            f"the pictures of {table.name} have {height}x{width} pixels (height x width), which are no multiples of "
            f"the factor {factor}; open them in another size, such as by 'pictures,image_size={nearest}:DIR'"
        )
    size = (height // factor, width // factor)
    if len(table) * channels * size[0] * size[1] * table.samples.element_size() > MAX_SOURCE_BYTES:
        raise DataError(
            f"the sources of {len(table):,} pictures of {size[0]}x{size[1]} pixels take more than "
            f"{MAX_SOURCE_BYTES // 2**30} GiB of memory; take a larger factor, or fewer pictures"
        )
    sources = torch.empty(len(table), channels, *size, dtype=table.samples.dtype)
    for rows in torch.split(torch.arange(len(table)), _ROWS):
        sources[rows] = _scaled_down(table, table.samples[rows], size, filter)
    kind = f"downscaled,factor={factor}" + ("" if filter == "bicubic" else f",filter={filter}")
    return replace(
        table,
        sources=sources,
        paired=True,
        labels=None,
        class_names=(),
        vectors=None,
        name=f"{table.name}-x{factor}",
        source=None if table.source is None else f"{kind}:{table.source}",
    )


def _scaled_down(table: Table, samples: Tensor, size: tuple[int, int], filter: Filter) -> Tensor:
    pictures = samples.float()
    if filter == "box":
        small = F.adaptive_avg_pool2d(pictures, size)  # a mean stays in range
    else:
        # A bicubic filter overshoots at edges.
        low, high = table.offset - table.scale, table.offset + table.scale
        small = F.interpolate(pictures, size=size, mode="bicubic", antialias=True, align_corners=False).clamp_(
            low, high
        )
    return small.round_().to(torch.uint8) if samples.dtype == torch.uint8 else small


def open_downscaled_text(text: str, opened: "Callable[[str], Table]") -> Table | None:
    """Open `downscaled:DATA`, or with options `downscaled,factor=4,filter=box:DATA`.

    Args:
        text: DATA is any text that `open_data` takes, with a split and options of its own.
        opened: Opens it.

    Returns:
        The table, or None if the text is of no such kind.

    Raises:
        InputError: An option is unknown, there twice, or has a value that it does not take; or there is no DATA.
        DataError: As for `downscaled`, or as DATA is refused.
    """
    if not re.match(r"downscaled[,:]", text):
        return None
    parts = _TEXT.fullmatch(text)
    if parts is None or not parts["data"]:
        raise InputError(f"{text!r} names no data; give 'downscaled:DATA', or 'downscaled,factor=4:DATA'")
    if re.match(r"downscaled[,:]", parts["data"]):
        raise InputError(f"{text[:100]!r} scales down twice, and a picture has one source; give one factor")
    values: dict[str, Any] = {}
    for option in parts["options"].split(",")[1:]:
        key, _, value = option.partition("=")
        if key not in _OPTIONS or key in values:
            problem = "is there twice" if key in values else f"is unknown{did_you_mean(key, _OPTIONS)}"
            raise InputError(f"the option {key!r} of {text!r} {problem}; there are {', '.join(_OPTIONS)}")
        is_number = key == "factor" and re.fullmatch(r"\d{1,4}", value, re.ASCII)
        values[key] = int(value) if is_number else value
    return downscaled(opened(parts["data"]), **values)
