"""Makes pictures, and archives of them, for the tests."""

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, height: int = 6, width: int = 8, channels: int = 3) -> np.ndarray:
    """Return random bytes (H, W, C), or (H, W) for one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
    """Return the content of a picture's file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files, and the folders they lie in."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    """Write an archive with its members in the order given."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip archive with its members in the order given, not compressed."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def png(values: np.ndarray, bits: int, colour_type: int, extra: bytes = b"") -> bytes:
    """Write a PNG of a kind that Pillow does not write; values are rows of bytes as stored."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    width = values.shape[1] * 8 // bits // {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    header = struct.pack(">IIBBBBB", width, len(values), bits, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    transparency = chunk(b"tRNS", extra) if extra else b""
    chunks = (chunk(b"IHDR", header), transparency, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
