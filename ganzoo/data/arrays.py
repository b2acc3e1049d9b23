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
    value_range: ValueRange | None = None,
    class_names: Sequence[str] = (),
    name: str = "data",
) -> Table:
    """Make a table of samples, and of their labels where there are any.

    Args:
        samples: uint8 pictures `(N, H, W)` or `(N, C, H, W)`, or floats `(N, *sample_shape)`; floats `(N,)` count as
            `(N, 1)`.
        labels: `(N,)` integers from 0.
        value_range: The lowest and highest value that the data can take; needed for floats, and for them only.
        class_names: One name a class; without them a class is called by its number.
        name: What the data is called.

    Returns:
        A table that shares the samples' memory where dtype and device allow.

    Raises:
        DataError: The samples, the labels or the range are not as above.
    """
    data = to_tensor(samples, "samples")
    if data.dtype == torch.uint8:
        if value_range is not None:
            raise DataError(f"value_range={value_range} was given for uint8 samples, which span 0 to 255; leave it out")
        scale = offset = HALF_BYTE
        data = _pictures(data)
    elif data.is_floating_point():
        scale, offset = scale_and_offset(*_checked_range(value_range))
        data = data.float()
        data = data.unsqueeze(1) if data.ndim == 1 else data
    else:
        raise DataError(f"samples are {data.dtype}; give uint8 pictures, or floats with value_range=(low, high)")
    if labels is None:
        return Table(data, scale=scale, offset=offset, name=name)
    numbers = _labels(labels)
    names = tuple(class_names) or tuple(str(number) for number in range(_highest(numbers) + 1))
    return Table(data, numbers, names, scale=scale, offset=offset, name=name)


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


def _pictures(data: Tensor) -> Tensor:
    if data.ndim == 3:
        return data.unsqueeze(1)  # (N, H, W) -> (N, 1, H, W)
    shape = tuple(data.shape)
    if data.ndim != 4:
        raise DataError(
            f"uint8 samples have shape {shape}; give pictures as (N, H, W) or (N, C, H, W), "
            "or other data as floats with value_range=(low, high)"
        )
    if shape[1] not in _CHANNELS and shape[3] in _CHANNELS:
        raise DataError(
            f"uint8 samples have shape {shape}, which looks like (N, H, W, C); give (N, C, H, W), "
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
            f"labels are {numbers.dtype} of shape {tuple(numbers.shape)}; give one integer class number a sample, (N,)"
        )
    return numbers.long()


def _highest(numbers: Tensor) -> int:
    return int(numbers.max()) if len(numbers) else -1
