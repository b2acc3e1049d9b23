"""Folders and archives of single pictures -> a table, decoded once."""

import hashlib
import logging
import math
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.data.layout import Layout, lay_out
from ganzoo.data.mapped import filled
from ganzoo.data.options import PictureOptions, read_text
from ganzoo.data.pictures import decode, on_background, pixels
from ganzoo.data.resizing import resized
from ganzoo.data.shelves import ARCHIVE, Shelf, open_shelf
from ganzoo.data.survey import Header, reading, survey
from ganzoo.data.table import Table
from ganzoo.errors import DataError
from ganzoo.files import from_home

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger("ganzoo")

DEFAULT_SIZE = (64, 64)
DEFAULT_HELD_OUT, HELD_OUT_FROM = 0.1, 100

PIL_MODES = {"grey": "L", "RGB": "RGB", "RGBA": "RGBA"}
CHANNELS = {"grey": 1, "RGB": 3, "RGBA": 4}

_CONTENTS = "pictures"
_FORM = 1  # of what lies in the cache


def open_pictures(
    path: str | os.PathLike[str], *, split: str = "train", options: PictureOptions | None = None, **settings: Any
) -> Table:
    """Open the pictures in a folder or an archive as a table, decoded once.

    Folders are classes, and two or more folders named `train`, `test` and `val` are splits; see
    `ganzoo.data.layout.lay_out`. Without such folders a picture is held out, as split `"test"`, if the first 8 bytes
    of its file's SHA-256 are, as a fraction of the largest value, below the share `held_out`: so equal files are in
    one split, and adding files moves no other.

    Pictures are taken in the order of the bytes of their names, upright, with 8 bits a channel; of an animation the
    first is taken, and colour profiles are not applied. What was done is logged in one line, as a warning where it
    changed or left out anything.

    Args:
        path: The folder, tar archive or zip archive.
        split: `"train"`, `"test"`, or `"val"`, which only folders can give.
        options: How the pictures are read.
        settings: Single options by name, such as `image_size=64`, in place of `options`.

    Returns:
        A table of pictures uint8 `(C, H, W)`; beyond the memory budget they lie in a file of the cache.

    Raises:
        InputError: There is no such split, or an option has a value that it does not take.
        DataError: There are no pictures, or too many that cannot be read; the message names the first of them.
    """
    return _open(from_home(path), split, options or PictureOptions(**settings))


def open_pictures_text(text: str, split: str) -> Table | None:
    """Open `pictures:PATH`, or with a split and options `pictures@test,image_size=64:PATH`.

    A split in the text is taken whatever `split` is.

    Returns:
        The table, or None if the text is of no such kind.

    Raises:
        InputError: The text, or an option in it, cannot be read.
        DataError: As for `open_pictures`.
    """
    parts = read_text(text)
    if parts is None:
        return None
    chosen, options, path = parts
    table = _open(from_home(path), split if chosen is None else chosen, options)
    # Asked for by name, the training split is to be told from a held-out one wherever the data is named.
    return replace(table, name=f"{table.name}-train") if chosen == "train" else table


def open_plain(path: Path, split: str) -> Table:
    """Open a path that nothing is said of as pictures, unless it looks like pairs of pictures.

    Raises:
        DataError: As for `open_pictures`, or there are two classes called A and B.
    """
    return _open(path, split, PictureOptions(), is_plain=True)


def _open(path: Path, split: str, options: PictureOptions, *, is_plain: bool = False) -> Table:
    _check_writable(path)
    with ExitStack() as stack:
        shelf = open_shelf(path, stack, contents=_CONTENTS)
        layout = lay_out(shelf, split, options.labels)
        if is_plain and layout.class_names == ("A", "B"):
            raise DataError(
                f"{str(path)!r} has the folders A and B, as pairs of pictures do; give 'pairs:{path}', or "
                f"'pictures:{path}' to take them for two classes"
            )
        headers = survey(shelf, layout.names)
        collection = _Collection(shelf, layout, headers, split, options)
        return collection.table()


