"""Pictures as people have them -> 8-bit pixels, upright; what cannot be read rightly is refused, never guessed."""

import io
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.table import HALF_BYTE
from ganzoo.errors import DataError, InputError

if TYPE_CHECKING:
    from PIL import Image

Resize = Literal["stretch", "crop", "pad"]

# The only decoders that content may reach: Pillow knows others, one of which runs a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
)

MAX_PIXELS = 2**26
MAX_FILE_BYTES = 2**28

# How a PNG keeps pixels whose one transparent colour Pillow compares in the right units.
_PLAIN_RAW_MODES = ("1", "L", "P", "P;1", "P;2", "P;4", "RGB")

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a picture's file.

    Raises:
        DataError: The file cannot be read, or is too large for a picture.
    """
    try:
        size = Path(path).stat().st_size
        check_file_size(size, str(path))
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"cannot read the picture {str(path)!r}: {reason}; replace or remove it") from error


def check_file_size(size: int, name: str) -> None:
    """Refuse a file too large for a picture, before it is read.

    Raises:
        DataError: It is larger than 256 MiB.
    """
    if size > MAX_FILE_BYTES:
        raise DataError(
            f"the picture {name!r} has {size:,} bytes; up to {MAX_FILE_BYTES:,} are read, so save it smaller"
        )


def decode(content: bytes, name: str) -> "Image.Image":
    """Decode the content of a picture's file; of an animation or several pages, the first.

    Args:
        content: The whole file, in one of `FORMATS`, whatever its name ends with.
        name: What the picture is called in messages.

    Returns:
        A picture as `standard` gives it.

    Raises:
        DataError: The content is no picture, damaged, too large, or of a kind whose pixels have no plain meaning.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # A picture that Pillow only warns of is refused by its size below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if image.format == "PNG":
                # Decoding leaves most checksums alone; checking them uses the picture up.
                image.verify()
                image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name!r} is not a picture in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, or its beginning is damaged; "
            "replace or remove it"
        ) from error
    except Exception as error:  # Pillow raises nearly anything on damaged content.
        raise _unreadable(name, error) from error
    with image:
        return standard(image, name)


def standard(image: "Image.Image", name: str) -> "Image.Image":
    """Bring a picture to 8 bits a channel, and turn it upright where its EXIF data says that it lies otherwise.

    Args:
        image: Of any mode. 16-bit grey is scaled to 8 bits, palettes, CMYK, YCbCr and HSV become RGB.
        name: What the picture is called in messages.

    Returns:
        A new picture of mode L, LA, RGB or RGBA.

    Raises:
        DataError: The picture is damaged, too large, or of a kind whose pixels have no plain meaning.
    """
    width, height = image.size
    if not 0 < width * height <= MAX_PIXELS:
        raise DataError(
            f"the picture {name!r} has {width}x{height} pixels; from 1 to {MAX_PIXELS:,} are read, so save it smaller"
        )
    try:
        return _standard(image)
    except _UnclearError as error:
        raise DataError(f"the picture {name!r} has {error}; save it with 8 bits a channel") from error
    except Exception as error:  # Pillow raises nearly anything on damaged content.
        raise _unreadable(name, error) from error


def on_white(image: "Image.Image") -> "Image.Image":
    """Lay a picture of mode L, LA, RGB or RGBA on white, so that it is of mode L or RGB."""
    from PIL import Image

    if image.mode in ("L", "RGB"):
        return image
    base = "L" if image.mode == "LA" else "RGB"
    canvas = Image.new(base, image.size, "white")
    canvas.paste(image.convert(base), mask=image.getchannel("A"))
    return canvas


def pixels(image: "Image.Image") -> Tensor:
    """Return a picture of 8-bit channels as uint8 (C, H, W)."""
    values = torch.from_numpy(np.array(image))  # (H, W) or (H, W, C)
    return values.unsqueeze(0) if values.ndim == 2 else values.permute(2, 0, 1)


