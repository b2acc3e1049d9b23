"""The emoji as paired data: the outline, one channel, is the source, and the picture in colour the sample.

Variants of one emoji (skin tones, hands turned the other way, letters in squares) share a `split_group`, and a group is
held out as a whole: it is in the test part if the SHA-256 of its name, as a number, is a multiple of ten.
"""

import csv
import hashlib
from importlib.resources import files

import numpy as np
import torch
import torch.nn.functional as F

from ganzoo.data.table import Table
from ganzoo.errors import DataError

LICENSE = "CC-BY-SA-4.0"


def openmoji() -> Table:
    """Return the training part: sources (1, 64, 64) and samples (3, 64, 64), uint8."""
    return _part("openmoji", held_out=False)


def openmoji_test() -> Table:
    """Return the held-out part, like `openmoji`."""
    return _part("openmoji-test", held_out=True)


def openmoji_colour() -> Table:
    """Return the training part's samples (3, 64, 64) alone, for models that make pictures from nothing."""
    return _alone("openmoji-colour", _part("openmoji", held_out=False))


def openmoji_colour_test() -> Table:
    """Return the held-out part, like `openmoji_colour`."""
    return _alone("openmoji-colour-test", _part("openmoji-test", held_out=True))


def openmoji_colour_32() -> Table:
    """Return the training part's samples alone at half the size, (3, 32, 32)."""
    return _alone("openmoji-colour-32", _part("openmoji", held_out=False), halve=True)


def openmoji_colour_32_test() -> Table:
    """Return the held-out part, like `openmoji_colour_32`."""
    return _alone("openmoji-colour-32-test", _part("openmoji-test", held_out=True), halve=True)


def is_held_out(split_group: str) -> bool:
    """Tell whether a group of variants is in the test part."""
    return int(hashlib.sha256(split_group.encode()).hexdigest(), 16) % 10 == 0


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
    try:
        with (files("ganzoo_openmoji") / "openmoji-64.npz").open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            outlines, colours = (torch.from_numpy(arrays[key])[rows] for key in ("outlines", "colours"))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(
            f"openmoji-64.npz, a file of ganzoo-openmoji itself, is damaged or missing: {error}; reinstall it"
        ) from error
    return Table(colours, sources=outlines, name=name, license=LICENSE, source=f"openmoji/{name}")


def _alone(name: str, pairs: Table, *, halve: bool = False) -> Table:
    """Return the samples of pairs; halved, each pixel is the mean of four, rounded half to even."""
    colours = F.avg_pool2d(pairs.samples.float(), 2).round().to(torch.uint8) if halve else pairs.samples
    return Table(colours, name=name, license=LICENSE, source=f"openmoji/{name}")
