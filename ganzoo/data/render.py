"""The only drawer in ganzoo: samples of any shape -> one picture to look at."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.data import curves, plots, strips
from ganzoo.data.table import HALF_BYTE, to_data
from ganzoo.errors import InputError
from ganzoo.files import writing

if TYPE_CHECKING:
    from PIL import Image

# Pictures smaller than half of this are enlarged, by a whole number, to be readable in a grid.
_READABLE = 64

_GREY, _RGB, _RGBA = 1, 3, 4

_MARGIN, _TITLE_HEIGHT, _LINE_HEIGHT = 20, 30, 20  # of the picture of a run's progress


def draw(samples: Tensor, *, scale: float, offset: float, columns: int | None = None) -> "Image.Image":
    """Draw samples in the way their shape asks for.

    | sample shape | drawn as |
    | --- | --- |
    | `(C, H, W)` | a grid of pictures; grey, RGB or RGBA, and other channel counts as grey side by side |
    | `(1, T)` | a grid of line plots |
    | `(2,)` | a 2-D histogram of all points, with counts on a log scale |
    | `(1,)` | a histogram |

    Args:
        samples: `(N, *sample_shape)` in [-1, 1], N at least 1. Histograms leave out points beyond the range, and NaN.
        scale: Half the width of the data's range, for the axes.
        offset: The middle of the data's range, for the axes.
        columns: How many pictures or line plots stand side by side; by default about as many as one below another.

    Raises:
        InputError: The shape is none of these, or `columns` is below 1.
    """
    if len(samples) == 0:
        raise InputError("there are no samples to draw; give at least one")
    if columns is not None and columns < 1:
        raise InputError(f"columns is {columns}; give 1 or more")
    columns = columns or math.ceil(math.sqrt(len(samples)))
    samples = samples.detach().cpu().float()
    low, high = offset - scale, offset + scale
    match samples.shape[1:]:
        case (_, _, _):
            return _picture_grid(samples, columns)
        case (1, _):
            return plots.line_grid((samples[:, 0] * scale + offset).numpy(), low, high, columns)
        case (2,):
            return plots.density_map((samples * scale + offset).numpy(), low, high)
        case (1,):
            return plots.histogram((samples[:, 0] * scale + offset).numpy(), low, high)
    raise InputError(
        f"samples of shape {tuple(samples.shape[1:])} cannot be drawn; pictures (C, H, W), sequences (1, T), "
        "points (2,) and numbers (1,) can, so draw a part of them"
    )


def beside(columns: Sequence[Tensor]) -> Tensor:
    """Put pictures side by side, each column's first beside the others' first, and so on.

    Args:
        columns: Each (N, C, H, W) in [-1, 1], grey, RGB or RGBA; smaller ones are enlarged to the last column's size.

    Returns:
        (N, C, H, columns * W), with the channels of the column that has most.
    """
    channels = max(column.shape[1] for column in columns)
    height, width = columns[-1].shape[2:]
    alike = []
    for column in columns:
        pixels = column.detach().cpu().float()
        if pixels.shape[2:] != (height, width):
            pixels = torch.nn.functional.interpolate(pixels, size=(height, width), mode="nearest")
        if pixels.shape[1] == _GREY:
            pixels = pixels.expand(-1, min(channels, _RGB), -1, -1)
        if pixels.shape[1] == _RGB < channels:
            pixels = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)  # opaque
        alike.append(pixels)
    return torch.cat(alike, dim=3)


def compare(groups: Mapping[str, Tensor], label: str) -> "Image.Image":
    """Draw how two groups of numbers from 0 up are distributed, one over the other.

    Args:
        groups: (N,) each, by what they are.
        label: What is measured.
    """
    return plots.overlaid({name: values.numpy() for name, values in groups.items()}, label)


def picture(sample: Tensor) -> "Image.Image":
    """Turn one sample into a picture of its own size, pixel by pixel.

    Args:
        sample: `(C, H, W)` in [-1, 1]; grey, RGB or RGBA.

    Raises:
        InputError: The sample is no such picture.
    """
    from PIL import Image

    if sample.dim() != 3 or len(sample) not in (_GREY, _RGB, _RGBA):
        raise InputError(
            f"a sample of shape {tuple(sample.shape)} is no picture to be saved alone; grey, RGB and RGBA pictures "
            "(C, H, W) are"
        )
    array = _pixels(sample).permute(1, 2, 0).numpy()  # (H, W, C)
    return Image.fromarray(array[:, :, 0] if len(sample) == _GREY else array)


def progress(
    title: str,
    details: Sequence[str],
    positions: plots.Floats,
    panels: Sequence[curves.Panel],
    pictures: "Sequence[tuple[Image.Image, str]]" = (),
    *,
    end: float,
) -> "Image.Image":
    """Draw how a run went: a heading, curves over images shown, and some of the pictures of its samples.

    Args:
        title: The heading.
        details: Lines below it.
        positions: (N,), how many images were shown at each of the curves' values, in order.
        panels: The curves.
        pictures: Pictures in order, each with the text below it; of more than six, six evenly spaced ones are shown.
        end: Where the curves' horizontal axis ends, above 0.
    """
    from PIL import Image, ImageDraw

    chart = curves.chart(positions, panels, end=end)
    chosen = [pictures[i] for i in strips.evenly(len(pictures), strips.MOST)]
    strip = strips.strip(chosen, curves.WIDTH - 2 * _MARGIN) if chosen else None
    top = _MARGIN + _TITLE_HEIGHT + _LINE_HEIGHT * len(details)
    below = top + chart.height + _MARGIN
    heading = f"fixed samples, {len(chosen)} of {len(pictures)} pictures"
    height = below + (_TITLE_HEIGHT + strip.height + _MARGIN if strip else 0)
    image = Image.new("RGB", (curves.WIDTH, height), "white")
    image.paste(chart, (0, top))
    pen = ImageDraw.Draw(image)
    pen.text((_MARGIN, _MARGIN), title, fill="black", font=curves.font(20, fine=1), anchor="la")
    for row, line in enumerate(details):
        at = (_MARGIN, _MARGIN + _TITLE_HEIGHT + row * _LINE_HEIGHT)
        pen.text(at, line, fill=(60, 60, 67), font=curves.font(14, fine=1), anchor="la")
    if strip:
        pen.text((_MARGIN, below), heading, fill=(60, 60, 67), font=curves.font(15, fine=1), anchor="la")
        image.paste(strip, (_MARGIN, below + _TITLE_HEIGHT))
    return image


def save_gif(pictures: "Sequence[tuple[Image.Image, str, float]]", path: str | os.PathLike[str]) -> int:
    """Write pictures as an animated GIF, whole or not at all, that plays again and again.

    It runs for about six seconds, and its last frame stays for two more. Of more than 120 pictures, 120 evenly spaced
    ones are shown.

    Args:
        pictures: At least one picture, in order, each with the text below it and the length of a bar, 0 to 1.
        path: The file.

    Returns:
        How many pictures are shown.

    Raises:
        OutputError: The file cannot be written.
    """
    first, *others = strips.frames([pictures[i] for i in strips.evenly(len(pictures), strips.FRAMES)])
    durations = strips.durations(1 + len(others))
    with writing(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return 1 + len(others)


def save_png(image: "Image.Image", path: str | os.PathLike[str]) -> None:
    """Write a picture as PNG, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    with writing(path) as temporary:
        image.save(temporary, format="PNG")


def _picture_grid(samples: Tensor, columns: int) -> "Image.Image":
    from PIL import Image
    from torchvision.utils import make_grid

    _, channels, height, width = samples.shape
    pixels = _pixels(samples)
    if channels not in (_GREY, _RGB, _RGBA):
        pixels = pixels.permute(0, 2, 1, 3).reshape(-1, 1, height, channels * width)
    enlarged = max(1, _READABLE // max(height, width))
    pixels = pixels.repeat_interleave(enlarged, dim=2).repeat_interleave(enlarged, dim=3)
    grid = make_grid(pixels, nrow=columns, padding=2)  # (C, H, W), grey as RGB
    return Image.fromarray(grid.permute(1, 2, 0).numpy())


def _pixels(samples: Tensor) -> Tensor:
    """Return samples as uint8: a picture shows the whole of [-1, 1] as 0..255, whatever the data's units are."""
    return to_data(samples.detach().cpu().nan_to_num(0), HALF_BYTE, HALF_BYTE, torch.uint8)
