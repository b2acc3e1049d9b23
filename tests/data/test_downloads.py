"""torchvision's sets by name, from files in the form in which torchvision keeps them."""

import hashlib
import pickle
import socket

import numpy as np
import pytest
import torch
from idx_files import idx_bytes
from torchvision import datasets

from ganzoo.data.loading import open_data
from ganzoo.errors import DataError, InputError


def write_raw(folder):
    """Write both splits as torchvision unpacks them: plain idx files."""
    folder.mkdir(parents=True)
    for prefix, count in (("train", 12), ("t10k", 4)):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes((count, 28, 28)))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes((count,), bytes(i % 10 for i in range(count))))


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_mnist_and_its_like(tmp_path, monkeypatch, name):
    write_raw(tmp_path / name / "raw")
    monkeypatch.chdir(tmp_path)
    table = open_data(f"torchvision:{tmp_path}/{name}")
    dataset = getattr(datasets, name)(tmp_path)
    assert torch.equal(table.samples[:, 0], dataset.data)
    assert torch.equal(table.labels, dataset.targets)
    assert table.class_names[:2] == (("0", "1") if name == "MNIST" else ("T-shirt/top", "Trouser"))
    assert table.source == f"torchvision:{tmp_path}/{name}"
    # The same as the folder of files, so that recipes know the data by its fingerprint either way.
    assert open_data(tmp_path / name).fingerprint() == table.fingerprint()
    test = open_data(f"torchvision@test:./{name}")
    assert (len(test), test.name, test.source) == (4, f"{name}-test", f"torchvision@test:{tmp_path}/{name}")
    assert open_data(f"torchvision:{tmp_path}/{name}", split="test").fingerprint() == test.fingerprint()
    assert open_data(test.source, split="train").fingerprint() == test.fingerprint()


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Write CIFAR10's batches with other pictures, and let torchvision know their checksums."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    rng = np.random.default_rng(0)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    pictures = {name: rng.integers(0, 256, (3, 3072), dtype=np.uint8) for name in names}
    sums = {name: write(name, {"data": pictures[name], "labels": [0, 9, 5]}) for name in names}
    classes = ["airplane", *(f"c{i}" for i in range(1, 10))]
    meta = write("batches.meta", {"label_names": classes})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": meta})
    return pictures


def test_cifar10(tmp_path, cifar):
    table, test = (open_data(f"torchvision@{split}:{tmp_path}/CIFAR10") for split in ("train", "test"))
    expected = torch.from_numpy(np.concatenate(list(cifar.values())).reshape(18, 3, 32, 32))
    assert torch.equal(torch.cat([table.samples, test.samples]), expected)
    assert (table.labels.tolist(), table.class_names[0]) == ([0, 9, 5] * 5, "airplane")


def refused(*_):
    raise OSError("no network in tests")


def test_what_cannot_be_fetched_is_one_sentence(tmp_path, monkeypatch, capfd, cifar):
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"damaged")
    for text in ("torchvision:MNIST", "torchvision:FashionMNIST", f"torchvision:{tmp_path}/CIFAR10"):
        with pytest.raises(
            DataError, match=r"cannot be fetched: .*no network in tests.*give 'torchvision:FOLDER/"
        ) as raised:
            open_data(text)
        assert "\n" not in str(raised.value)
    assert capfd.readouterr().out == ""


def test_what_is_damaged_is_refused(tmp_path):
    write_raw(tmp_path / "MNIST" / "raw")
    (tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(b"hello")
    with pytest.raises(DataError, match="MNIST"):
        open_data(f"torchvision:{tmp_path}/MNIST")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torchvision:CIFAR", "names no data set; did you mean 'CIFAR10'"),
        ("torchvision:", "use MNIST, FashionMNIST, CIFAR10"),
        ("torchvision@val:MNIST", "no split 'val' of MNIST; use 'train' or 'test'"),
    ],
)
def test_what_cannot_be_asked(text, message):
    with pytest.raises(InputError, match=message):
        open_data(text)
