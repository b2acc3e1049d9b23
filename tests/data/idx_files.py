"""Makes idx files for the tests."""

import gzip
import math
import struct
from pathlib import Path


def idx_bytes(shape: tuple[int, ...], content: bytes | None = None, kind: int = 0x08) -> bytes:
    """Return an idx file of bytes 0, 1, 2, ... or of `content`."""
    if content is None:
        content = bytes(i % 256 for i in range(math.prod(shape)))
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape) + content


def write_split(folder: Path, prefix: str = "train", count: int = 6, labels: bytes | None = b"\0\1\2\0\1\2") -> None:
    """Write `count` pictures of 4 x 5 pixels, gzipped, and their labels, plain."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes((count, 4, 5))))
    if labels is not None:
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes((len(labels),), labels))
