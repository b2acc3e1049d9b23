"""What the pictures of a data set are, by their headers: read once, before anything is decoded."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganzoo.data.pictures import check_size, opened
from ganzoo.data.shelves import Shelf
from ganzoo.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# Reading fewer files than this takes no time worth a progress bar.
WORTH_A_BAR = 1_000

_ORIENTATION = 0x0112
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True, slots=True)
class Header:
    """What one file's header says.

    Attributes:
        digest: The SHA-256 of the file's content.
        format: Such as `"PNG"`.
        mode: As Pillow calls it: how the file keeps its pixels.
        size: (width, height), upright.
        is_grey: It has no colours.
        is_transparent: It has an alpha channel or a transparent colour.
        is_animated: It has more than one picture.
        is_turned: It is to be turned or mirrored, as its EXIF data says.
        has_profile: It brings a colour profile.
    """

    digest: bytes
    format: str
    mode: str
    size: tuple[int, int]
    is_grey: bool
    is_transparent: bool
    is_animated: bool
    is_turned: bool
    has_profile: bool


def survey(shelf: Shelf, names: Sequence[str]) -> list[Header | DataError]:
    """Read each file once: its header, or why it is no picture that can be read.

    Args:
        shelf: Where the files lie.
        names: Their names.

    Raises:
        DataError: An archive is damaged.
    """
    found: dict[int, Header | DataError] = {}
    for position, content in reading(shelf, names, "looking at pictures"):
        try:
            found[position] = content if isinstance(content, DataError) else _header(content, names[position])
        except DataError as error:
            found[position] = error
    return [found[position] for position in range(len(names))]


def reading(shelf: Shelf, names: Sequence[str], doing: str) -> Iterator[tuple[int, bytes | DataError]]:
    """Give the content of files as a shelf does, with a progress bar where there are many.

    Args:
        shelf: Where the files lie.
        names: Their names.
        doing: What the bar says.
    """
    from tqdm import tqdm

    yield from tqdm(shelf.read(names), doing, len(names), unit="file", disable=len(names) <= WORTH_A_BAR)


def span(sizes: Collection[tuple[int, int]]) -> str:
    """Return the sizes (width, height) of pictures in words, such as `40 to 160 high and 48 wide`; empty for none."""
    words = []
    for side, word in ((1, "high"), (0, "wide")):
        lengths = {size[side] for size in sizes}
        if lengths:
            words.append(" to ".join(f"{length:,}" for length in sorted({min(lengths), max(lengths)})) + f" {word}")
    return " and ".join(words)


def _header(content: bytes, name: str) -> Header:
    with opened(content, name, whole=False) as image:
        check_size(image, name)
        orientation = _orientation(image)
        width, height = image.size
        # Pillow itself turns TIFF, and says so in its size already.
        lies = orientation >= 5 and image.format != "TIFF"
        return Header(
            digest=hashlib.sha256(content).digest(),
            format=image.format or "",
            mode=image.mode,
            size=(height, width) if lies else (width, height),
            is_grey=image.mode in _GREY,
            is_transparent=image.has_transparency_data,
            is_animated=_is_animated(image),
            is_turned=orientation > 1,
            has_profile=bool(image.info.get("icc_profile")),
        )


def _orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation, 1 to 8; damage to it shows when the picture is decoded."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # looking for it behind the pixels would decode them
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises nearly anything on damaged content.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_animated(image: "Image.Image") -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # the second picture is damaged; the first is all that is taken
        return True
