"""Where pictures lie: a folder or a tar archive, read alike."""

import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Protocol

from ganzoo.data.pictures import SUFFIXES, check_file_size, read_bytes
from ganzoo.errors import DataError

MAX_FILES = 1_000_000

ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz)$", re.IGNORECASE)


class Shelf(Protocol):
    """Where pictures lie; places and names in it are relative, with slashes, and "" is the top."""

    path: Path

    def folders(self, place: str) -> list[str]:
        """Return the names of the folders in a place, in order."""

    def pictures(self, place: str) -> list[str]:
        """Return the names of the pictures in a place, in order."""

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """Give the content of each file and its position in `names`, in the order that is fastest."""


class FolderShelf:
    """A folder on the disk."""

    def __init__(self, path: Path) -> None:
        """Name a folder."""
        self.path = path

    def folders(self, place: str) -> list[str]:
        """Return the names of the folders in a place, in order."""
        return in_order(name for name, kind in self._entries(place) if kind == "folder")

    def pictures(self, place: str) -> list[str]:
        """Return the names of the pictures in a place, in order."""
        return in_order(name for name, kind in self._entries(place) if kind == "file" and _is_picture(name))

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """Give the content of each file and its position in `names`."""
        for position, name in enumerate(names):
            yield position, read_bytes(self.path / name)

    def _entries(self, place: str) -> list[tuple[str, str]]:
        try:
            with os.scandir(self.path / place) as entries:
                return [(entry.name, _kind(entry)) for entry in entries if not _is_hidden(entry.name)]
        except OSError as error:
            raise DataError(
                f"cannot read the folder {str(self.path / place)!r}: {error.strerror or error}; make it readable"
            ) from error


def _kind(entry: os.DirEntry[str]) -> str:
    """Return "folder", "file" or "other"; a link that leads nowhere is a file, so that reading it says so."""
    at = Path(entry.path) if entry.is_symlink() else entry
    if at.is_dir():
        return "folder"
    leads_nowhere = isinstance(at, Path) and not at.exists()
    return "file" if at.is_file() or leads_nowhere else "other"


class TarShelf:
    """A tar archive, compressed or not, whose regular files are read in place."""

    def __init__(self, path: Path, stack: ExitStack, *, contents: str) -> None:
        """Open an archive until the stack is left.

        Args:
            path: The archive.
            stack: What closes it.
            contents: What it should hold, for messages.

        Raises:
            DataError: It is missing, damaged, or has too many members.
        """
        self.path, self._contents = path, contents
        self._members: dict[str, tarfile.TarInfo] = {}
        self._folders: dict[str, set[str]] = {}
        self._pictures: dict[str, list[str]] = {}
        try:
            if not path.is_file():
                raise DataError(
                    f"there is no file or folder {str(path)!r}; give a folder or a tar archive of {self._contents}"
                )
            self._archive = stack.enter_context(tarfile.open(path))  # noqa: SIM115
            self._list()
        except DataError:
            raise
        except Exception as error:  # tarfile and the decompressors raise nearly anything on damaged content.
            raise self._damaged(error) from error

    def folders(self, place: str) -> list[str]:
        """Return the names of the folders in a place, in order."""
        return in_order(self._folders.get(place, ()))

    def pictures(self, place: str) -> list[str]:
        """Return the names of the pictures in a place, in order."""
        return in_order(self._pictures.get(place, ()))

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """Give the content of each file and its position in `names`, in the archive's order."""
        # Going back in a compressed archive means to decompress it from its beginning.
        for position in sorted(range(len(names)), key=lambda position: self._members[names[position]].offset):
            member = self._members[names[position]]
            check_file_size(member.size, f"{self.path}/{names[position]}")
            try:
                stream = self._archive.extractfile(member)
                content = b"" if stream is None else stream.read()
            except Exception as error:  # tarfile and the decompressors raise nearly anything on damaged content.
                raise self._damaged(error) from error
            yield position, content

    def _list(self) -> None:
        for count, member in enumerate(self._archive):
            if count >= MAX_FILES:
                raise DataError(f"{str(self.path)!r} has more than {MAX_FILES:,} members; give a smaller archive")
            parts = PurePosixPath(member.name).parts
            if not member.isreg() or any(map(_is_hidden, parts)) or not parts or not _is_picture(parts[-1]):
                continue
            name = "/".join(parts)
            if name not in self._members:
                self._pictures.setdefault("/".join(parts[:-1]), []).append(parts[-1])
            self._members[name] = member
            for depth in range(len(parts) - 1):
                self._folders.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
        # tarfile takes a damaged header, or the end of the file, for the end of the archive.
        self._archive.fileobj.seek(self._archive.offset)
        end = self._archive.fileobj.read(tarfile.BLOCKSIZE)
        if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0"):
            raise self._damaged("it does not end as an archive does")

    def _damaged(self, reason: object) -> DataError:
        return DataError(
            f"cannot read {str(self.path)!r} as a tar archive: {reason}; fetch it again, or give "
            f"a folder or an archive of {self._contents}"
        )


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in the order of their bytes, the same on every machine."""
    return sorted(names, key=os.fsencode)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES
