"""Tar and zip archives of pictures, read in place: nothing is unpacked, and nothing in them can lead out of them."""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ganzoo.data import shelves
from ganzoo.data.pictures import MAX_FILE_BYTES, check_file_size
from ganzoo.data.shelves import Found, in_order, is_hidden, is_picture
from ganzoo.data.zips import directory_bytes, read_member
from ganzoo.errors import DataError

# Pictures hardly shrink any further: more than this many times its size is no honest archive, unless it is small.
MAX_RATIO = 200
SMALL_BYTES = 2**28

# The list of a zip archive's members is read into memory at once.
MAX_DIRECTORY_BYTES = 2**27

# Of a member's name: characters, and slashes.
MAX_NAME, MAX_DEPTH = 4096, 64

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}


def open_archive(path: Path, stack: ExitStack, *, contents: str) -> "TarShelf | ZipShelf":
    """Open a tar archive, compressed or not, or a zip archive, until the stack is left.

    Args:
        path: The archive; its content tells which it is, not its name.
        stack: What closes it.
        contents: What it should hold, for messages.

    Raises:
        DataError: It is missing, damaged, has too many members or too much in them, or a member's name is there twice
            or leads out of the archive.
    """
    try:
        if not path.is_file():
            raise DataError(
                f"there is no file or folder {str(path)!r}; give a folder, or a tar or zip archive, of {contents}"
            )
        with path.open("rb") as file:
            magic = file.read(4)
        is_zip, is_compressed = magic in _ZIP_MAGIC, magic.startswith(tuple(_COMPRESSED))
        if not is_zip and not is_compressed and not tarfile.is_tarfile(path):
            raise DataError(
                f"{str(path)!r} is neither a zip nor a tar archive, or is damaged where it begins; give a folder or an "
                f"archive of {contents}"
            )
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}; make it readable") from error
    return (ZipShelf if is_zip else TarShelf)(path, stack, contents=contents)


class _ArchiveShelf:
    """An archive's regular files, by their names."""

    kind = ""

    def __init__(self, path: Path, stack: ExitStack, *, contents: str) -> None:
        """Open an archive until the stack is left.

        Args:
            path: The archive.
            stack: What closes it.
            contents: What it should hold, for messages.
        """
        self.path, self._contents = path, contents
        self._members: dict[str, Any] = {}
        self._others: list[str] = []
        self._folders: dict[str, set[str]] = {}
        self._pictures: dict[str, list[str]] = {}
        try:
            self._open(stack)
        except DataError:
            raise
        except Exception as error:  # the archives' modules and decompressors raise nearly anything on damaged content
            raise self._damaged(error) from error

    def folders(self, place: str) -> list[str]:
        """Return the names of the folders in a place, in order."""
        return in_order(self._folders.get(place, ()))

    def pictures(self, place: str) -> list[str]:
        """Return the names of the pictures in a place, in order."""
        return in_order(self._pictures.get(place, ()))

    def below(self, place: str) -> Found:
        """Return what lies in a place and in all folders in it."""
        start = place + "/" if place else ""
        return Found(
            in_order(name for name in self._members if name.startswith(start)),
            in_order(name for name in self._others if name.startswith(start)),
        )

    def _open(self, stack: ExitStack) -> None:
        raise NotImplementedError

    def _put(self, name: str, member: Any, *, is_file: bool) -> None:
        """List a member; a link, a device and their like are no files, and are passed over."""
        # All folders around a member are kept by their whole names.
        if len(name) > MAX_NAME or name.count("/") > MAX_DEPTH:
            raise DataError(
                f"{str(self.path)!r} has a member whose name, {name[:40]!r} and so on, has {len(name):,} characters "
                f"and {name.count('/'):,} slashes; up to {MAX_NAME:,} and {MAX_DEPTH} are read, so make it anew"
            )
        path = PurePosixPath(name)
        parts = path.parts
        if path.is_absolute() or ".." in parts or "\0" in name:
            raise DataError(
                f"{str(self.path)!r} has the member {name!r}, which leads out of the archive; do not trust it, or make "
                "it anew with names below its top"
            )
        if not parts or any(map(is_hidden, parts)):
            return
        name = "/".join(parts)
        if not is_file or not is_picture(name):
            self._others.append(name)
            return
        if name in self._members:
            raise DataError(f"{str(self.path)!r} has the member {name!r} twice; make the archive anew")
        self._members[name] = member
        self._pictures.setdefault("/".join(parts[:-1]), []).append(parts[-1])
        for depth in range(len(parts) - 1):
            self._folders.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
        if len(self._folders) > shelves.MAX_FOLDERS:
            raise DataError(f"{str(self.path)!r} has more than {shelves.MAX_FOLDERS:,} folders; give a smaller archive")

    def _check_count(self, count: int) -> None:
        if count > shelves.MAX_FILES:
            raise DataError(f"{str(self.path)!r} has more than {shelves.MAX_FILES:,} members; give a smaller archive")

    def _check_total(self, size: int) -> None:
        if size > max(SMALL_BYTES, MAX_RATIO * self.path.stat().st_size):
            raise DataError(
                f"{str(self.path)!r} would unpack to more than {MAX_RATIO} times its size, which pictures do not; do "
                "not trust it, or unpack it yourself and give the folder"
            )

    def _damaged(self, reason: object) -> DataError:
        return DataError(
            f"cannot read {str(self.path)!r} as a {self.kind} archive: {reason}; fetch it again, or give "
            f"a folder or an archive of {self._contents}"
        )


