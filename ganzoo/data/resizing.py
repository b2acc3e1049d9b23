"""Pictures of any size -> one size, by a stated policy."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

Resize = Literal["stretch", "crop", "pad", "nearest"]
Size = tuple[int, int]


def resized(image: "Image.Image", size: Size, resize: Resize, background: str = "white") -> tuple["Image.Image", str]:
    """Bring a picture to a size.

    Larger pictures are scaled down with a Lanczos filter, smaller ones up with a bicubic one.

    Args:
        image: Of mode L, RGB or RGBA.
        size: (width, height).
        resize: `"stretch"` ignores the aspect ratio, `"crop"` scales the shorter side and cuts out the middle, `"pad"`
            fits the whole picture in and fills up with the background, `"nearest"` is as `"stretch"`, but takes each
            pixel from the nearest one, so that pixel art stays sharp and gets no new colours.
        background: What `"pad"` fills up with, as Pillow's ImageColor takes it.

    Returns:
        The picture, and what was done, such as `640x480 (4:3) stretched to 64x64 (1:1)` or `64x64 as it is`.
    """
    if image.size == size:
        return image, f"{_size(size)} as it is"
    if resize == "pad":
        return _padded(image, size, background)
    return _RESIZED[resize](image, size)


def _scaled(image: "Image.Image", size: Size, box: tuple[float, float, float, float] | None = None) -> "Image.Image":
    """Resize a picture, or the part of it in a box, to (width, height)."""
    from PIL import Image

    left, top, right, bottom = box or (0, 0, *image.size)
    shrinks = size[0] < right - left or size[1] < bottom - top
    return image.resize(size, Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC, box=box)


def _verb(image: "Image.Image", size: Size) -> str:
    return "scaled" if _ratio(image.size) == _ratio(size) else "stretched"


def _stretched(image: "Image.Image", size: Size) -> tuple["Image.Image", str]:
    return _scaled(image, size), f"{_full(image.size)} {_verb(image, size)} to {_full(size)}"


def _nearest(image: "Image.Image", size: Size) -> tuple["Image.Image", str]:
    from PIL import Image

    done = f"{_full(image.size)} {_verb(image, size)} to {_full(size)} by nearest pixels"
    return image.resize(size, Image.Resampling.NEAREST), done


def _cropped(image: "Image.Image", size: Size) -> tuple["Image.Image", str]:
    if _ratio(image.size) == _ratio(size):
        return _stretched(image, size)
    scale = min(image.width / size[0], image.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    left, top = (image.width - width) / 2, (image.height - height) / 2
    # Rounding must not put the box outside the picture.
    box = (max(left, 0), max(top, 0), min(left + width, image.width), min(top + height, image.height))
    part = _size((max(round(width), 1), max(round(height), 1)))
    return _scaled(image, size, box), f"{_full(image.size)} cut to its middle {part} and scaled to {_full(size)}"


def _padded(image: "Image.Image", size: Size, background: str) -> tuple["Image.Image", str]:
    from PIL import Image, ImageColor

    if _ratio(image.size) == _ratio(size):
        return _stretched(image, size)
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    canvas = Image.new(image.mode, size, ImageColor.getcolor(background, image.mode))
    canvas.paste(_scaled(image, inner), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return canvas, f"{_full(image.size)} scaled to {_size(inner)} and padded with {background} to {_full(size)}"


_RESIZED: dict[str, Callable[["Image.Image", Size], tuple["Image.Image", str]]] = {
    "stretch": _stretched,
    "crop": _cropped,
    "nearest": _nearest,
}


def _ratio(size: Size) -> str:
    divisor = math.gcd(*size)
    return f"{size[0] // divisor}:{size[1] // divisor}"


def _size(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _full(size: Size) -> str:
    return f"{_size(size)} ({_ratio(size)})"
