"""The emoji as paired data: the outline, one channel, is the source, and the picture in colour the sample.

Variants of one emoji (skin tones, hands turned the other way, letters in squares) share a `split_group`, and a group is
held out as a whole: it is in the test part if the SHA-256 of its name, as a number, is a multiple of ten.
"""

import csv
import hashlib
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.table import Table
from ganzoo.errors import DataError

LICENSE = "CC-BY-SA-4.0"


def openmoji() -> Table:
    """Return the training part: sources (1, 64, 64) and samples (3, 64, 64), uint8."""
    return _part("openmoji", held_out=False)


def openmoji_test() -> Table:
    """Return the held-out part, like `openmoji`."""
    return _part("openmoji-test", held_out=True)


def grouped(part: str) -> Table:
    """Return pictures in colour, labelled with what kind of thing they show, such as "food-drink".

    Args:
        part: `"train"` or `"test"`; of the training part, `"validation"` is about a tenth, and `"validating"` the rest.
    """
    rows = metadata()
    names = tuple(sorted({row["group"] for row in rows}))
    chosen = {"train": range(1, 10), "test": (0,), "validation": (1,), "validating": range(2, 10)}[part]
    index = [i for i, row in enumerate(rows) if _digit(row["split_group"]) in chosen]
    labels = torch.tensor([names.index(rows[i]["group"]) for i in index])
    (colours,) = _arrays(index, "colours")
    return Table(colours, labels, names, name=f"openmoji-groups-{part}", license=LICENSE)


def is_held_out(split_group: str) -> bool:
    """Tell whether a group of variants is in the test part."""
    return _digit(split_group) == 0


def _digit(split_group: str) -> int:
    return int(hashlib.sha256(split_group.encode()).hexdigest(), 16) % 10


def metadata() -> list[dict[str, str]]:
    """Return what is known of each emoji, in the order of the pictures: hexcode, annotation, group, author and so on.

    Raises:
        DataError: The package's own file is missing.
    """
    try:
        text = (files("ganzoo_openmoji") / "openmoji.csv").read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"openmoji.csv, a file of ganzoo-openmoji itself, is missing: {error}; reinstall it") from error
    return list(csv.DictReader(text.splitlines()))


def _part(name: str, *, held_out: bool) -> Table:
    rows = [i for i, row in enumerate(metadata()) if is_held_out(row["split_group"]) == held_out]
    outlines, colours = _arrays(rows, "outlines", "colours")
    return Table(colours, sources=outlines, name=name, license=LICENSE, source=f"openmoji/{name}")


def _arrays(rows: list[int], *names: str) -> list[Tensor]:
    """Return some of the pictures, uint8: of `outlines` (N, 1, 64, 64), of `colours` (N, 3, 64, 64)."""
    try:
        with (files("ganzoo_openmoji") / "openmoji-64.npz").open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            return [torch.from_numpy(arrays[name])[rows] for name in names]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(
            f"openmoji-64.npz, a file of ganzoo-openmoji itself, is damaged or missing: {error}; reinstall it"
        ) from error
