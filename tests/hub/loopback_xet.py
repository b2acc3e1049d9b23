"""The xet store of a loopback Hub: a folder that ``hf_xet`` writes to and reads from itself (``local://FOLDER``).

The Hub learns which file hash belongs to which SHA-256 from the shards that a push leaves in the store. A shard (tag
and version, then the file section) is a row of records of 48 bytes: for each file a header of file hash, flags and the
number of segments; the segments; as many verification records if bit 31 of the flags is set; and one record that begins
with the SHA-256 if bit 30 is set. A header whose hash is all ones ends the section.
"""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

RECORD = 48
WITH_VERIFICATION, WITH_METADATA = 1 << 31, 1 << 30


def _hexadecimal(raw: bytes) -> str:
    """Return how xet writes a hash: four numbers of 64 bits, each stored with its lowest byte first."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def shard_files(content: bytes) -> Iterator[tuple[str, str, int]]:
    """Yield SHA-256, file hash and size of every file that a shard tells of."""
    place = RECORD
    while place + RECORD <= len(content) and content[place : place + 32] != b"\xff" * 32:
        flags, segments = struct.unpack_from("<II", content, place + 32)
        file_hash, first = _hexadecimal(content[place : place + 32]), place + RECORD
        # a segment: hash of the xorb, flags, bytes when unpacked, first and last chunk
        size = sum(struct.unpack_from("<I", content, first + RECORD * n + 36)[0] for n in range(segments))
        place = first + RECORD * segments * (2 if flags & WITH_VERIFICATION else 1)
        if flags & WITH_METADATA:
            yield _hexadecimal(content[place : place + 32]), file_hash, size
            place += RECORD


def xet_files(store: Path) -> dict[str, tuple[str, int]]:
    """Return file hash and size by SHA-256 of everything in a xet store."""
    found = {}
    for shard in sorted(store.rglob("shards/*.mdb")):
        for sha256, file_hash, size in shard_files(shard.read_bytes()):
            found[sha256] = file_hash, size
    return found


def xet_download(store: Path, file_hash: str, size: int, target: Path) -> None:
    """Write a file of the xet store to ``target``, as the Hub does for clients without xet."""
    import hf_xet

    group = hf_xet.XetSession().new_file_download_group(
        endpoint=f"local://{store}", token="xet_read", token_expiry_unix_secs=int(time.time()) + 3600
    )
    with group:
        group.start_download_file(hf_xet.XetFileInfo(file_hash, size), str(target))
