"""Pictures as people have them -> 8-bit pixels, upright; what cannot be read rightly is refused, never guessed."""

import io
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.jpeg import check_markers
from ganzoo.data.resizing import Resize, resized
from ganzoo.data.table import HALF_BYTE
from ganzoo.errors import DataError, InputError

if TYPE_CHECKING:
    from PIL import Image

# The only decoders that content may reach: Pillow knows others, one of which runs a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
)

MAX_PIXELS = 2**26
MAX_SIDE = 2**16
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
        # Not blocking, because a pipe may have taken the place of what was a file.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise DataError(f"the picture {str(path)!r} is no file any more; replace or remove it")
            check_file_size(found.st_size, str(path))
            return file.read()
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
    with opened(content, name, whole=True) as image:
        return standard(image, name)


def opened(content: bytes, name: str, *, whole: bool) -> "Image.Image":
    """Read the header of a picture's file.

    Args:
        content: The whole file.
        name: What the picture is called in messages.
        whole: Whether to look at the rest of the file too, as far as that can be done without decoding it.

    Raises:
        DataError: The content is no picture, or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if whole:
        check_markers(content, name)
    try:
        with warnings.catch_warnings():
            # A picture that Pillow only warns of is refused by its size; it warns of metadata it cannot read, too.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if whole and image.format == "PNG":
                # Decoding leaves most checksums alone; checking them uses the picture up.
                image.verify()
                image = Image.open(io.BytesIO(content), formats=FORMATS)
            return image
    except Image.DecompressionBombError as error:
        raise DataError(
            f"the picture {name!r} has far more pixels than the {MAX_PIXELS:,} that are read, so save it smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name!r} is not a picture in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, or its beginning is damaged; "
            "replace or remove it"
        ) from error
    except Exception as error:  # Pillow raises nearly anything on damaged content.
        raise _unreadable(name, error) from error


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
    check_size(image, name)
    try:
        return _standard(image)
    except _UnclearError as error:
        raise DataError(f"the picture {name!r} has {error}; save it with 8 bits a channel") from error
    except Exception as error:  # Pillow raises nearly anything on damaged content.
        raise _unreadable(name, error) from error


def check_size(image: "Image.Image", name: str) -> None:
    """Refuse a picture by what its header says, before its pixels are decoded.

    Raises:
        DataError: It has more than 2^26 pixels, or more than 65,536 on a side.
    """
    width, height = image.size
    if not 0 < width * height <= MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise DataError(
            f"the picture {name!r} has {width}x{height} pixels; from 1 to {MAX_PIXELS:,} are read, and up to "
            f"{MAX_SIDE:,} on a side, so save it smaller"
        )


def on_background(image: "Image.Image", colour: str = "white") -> "Image.Image":
    """Lay a picture of mode L, LA, RGB or RGBA on a colour, so that it is of mode L or RGB.

    Args:
        image: The picture; one of mode LA stays grey on grey.
        colour: As Pillow's ImageColor takes it, such as `"white"` or `"#ff8000"`.
    """
    from PIL import Image, ImageColor

    if image.mode in ("L", "RGB"):
        return image
    rgb = ImageColor.getrgb(colour)[:3]
    base = "L" if image.mode == "LA" and len(set(rgb)) == 1 else "RGB"
    canvas = Image.new(base, image.size, rgb[0] if base == "L" else rgb)
    canvas.paste(image.convert(base), mask=image.getchannel("A"))
    return canvas


def pixels(image: "Image.Image") -> Tensor:
    """Return a picture of 8-bit channels as uint8 (C, H, W)."""
    values = torch.from_numpy(np.array(image))  # (H, W) or (H, W, C)
    return values.unsqueeze(0) if values.ndim == 2 else values.permute(2, 0, 1)


def source_from_picture(
    picture: "str | os.PathLike[str] | Image.Image", shape: tuple[int, int, int], resize: Resize | None
) -> tuple[Tensor, str]:
    """Fit one picture of any size to a model that takes pictures of one shape.

    Args:
        picture: A picture, or the path of one. Transparent parts become white, unless `shape` has 4 channels.
        shape: (C, H, W) with 1 (grey), 3 (RGB) or 4 (RGBA) channels.
        resize: How, as `ganzoo.data.resizing.resized` does it; `"pad"` fills up with white. None leaves the picture in
            its own size, for a model that takes any.

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
    if resize is not None and resize not in get_args(Resize):
        raise InputError(f"resize is {resize!r}; use {', '.join(map(repr, get_args(Resize)))}")
    if isinstance(picture, str | os.PathLike):
        path = Path(picture).expanduser()
        image = decode(read_bytes(path), str(path))
    else:
        image = standard(picture, getattr(picture, "filename", "") or type(picture).__name__)
    image = (image if channels == 4 else on_background(image)).convert(_MODES[channels])
    image, description = resized(image, (width, height) if resize else image.size, resize or "stretch")
    return (pixels(image).float() - HALF_BYTE) / HALF_BYTE, description


class _UnclearError(ValueError):
    """The pixels of a picture have no plain meaning."""


def _standard(image: "Image.Image") -> "Image.Image":
    from PIL import Image, ImageOps

    raw_modes = {tile[3] for tile in getattr(image, "tile", ()) if isinstance(tile[3], str)}
    if image.format == "PNG" and "transparency" in image.info and not raw_modes.issubset(_PLAIN_RAW_MODES):
        raise _UnclearError(f"a transparent colour in pixels of kind {', '.join(sorted(raw_modes))}")
    is_16_bit = image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM")
    image = ImageOps.exif_transpose(image)
    if is_16_bit:
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
