"""How pictures of any kind are to become one table, in Python and as text."""

import math
import re
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from ganzoo.data.layout import Labels
from ganzoo.data.resizing import Resize
from ganzoo.errors import InputError, did_you_mean, given

Mode = Literal["auto", "grey", "RGB", "RGBA"]

MAX_IMAGE_SIZE = 8192

_TEXT = re.compile(r"[a-z]+(?:@(?P<split>[^:,]*))?(?P<options>(?:,[^:,]*)*):(?P<path>.*)", re.DOTALL)
_SIZE = re.compile(r"(\d{1,6})(?:x(\d{1,6}))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """How pictures are to be read.

    Attributes:
        image_size: (height, width), or one number for both; None keeps the size that all pictures have, or else takes
            64.
        resize: How pictures of another size are brought to it; see `ganzoo.data.resizing.resized`.
        mode: `"grey"`, `"RGB"` or `"RGBA"`; `"auto"` is grey where no picture has colours, and RGB otherwise.
        background: The colour below transparent parts, and beside what `resize="pad"` fits in; not for RGBA's own
            transparent parts, which stay. A name or `#rrggbb`, as Pillow's ImageColor takes it.
        held_out: The share of the pictures that are the split `"test"`, where folders do not say; None holds out a
            tenth of 100 pictures and more, and nothing of fewer.
        unreadable: The share of the pictures that may be left out because they cannot be read.
        labels: `"folders"` or `"none"`: whether folders are classes.

    Raises:
        InputError: A value is none of these.
    """

    image_size: int | tuple[int, int] | None = None
    resize: Resize = "crop"
    mode: Mode = "auto"
    background: str = "white"
    held_out: float | None = None
    unreadable: float = 0.01
    labels: Labels = "folders"

    def __post_init__(self) -> None:
        for name, choices in (("resize", get_args(Resize)), ("mode", get_args(Mode)), ("labels", get_args(Labels))):
            if getattr(self, name) not in choices:
                known = ", ".join(map(repr, choices))
                raise InputError(f"{name} is {getattr(self, name)!r}; use {known}")
        for name in ("held_out", "unreadable"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and 0 <= value < 1) and not (value is None and name == "held_out"):
                raise InputError(f"{name} is {given(value)}; it takes a share from 0 to below 1, such as 0.1")
        sides = self.size
        if sides is not None and not all(type(side) is int and 1 <= side <= MAX_IMAGE_SIZE for side in sides):
            raise InputError(
                f"image_size is {self.image_size!r}; it takes pixels from 1 to {MAX_IMAGE_SIZE}, as one number or as "
                "(height, width)"
            )
        _check_colour(self.background)

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width), if a size is asked for."""
        if isinstance(self.image_size, int):
            return self.image_size, self.image_size
        if self.image_size is None:
            return None
        if not isinstance(self.image_size, tuple) or len(self.image_size) != 2:
            raise InputError(f"image_size is {self.image_size!r}; give one number, or (height, width)")
        return self.image_size

    def to_text(self) -> str:
        """Return what differs from the defaults as text, such as `,image_size=48x64,mode=RGB`."""
        parts = []
        for each in fields(self):
            value = getattr(self, each.name)
            if value == each.default:
                continue
            if isinstance(value, tuple):
                value = "x".join(map(str, value[: len(set(value))]))
            parts.append(f",{each.name}={value}")
        return "".join(parts)


def leaving_out(options: PictureOptions, share: float, path: object) -> str:
    """Return the text that opens pictures although a share of them cannot be read.

    Args:
        options: How they are read otherwise.
        share: How many of all cannot be read, below 1.
        path: Where they lie.
    """
    return f"pictures{replace(options, unreadable=min(math.ceil(round(100 * share, 9)) / 100, 0.99)).to_text()}:{path}"


def read_text(text: str, kind: str = "pictures") -> tuple[str | None, PictureOptions, str] | None:
    """Read `pictures:PATH`, which may name a split and options: `pictures@test,image_size=64,resize=pad:PATH`.

    Args:
        text: The text.
        kind: The word that it begins with.

    Returns:
        The split or None, the options, and the path; None if the text is of no such kind.

    Raises:
        InputError: An option is unknown, there twice, or has a value that it does not take; or there is no path.
    """
    if not re.match(rf"{kind}[@,:]", text):
        return None
    parts = _TEXT.fullmatch(text)
    if parts is None or not parts["path"]:
        raise InputError(f"{text!r} names no path; give '{kind}:PATH', or '{kind}@test,image_size=64:PATH'")
    values: dict[str, Any] = {}
    known = [each.name for each in fields(PictureOptions)]
    for option in parts["options"].split(",")[1:]:
        key, _, value = option.partition("=")
        if key not in known or key in values:
            problem = "is there twice" if key in values else f"is unknown{did_you_mean(key, known)}"
            raise InputError(f"the option {key!r} of {text!r} {problem}; there are {', '.join(known)}")
        values[key] = _value(key, value)
    return parts["split"], PictureOptions(**values), parts["path"]


def _value(key: str, text: str) -> Any:
    if key == "image_size" and (sides := _SIZE.fullmatch(text)):
        return int(text) if sides[2] is None else (int(sides[1]), int(sides[2]))
    if key in ("held_out", "unreadable"):
        try:
            return float(text)
        except ValueError:
            return text
    return (text,) if key == "image_size" else text


def _check_colour(colour: str) -> None:
    from PIL import ImageColor

    try:
        # A colon or comma could not be told from those of the text.
        is_known = not set(colour) & set(",:") and len(ImageColor.getrgb(colour)) == 3
    except (ValueError, TypeError, AttributeError):
        is_known = False
    if not is_known:
        raise InputError(f"background is {colour!r}; it takes a colour such as 'white' or '#ff8000'")
