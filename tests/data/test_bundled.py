import shutil
from importlib.resources import files

import pytest
import torch

from ganzoo.data import bundled
from ganzoo.errors import DataError


def test_mnist_test_split():
    table = bundled.mnist_test()
    assert (len(table), table.sample_shape, table.num_classes) == (10_000, (1, 28, 28), 10)
    assert table.labels is not None
    # The counts and the pixel mean of the published test split.
    assert torch.bincount(table.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert float(table.samples.float().mean() / 255) == pytest.approx(0.1325, abs=5e-5)
    assert table.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert table.license == "CC-BY-SA-3.0"


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_package_says_reinstall(tmp_path, monkeypatch, damage):
    shutil.copytree(str(files("ganzoo.data") / "mnist_test"), tmp_path / "mnist_test")
    labels = tmp_path / "mnist_test" / "t10k-labels-idx1-ubyte.gz"
    if damage == "changed":
        labels.write_bytes(labels.read_bytes()[:-1] + b"x")
    else:
        labels.unlink()
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"t10k-labels.*damaged or missing; reinstall torch-ganzoo"):
        bundled.mnist_test()


def test_the_licence_lies_beside_the_data():
    text = (files("ganzoo.data") / "mnist_test" / "LICENSE.md").read_text()
    assert "Yann LeCun and Corinna Cortes" in text
    assert "https://creativecommons.org/licenses/by-sa/3.0/" in text
