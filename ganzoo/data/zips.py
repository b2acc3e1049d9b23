"""Zip archives of strangers: how long their list of members is, and members read no further than it states."""

import zipfile
from pathlib import Path

from ganzoo.errors import DataError

# Python's decompressors of the other methods give all that there is at once, however little is asked for.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_END, _LONG_END, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LONG_END_BYTES, _LOCATOR_BYTES, _MAX_COMMENT = 22, 56, 20, 2**16
_ELSEWHERE = 2**32 - 1  # the long form of the end states it


def check_method(member: zipfile.ZipInfo) -> None:
    """Refuse a member that cannot be decompressed part by part.

    Raises:
        DataError: It is neither stored nor deflated.
    """
    if member.compress_type not in _METHODS:
        raise DataError(
            f"the member {member.filename!r} is compressed by method {member.compress_type}; make the archive anew "
            "with its members stored or deflated"
        )


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the content of a member, which takes no more memory than the stated size, whatever there is.

    Raises:
        DataError: It is compressed by another method than deflate, or shorter than stated.
        zipfile.BadZipFile: Its checksum is another, as that of a longer one is.
    """
    check_method(member)
    with archive.open(member) as file:
        content = file.read(member.file_size)
        file.read(1)  # the end, where the checksum is compared
    if len(content) != member.file_size:
        raise DataError(
            f"the member {member.filename!r} has {len(content):,} bytes, not the {member.file_size:,} that the archive "
            "states; it is damaged, so replace or remove it"
        )
    return content


def directory_bytes(path: Path) -> int | None:
    """Return how long the list of an archive's members is stated to be, or None where there is no end of an archive.

    Of two statements, the short form's and the long form's (zip64), the larger one is taken.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(size - _MAX_COMMENT - _END_BYTES - _LOCATOR_BYTES - _LONG_END_BYTES, 0)
        file.seek(start)
        end = file.read()
        at = end.rfind(_END)
        if at < 0 or len(end) < at + _END_BYTES:
            return None
        short = int.from_bytes(end[at + 12 : at + 16], "little")
        locator = end[max(at - _LOCATOR_BYTES, 0) : at]
        if not locator.startswith(_LOCATOR):
            return short
        # Where the locator says, or just before the locator: readers differ.
        long: list[int] = []
        for place in (int.from_bytes(locator[8:16], "little"), start + at - _LOCATOR_BYTES - _LONG_END_BYTES):
            if 0 <= place < size:
                file.seek(place)
                record = file.read(_LONG_END_BYTES)
                if record.startswith(_LONG_END):
                    long.append(int.from_bytes(record[40:48], "little"))
    return max(long) if long and short == _ELSEWHERE else max([short, *long])
