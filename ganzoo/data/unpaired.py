"""Pictures of two kinds that do not belong together -> a table with sources that are not paired."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from ganzoo import plugins
from ganzoo.data.collection import DEFAULT_SIZE, Collection
from ganzoo.data.layout import SPLITS, Layout
from ganzoo.data.options import PictureOptions, read_text
from ganzoo.data.shelves import ARCHIVE, Shelf, join, open_shelf, unwrap
from ganzoo.data.table import Table
from ganzoo.errors import DataError, InputError, UnknownNameError
from ganzoo.files import from_home, is_folder

_SIDES = ("A", "B")
_REVERSED = "reversed-"
_DECIDED = ("image_size", "mode", "held_out")
_LAYOUTS = "folders A (sources) and B (samples), or trainA and trainB, beside testA and testB"

Places = tuple[str, str]  # of sources and of samples


def open_unpaired(
    path: str | os.PathLike[str],
    *,
    split: str = "train",
    reverse: bool = False,
    options: PictureOptions | None = None,
    **settings: Any,
) -> Table:
    """Open pictures of two kinds, in any numbers, from a folder, a tar or a zip archive.

    Sources lie in a folder `A` and samples in `B`, with all folders in them, or, by split, in `trainA` and `trainB`,
    `testA` and `testB`, `valA` and `valB`; `train/A` and `A/train` are understood too, and small letters for A and B.
    What is not told by split is held out by file as of single pictures, in both folders alike. Pictures are read as
    `ganzoo.data.folders.open_pictures` reads them, both kinds in one size; grey ones keep one channel.

    Args:
        path: The folder or the archive.
        split: `"train"`, `"test"` or `"val"`.
        reverse: Whether to take samples for sources and the reverse.
        options: How the pictures are read; `labels` has no meaning here.
        settings: Single options by name, such as `image_size=64`, in place of `options`.

    Returns:
        A table whose samples and sources are not paired, both uint8 `(C, H, W)`.

    Raises:
        InputError: There is no such split, or an option has a value that it does not take.
        DataError: The split or a folder is not there, or too many pictures cannot be read.
    """
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}; use {', '.join(map(repr, SPLITS))}")
    asked, place = options or PictureOptions(**settings), from_home(path)
    with ExitStack() as stack:
        shelf = open_shelf(place, stack, contents=_LAYOUTS)
        layouts = _lay_out(shelf, split)
        collections = [Collection(shelf, layout, split, asked) for layout in layouts]
        agreed = _agreed(asked, collections)
        if any(each.options != replace(agreed, mode=each.options.mode) for each in collections):
            collections = [Collection(shelf, layout, split, agreed) for layout in layouts]
        sources, samples = (each.table() for each in collections)
    if reverse:
        sources, samples = samples, sources
    suffix = "" if split == "train" else f"@{split}"
    kind = f"{_REVERSED if reverse else ''}unpaired{suffix}{agreed.to_text()}"
    return replace(
        samples,
        name=ARCHIVE.sub("", place.absolute().name) + suffix.replace("@", "-"),
        sources=sources.samples,
        paired=False,
        source=f"{kind}:{place.absolute()}",
    )


def hide_pairs(table: Table, *, reverse: bool = False) -> Table:
    """Return paired data as pictures of two kinds of which nobody knows what belongs to what.

    Args:
        table: Data with sources.
        reverse: Whether to take samples for sources and the reverse.

    Raises:
        DataError: The data has no sources.
    """
    if table.sources is None:
        raise DataError(f"{table.name} has no sources; 'unpaired:' takes {_LAYOUTS}, or data in pairs")
    kind = f"{_REVERSED if reverse else ''}unpaired"
    samples, sources = (table.sources, table.samples) if reverse else (table.samples, table.sources)
    source = None if table.source is None else f"{kind}:{table.source}"
    return replace(table, samples=samples, sources=sources, paired=False, name=f"{table.name}-unpaired", source=source)


def open_unpaired_text(text: str, split: str, open_named: Callable[..., Table]) -> Table | None:
    """Open `unpaired:PATH` or `reversed-unpaired:PATH`, where PATH may also be any text that means paired data.

    `unpaired@test,image_size=64:PATH` names the split, whatever `split` is, and options for pictures in folders.

    Args:
        text: The text.
        split: The split where the text names none.
        open_named: Opens paired data: takes its text and `split=`.

    Returns:
        The table, or None if the text is of no such kind.

    Raises:
        InputError: The text, or an option in it, cannot be read.
        DataError: As for `open_unpaired`, or the data has no pairs.
    """
    reverse = text.startswith(_REVERSED)
    parts = read_text(text.removeprefix(_REVERSED), "unpaired")
    if parts is None:
        return None
    chosen, options, path = parts
    if read_text(path.removeprefix(_REVERSED), "unpaired") is not None:
        raise InputError(f"{text[:100]!r} takes apart twice what belongs together; say 'unpaired:' once")
    place, wanted = from_home(path), split if chosen is None else chosen
    is_place = is_folder(place) or ARCHIVE.search(place.name) is not None
    if is_place and not _is_registered(path):
        table = open_unpaired(place, split=wanted, reverse=reverse, options=options)
        # Asked for by name, the training split is to be told from a held-out one wherever the data is named.
        return replace(table, name=f"{table.name}-train") if chosen == "train" else table
    if options != PictureOptions():
        raise InputError(f"{text!r} states options for pictures in folders, and {path!r} is none; leave them out")
    return hide_pairs(open_named(path, split=wanted), reverse=reverse)


def _is_registered(text: str) -> bool:
    """Tell whether a text is the name of a data set, which wins over a path of the same letters."""
    if text.startswith((".", "~")) or Path(text).is_absolute():
        return False
    try:
        plugins.find("dataset", text)
    except UnknownNameError:
        return False
    return True


def _lay_out(shelf: Shelf, split: str) -> list[Layout]:
    """Return which pictures are the sources and which the samples of a split."""
    top = unwrap(shelf, keep=(*SPLITS, *_SIDES, *map(str.lower, _SIDES)))
    by_split = {each: places for each in SPLITS if (places := _of_split(shelf, top, each)) is not None}
    here = _sides(shelf, top)
    where = str(shelf.path / top)
    if by_split and split not in by_split:
        raise DataError(f"{where!r} has no pictures of the split {split!r}; it has {', '.join(by_split)}, so use these")
    if not by_split and here is None:
        raise DataError(f"{where!r} has no two folders of pictures that are told apart; give {_LAYOUTS}")
    places = by_split[split] if by_split else here
    others = [by_split[each] for each in by_split if each != split]
    layouts = []
    for side, place in enumerate(places or ()):
        found = shelf.below(place)
        if not found.pictures:
            raise DataError(f"there are no pictures in {str(shelf.path / place)!r}; give {_LAYOUTS}")
        elsewhere = [*chain(*(shelf.below(other[side]).pictures for other in others))]
        layouts.append(Layout(found.pictures, None, (), [], found.others, bool(by_split), elsewhere))
    return layouts


def _of_split(shelf: Shelf, top: str, split: str) -> Places | None:
    """Return where a split's two kinds of pictures lie: `trainA`, `train/A` or `A/train`."""
    if (found := _sides(shelf, top, split)) is not None:
        return found
    if split in shelf.folders(top) and (found := _sides(shelf, join(top, split))) is not None:
        return found
    sides = _sides(shelf, top)
    if sides is not None and all(split in shelf.folders(side) for side in sides):
        return join(sides[0], split), join(sides[1], split)
    return None


def _sides(shelf: Shelf, place: str, prefix: str = "") -> Places | None:
    """Return the folders A and B of a place, or with a prefix such as `trainA`; None if they are not both there."""
    there = shelf.folders(place)
    for names in (_SIDES, tuple(map(str.lower, _SIDES))):
        if all(f"{prefix}{name}" in there for name in names):
            return join(place, f"{prefix}{names[0]}"), join(place, f"{prefix}{names[1]}")
    return None


def _agreed(asked: PictureOptions, collections: list[Collection]) -> PictureOptions:
    """Return the options with everything decided that is the same for both kinds of pictures."""
    sizes, modes, shares = ({getattr(each.options, name) for each in collections} for name in _DECIDED)
    return replace(
        asked,
        image_size=sizes.pop() if len(sizes) == 1 else DEFAULT_SIZE,
        mode=modes.pop() if len(modes) == 1 else "auto",
        held_out=shares.pop() if len(shares) == 1 else 0.0,
    )
