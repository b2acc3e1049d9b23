"""Tables as .npz files: NumPy's archives of arrays, without pickles.

| key | array |
| --- | --- |
| `samples` | uint8 pictures `(N, C, H, W)` or `(N, H, W)`, or floats `(N, *sample_shape)` |
| `images` | in place of `samples`: uint8 pictures as most programs keep them, `(N, H, W)` or `(N, H, W, C)` |
| `labels` | `(N,)` integers from 0 |
| `class_names` | `(K,)` text, where there are labels |
| `vectors` | `(N, K)` floats |
| `sources` | pictures `(N, C, H, W)` that the samples are to be made from |
| `paired` | 0 where the sources, in any number, do not belong to the samples |
| `value_range` | the lowest and highest value that float samples can take |
| `scale`, `offset` | in place of `value_range`: half the range's width, and its middle |
| `name`, `license` | what the data is called, and its licence, as text |

At most one of `labels`, `vectors` and `sources` is there.
"""

import io
import os
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import Tensor

from ganzoo.data.arrays import ValueRange, table_from_arrays
from ganzoo.data.table import Table
from ganzoo.data.zips import check_method
from ganzoo.errors import DataError, did_you_mean
from ganzoo.files import from_home, writing

# Of all arrays in a file together, and of each that holds text.
MAX_BYTES, MAX_TEXT_BYTES = 32 * 2**30, 2**24
_MAX_HEADER_BYTES = 2**16

KEYS = (
    *("samples", "images", "labels", "class_names", "vectors", "sources", "value_range", "scale", "offset"),
    *("name", "license", "paired"),
)

_TEXTS = ("class_names", "name", "license")

_Array = np.ndarray[Any, Any]


def open_npz(path: str | os.PathLike[str], *, value_range: ValueRange | None = None) -> Table:
    """Open a .npz file with the keys above as a table.

    Args:
        path: The file.
        value_range: The lowest and highest value that float samples can take, where the file does not say.

    Raises:
        DataError: The file cannot be read, holds Python objects, or its arrays are not as above.
    """
    path = from_home(path)
    arrays = _read(path)
    if ("samples" in arrays) == ("images" in arrays):
        raise DataError(
            f"{str(path)!r} holds {', '.join(arrays) or 'nothing'}; it takes either 'samples' or 'images', such as "
            "by numpy.savez(path, images=pictures)"
        )
    own = _numbers(arrays, "value_range", path)
    halves = [_numbers(arrays, key, path) for key in ("scale", "offset")]
    for key, half, other in (("scale", halves[0], "offset"), ("offset", halves[1], "scale")):
        if half is not None and other not in arrays:
            raise DataError(f"{str(path)!r} has {key!r} without {other!r}; give both, or 'value_range' in their place")
    scale, offset = (None if half is None else half[0] for half in halves)
    stated = cast(ValueRange, tuple(own)) if own else value_range
    samples = _channels_first(arrays["images"], path) if "images" in arrays else arrays["samples"]
    if stated is None and scale is not None and offset is not None and samples.dtype != np.uint8:
        stated = (offset - scale, offset + scale)
    try:
        table = table_from_arrays(
            samples,
            arrays.get("labels"),
            vectors=arrays.get("vectors"),
            sources=arrays.get("sources"),
            value_range=stated,
            class_names=[str(name) for name in arrays["class_names"].ravel()] if "class_names" in arrays else (),
            name=_text(arrays, "name") or path.stem,
            paired="paired" not in arrays or bool(arrays["paired"].all()),
        )
        if scale is not None and offset is not None and own is None:
            table = replace(table, scale=scale, offset=offset)
    except DataError as error:
        raise DataError(f"in {str(path)!r}, {error}") from error
    return replace(table, license=_text(arrays, "license"), source=str(path.absolute()))


