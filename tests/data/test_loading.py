from dataclasses import replace

import numpy as np
import pytest
import torch
from idx_files import write_split
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from ganzoo import plugins
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.errors import DataError, InputError, UnknownNameError
from ganzoo.registry import Entry, Provider

BYTES = torch.arange(4 * 5 * 6, dtype=torch.uint8).reshape(4, 5, 6)


class Items(Dataset):
    """A map-style dataset of the given items, which counts how often each is read."""

    def __init__(self, items, **attributes):
        self.items = items
        self.reads = 0
        vars(self).update(attributes)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        self.reads += 1
        return self.items[index]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(BYTES)

    def __len__(self):
        return 4


def test_a_table_is_returned_as_it_is():
    table = open_data("ring")
    assert open_data(table) is table


@pytest.mark.parametrize("name", ["gaussian-1d", "ring", "grid", "mnist-test"])
def test_the_source_of_a_registered_name_opens_it_again(name):
    table = open_data(name)
    assert open_data(table.source).fingerprint() == table.fingerprint()


def test_folders_by_text_by_path_and_from_home(tmp_path, monkeypatch):
    write_split(tmp_path / "data")
    write_split(tmp_path / "data", "t10k", count=2, labels=None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in (tmp_path / "data", str(tmp_path / "data"), "data", "data/", "./data", "~/data"):
        assert len(open_data(folder)) == 6
        assert len(open_data(folder, split="test")) == 2


def test_the_source_of_a_folder_opens_the_same_split(tmp_path, monkeypatch):
    write_split(tmp_path)
    write_split(tmp_path, "t10k", count=2, labels=None)
    monkeypatch.chdir(tmp_path)
    table = open_data(".", split="test")
    monkeypatch.chdir("/")
    assert open_data(table.source).fingerprint() == table.fingerprint()


def test_a_registered_name_wins_over_a_folder(tmp_path, monkeypatch):
    write_split(tmp_path / "ring")
    monkeypatch.chdir(tmp_path)
    assert open_data("ring").sample_shape == (2,)
    assert open_data("./ring").sample_shape == (1, 4, 5)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'rnig'; did you mean 'ring'\?.*ganzoo list"):
        open_data("rnig")


@pytest.mark.parametrize("path", ["nowhere/at/all", "./nowhere", "/nowhere"])
def test_an_absent_folder_is_named(path):
    with pytest.raises(DataError, match=r"there is no folder or file '.*nowhere.*'ganzoo list'"):
        open_data(path)


def test_a_plugin_that_gives_no_table_is_named(monkeypatch):
    entry = Entry("dataset", "odd", lambda: [1, 2], "", "", Provider("some-plugin", "1.0"))
    monkeypatch.setattr(plugins, "find", lambda kind, name: entry)
    with pytest.raises(DataError, match="'odd' gave a list, not a Table"):
        open_data("odd")


def test_a_plugins_data_set_can_be_opened_again(monkeypatch):
    entry = Entry("dataset", "odd", lambda: table_from_arrays(BYTES), "", "", Provider("some-plugin", "1.0", "some"))
    monkeypatch.setattr(plugins, "find", lambda kind, name: entry)
    assert open_data("odd").source == "some/odd"
    named = replace(open_data("odd"), source="elsewhere")
    monkeypatch.setattr(plugins, "find", lambda kind, name: replace(entry, factory=lambda: named))
    assert open_data("odd") is named


def test_no_such_split(tmp_path):
    with pytest.raises(InputError, match="no split 'all'"):
        open_data(tmp_path, split="all")


def test_pictures_without_channels_get_one():
    assert torch.equal(open_data(BYTES).samples, BYTES.unsqueeze(1))
    assert torch.equal(open_data(BYTES.numpy()).samples, BYTES.unsqueeze(1))
    assert open_data(torch.zeros(4, 3, 8, 8, dtype=torch.uint8)).sample_shape == (3, 8, 8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_with_their_range(dtype):
    table = open_data(np.array([[0, 0.5], [1, 0.25]], dtype=dtype), value_range=(0, 1))
    assert table.samples.dtype == torch.float32
    assert table.batch(torch.tensor([0, 1])).sample.tolist() == [[-1, 0], [1, -0.5]]


def test_numbers_are_samples_of_one():
    assert open_data(torch.zeros(5), value_range=(-1, 1)).sample_shape == (1,)


def test_sequences_are_samples():
    assert open_data(torch.zeros(5, 1, 30), value_range=(-1, 1)).sample_shape == (1, 30)


def test_read_only_arrays_and_tensors_with_gradients():
    array = np.zeros((2, 8, 8), dtype=np.uint8)
    array.flags.writeable = False
    assert len(open_data(array)) == 2
    assert not open_data(torch.zeros(2, 2, requires_grad=True), value_range=(-1, 1)).samples.requires_grad


@pytest.mark.parametrize("labels", [torch.tensor([0, 2, 1, 0]), np.array([0, 2, 1, 0], dtype=np.uint8), [0, 2, 1, 0]])
def test_samples_with_labels(labels):
    table = open_data((BYTES, labels))
    assert table.labels is not None
    assert table.labels.tolist() == [0, 2, 1, 0]
    assert table.class_names == ("0", "1", "2")


@pytest.mark.parametrize("vectors", [torch.rand(4, 3), np.random.default_rng(0).random((4, 3))])
def test_samples_with_vectors(vectors):
    table = open_data((BYTES, vectors))
    assert table.vectors is not None
    assert torch.equal(table.vectors, torch.as_tensor(vectors).float())
    assert str(table.condition) == "a vector of 3 numbers"


def test_samples_with_sources():
    colour = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    for sources in (colour, colour.numpy()):
        assert str(open_data((BYTES, sources)).condition) == "an image of 3x2x2"
    grey = open_data((BYTES, 255 - BYTES))
    assert grey.sources is not None
    assert torch.equal(grey.sources, 255 - grey.samples)
    floats = open_data((torch.zeros(4, 1, 2, 2), torch.ones(4, 3, 2, 2).double()), value_range=(0, 1))
    batch = floats.batch(torch.tensor([0]))
    assert batch.condition is not None
    assert (batch.sample.unique().item(), batch.condition.unique().item()) == (-1, 1)


@pytest.mark.parametrize(
    ("data", "value_range", "message"),
    [
        (torch.zeros(4, 2), None, r"value_range=\(low, high\), such as value_range=\(0, 1\).*ToTensor"),
        (torch.zeros(4, 2), (1, 0), r"value_range is \(1, 0\).*low < high"),
        (torch.zeros(4, 2), (0, float("inf")), "two finite numbers"),
        (torch.zeros(4, 2), 3, "value_range is 3"),
        (torch.full((4, 2), 2.0), (0, 1), r"samples lie in \[2, 2\].*stated range is \[0, 1\]"),
        (BYTES, (0, 255), "uint8 samples, which span 0 to 255; leave it out"),
        (BYTES.long(), None, r"samples are torch\.int64; give uint8 pictures"),
        (BYTES[0], None, r"shape \(5, 6\); give pictures"),
        (torch.zeros(4, 32, 32, 3, dtype=torch.uint8), None, r"looks like \(N, H, W, C\).*permute\(0, 3, 1, 2\)"),
        (np.array(["a", "b"]), None, "cannot be made a tensor"),
        ((BYTES, [0, 1]), None, r"shape \(2,\).*shape \(4,\)"),
        ((BYTES, [0.0, 1, 2, 3]), None, "one integer class number"),
        ((BYTES, [0, 1, 2, -1]), None, r"-1\.\.2"),
        (
            (BYTES, [[0, 1], [1, 0], [0, 1], [1, 0]]),
            None,
            r"labels are torch\.int64 of shape \(4, 2\).*vectors as floats",
        ),
        ((BYTES, torch.zeros(3, 2)), None, r"vectors are torch\.float32 of shape \(3, 2\)"),
        ((BYTES, torch.zeros(4, 1, 2, 2)), None, r"sources are torch\.float32.*torch\.uint8 like the samples"),
        ((BYTES, torch.zeros(4, 8, 8, 3).byte()), None, r"uint8 sources have shape .*looks like \(N, H, W, C\)"),
        ((torch.zeros(4, 2), torch.full((4, 1, 2, 2), 2.0)), (0, 1), r"sources lie in \[2, 2\]"),
        ((BYTES, [], 3), None, "a tuple of 3"),
        (Stream(), None, "Stream, which has no length.*map-style"),
        ({"a": 1}, None, "a dict"),
        (3, None, "an? int"),
        ([], None, "list is empty"),
    ],
)
def test_what_cannot_be_data_is_refused(data, value_range, message):
    with pytest.raises(DataError, match=message):
        open_data(data, value_range=value_range)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_datasets_of_pictures(mode, channels):
    images = [Image.new("RGB", (6, 5), (i, 10 * i, 200)).convert(mode) for i in range(4)]
    dataset = Items([(image, i % 2) for i, image in enumerate(images)], classes=["even", "odd"])
    table = open_data(dataset)
    assert dataset.reads == 4
    assert table.sample_shape == (channels, 5, 6)
    assert table.samples[3, :, 0, 0].tolist() == np.asarray(images[3])[0, 0].reshape(-1).tolist()
    assert table.labels is not None
    assert (table.labels.tolist(), table.class_names, table.name) == ([0, 1, 0, 1], ("even", "odd"), "Items")


def test_datasets_of_tensors_and_lists():
    assert open_data(TensorDataset(BYTES)).sample_shape == (1, 5, 6)
    assert open_data(TensorDataset(BYTES, torch.tensor([0, 1, 2, 3]))).num_classes == 4
    assert open_data([BYTES[0], BYTES[1]]).sample_shape == (1, 5, 6)
    assert open_data([np.float32([1, 2])] * 3, value_range=(0, 4)).sample_shape == (2,)


def test_torchvisions_datasets():
    from torchvision.datasets import FakeData
    from torchvision.transforms import ToTensor

    table = open_data(FakeData(6, (3, 8, 8), num_classes=3))
    assert (table.samples.dtype, table.sample_shape) == (torch.uint8, (3, 8, 8))
    with pytest.raises(DataError, match=r"value_range=\(0, 1\)"):
        open_data(FakeData(6, (3, 8, 8), transform=ToTensor()))
    floats = open_data(FakeData(6, (3, 8, 8), transform=ToTensor()), value_range=(0, 1))
    assert (floats.samples.dtype, floats.scale, floats.offset) == (torch.float32, 0.5, 0.5)


def test_only_long_reading_shows_a_bar(capsys):
    open_data(Items([BYTES[0]] * 1_000))
    assert capsys.readouterr().err == ""
    open_data(Items([BYTES[0]] * 1_001))
    captured = capsys.readouterr()
    assert "reading data" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([Image.new("P", (4, 4))], r"item 0 has mode 'P'; use L, RGB, RGBA.*convert\('RGB'\)"),
        ([BYTES[0], BYTES[0, :3]], r"item 1 is \(3, 6\).*item 0 is \(5, 6\).*alike"),
        ([BYTES[0], (BYTES[0], 1)], "item 1 is .* with a label, but item 0 is .* without a label"),
        ([BYTES[0], BYTES[0].float()], r"item 1 is .*float32"),
        ([(BYTES[0], 1, 2)], "item 0 has 3 parts"),
        ([(BYTES[0], 0.5)], "label of item 0 is a float"),
        ([{"image": 1}], "sample of item 0 is a dict"),
    ],
)
def test_items_that_cannot_be_read_are_named(items, message):
    with pytest.raises(DataError, match=message):
        open_data(Items(items))