@dataclass
class _Collection:
    """The pictures of one place, on their way into a table."""

    shelf: Shelf
    layout: Layout
    headers: Sequence[Header | DataError]
    split: str
    asked: PictureOptions

    def __post_init__(self) -> None:
        self.failed = {i: str(header) for i, header in enumerate(self.headers) if isinstance(header, DataError)}
        self._check_failed()
        self.options = self._resolved()
        self.chosen = self._chosen()

    def table(self) -> Table:
        """Decode the chosen pictures."""
        height, width = self.options.size or DEFAULT_SIZE
        digest = hashlib.sha256()
        for i in self.chosen:
            digest.update(repr((self.layout.names[i], self._header(i).digest)).encode())
        key = {"form": _FORM, "files": digest.hexdigest(), "options": self.options.to_text(), "decoder": _decoder()}
        shape = (len(self.chosen), CHANNELS[self.options.mode], height, width)
        samples, facts = filled(shape, key, self._fill)
        failed = {int(i): str(message) for i, message in facts["failed"]}
        self.failed |= failed
        self._check_failed()
        kept = [i for i in self.chosen if i not in failed]
        labels = self.layout.labels
        # A training split goes without its name, so that the text can be asked for another split, too.
        suffix = "" if self.split == "train" else f"@{self.split}"
        place = self.shelf.path.absolute()
        table = Table(
            samples,
            None if labels is None else torch.tensor([labels[i] for i in kept]),
            self.layout.class_names,
            name=ARCHIVE.sub("", place.name) + suffix.replace("@", "-"),
            source=f"pictures{suffix}{self.options.to_text()}:{place}",
        )
        self._say(table, kept)
        return table

    def _header(self, i: int) -> Header:
        header = self.headers[i]
        assert isinstance(header, Header)  # noqa: S101  # the others have failed
        return header

    def _good(self) -> list[Header]:
        return [header for header in self.headers if isinstance(header, Header)]

    def _check_failed(self) -> None:
        total, bad = len(self.headers), len(self.failed)
        if bad <= self.asked.unreadable * total and bad < total:
            return
        some = "; ".join(list(self.failed.values())[:3])
        enough = min(math.ceil(100 * bad / total) / 100, 0.99)
        goes_on = f", or leave them out by 'pictures,unreadable={enough}:{self.shelf.path}'" if bad < total else ""
        raise DataError(
            f"{bad:,} of the {total:,} pictures in {str(self.shelf.path)!r} cannot be read, and "
            f"{self.asked.unreadable:.3g} of them may be left out: {some}; repair or remove them ('ganzoo data check "
            f"{self.shelf.path}' lists all){goes_on}"
        )

    def _resolved(self) -> PictureOptions:
        """Return the options with nothing left open."""
        good = self._good()
        size, mode, held_out = self.asked.size, self.asked.mode, self.asked.held_out
        if size is None:
            sizes = {header.size for header in good}
            size = next(iter(sizes))[::-1] if len(sizes) == 1 else DEFAULT_SIZE
        if mode == "auto":
            mode = "grey" if all(header.is_grey for header in good) else "RGB"
        if self.layout.has_splits:
            held_out = None
        elif held_out is None:
            held_out = DEFAULT_HELD_OUT if len(self.headers) >= HELD_OUT_FROM else 0.0
        return replace(self.asked, image_size=size, mode=mode, held_out=held_out)

    def _chosen(self) -> list[int]:
        """Return the positions of the split's pictures."""
        good = [i for i in range(len(self.headers)) if i not in self.failed]
        share = self.options.held_out
        if share is None:
            return good
        where = str(self.shelf.path)
        if self.split == "val":
            raise DataError(f"{where!r} has no folders by split, so there are only 'train' and 'test'; use one")
        is_test = [int.from_bytes(self._header(i).digest[:8], "big") < share * 2**64 for i in good]
        chosen = [i for i, test in zip(good, is_test, strict=True) if test == (self.split == "test")]
        if not chosen:
            raise DataError(
                f"of the {len(good):,} pictures in {where!r} none fall to the split {self.split!r}, as {share:g} of "
                f"them are held out for 'test'; choose another share, such as 'pictures,held_out=0.2:{where}', or use "
                "the other split"
            )
        return chosen

    def _fill(self, samples: Tensor) -> tuple[int, dict[str, Any]]:
        failed: list[list[Any]] = []
        is_passing = False
        names = [self.layout.names[i] for i in self.chosen]
        for row, content in reading(self.shelf, names, "reading pictures"):
            try:
                samples[row] = pixels(self._picture(content, self.chosen[row]))
            except _ChangedError as error:
                is_passing = True
                failed.append([self.chosen[row], str(error)])
            except DataError as error:
                failed.append([self.chosen[row], str(error)])
        bad = {position for position, _ in failed}
        kept = [row for row, position in enumerate(self.chosen) if position not in bad]
        for to, row in enumerate(kept):
            if to != row:
                samples[to] = samples[row]
        return len(kept), {"failed": sorted(failed), "passing": is_passing}

    def _picture(self, content: bytes | DataError, i: int) -> "Image.Image":
        if isinstance(content, DataError):
            raise _ChangedError(str(content)) from content
        name, options = self.layout.names[i], self.options
        if hashlib.sha256(content).digest() != self._header(i).digest:
            raise _ChangedError(f"the picture {name!r} changed while the data was read; leave it alone meanwhile")
        image = decode(content, name)
        image = image if options.mode == "RGBA" else on_background(image, options.background)
        height, width = options.size or DEFAULT_SIZE
        return resized(image.convert(PIL_MODES[options.mode]), (width, height), options.resize, options.background)[0]

    def _say(self, table: Table, kept: list[int]) -> None:
        """Log what the table is, and what was done to its pictures."""
        options, headers = self.options, [self._header(i) for i in kept]
        height, width = table.sample_shape[1:]
        counts = Counter[str]()
        for header in headers:
            counts["resized"] += header.size != (width, height)
            counts["transparent"] += header.is_transparent and options.mode != "RGBA"
            counts["animated"] += header.is_animated
            counts["profile"] += header.has_profile
            counts["coloured"] += not header.is_grey and options.mode == "grey"
        held_out = len(self._good()) - len(self.chosen)
        others = self.layout.others
        done = [
            (counts["resized"], f"{counts['resized']:,} of another size brought to it by resize={options.resize}"),
            (counts["coloured"], f"{counts['coloured']:,} in colours made grey"),
            (counts["transparent"], f"{counts['transparent']:,} with transparent parts laid on {options.background}"),
            (counts["animated"], f"of {counts['animated']:,} animations the first picture taken"),
            (counts["profile"], f"{counts['profile']:,} colour profiles not applied"),
            (held_out, f"{held_out:,} more are the split {'test' if self.split == 'train' else 'train'!r}"),
            (others, f"{len(others):,} other files passed over, such as {others[0] if others else None!r}"),
            (self.layout.empty, f"folders without pictures left out: {', '.join(map(repr, self.layout.empty[:3]))}"),
            (self.failed, f"{len(self.failed):,} left out that cannot be read: {'; '.join(_first(self.failed))}"),
        ]
        said = [sentence for happened, sentence in done if happened]
        labels = f", {table.num_classes} classes" if table.num_classes else ""
        kind = f"{len(table):,} pictures, {options.mode}, {height} high and {width} wide{labels}"
        logger.log(logging.WARNING if said else logging.INFO, "%s: %s", table.name, "; ".join([kind, *said]))


class _ChangedError(DataError):
    """A file is not what it was when its header was read."""


def _first(failed: dict[int, str]) -> list[str]:
    return list(failed.values())[:3]


def _decoder() -> str:
    import PIL

    return PIL.__version__


def _check_writable(path: Path) -> None:
    """Refuse a path that a run's config could not name."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"the path {str(path)!r} is no text in UTF-8; rename it, or give it by a link") from error
