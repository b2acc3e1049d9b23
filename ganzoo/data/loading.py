"""What the data given to a trainer means: a name, a folder, a file, arrays, or a dataset."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from ganzoo import files, plugins
from ganzoo.data.arrays import Array, ValueRange, table_from_arrays, table_from_tuple
from ganzoo.data.datasets import MapStyle, table_from_dataset
from ganzoo.data.downloads import open_torchvision_text
from ganzoo.data.downscaled import open_downscaled_text
from ganzoo.data.folders import open_pictures_text, open_plain
from ganzoo.data.idx import has_idx_files, open_idx_folder, open_idx_images
from ganzoo.data.npz import open_npz
from ganzoo.data.pairs import open_pairs_text
from ganzoo.data.shelves import ARCHIVE, is_picture
from ganzoo.data.table import Table
from ganzoo.data.unpaired import open_unpaired_text
from ganzoo.errors import DataError, InputError, UnknownNameError

# What data given as text can be, for messages.
FORMS = (
    "a name that 'ganzoo list' shows, a folder or an archive (zip, tar) of pictures, a .npz file, a folder of idx "
    "files, 'pairs:PATH' for pairs of pictures, 'unpaired:PATH' for pictures of two kinds, 'downscaled:DATA' for "
    "pictures and smaller ones of themselves, or 'torchvision:NAME' for MNIST, FashionMNIST or CIFAR10"
)

Data = Table | str | os.PathLike[str] | Array | tuple[Any, Any] | MapStyle | Dataset[Any]


def open_data(data: Data, *, split: str = "train", value_range: ValueRange | None = None) -> Table:
    """Open data of any kind as one table.

    Args:
        data: One of

            - a table, which is returned as it is;
            - the name of a registered data set, such as `"ring"`. It wins over a folder of the same name in the
              working directory: write `"./ring"` for the folder;
            - the path of a folder of idx files, or of one pictures file in it;
            - the path of a folder of pictures, or of a tar or zip archive of such, read with the defaults of
              `open_pictures`; `"pictures,image_size=64,mode=RGB:PATH"` states options, which
              `ganzoo.data.options.PictureOptions` lists;
            - the path of a .npz file; see `ganzoo.data.npz`;
            - `"pairs:PATH"`, pairs of pictures in a folder or an archive, or `"reversed-pairs:PATH"`, the same with
              sources and targets exchanged; see `open_pairs`;
            - `"downscaled,factor=2:DATA"`, where DATA is any of these texts that gives pictures: pairs of each picture
              and a smaller one of itself, for super-resolution; see `ganzoo.data.downscaled`;
            - `"unpaired:PATH"`, pictures of two kinds in folders A and B that do not belong together, or paired data as
              if it were such, as in `"unpaired:openmoji"`; see `ganzoo.data.unpaired`;
            - `"torchvision:NAME"` with MNIST, FashionMNIST or CIFAR10, or `"torchvision:FOLDER/NAME"`;
            - any of these texts with the split in it, such as `"pairs@test:PATH"` or `"pictures@test:PATH"`, so that
              the argument has no effect;
            - a tensor or array: uint8 pictures `(N, H, W)` or `(N, C, H, W)`, or floats `(N, *sample_shape)`;
            - a tuple of such samples and their labels (integers `(N,)`), their vectors (floats `(N, K)`), or the
              pictures they are to be made from (`(N, C, H, W)`, uint8 or floats like the samples);
            - a map-style dataset, whose items are read once; see `table_from_dataset`.
        split: Which part, `"train"` or `"test"`; folders of pictures and of pairs can have `"val"` too. Data that
            comes in one part is the same for each.
        value_range: The lowest and highest value that float samples and sources can take, such as `(0, 1)`; they must
            state it.

    Returns:
        The table. Where `data` is a name or a path, `table.source` opens it again.

    Raises:
        UnknownNameError: A text is neither a registered name nor a path.
        DataError: The data cannot be read, or is of no kind above.
        InputError: There is no such split.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str):
        pairs = open_downscaled_text(data, lambda text: open_data(text, split=split, value_range=value_range))
        if pairs is not None:
            return pairs
        for opener in (open_pairs_text, open_pictures_text, open_torchvision_text):
            if (table := opener(data, split)) is not None:
                return table
        if (table := open_unpaired_text(data, split, open_data)) is not None:
            return table
        return _open_text(data, split, value_range)
    if isinstance(data, os.PathLike):
        return _open_path(Path(data), split, value_range)
    if isinstance(data, Tensor | np.ndarray):
        return table_from_arrays(data, value_range=value_range)
    if isinstance(data, tuple):
        if len(data) != 2:
            raise DataError(f"the data is a tuple of {len(data)}; give (samples, labels), or vectors or sources")
        return table_from_tuple(*data, value_range=value_range)
    # A mapping and an iterable dataset can have the methods of a map-style one too.
    if isinstance(data, MapStyle) and not isinstance(data, IterableDataset | Mapping):
        return table_from_dataset(data, value_range=value_range)
    raise DataError(
        f"the data is a {type(data).__name__}, which has no length and items by number; "
        "give a map-style dataset, a tensor, a folder or a name that 'ganzoo list' shows"
    )