def write_npz(table: Table, path: str | os.PathLike[str]) -> None:
    """Write a table so that `open_npz` reads it back bit by bit, compressed; whole or not at all.

    Args:
        table: Any table.
        path: The file; its name ends with `.npz`.

    Raises:
        DataError: The name ends otherwise.
        OutputError: The file cannot be written.
    """
    if Path(path).suffix != ".npz":
        raise DataError(f"a table is written as .npz, and {str(path)!r} ends otherwise; give such as 'data.npz'")
    arrays: dict[str, Any] = {"samples": table.samples.numpy(), "scale": table.scale, "offset": table.offset}
    tensors: dict[str, Tensor | None] = {"labels": table.labels, "vectors": table.vectors, "sources": table.sources}
    arrays |= {key: tensor.numpy() for key, tensor in tensors.items() if tensor is not None}
    arrays |= {"name": table.name} | ({"license": table.license} if table.license else {})
    if not table.paired:
        arrays["paired"] = 0
    if table.class_names:
        arrays["class_names"] = np.array(table.class_names)
    # A file, because of a path NumPy would change the name.
    with writing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _read(path: Path) -> dict[str, _Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            keys = [member.filename.removesuffix(".npy") for member in members]
            _check_members(keys, members, path)
            return {key: _read_array(archive, member, path) for key, member in zip(keys, members, strict=True)}
    except DataError:
        raise
    except Exception as error:  # zipfile, the decompressors and NumPy raise nearly anything on damaged content.
        raise DataError(f"cannot read {str(path)!r} as a .npz file: {error}; fetch or make it again") from error


def _check_members(keys: list[str], members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse what is no table by its names and sizes, before anything is read."""
    for key, count in Counter(keys).items():
        if key not in KEYS:
            raise DataError(
                f"{str(path)!r} has an array called {key[:40]!r}{did_you_mean(key[:40], KEYS)}; known are "
                f"{', '.join(KEYS)}"
            )
        if count > 1:
            raise DataError(f"{str(path)!r} has the array {key!r} {count} times; make it again")
    for key, member in zip(keys, members, strict=True):
        if key in _TEXTS and member.file_size > MAX_TEXT_BYTES:
            raise DataError(
                f"{key!r} in {str(path)!r} has {member.file_size:,} bytes; up to {MAX_TEXT_BYTES:,} of text are read"
            )
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        raise DataError(f"the arrays in {str(path)!r} have {total:,} bytes; up to {MAX_BYTES:,} are read")


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> _Array:
    check_method(member)
    with archive.open(member) as stream:
        # A header that is longer ends too early for NumPy.
        beginning = io.BytesIO(stream.read(_MAX_HEADER_BYTES))
    version = np.lib.format.read_magic(beginning)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read_header[version](beginning)
    if dtype.hasobject:
        raise DataError(
            f"{member.filename!r} in {str(path)!r} holds Python objects, which are never read; write it as numbers"
        )
    if dtype.itemsize == 0:
        raise DataError(f"{member.filename!r} in {str(path)!r} is {dtype}, of which each takes no room; make it again")
    # What a header promises must be what is there, before room is made for it.
    if int(np.prod(shape, dtype=object)) * dtype.itemsize != member.file_size - beginning.tell():
        raise DataError(f"{member.filename!r} in {str(path)!r} is not as long as its header says; make it again")
    with archive.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # the end, where the checksum is compared
    return cast(_Array, array)


def _channels_first(images: _Array, path: Path) -> _Array:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] > 4):
        raise DataError(
            f"'images' in {str(path)!r} is {images.dtype} of shape {images.shape}; it takes uint8 of (N, H, W) or "
            "(N, H, W, C); other data is called 'samples'"
        )
    return images if images.ndim == 3 else images.transpose(0, 3, 1, 2)


def _text(arrays: dict[str, _Array], key: str) -> str | None:
    array = arrays.get(key)
    return None if array is None else str(array.ravel()[0]) if array.size else None


def _numbers(arrays: dict[str, _Array], key: str, path: Path) -> list[float] | None:
    array = arrays.get(key)
    if array is None:
        return None
    if array.dtype.kind not in "iuf" or not 1 <= array.size <= 2:
        raise DataError(
            f"{key!r} in {str(path)!r} is {array.dtype} of shape {array.shape}; it takes one or two numbers"
        )
    return [float(number) for number in array.ravel()]
