"""Pictures with a line of text each: side by side, or one after another; `render` calls it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganzoo.data.curves import font

if TYPE_CHECKING:
    from PIL import Image

MOST = 6  # pictures in a strip
FRAMES = 120  # of an animation, at most
SECONDS, HOLD = 6.0, 2.0  # how long an animation runs, about, and how long its last frame stays
FASTEST, SLOWEST = 0.05, 0.6  # how long a frame stays, in seconds

# Pictures shrunk below this can no longer be read, so fewer stand side by side: grids of samples, and plots with text.
_LEAST_SCALE, _LEAST_SCALE_OF_TEXT = 0.39, 0.7
_GAP, _CAPTION, _FONT_SIZE = 10, 22, 13
_LARGEST = 800  # pixels of an animation's longer side

_PAPER, _INK, _FAINT, _BAR = (255, 255, 255), (60, 60, 67), (226, 226, 231), (76, 114, 176)


def evenly(count: int, most: int) -> list[int]:
    """Return at most `most` of the numbers from 0 to `count - 1`, evenly spaced, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})


def columns_for(count: int, picture_width: int, width: int, *, has_text: bool = False) -> int:
    """Return how many pictures stand side by side: as many as can be read, and no row nearly empty.

    Args:
        count: How many pictures there are, at most `MOST`.
        picture_width: The width of each, in pixels.
        width: The width of the strip.
        has_text: There is text in the pictures, to be read too.
    """
    least = (_LEAST_SCALE_OF_TEXT if has_text else _LEAST_SCALE) * picture_width
    fitting = [n for n in (6, 3, 2, 1) if (width - (n - 1) * _GAP) / n >= least]
    return min(fitting[0] if fitting else 1, count)


def strip(pictures: "Sequence[tuple[Image.Image, str]]", width: int) -> "Image.Image":
    """Draw pictures side by side, each over its text; wide ones in two or more rows.

    Args:
        pictures: At least one picture and what stands below it.
        width: The width of the whole, in pixels.
    """
    from PIL import Image, ImageDraw

    last = _opaque(pictures[-1][0])
    # Plots lie on white paper, and grids of pictures on black.
    columns = columns_for(len(pictures), last.width, width, has_text=last.getpixel((0, 0)) == _PAPER)
    places = max(columns, min(3, MOST))  # one or two pictures do not fill the whole width
    cell = (width - (places - 1) * _GAP) // places
    shown = [(_scaled(_opaque(picture), cell), text) for picture, text in pictures]
    row_height = max(picture.height for picture, _ in shown) + _CAPTION
    rows = math.ceil(len(shown) / columns)
    image = Image.new("RGB", (width, rows * (row_height + _GAP) - _GAP), _PAPER)
    pen = ImageDraw.Draw(image)
    for i, (picture, text) in enumerate(shown):
        left, top = (i % columns) * (cell + _GAP), (i // columns) * (row_height + _GAP)
        image.paste(picture, (left + (cell - picture.width) // 2, top))
        middle = (left + cell / 2, top + picture.height + _CAPTION / 2)
        pen.text(middle, text, fill=_INK, font=font(_FONT_SIZE, fine=1), anchor="mm")
    return image


def frames(pictures: "Sequence[tuple[Image.Image, str, float]]") -> "list[Image.Image]":
    """Draw pictures of one size, each over its text and a bar that grows.

    Args:
        pictures: Each picture, what stands below it, and the length of its bar, 0 to 1. All take the last one's size.
    """
    from PIL import Image, ImageDraw

    last = pictures[-1][0]
    part = min(1.0, _LARGEST / max(last.size))
    size = (max(1, round(last.width * part)), max(1, round(last.height * part)))
    found = []
    for picture, text, share in pictures:
        shown = _opaque(picture)
        shown = shown if shown.size == size else shown.resize(size, Image.Resampling.LANCZOS)
        frame = Image.new("RGB", (max(size[0], 120), size[1] + _CAPTION + 6), _PAPER)
        frame.paste(shown, ((frame.width - size[0]) // 2, 0))
        pen = ImageDraw.Draw(frame)
        middle = (frame.width / 2, size[1] + _CAPTION / 2)
        pen.text(middle, text, fill=_INK, font=font(_FONT_SIZE, fine=1), anchor="mm")
        pen.rectangle((0, frame.height - 5, frame.width, frame.height), fill=_FAINT)
        if length := round(share * frame.width):
            pen.rectangle((0, frame.height - 5, length - 1, frame.height), fill=_BAR)
        found.append(frame)
    return found


def durations(count: int) -> list[int]:
    """Return how long each frame of an animation stays, in milliseconds, whole hundredths of a second as in GIF."""
    each = min(SLOWEST, max(FASTEST, SECONDS / count))
    return [round(each * 100) * 10] * (count - 1) + [round(HOLD * 100) * 10]


def _opaque(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if picture.mode not in ("RGBA", "LA", "PA"):
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, (*_PAPER, 255))
    return Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")


def _scaled(picture: "Image.Image", width: int) -> "Image.Image":
    """Return a picture no wider than so many pixels."""
    from PIL import Image

    if picture.width <= width:
        return picture
    return picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS)
