"""The idx format of MNIST and its kin (http://yann.lecun.com/exdb/mnist), plain or gzipped.

A file is two zero bytes, a byte for the type of its numbers, a byte for how many dimensions it has, each dimension as
a big-endian uint32, and then the numbers.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from ganzoo import files
from ganzoo.data.table import Table
from ganzoo.errors import DataError, InputError

MAX_BYTES = 4 * 2**30

# torchvision's names: the prefix of each split.
SPLITS = {"train": "train", "test": "t10k"}

_IMAGES = "-images-idx3-ubyte"
_LABELS = "-labels-idx1-ubyte"
_GZIP_MAGIC = b"\x1f\x8b"
_UINT8 = 0x08
_OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_MAX_DIMENSIONS = 4
_CHUNK = 2**20


def read_idx(path: str | os.PathLike[str]) -> Tensor:
    """Read an idx file, gzipped or not (its content tells which, not its name).

    Args:
        path: The file.

    Returns:
        A uint8 tensor of the shape that the file states.

    Raises:
        DataError: The file cannot be read, is damaged, or holds anything but bytes.
    """
    try:
        with Path(path).open("rb") as file:
            if file.peek(2)[:2] != _GZIP_MAGIC:
                return _read_stream(file, path)
            with gzip.open(file) as stream:
                return _read_stream(cast(BinaryIO, stream), path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {str(path)!r}: {error}; fetch the file again") from error


def open_idx_folder(folder: str | os.PathLike[str], split: str = "train") -> Table:
    """Open a folder of idx files under torchvision's names, such as `train-images-idx3-ubyte.gz`.

    The files may lie in the folder itself, in its `raw`, or in a `raw` one level down (`MNIST/raw`).

    Args:
        folder: Where to look.
        split: `"train"` or `"test"`.

    Returns:
        A table of pictures `(1, H, W)`, labelled where a labels file lies beside the pictures.

    Raises:
        InputError: `split` is neither of the two.
        DataError: The split is not there, is there more than once, or cannot be read.
    """
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}; use 'train' or 'test'")
    found = _find_images(Path(folder), split)
    if len(found) > 1:
        places = " and ".join(repr(str(path.parent)) for path in found)
        raise DataError(f"{str(folder)!r} holds several data sets, in {places}; give one of these folders")
    if not found:
        others = [other for other in SPLITS if _find_images(Path(folder), other)]
        remedy = f"use split={others[0]!r}, which is there" if others else "give the folder that holds it"
        name = SPLITS[split] + _IMAGES
        raise DataError(
            f"no {split} pictures in {str(folder)!r}: looked for {name} and {name}.gz "
            f"there, in raw and in */raw; {remedy}"
        )
    return open_idx_images(found[0])


def has_idx_files(folder: str | os.PathLike[str]) -> bool:
    """Tell whether `open_idx_folder` finds pictures of any split in a folder."""
    return any(_find_images(Path(folder), split) for split in SPLITS)


def whole_folder(source: str) -> str:
    """Return the folder of a file of training pictures that has a test split beside it; any other source as it is.

    Args:
        source: What opens a table again.
    """
    path = Path(source)
    if not path.name.startswith(SPLITS["train"] + _IMAGES):
        return source
    is_whole = _find_images(path.parent, "train") == [path] and len(_find_images(path.parent, "test")) == 1
    return str(path.parent) if is_whole else source


def open_idx_images(path: str | os.PathLike[str]) -> Table:
    """Open an idx file of pictures, and the labels that lie beside it under the matching name.

    Args:
        path: A file such as `train-images-idx3-ubyte.gz`.

    Returns:
        A table of pictures `(1, H, W)`, unlabelled where there is no labels file.

    Raises:
        DataError: A file cannot be read, or pictures and labels do not match.
    """
    path = Path(path).absolute()
    images = read_idx(path)  # (N, H, W)
    if images.ndim != 3:
        raise DataError(
            f"{str(path)!r} has shape {tuple(images.shape)}; pictures are (N, H, W), so give a pictures file"
        )
    labels_path = _find_labels(path)
    labels = read_idx(labels_path).long() if labels_path else None
    if labels is not None and labels.shape != images.shape[:1]:
        raise DataError(
            f"{len(images)} pictures in {str(path)!r}, but labels of shape {tuple(labels.shape)} "
            f"in {str(labels_path)!r}; give one label a picture, or remove the labels file"
        )
    # torchvision keeps its files in NAME/raw.
    folder = path.parent.parent if path.parent.name == "raw" else path.parent
    class_names = () if labels is None else tuple(str(label) for label in range(int(labels.max()) + 1))
    return Table(images.unsqueeze(1), labels, class_names, name=folder.name, source=str(path))


def _read_stream(stream: BinaryIO, path: str | os.PathLike[str]) -> Tensor:
    shape = _read_header(stream, path)
    size = math.prod(shape)
    if not 0 < size <= MAX_BYTES:
        raise DataError(f"{str(path)!r} announces {size} bytes; from 1 byte to 4 GiB are read, so check the file")
    # Grown by what the file really has, never by what its header promises; one byte more shows what trails.
    content = bytearray()
    while chunk := stream.read(min(_CHUNK, size + 1 - len(content))):
        content += chunk
    if len(content) != size:
        state = "cut short" if len(content) < size else "followed by other bytes"
        raise DataError(f"{str(path)!r} is {state}: its header announces {size} bytes of data; fetch the file again")
    return torch.frombuffer(content, dtype=torch.uint8).reshape(shape)


def _read_header(stream: BinaryIO, path: str | os.PathLike[str]) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or not 1 <= magic[3] <= _MAX_DIMENSIONS:
        raise DataError(
            f"{str(path)!r} is not an idx file: it begins with {magic.hex(' ')!r}; give an idx file of uint8, "
            "a .npz file, or a folder or an archive (zip, tar) of pictures"
        )
    if magic[2] != _UINT8:
        kind = _OTHER_TYPES.get(magic[2], f"type {magic[2]:#04x}")
        raise DataError(f"{str(path)!r} holds {kind} numbers; only uint8 idx files are read, so convert it")
    dimensions = stream.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise DataError(f"{str(path)!r} ends within its header; fetch the file again")
    return struct.unpack(f">{magic[3]}I", dimensions)


def _find_images(folder: Path, split: str) -> list[Path]:
    """Return the pictures file of a split from each place that has one."""
    places = [folder, folder / "raw", *sorted(folder.glob("*/raw"))]
    return [path for place in places if (path := _plain_or_gzipped(place / (SPLITS[split] + _IMAGES)))]


def _find_labels(images: Path) -> Path | None:
    """Return the labels file beside a pictures file."""
    prefix, separator, _ = images.name.partition(_IMAGES)
    return _plain_or_gzipped(images.with_name(prefix + _LABELS)) if separator else None


def _plain_or_gzipped(path: Path) -> Path | None:
    return next((each for each in (path, path.with_name(path.name + ".gz")) if files.is_file(each)), None)