def check_split(data: str, split: str) -> None:
    """Refuse a split that is asked for beside data, and that would change nothing.

    Args:
        data: The data, as text.
        split: The split.

    Raises:
        InputError: The text names another split, or the data comes in one part and the split is not `"train"`.
    """
    kind, colon, rest = data.partition(":")
    word, _, named = kind.partition(",")[0].partition("@")
    is_unpaired = word.removeprefix("reversed-") == "unpaired"
    if colon and (word == "downscaled" or (is_unpaired and not named and not files.is_folder(rest))):
        check_split(rest, split)
    elif colon and (is_unpaired or word in ("pairs", "reversed-pairs", "pictures", "torchvision")):
        if named and named != split:
            raise InputError(f"the split {split!r} was asked of {data!r}, which names {named!r}; leave one of them out")
    elif split != "train" and _is_in_one_part(data):
        raise InputError(
            f"the split {split!r} was asked of {data!r}, which comes in one part and has no splits; leave it out"
        )


def _is_in_one_part(text: str) -> bool:
    path = Path(text)
    if not (text.startswith((".", "~")) or path.is_absolute()):
        try:
            plugins.find("dataset", text)
        except UnknownNameError:
            pass
        else:
            return True
    path = files.from_home(path)
    return files.is_file(path) and not ARCHIVE.search(path.name)


def _open_text(text: str, split: str, value_range: ValueRange | None) -> Table:
    path = Path(text)
    if text.startswith((".", "~")) or path.is_absolute():
        return _open_path(path, split, value_range)
    try:
        entry = plugins.find("dataset", text)
    except UnknownNameError as error:
        # A registered name can hold a slash too (plugin/name), so a path is what no plugin knows.
        if files.is_file(path) or files.is_folder(path) or path.name != text:
            return _open_path(path, split, value_range)
        raise UnknownNameError(f"{error} There is no folder or file {text[:100]!r} either; give {FORMS}") from error
    table = entry.load()()
    if not isinstance(table, Table):
        raise DataError(f"data set {text!r} gave a {type(table).__name__}, not a Table; report this to its plugin")
    return replace(table, source=entry.full_name) if table.source is None else table


def _open_path(path: Path, split: str, value_range: ValueRange | None) -> Table:
    path = files.from_home(path)
    if files.is_file(path):
        if path.suffix.lower() == ".npz":
            return open_npz(path, value_range=value_range)
        if is_picture(path.name):
            raise DataError(f"{str(path)!r} is a single picture; give the folder of the pictures")
        return open_plain(path, split) if ARCHIVE.search(path.name) else open_idx_images(path)
    if files.is_folder(path):
        return open_idx_folder(path, split) if has_idx_files(path) else open_plain(path, split)
    raise DataError(f"there is no folder or file {str(path)!r}; give {FORMS}")