def source_from_picture(
    picture: "str | os.PathLike[str] | Image.Image", shape: tuple[int, int, int], resize: Resize
) -> tuple[Tensor, str]:
    """Fit one picture of any size to a model that takes pictures of one shape.

    Args:
        picture: A picture, or the path of one. Transparent parts become white, unless `shape` has 4 channels.
        shape: (C, H, W) with 1 (grey), 3 (RGB) or 4 (RGBA) channels.
        resize: `"stretch"` ignores the aspect ratio, `"crop"` scales the shorter side and cuts out the middle, `"pad"`
            fits the whole picture in and fills up with white.

    Returns:
        The picture (C, H, W), float32 in [-1, 1], and what was done, such as `640x480 (4:3) stretched to 64x64 (1:1)`
        or `64x64 as it is`.

    Raises:
        DataError: The picture cannot be read.
        InputError: The shape or the way to resize is none of the above.
    """
    channels, height, width = shape
    if channels not in _MODES or min(height, width) < 1:
        raise InputError(f"a picture cannot be given shape {shape}; (C, H, W) with 1, 3 or 4 channels can be had")
    if resize not in _RESIZED:
        raise InputError(f"resize is {resize!r}; use {', '.join(map(repr, get_args(Resize)))}")
    if isinstance(picture, str | os.PathLike):
        path = Path(picture).expanduser()
        image = decode(read_bytes(path), str(path))
    else:
        image = standard(picture, getattr(picture, "filename", "") or type(picture).__name__)
    image = (image if channels == 4 else on_white(image)).convert(_MODES[channels])
    description = f"{_size(image.size)} as it is"
    if image.size != (width, height):
        image, description = _RESIZED[resize](image, (width, height))
    return (pixels(image).float() - HALF_BYTE) / HALF_BYTE, description


class _UnclearError(ValueError):
    """The pixels of a picture have no plain meaning."""


def _standard(image: "Image.Image") -> "Image.Image":
    from PIL import Image, ImageOps

    raw_modes = {tile[3] for tile in getattr(image, "tile", ()) if isinstance(tile[3], str)}
    if image.format == "PNG" and "transparency" in image.info and not raw_modes.issubset(_PLAIN_RAW_MODES):
        raise _UnclearError(f"a transparent colour in pixels of kind {', '.join(sorted(raw_modes))}")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("I", "F", "LAB"):
        kinds = {"I": "32-bit integers, whose range is not known", "F": "floats, whose range is not known"}
        raise _UnclearError(kinds.get(image.mode, "Lab colours"))
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return image.convert("LA" if grey else "RGBA")
    return image.convert("L" if grey else "RGB")


def _unreadable(name: str, error: Exception) -> DataError:
    return DataError(
        f"the picture {name!r} cannot be read: {error}; it is damaged or cut short, so replace or remove it"
    )


def _scaled(
    image: "Image.Image", size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> "Image.Image":
    """Resize a picture, or the part of it in a box, to (width, height)."""
    from PIL import Image

    left, top, right, bottom = box or (0, 0, *image.size)
    shrinks = size[0] < right - left or size[1] < bottom - top
    return image.resize(size, Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC, box=box)


def _stretched(image: "Image.Image", size: tuple[int, int]) -> tuple["Image.Image", str]:
    verb = "scaled" if _ratio(image.size) == _ratio(size) else "stretched"
    return _scaled(image, size), f"{_full(image.size)} {verb} to {_full(size)}"


def _cropped(image: "Image.Image", size: tuple[int, int]) -> tuple["Image.Image", str]:
    if _ratio(image.size) == _ratio(size):
        return _stretched(image, size)
    scale = min(image.width / size[0], image.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    left, top = (image.width - width) / 2, (image.height - height) / 2
    # Rounding must not put the box outside the picture.
    box = (max(left, 0), max(top, 0), min(left + width, image.width), min(top + height, image.height))
    part = _size((max(round(width), 1), max(round(height), 1)))
    return _scaled(image, size, box), f"{_full(image.size)} cut to its middle {part} and scaled to {_full(size)}"


def _padded(image: "Image.Image", size: tuple[int, int]) -> tuple["Image.Image", str]:
    from PIL import Image

    if _ratio(image.size) == _ratio(size):
        return _stretched(image, size)
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    canvas = Image.new(image.mode, size, "white")
    canvas.paste(_scaled(image, inner), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return canvas, f"{_full(image.size)} scaled to {_size(inner)} and padded with white to {_full(size)}"


_RESIZED: dict[str, Callable[["Image.Image", tuple[int, int]], tuple["Image.Image", str]]] = {
    "stretch": _stretched,
    "crop": _cropped,
    "pad": _padded,
}


def _ratio(size: tuple[int, int]) -> str:
    divisor = math.gcd(*size)
    return f"{size[0] // divisor}:{size[1] // divisor}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _full(size: tuple[int, int]) -> str:
    return f"{_size(size)} ({_ratio(size)})"
