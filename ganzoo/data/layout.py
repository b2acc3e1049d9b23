"""How pictures lie in a folder or an archive: in which split, and of which class."""

from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from ganzoo.data.shelves import Shelf, in_order, join, unwrap
from ganzoo.errors import DataError, InputError

SPLITS = ("train", "test", "val")

Labels = Literal["folders", "none"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The pictures of one split, or of all where they lie in no folders by split.

    Attributes:
        names: From the top of the shelf, in the order of their bytes.
        labels: Each picture's class number, or None.
        class_names: The folders' names in the order of their bytes, those of all splits; empty without labels.
        empty: Folders beside those of the classes in which there is no picture.
        others: What else is there, and is passed over.
        has_splits: There are folders by split, so nothing need be held out.
        elsewhere: The names of the pictures of the other splits.
    """

    names: list[str]
    labels: list[int] | None
    class_names: tuple[str, ...]
    empty: list[str]
    others: list[str]
    has_splits: bool
    elsewhere: list[str]


def splits_in(shelf: Shelf) -> list[str]:
    """Return which of the folders `train`, `test` and `val` are splits: all that are there, or none if it is one."""
    folders = shelf.folders(unwrap(shelf))
    splits = [each for each in SPLITS if each in folders]
    return splits if len(splits) > 1 else []


def lay_out(shelf: Shelf, split: str, labels: Labels) -> Layout:
    """Find the pictures of a split, and their classes.

    Two or more folders named `train`, `test` and `val` are splits. In a split's folder, or where there is none, each
    folder is a class, with all pictures in it and in folders within; pictures that lie there directly have none.
    A single folder around everything is looked into.

    Args:
        shelf: Where to look.
        split: `"train"`, `"test"` or `"val"`.
        labels: Whether folders are classes; with `"none"` all pictures are taken alike, however deep they lie.

    Raises:
        InputError: There is no such split.
        DataError: There are no pictures, or some in folders and some beside these.
    """
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}; use {', '.join(map(repr, SPLITS))}")
    top = unwrap(shelf)
    splits = splits_in(shelf)
    has_splits = bool(splits)
    if has_splits and split not in splits:
        raise DataError(
            f"{str(shelf.path / top)!r} has no folder {split!r}; it has {', '.join(splits)}, so use one of these as "
            "the split"
        )
    place = join(top, split) if has_splits else top
    found = shelf.below(place)
    if not found.pictures:
        passed = f" ({len(found.others):,} other files, such as {found.others[0]!r})" if found.others else ""
        raise DataError(
            f"there are no pictures in {str(shelf.path / place)!r}{passed}; give a folder or an archive of pictures, "
            "whose names end in .png, .jpg, .webp and their like"
        )
    by_place = {join(top, each): shelf.below(join(top, each)).pictures for each in splits if each != split}
    layout = Layout(found.pictures, None, (), [], found.others, has_splits, [*chain(*by_place.values())])
    if labels == "none":
        return layout
    # Classes have the same numbers in every split.
    places = [join(top, each) for each in splits] if has_splits else [top]
    there = in_order({folder for each in places for folder in shelf.folders(each)})
    filled = {
        name.removeprefix(each + "/" if each else "").partition("/")[0]
        for each in places
        for name in by_place.get(each, found.pictures)
        if "/" in name.removeprefix(each + "/" if each else "")
    }
    empty = [folder for folder in there if folder not in filled]
    return _labelled(shelf, place, replace(layout, empty=empty), [folder for folder in there if folder in filled])


def _labelled(shelf: Shelf, place: str, layout: Layout, classes: list[str]) -> Layout:
    below = [name.removeprefix(place + "/" if place else "").split("/") for name in layout.names]
    bare = [parts[0] for parts in below if len(parts) == 1]
    if bare and len(bare) < len(below):
        raise DataError(
            f"{str(shelf.path / place)!r} has pictures, such as {bare[0]!r}, beside folders of pictures, such as "
            f"{next(parts[0] for parts in below if len(parts) > 1)!r}; move them into folders by class, or give "
            "'pictures,labels=none:DIR' to take all alike"
        )
    if bare or len(classes) < 2:
        return layout
    numbers = {name: number for number, name in enumerate(classes)}
    class_names = tuple(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in classes)
    return replace(layout, labels=[numbers[parts[0]] for parts in below], class_names=class_names)
