"""Any map-style dataset, torchvision's or the user's own -> a table, read once."""

import operator
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.arrays import ValueRange, table_from_arrays, to_tensor
from ganzoo.data.table import Table
from ganzoo.errors import DataError

# Reading fewer items than this takes no time worth a progress bar.
_WORTH_A_BAR = 1_000

_PICTURE_MODES = ("L", "RGB", "RGBA")


@runtime_checkable
class MapStyle(Protocol):
    """What torch calls a map-style dataset: a length, and items by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def table_from_dataset(dataset: MapStyle, *, value_range: ValueRange | None = None) -> Table:
    """Read every item of a dataset once, in order.

    Args:
        dataset: Its items are a sample, or a sample and an integer label. A sample is a tensor or an array, as for
            `table_from_arrays` without the leading N, or a PIL picture of mode L, RGB or RGBA.
        value_range: The lowest and highest value that float samples can take.

    Returns:
        A table of all items; its class names are the dataset's `classes`, where it has them.

    Raises:
        DataError: The dataset is empty, or an item is none of the above or unlike the first.
    """
    from tqdm import tqdm

    count = len(dataset)
    if count == 0:
        raise DataError(f"the {type(dataset).__name__} is empty; give a dataset with at least one item")
    positions = tqdm(range(count), desc="reading data", unit="item", disable=count <= _WORTH_A_BAR)
    items = (_split_item(dataset[i], i) for i in positions)
    first, first_label = next(items)
    samples = torch.empty((count, *first.shape), dtype=first.dtype)
    labels: list[int] = []
    for i, (sample, label) in enumerate(chain([(first, first_label)], items)):
        if sample.shape != first.shape or sample.dtype != first.dtype or (label is None) != (first_label is None):
            raise DataError(
                f"item {i} is {_describe(sample, label)}, but item 0 is {_describe(first, first_label)}; "
                "make all items alike, for example with torchvision.transforms.Resize"
            )
        samples[i] = sample
        if label is not None:
            labels.append(label)
    return table_from_arrays(
        samples,
        labels or None,
        value_range=value_range,
        class_names=_class_names(dataset, labels),
        name=type(dataset).__name__,
    )


def _split_item(item: Any, position: int) -> tuple[Tensor, int | None]:
    """Return the sample of an item as a tensor, and its label or None."""
    if not isinstance(item, tuple | list):
        return _sample(item, position), None
    if len(item) == 1:
        return _sample(item[0], position), None
    if len(item) != 2:
        raise DataError(f"item {position} has {len(item)} parts; give a sample, or a sample and its label")
    sample, label = item
    try:
        number = operator.index(label)
    except TypeError as error:
        kind = type(label).__name__
        raise DataError(f"the label of item {position} is a {kind}; give an integer class number") from error
    return _sample(sample, position), number


def _sample(sample: Any, position: int) -> Tensor:
    from PIL import Image

    if isinstance(sample, Tensor | np.ndarray):
        return to_tensor(sample, f"the sample of item {position}")
    if isinstance(sample, Image.Image):
        return _pixels(sample, position)
    raise DataError(
        f"the sample of item {position} is a {type(sample).__name__}; give a tensor, an array or a PIL image"
    )


def _pixels(image: Any, position: int) -> Tensor:
    """Return a PIL picture as uint8 `(C, H, W)`."""
    if image.mode not in _PICTURE_MODES:
        raise DataError(
            f"the picture of item {position} has mode {image.mode!r}; use {', '.join(_PICTURE_MODES)}, "
            "for example by image.convert('RGB')"
        )
    pixels = torch.from_numpy(np.array(image))  # (H, W) or (H, W, C)
    return pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def _class_names(dataset: MapStyle, labels: list[int]) -> tuple[str, ...]:
    """Return what torchvision's datasets call their classes, if it covers the labels."""
    names = getattr(dataset, "classes", None)
    if labels and isinstance(names, tuple | list) and len(names) > max(labels):
        return tuple(str(name) for name in names)
    return ()


def _describe(sample: Tensor, label: int | None) -> str:
    return f"{tuple(sample.shape)} {sample.dtype} {'without' if label is None else 'with'} a label"
