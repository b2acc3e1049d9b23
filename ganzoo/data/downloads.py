"""MNIST, FashionMNIST and CIFAR10 by name, fetched and kept by torchvision -> a table."""

import contextlib
import fcntl
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganzoo import files
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.idx import open_idx_folder
from ganzoo.data.table import Table
from ganzoo.errors import DataError, InputError, did_you_mean

NAMES = ("MNIST", "FashionMNIST", "CIFAR10")
_LICENSES = {"MNIST": "CC-BY-SA-3.0", "FashionMNIST": "MIT"}


def open_torchvision_text(text: str, split: str) -> Table | None:
    """Open `torchvision:NAME`, or `torchvision:FOLDER/NAME`; `torchvision@test:NAME` names the split.

    The folder is what torchvision calls the root; by default it is `torchvision` in ganzoo's cache. What is not there
    is fetched.

    Returns:
        The table, or None if the text is of no such kind.

    Raises:
        InputError: There is no such split or name.
        DataError: The data cannot be fetched or read.
    """
    kind, colon, place = text.partition(":")
    word, at, named = kind.partition("@")
    if word != "torchvision" or not colon:
        return None
    root, _, name = place.rpartition("/")
    if name not in NAMES:
        raise InputError(f"{text!r} names no data set{did_you_mean(name, NAMES)}; use {', '.join(NAMES)}")
    chosen = named if at else split
    if chosen not in ("train", "test"):
        raise InputError(f"there is no split {chosen!r} of {name}; use 'train' or 'test'")
    folder = files.from_home(root).absolute() if root else files.cache_folder() / "torchvision"
    table = _open(name, folder, chosen)
    suffix = "" if chosen == "train" else f"@{chosen}"
    source = f"torchvision{suffix}:{f'{folder}/' if root else ''}{name}"
    return Table(
        table.samples,
        table.labels,
        table.class_names,
        name=name + suffix.replace("@", "-"),
        license=_LICENSES.get(name),
        source=source,
    )


def _open(name: str, folder: Path, split: str) -> Table:
    from torchvision import datasets

    made = getattr(datasets, name)
    try:
        with _alone(folder), contextlib.redirect_stdout(io.StringIO()):
            # It fetches only what is not there, and compares checksums of what it fetches.
            dataset: Any = made(str(folder), train=split == "train", download=True)
    except DataError:
        raise
    except Exception as error:  # torchvision lets through what the network, the archive and its own checks raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name} is not in {str(folder)!r} and cannot be fetched: {reason[:300]}; put torchvision's files there, "
            f"or give 'torchvision:FOLDER/{name}' with a folder that has them"
        ) from error
    if name != "CIFAR10":
        table = open_idx_folder(folder / name, split)
        names = tuple(dataset.classes) if name == "FashionMNIST" else table.class_names
        return table_from_arrays(table.samples, table.labels, class_names=names)
    pictures = dataset.data.transpose(0, 3, 1, 2)  # (N, 32, 32, 3) -> (N, 3, 32, 32)
    return table_from_arrays(pictures, dataset.targets, class_names=tuple(dataset.classes))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time fetch into a folder; one that cannot be written is read only."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".ganzoo-lock").open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
