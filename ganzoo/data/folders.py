"""Folders and archives of single pictures -> a table."""

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganzoo.data.collection import Collection
from ganzoo.data.layout import Layout, lay_out
from ganzoo.data.options import PictureOptions, read_text
from ganzoo.data.shelves import open_shelf
from ganzoo.data.table import Table
from ganzoo.errors import DataError
from ganzoo.files import from_home


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


def looks_like_pairs(path: Path, split: str) -> bool:
    """Tell whether a folder or an archive of pictures has the two classes A and B, as pairs of pictures do.

    Raises:
        DataError: As for `open_pictures`.
        InputError: There is no such split.
    """
    with ExitStack() as stack:
        return _has_sides(lay_out(open_shelf(path, stack, contents="pictures"), split, "folders"))


def open_plain(path: Path, split: str) -> Table:
    """Open a path that nothing is said of as pictures, unless it looks like pairs of pictures.

    Raises:
        DataError: As for `open_pictures`, or there are two classes called A and B.
    """
    return _open(path, split, PictureOptions(), is_plain=True)


def _open(path: Path, split: str, options: PictureOptions, *, is_plain: bool = False) -> Table:
    _check_writable(path)
    with ExitStack() as stack:
        shelf = open_shelf(path, stack, contents="pictures")
        layout = lay_out(shelf, split, options.labels)
        if is_plain and _has_sides(layout):
            raise DataError(
                f"{str(path)!r} has the folders A and B, as pairs of pictures do; give 'pairs:{path}', "
                f"'unpaired:{path}' where they do not belong together, or 'pictures:{path}' to take them for two "
                "classes"
            )
        return Collection(shelf, layout, split, options).table()


def _has_sides(layout: Layout) -> bool:
    return layout.class_names == ("A", "B")


def _check_writable(path: Path) -> None:
    """Refuse a path that a run's config could not name."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"the path {str(path)!r} is no text in UTF-8; rename it, or give it by a link") from error
