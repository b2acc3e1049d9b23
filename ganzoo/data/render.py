"""The only drawer in ganzoo: samples of any shape -> one picture to look at."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.data import plots
from ganzoo.data.table import HALF_BYTE, to_data
from ganzoo.errors import InputError
from ganzoo.files import writing

if TYPE_CHECKING:
    from PIL import Image

# Pictures smaller than half of this are enlarged, by a whole number, to be readable in a grid.
_READABLE = 64

_GREY, _RGB, _RGBA = 1, 3, 4


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
