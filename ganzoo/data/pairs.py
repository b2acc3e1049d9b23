"""Folders and archives of pairs of pictures -> a table with sources."""

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.data.pictures import decode, on_background, pixels
from ganzoo.data.shelves import ARCHIVE, Shelf, in_order, join, open_shelf, unwrap
from ganzoo.data.table import Table
from ganzoo.errors import DataError, InputError
from ganzoo.files import from_home

if TYPE_CHECKING:
    from PIL import Image

SPLITS = ("train", "test", "val")

# How pairs lie, for messages.
LAYOUTS = "pictures whose left half is the source and right half the target, or folders A (sources) and B (targets)"

MAX_TABLE_BYTES = 32 * 2**30

# Reading fewer files than this takes no time worth a progress bar.
_WORTH_A_BAR = 1_000

_AB = ("A", "B")
_TEXT = re.compile(r"(?P<reversed>reversed-)?pairs(?:@(?P<split>[^:]*))?:(?P<path>.*)", re.DOTALL)


def open_pairs(path: str | os.PathLike[str], *, split: str = "train", reverse: bool = False) -> Table:
    """Open pairs of pictures, a source and the target to be made from it, from a folder, a tar or a zip archive.

    A pair is one picture, whose left half is the source and right half the target, or two pictures of one name (but
    for the suffix) in the folders `A` (source) and `B` (target). Pictures lie there directly, or in folders named
    `train`, `test` and `val`; without any such folder all of them are the split `"train"`. Files are taken in the
    order of their names; those that are hidden, or no pictures by their suffix, are passed over. An archive may be
    compressed, is read in place, and only its regular files count.

    Transparent parts become white, 16-bit grey is scaled to 8 bits, pictures are turned as their EXIF data says, and
    of an animation the first picture is taken. Sources, and likewise targets, have 1 channel where all files keep grey
    only, and 3 otherwise.

    Args:
        path: The folder or the archive.
        split: `"train"`, `"test"` or `"val"`.
        reverse: Whether to take targets for sources and the reverse.

    Returns:
        A table whose samples are the targets, both uint8 `(C, H, W)`.

    Raises:
        InputError: `split` is none of the three.
        DataError: The split is not there, or a picture has no partner, cannot be read, or is unlike the others.
    """
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}; use {', '.join(map(repr, SPLITS))}")
    place = from_home(path)
    with ExitStack() as stack:
        shelf = open_shelf(place, stack, contents=LAYOUTS)
        sides = _read(shelf, _find_files(shelf, split))
    sources, targets = reversed(sides) if reverse else sides
    kind = ("reversed-" if reverse else "") + "pairs" + ("" if split == "train" else f"@{split}")
    name = ARCHIVE.sub("", place.absolute().name) + ("" if split == "train" else f"-{split}")
    return Table(targets, sources=sources, name=name, source=f"{kind}:{place.absolute()}")


def open_pairs_text(text: str, split: str) -> Table | None:
    """Open `pairs:PATH` or `reversed-pairs:PATH`; `pairs@test:PATH` names the split, whatever `split` is.

    Returns:
        The table, or None if the text is of no such kind.

    Raises:
        InputError: There is no such split.
        DataError: The path is missing, or as for `open_pairs`.
    """
    parts = _TEXT.fullmatch(text)
    if parts is None:
        return None
    if not parts["path"]:
        raise DataError(
            f"{text!r} names no path; give 'pairs:PATH' with a folder, a tar or a zip archive of pairs of pictures"
        )
    chosen = split if parts["split"] is None else parts["split"]
    table = open_pairs(parts["path"], split=chosen, reverse=parts["reversed"] is not None)
    # Asked for by name, the training split is to be told from a held-out one wherever the data is named.
    return replace(table, name=f"{table.name}-train") if parts["split"] == "train" else table


def _find_files(shelf: Shelf, split: str) -> list[tuple[str, ...]]:
    """Return the files of each pair, in order: one of two halves, or a source and a target."""
    top = unwrap(shelf, keep=(*SPLITS, *_AB))
    places = _narrow(shelf, _sides(shelf, top), split)
    if len(places) == 1:
        places = _sides(shelf, places[0])
    names = [shelf.pictures(place) for place in places]
    for place, found in zip(places, names, strict=True):
        if not found:
            raise DataError(f"there are no pictures in {str(shelf.path / place)!r}; give a place of {LAYOUTS}")
    if len(places) == 1:
        return [(join(places[0], name),) for name in names[0]]
    sources, targets = (_by_stem(shelf, *side) for side in zip(places, names, strict=True))
    for place, lonely in zip(places, (sources.keys() - targets.keys(), targets.keys() - sources.keys()), strict=True):
        if lonely:
            some = ", ".join(map(repr, in_order(lonely)[:3])) + (" and others" if len(lonely) > 3 else "")
            raise DataError(
                f"{len(lonely)} of the pictures in {str(shelf.path / place)!r} have no partner of the same name in the "
                f"other folder: {some}; add the partners, or remove these"
            )
    return [(sources[stem], targets[stem]) for stem in in_order(sources)]


