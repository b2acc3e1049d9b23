"""Tensors and arrays that Python already holds -> a table."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.table import HALF_BYTE, Table, scale_and_offset
from ganzoo.errors import DataError

Array = Tensor | np.ndarray[Any, Any]
ValueRange = tuple[float, float]

_CHANNELS = (1, 2, 3, 4)


def table_from_arrays(
    samples: Array,
    labels: Array | Sequence[int] | None = None,
    *,
    vectors: Array | None = None,
    sources: Array | None = None,
    value_range: ValueRange | None = None,
    class_names: Sequence[str] = (),
    name: str = "data",
    paired: bool = True,
) -> Table:
    """Make a table of samples, and of the labels, vectors or source pictures they come with, if any.

    Args:
        samples: uint8 pictures `(N, H, W)` or `(N, C, H, W)`, or floats `(N, *sample_shape)`; floats `(N,)` count as
            `(N, 1)`.
        labels: `(N,)` integers from 0.
        vectors: `(N, K)` floats, finite; not together with labels or sources.
        sources: Pictures `(N, C, H, W)`, or uint8 `(N, H, W)`, from which the samples are to be made: uint8 or floats,
            like the samples and in the same range; not together with labels or vectors.
        value_range: The lowest and highest value that the data can take; needed for floats, and for them only.
        class_names: One name a class; without them a class is called by its number.
        name: What the data is called.
        paired: Each sample belongs to the source of its row.

    Returns:
        A table that shares the samples' memory where dtype and device allow.

    Raises:
        DataError: The samples, what they come with, or the range are not as above.
    """
    data = to_tensor(samples, "samples")
    if data.dtype == torch.uint8:
        if value_range is not None:
            raise DataError(f"value_range={value_range} was given for uint8 samples, which span 0 to 255; leave it out")
        scale = offset = HALF_BYTE
        data = _pictures(data, "samples")
    elif data.is_floating_point():
        scale, offset = scale_and_offset(*_checked_range(value_range))
        data = data.float()
        data = data.unsqueeze(1) if data.ndim == 1 else data
    else:
        raise DataError(f"samples are {data.dtype}; give uint8 pictures, or floats with value_range=(low, high)")
    numbers = None if labels is None else _labels(labels)
    names = tuple(class_names)
    if numbers is not None and not names:
        names = tuple(str(number) for number in range(_highest(numbers) + 1))
    return Table(
        data,
        numbers,
        names,
        scale=scale,
        offset=offset,
        name=name,
        sources=None if sources is None else _sources(sources),
        vectors=None if vectors is None else _vectors(vectors),
        paired=paired,
    )


def table_from_tuple(samples: Array, given: Any, *, value_range: ValueRange | None = None) -> Table:
    """Make a table of samples and one thing they come with, which is told by its shape and dtype.

    Args:
        samples: As for `table_from_arrays`.
        given: Integers `(N,)` are labels, floats `(N, K)` are vectors, and pictures `(N, C, H, W)` are sources.
        value_range: The lowest and highest value that float samples, and float sources, can take.

    Raises:
        DataError: The samples, what they come with, or the range are not as above.
    """
    values = to_tensor(given, "labels")
    if values.ndim > 2:
        return table_from_arrays(samples, sources=values, value_range=value_range)
    if values.ndim == 2 and values.is_floating_point():
        return table_from_arrays(samples, vectors=values, value_range=value_range)
    return table_from_arrays(samples, values, value_range=value_range)


def to_tensor(values: Any, what: str) -> Tensor:
    """Return values as a tensor on the CPU, outside autograd, without a copy where that can be.

    Args:
        values: A tensor, or anything that numpy takes.
        what: What the values are, for the message.

    Raises:
        DataError: The values are not numbers.
    """
    if isinstance(values, Tensor):
        return values.detach().cpu()
    try:
        array = np.asarray(values)
        # torch takes neither foreign byte order nor, without a warning, read-only memory.
        return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} cannot be made a tensor: {error}; give a numeric array or tensor") from error


def _pictures(data: Tensor, what: str) -> Tensor:
    if data.ndim == 3:
        return data.unsqueeze(1)  # (N, H, W) -> (N, 1, H, W)
    shape = tuple(data.shape)
    if data.ndim != 4:
        raise DataError(
            f"uint8 {what} have shape {shape}; give pictures as (N, H, W) or (N, C, H, W), "
            "or other data as floats with value_range=(low, high)"
        )
    if shape[1] not in _CHANNELS and shape[3] in _CHANNELS:
        raise DataError(
            f"uint8 {what} have shape {shape}, which looks like (N, H, W, C); give (N, C, H, W), "
            "by .permute(0, 3, 1, 2) of a tensor or .transpose(0, 3, 1, 2) of an array"
        )
    return data


def _checked_range(value_range: ValueRange | None) -> ValueRange:
    if value_range is None:
        raise DataError(
            "float samples need their range: give value_range=(low, high), "
            "such as value_range=(0, 1) for what torchvision's ToTensor makes"
        )
    try:
        low, high = (float(end) for end in value_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise DataError(f"value_range is {value_range!r}; give two finite numbers (low, high) with low < high")
    return low, high


def _labels(labels: Array | Sequence[int]) -> Tensor:
    numbers = to_tensor(labels, "labels")
    if numbers.is_floating_point() or numbers.is_complex() or numbers.ndim != 1:
        raise DataError(
            f"labels are {numbers.dtype} of shape {tuple(numbers.shape)}; give one integer class number a sample, "
            "(N,), vectors as floats (N, K), or source pictures as (N, C, H, W)"
        )
    return numbers.long()


def _vectors(vectors: Array) -> Tensor:
    values = to_tensor(vectors, "vectors")
    # Checked by the table, which takes float32 alone.
    return values.float() if values.is_floating_point() else values


def _sources(sources: Array) -> Tensor:
    pictures = to_tensor(sources, "sources")
    if pictures.dtype == torch.uint8:
        return _pictures(pictures, "sources")
    return pictures.float() if pictures.is_floating_point() else pictures


def _highest(numbers: Tensor) -> int:
    return int(numbers.max()) if len(numbers) else -1
