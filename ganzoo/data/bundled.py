"""The data set that comes with the package."""

from importlib.resources import as_file, files
from pathlib import Path

from torch import Tensor

from ganzoo.data.idx import read_idx
from ganzoo.data.table import Table
from ganzoo.errors import DataError
from ganzoo.files import sha256

MNIST_LICENSE = "CC-BY-SA-3.0"

_MNIST_FILES = {
    "t10k-images-idx3-ubyte.gz": "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
    "t10k-labels-idx1-ubyte.gz": "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
}


def mnist_test() -> Table:
    """Return MNIST's test split: 10,000 digits `(1, 28, 28)`, uint8, with their classes.

    Raises:
        DataError: The package's own files are damaged or missing.
    """
    with as_file(files("ganzoo.data") / "mnist_test") as folder:
        images, labels = (_read_checked(folder / name, digest) for name, digest in _MNIST_FILES.items())
    return Table(
        images.unsqueeze(1),  # (10000, 28, 28) -> (10000, 1, 28, 28)
        labels.long(),
        class_names=tuple("0123456789"),
        name="mnist-test",
        license=MNIST_LICENSE,
        source="mnist-test",
    )


def _read_checked(path: Path, digest: str) -> Tensor:
    if not path.is_file() or sha256(path) != digest:
        raise DataError(f"{str(path)!r}, a file of ganzoo itself, is damaged or missing; reinstall torch-ganzoo")
    return read_idx(path)