def _sides(shelf: Shelf, place: str) -> tuple[str, ...]:
    """Return the places A and B of a place, or the place itself if it has none."""
    found = [side for side in _AB if side in shelf.folders(place)]
    if len(found) == 1 and not shelf.pictures(place):
        raise DataError(
            f"{str(shelf.path / place)!r} has a folder {found[0]} alone; give both A (sources) and B (targets)"
        )
    return tuple(join(place, side) for side in _AB) if len(found) == 2 else (place,)


def _narrow(shelf: Shelf, places: tuple[str, ...], split: str) -> tuple[str, ...]:
    """Return a split's folder in each place, or the places themselves if they have no such folders."""
    if all(split in shelf.folders(place) for place in places):
        return tuple(join(place, split) for place in places)
    for each in (split, *SPLITS):
        found = {each in shelf.folders(place): str(shelf.path / place) for place in places}
        if len(found) == 2:
            raise DataError(
                f"{found[True]!r} has a folder {each!r} and {found[False]!r} has none; give both of them or neither"
            )
    where = str(shelf.path / places[0])
    if there := [each for each in SPLITS if each in shelf.folders(places[0])]:
        raise DataError(f"{where!r} has no folder {split!r}; it has {', '.join(there)}, so use 'pairs@{there[0]}:DIR'")
    if split != "train":
        raise DataError(
            f"{where!r} has no folders named by split, so all its pictures are split 'train' and none are "
            f"{split!r}; use 'train', or put the pictures in folders train and {split}"
        )
    return places


def _read(shelf: Shelf, pairs: Sequence[tuple[str, ...]]) -> tuple[Tensor, Tensor]:
    """Decode every pair: (N, C, H, W) uint8 sources and targets."""
    from tqdm import tqdm

    width = len(pairs[0])
    names = [name for pair in pairs for name in pair]
    sides = (_Side(len(pairs)), _Side(len(pairs)))
    first: dict[int, tuple[str, tuple[int, int]]] = {}
    bar = tqdm(shelf.read(names), "reading pairs", len(names), unit="file", disable=len(names) <= _WORTH_A_BAR)
    for position, content in bar:
        if isinstance(content, DataError):
            raise content
        name = f"{shelf.path / names[position]}"
        row, side = divmod(position, width)
        image = on_background(decode(content, name))
        first_name, size = first.setdefault(side, (name, image.size))
        if image.size != size:
            raise DataError(
                f"{name!r} has {image.width}x{image.height} pixels, but {first_name!r} has {size[0]}x{size[1]}; "
                "make all pictures of one size"
            )
        if width == 2:
            sides[side].put(row, image)
            continue
        if image.width % 2:
            raise DataError(
                f"{name!r} is {image.width} pixels wide, which has no middle; the left half is the source and the "
                "right half the target, so give an even width"
            )
        half = image.width // 2
        sides[0].put(row, image.crop((0, 0, half, image.height)))
        sides[1].put(row, image.crop((half, 0, image.width, image.height)))
    return sides[0].values, sides[1].values


class _Side:
    """The sources or the targets: one channel until the first picture of three comes."""

    def __init__(self, count: int) -> None:
        self.values = torch.empty(count, 0, 0, 0, dtype=torch.uint8)

    def put(self, row: int, image: "Image.Image") -> None:
        picture = pixels(image)  # (1, H, W) or (3, H, W)
        if self.values.shape[1] < len(picture):
            grey, shape = self.values, (len(self.values), *picture.shape)
            if shape[0] * picture.numel() > MAX_TABLE_BYTES:
                raise DataError(
                    f"{shape[0]:,} pictures of {image.width}x{image.height} pixels take more than "
                    f"{MAX_TABLE_BYTES // 2**30} GiB of memory; make them smaller, or give fewer"
                )
            self.values = torch.empty(shape, dtype=torch.uint8)
            if grey.numel():
                self.values.copy_(grey)  # the one channel three times
        self.values[row] = picture


def _by_stem(shelf: Shelf, place: str, names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        stem = PurePosixPath(name).stem
        if stem in found:
            raise DataError(f"{str(shelf.path / place)!r} has two pictures called {stem!r}; keep one of them")
        found[stem] = join(place, name)
    return found
