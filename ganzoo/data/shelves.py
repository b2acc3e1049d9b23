"""Where pictures lie: a folder or an archive, read alike."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from ganzoo.data.pictures import SUFFIXES, read_bytes
from ganzoo.errors import DataError
from ganzoo.files import is_folder

MAX_FILES = 1_000_000
MAX_FOLDERS = 100_000

ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz|zip)$", re.IGNORECASE)

# How many folders with nothing else in them may lie around the pictures.
_MAX_DEPTH = 4


@dataclass(slots=True)
class Found:
    """What lies in a place and in all folders in it.

    Attributes:
        pictures: The names of the pictures from the top of the shelf, in the order of their bytes.
        others: The names of what else is there and not hidden: other files, pipes, links that lead in a circle.
    """

    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class Shelf(Protocol):
    """Where pictures lie; places and names in it are relative, with slashes, and "" is the top."""

    path: Path

    def folders(self, place: str) -> list[str]:
        """Return the names of the folders in a place, in order."""

    def pictures(self, place: str) -> list[str]:
        """Return the names of the pictures in a place, in order."""

    def below(self, place: str) -> Found:
        """Return what lies in a place and in all folders in it."""

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | DataError]]:
        """Give the content of each file, or why it cannot be had, and its position in `names`, in the fastest order."""


def open_shelf(path: Path, stack: ExitStack, *, contents: str) -> Shelf:
    """Open a folder, or an archive until the stack is left.

    Args:
        path: The folder, tar archive or zip archive.
        stack: What closes it.
        contents: What it should hold, for messages.

    Raises:
        DataError: It is missing, damaged, has too many members, or has some that no honest archive has.
    """
    from ganzoo.data.archives import open_archive

    return FolderShelf(path) if is_folder(path) else open_archive(path, stack, contents=contents)


class FolderShelf:
    """A folder on the disk; links are followed."""

    def __init__(self, path: Path) -> None:
        """Name a folder."""
        self.path = path

    def folders(self, place: str) -> list[str]:
        """Return the names of the folders in a place, in order."""
        return in_order(name for name, kind in self._entries(place) if kind == "folder")

    def pictures(self, place: str) -> list[str]:
        """Return the names of the pictures in a place, in order."""
        return in_order(name for name, kind in self._entries(place) if kind == "file" and is_picture(name))

    def below(self, place: str) -> Found:
        """Return what lies in a place and in all folders in it.

        Raises:
            DataError: A folder cannot be read, or there are too many.
        """
        found = Found()
        pending: list[tuple[str, frozenset[tuple[int, int]]]] = [(place, frozenset())]
        count = 0
        while pending:
            here, around = pending.pop()
            identity = self._identity(here)
            if identity in around:
                found.others.append(here)
                continue
            count += 1
            for name, kind in self._entries(here):
                inner = join(here, name)
                if kind == "folder":
                    pending.append((inner, around | {identity}))
                elif kind == "file" and is_picture(name):
                    found.pictures.append(inner)
                else:
                    found.others.append(inner)
            if len(found.pictures) > MAX_FILES or count > MAX_FOLDERS:
                raise DataError(
                    f"{str(self.path)!r} has more than {MAX_FILES:,} pictures or {MAX_FOLDERS:,} folders (links are "
                    "followed); give a part of it"
                )
        return Found(in_order(found.pictures), in_order(found.others))

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | DataError]]:
        """Give the content of each file, or why it cannot be had, and its position in `names`."""
        for position, name in enumerate(names):
            try:
                content: bytes | DataError = read_bytes(self.path / name)
            except DataError as error:
                content = error
            yield position, content

    def _identity(self, place: str) -> tuple[int, int]:
        try:
            found = (self.path / place).stat()
        except OSError as error:
            raise self._unreadable(place, error) from error
        return found.st_dev, found.st_ino

    def _entries(self, place: str) -> list[tuple[str, str]]:
        try:
            with os.scandir(self.path / place) as entries:
                return [(entry.name, _kind(entry)) for entry in entries if not is_hidden(entry.name)]
        except OSError as error:
            raise self._unreadable(place, error) from error

    def _unreadable(self, place: str, error: OSError) -> DataError:
        return DataError(
            f"cannot read the folder {str(self.path / place)!r}: {error.strerror or error}; make it readable"
        )


def _kind(entry: os.DirEntry[str]) -> str:
    """Return "folder", "file" or "other"; a link that leads nowhere is a file, so that reading it says so."""
    if not entry.is_symlink():
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "other"
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() or not os.path.exists(entry) else "other"  # noqa: PTH110
    except OSError:  # a link to itself
        return "file"


def unwrap(shelf: Shelf, keep: Sequence[str] = ()) -> str:
    """Return the place that a shelf is about: its top, or the one folder there, such as an archive was made of.

    Args:
        shelf: Where to look.
        keep: Names of folders that mean something, and are not gone into.
    """
    top = ""
    for _ in range(_MAX_DEPTH):
        inner = shelf.folders(top)
        if len(inner) != 1 or inner[0] in keep or shelf.pictures(top):
            break
        top = join(top, inner[0])
    return top


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in the order of their bytes, the same on every machine."""
    return sorted(names, key=os.fsencode)


def join(place: str, name: str) -> str:
    """Return the name of what lies in a place, from the top of the shelf."""
    return f"{place}/{name}" if place else name


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is nobody's data: `.DS_Store`, `__MACOSX` and their like."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def is_picture(name: str) -> bool:
    """Tell whether a file is a picture by the end of its name."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def printable(text: str) -> str:
    """Return text of strangers as one line, with what a terminal would act on, or could not show, escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
