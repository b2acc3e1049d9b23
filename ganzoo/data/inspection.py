"""What lies in a folder or an archive of pictures: counted, with what is damaged, doubled or odd about it."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.data.layout import SPLITS, Labels, Layout, lay_out, splits_in
from ganzoo.data.options import PictureOptions
from ganzoo.data.pictures import decode, on_background, pixels
from ganzoo.data.resizing import resized
from ganzoo.data.shelves import Shelf, open_shelf, printable
from ganzoo.data.survey import Header, reading, span, survey
from ganzoo.data.table import HALF_BYTE
from ganzoo.errors import DataError
from ganzoo.files import from_home

if TYPE_CHECKING:
    from PIL import Image

SHEET_PICTURES, SHEET_SIZE = 64, (64, 64)


@dataclass
class Inspection:
    """What was found.

    Attributes:
        path: Where.
        pictures: How many files are pictures by their names.
        splits: How many of them lie in each folder `train`, `test` and `val`; empty without such folders.
        broken_splits: Which of these folders cannot be opened, and why; their pictures are not counted.
        labels: How many there are of each class; empty without classes.
        sizes: How many have each size, upright, as `WIDTHxHEIGHT`, the commonest first.
        modes: How many are kept in each of Pillow's modes.
        formats: How many are of each file format.
        transparent, animated, turned, profiles: How many have transparent parts, more than one picture, EXIF data that
            turns them, or a colour profile.
        unreadable: Why, by name.
        unreadable_share: How many of all these are; with splits, in the split where it is most.
        duplicates: Names of pictures whose pixels are the same, in groups.
        empty_folders: Folders beside those of the classes in which there is no picture.
        other_files: Names of what else is there, and is passed over.
    """

    path: str
    pictures: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    broken_splits: dict[str, str] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    formats: dict[str, int] = field(default_factory=dict)
    transparent: int = 0
    animated: int = 0
    turned: int = 0
    profiles: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    unreadable_share: float = 0.0
    duplicates: list[list[str]] = field(default_factory=list)
    empty_folders: list[str] = field(default_factory=list)
    other_files: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON can hold them."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{printable(self.path)}: {self.pictures:,} pictures"]
        for title, counts in (
            ("splits", self.splits),
            ("labels", self.labels),
            ("sizes", self.sizes),
            ("modes", self.modes),
            ("formats", self.formats),
        ):
            if counts:
                lines.append(f"  {title}: " + _some(f"{printable(key)}: {count:,}" for key, count in counts.items()))
            if counts is self.sizes and len(counts) > 1:
                lines[-1] += f"; {span([_read_size(key) for key in counts])}"
        for count, what in (
            (self.transparent, "with transparent parts"),
            (self.animated, "animations, of which the first picture is taken"),
            (self.turned, "to be turned as their EXIF data says, which is done"),
            (self.profiles, "with a colour profile, which is not applied"),
        ):
            if count:
                lines.append(f"  {count:,} {what}")
        for some, what in (
            (self.empty_folders, "folders without pictures"),
            (self.other_files, "other files, which are passed over"),
        ):
            if some:
                lines.append(f"  {len(some):,} {what}: " + _some(map(repr, some), 5))
        if self.duplicates:
            extra = sum(len(group) - 1 for group in self.duplicates)
            lines.append(f"  {extra:,} duplicates, whose pixels are those of another:")
            lines += [f"    {_some(map(repr, group), 5)}" for group in self.duplicates]
        if self.unreadable:
            lines.append(f"  {len(self.unreadable):,} that cannot be read:")
            lines += [f"    {name!r}: {printable(reason)}" for name, reason in self.unreadable.items()]
        if self.broken_splits:
            lines.append(f"  {len(self.broken_splits):,} splits that cannot be opened:")
            lines += [f"    {split}: {printable(reason)}" for split, reason in self.broken_splits.items()]
        return "\n".join(lines)


def inspect_pictures(
    path: str | os.PathLike[str], options: PictureOptions | None = None
) -> tuple[Inspection, Tensor | None]:
    """Decode every picture in a folder or an archive, of all its splits, and say what there is.

    Args:
        path: The folder, tar archive or zip archive.
        options: How the pictures are to be read: whether folders are classes, and, where it has a size, what the
            returned pictures are like.

    Returns:
        What was found, and up to 64 pictures evenly spread over the readable ones, (N, 3, H, W) in [-1, 1]: as the
        options read them, on their background, or without a size fitted into 64x64; None if none can be read.

    Raises:
        DataError: There are no pictures, none of the splits can be opened, or the place cannot be read.
    """
    place, options = from_home(path), options or PictureOptions()
    report = Inspection(str(place))
    sheet: list[Tensor] = []
    seen: defaultdict[bytes, list[str]] = defaultdict(list)
    with ExitStack() as stack:
        shelf = open_shelf(place, stack, contents="pictures")
        names: list[str] = []
        parts: list[list[str]] = []
        for split, layout in _layouts(shelf, options.labels, report.broken_splits):
            names += layout.names
            parts.append(layout.names)
            if layout.has_splits:
                report.splits[split] = len(layout.names)
            for number in layout.labels or ():
                label = layout.class_names[number]
                report.labels[label] = report.labels.get(label, 0) + 1
            report.empty_folders, report.other_files = layout.empty, report.other_files + layout.others
        report.pictures = len(names)
        _count(report, names, survey(shelf, names))
        good = [name for name in names if name not in report.unreadable]
        every = -(-len(good) // SHEET_PICTURES)
        shown: dict[int, Tensor] = {}
        for position, content in reading(shelf, good, "decoding pictures"):
            name = good[position]
            try:
                if isinstance(content, DataError):
                    raise content
                image = decode(content, name)
            except DataError as error:
                report.unreadable[name] = str(error)
                continue
            seen[hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).digest()].append(name)
            if position % every == 0:
                shown[position] = (pixels(_shown(image, options)).float() - HALF_BYTE) / HALF_BYTE
    report.unreadable_share = max(sum(name in report.unreadable for name in part) / len(part) for part in parts)
    rank = {name: number for number, name in enumerate(names)}
    groups = (sorted(group, key=rank.__getitem__) for group in seen.values() if len(group) > 1)
    report.duplicates = sorted(groups, key=lambda group: rank[group[0]])
    sheet = [shown[position] for position in sorted(shown)]
    return report, torch.stack(sheet) if sheet else None


def _layouts(shelf: Shelf, labels: Labels, broken: dict[str, str]) -> Iterable[tuple[str, Layout]]:
    """Give each split's pictures, or all where there are no splits, and note why a split's cannot be had."""
    splits = splits_in(shelf)
    wrong: list[DataError] = []
    for split in splits or SPLITS[:1]:
        try:
            layout = lay_out(shelf, split, labels)
        except DataError as error:
            wrong.append(error)
            broken[split] = str(error)
            continue
        yield split, layout
    if len(wrong) == len(splits or SPLITS[:1]):
        raise wrong[0]


def _count(report: Inspection, names: list[str], headers: list[Header | DataError]) -> None:
    sizes, modes, formats = Counter[str](), Counter[str](), Counter[str]()
    for name, header in zip(names, headers, strict=True):
        if isinstance(header, DataError):
            report.unreadable[name] = str(header)
            continue
        sizes["{}x{}".format(*header.size)] += 1
        modes[header.mode] += 1
        formats[header.format] += 1
        report.transparent += header.is_transparent
        report.animated += header.is_animated
        report.turned += header.is_turned
        report.profiles += header.has_profile
    report.sizes, report.modes, report.formats = (dict(each.most_common()) for each in (sizes, modes, formats))


def _shown(image: "Image.Image", options: PictureOptions) -> "Image.Image":
    image = on_background(image, options.background)
    if options.mode == "grey":
        image = image.convert("L")
    if options.size is None:
        return resized(image.convert("RGB"), SHEET_SIZE, "pad", options.background)[0]
    height, width = options.size
    return resized(image.convert("RGB"), (width, height), options.resize, options.background)[0]


def _read_size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def _some(parts: Iterable[str], most: int = 12) -> str:
    listed = list(parts)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most:,} more" if len(listed) > most else "")