class TarShelf(_ArchiveShelf):
    """A tar archive, compressed or not."""

    kind = "tar"

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | DataError]]:
        """Give the content of each file and its position in `names`, in the archive's order.

        Raises:
            DataError: The archive is damaged.
        """
        # Going back in a compressed archive means to decompress it from its beginning.
        for position in sorted(range(len(names)), key=lambda position: self._members[names[position]]):
            offset, size = self._members[names[position]]
            try:
                check_file_size(size, f"{self.path}/{names[position]}")
                self._stream.seek(offset)
                content: bytes | DataError = self._stream.read(size)
            except DataError as error:
                content = error
            except Exception as error:  # tarfile and the decompressors raise nearly anything on damaged content.
                raise self._damaged(error) from error
            yield position, content

    def _open(self, stack: ExitStack) -> None:
        with self.path.open("rb") as file:
            beginning = file.read(8)
        opener = next((each for magic, each in _COMPRESSED.items() if beginning.startswith(magic)), None)
        stream = stack.enter_context(opener(self.path) if opener else self.path.open("rb"))
        self._stream = _Bounded(stream, self._check_total if opener else lambda size: None)
        with tarfile.open(fileobj=self._stream, mode="r:") as archive:  # type: ignore[call-overload]
            count = 0
            while (member := archive.next()) is not None:
                archive.members.clear()  # there may be a million
                count += 1
                self._check_count(count)
                place = (member.offset_data, member.size)
                self._put(member.name, place, is_file=member.isreg() and not member.issparse())
            # tarfile takes a damaged header, or the end of the file, for the end of the archive.
            self._stream.seek(archive.offset)
        end = self._stream.read(tarfile.BLOCKSIZE)
        if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0"):
            raise self._damaged("it does not end as an archive does")


class _Bounded:
    """A stream that is read in parts of a size that a header may have stated, and no further than is allowed."""

    def __init__(self, stream: IO[bytes], check: Callable[[int], None]) -> None:
        self._stream, self._check = stream, check

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_FILE_BYTES + tarfile.BLOCKSIZE:
            raise ValueError(f"a part of it has {size:,} bytes")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


class ZipShelf(_ArchiveShelf):
    """A zip archive."""

    kind = "zip"

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | DataError]]:
        """Give the content of each file, or why it cannot be had, and its position in `names`, in order."""
        for position in sorted(range(len(names)), key=lambda position: self._members[names[position]].header_offset):
            name = names[position]
            member = self._members[name]
            try:
                check_file_size(member.file_size, f"{self.path}/{name}")
                if member.flag_bits & 1:
                    raise DataError(f"the picture {name!r} is encrypted; make the archive anew without a password")
                content: bytes | DataError = read_member(self._archive, member)
            except DataError as error:
                content = error
            except Exception as error:  # zipfile and the decompressors raise nearly anything on damaged content.
                content = DataError(
                    f"the picture {name!r} cannot be read from {str(self.path)!r}: {error}; it is damaged, so replace "
                    "or remove it"
                )
            yield position, content

    def _open(self, stack: ExitStack) -> None:
        self._check_directory()
        self._archive = stack.enter_context(zipfile.ZipFile(self.path))
        members = self._archive.infolist()
        self._check_count(len(members))
        self._check_total(sum(member.file_size for member in members))
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if not member.is_dir():
                self._put(member.filename, member, is_file=kind in (0, stat.S_IFREG))

    def _check_directory(self) -> None:
        """Refuse a list of members that is too long, before it is read."""
        stated = directory_bytes(self.path)
        if stated is None:
            raise self._damaged("it does not end as an archive does")
        if stated > MAX_DIRECTORY_BYTES:
            raise DataError(f"{str(self.path)!r} has a list of members of {stated:,} bytes; give a smaller archive")
