import gzip
import struct
from dataclasses import replace

import pytest

from ganzoo import zoo
from ganzoo.data.bundled import mnist_test


@pytest.fixture(scope="session")
def digits():
    return mnist_test()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    # One folder for all tests, so that floors and ceilings are computed once.
    folder = tmp_path_factory.getbasetemp() / "ganzoo-cache"
    monkeypatch.setenv("GANZOO_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def few(digits):
    return replace(digits, samples=digits.samples[:800], labels=digits.labels[:800], name="mnist-few", source=None)


@pytest.fixture(scope="session")
def mlp():
    return zoo.create_model("mlp")


@pytest.fixture(scope="session")
def mnist_folder(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "mnist"
    folder.mkdir()
    for prefix, rows in (("train", slice(0, 2500)), ("t10k", slice(2500, 3700))):
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", digits.samples[rows, 0])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", digits.labels[rows].byte())
    return folder


def write_idx(path, values):
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.numpy().tobytes(), compresslevel=1))
