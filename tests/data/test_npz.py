"""Tables as .npz files."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from ganzoo.data import npz
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.data.npz import write_npz
from ganzoo.errors import DataError

PICTURES = torch.arange(4 * 3 * 5 * 6, dtype=torch.int32).to(torch.uint8).reshape(4, 3, 5, 6)


@pytest.mark.parametrize(
    "table",
    [
        table_from_arrays(PICTURES),
        table_from_arrays(PICTURES, [0, 2, 1, 0], class_names=("cat", "döner", "x"), name="mine"),
        table_from_arrays(PICTURES, sources=PICTURES[:, :1]),
        table_from_arrays(torch.rand(4, 2), vectors=torch.rand(4, 7), value_range=(-0.1, 1.3)),
        table_from_arrays(torch.rand(4, 1, 9), value_range=(0, 1)),
    ],
)
def test_what_is_packed_is_read_back_bit_by_bit(tmp_path, table):
    write_npz(table, tmp_path / "a.npz")
    read = open_data(tmp_path / "a.npz")
    assert read.fingerprint() == table.fingerprint()
    assert (read.scale, read.offset, read.name, read.class_names) == (
        table.scale,
        table.offset,
        table.name,
        table.class_names,
    )
    assert read.source == str(tmp_path / "a.npz")
    assert open_data(read.source).fingerprint() == table.fingerprint()


@pytest.mark.parametrize("name", ["ring", "gaussian-1d", "mnist-test"])
def test_registered_sets_are_packed(tmp_path, name):
    table = open_data(name)
    write_npz(table, tmp_path / "a.npz")
    read = open_data(str(tmp_path / "a.npz"))
    assert (read.fingerprint(), read.license, read.name) == (table.fingerprint(), table.license, table.name)


def test_images_as_most_programs_keep_them(tmp_path):
    images = PICTURES.permute(0, 2, 3, 1).numpy()
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([3, 0, 1, 1], dtype=np.int32))
    table = open_data(tmp_path / "a.npz")
    assert torch.equal(table.samples, PICTURES)
    assert (table.labels.tolist(), table.class_names, table.name) == ([3, 0, 1, 1], ("0", "1", "2", "3"), "a")
    np.savez_compressed(tmp_path / "b.npz", images=images[..., 0])
    assert torch.equal(open_data(tmp_path / "b.npz").samples, PICTURES[:, :1])


def test_the_range_of_floats_is_stated_by_the_file_or_the_caller(tmp_path):
    values = np.float32([[0, 0.5], [1, 0.25]])
    np.savez(tmp_path / "a.npz", samples=values, value_range=[0, 1])
    np.savez(tmp_path / "b.npz", samples=values)
    for table in (open_data(tmp_path / "a.npz"), open_data(tmp_path / "b.npz", value_range=(0, 1))):
        assert table.batch(torch.tensor([0, 1])).sample.tolist() == [[-1, 0], [1, -0.5]]
    with pytest.raises(DataError, match=r"in '.*b.npz', float samples need their range"):
        open_data(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": PICTURES}, "an array called 'image'; did you mean 'images'"),
        ({"labels": [1]}, "holds labels; it takes either 'samples' or 'images'"),
        ({"samples": PICTURES, "images": PICTURES}, "either 'samples' or 'images'"),
        ({"images": PICTURES.float()}, r"'images' in .* is float32 of shape \(4, 3, 5, 6\); it takes uint8"),
        ({"images": PICTURES}, r"shape \(4, 3, 5, 6\)"),
        ({"samples": PICTURES, "labels": [0, 1]}, r"labels are torch\.int64 of shape \(2,\)"),
        ({"samples": PICTURES, "labels": [0.5] * 4}, "one integer class number"),
        ({"samples": np.float32([[1], [2]]), "value_range": "wide"}, "'value_range' in .* it takes one or two numbers"),
        ({"samples": np.float32([[1], [2]]), "value_range": [1]}, "give two finite numbers"),
        (
            {"samples": np.float32([[1], [2]]), "scale": 1.0},
            "has 'scale' without 'offset'; give both, or 'value_range'",
        ),
        ({"samples": np.float32([[1], [2]]), "offset": 1.0}, "has 'offset' without 'scale'"),
        ({"samples": np.array([{}, {}])}, "holds Python objects, which are never read"),
        ({"samples": np.array(["a", "b"])}, "cannot be made a tensor"),
    ],
)
def test_what_cannot_be_a_table_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **{key: np.asarray(value) for key, value in arrays.items()})
    with pytest.raises(DataError, match=message):
        open_data(tmp_path / "a.npz")


def test_a_header_that_promises_more_than_there_is(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 2, 2)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("samples.npy", stream.getvalue() + b"\0" * 100)
    with pytest.raises(DataError, match="is not as long as its header says"):
        open_data(tmp_path / "a.npz")


def test_arrays_whose_elements_take_no_room(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<U0", "fortran_order": False, "shape": (30_000_000,)})
    np.savez(tmp_path / "a.npz", images=PICTURES.permute(0, 2, 3, 1), labels=[0, 1, 2, 0])
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("class_names.npy", header.getvalue())
    tracemalloc.start()
    with pytest.raises(DataError, match=r"'class_names.npy' in .* is <U0, of which each takes no room"):
        open_data(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_header_as_long_as_memory_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.npy", b"\x93NUMPY\2\0" + (2**26).to_bytes(4, "little") + b" " * 2**26)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"as a \.npz file"):
        open_data(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    pictures = PICTURES.numpy()
    np.savez(tmp_path / "a.npz", samples=pictures, sources=pictures, name="x" * 1000)
    read = []
    monkeypatch.setattr(npz, "_read_array", lambda *given: read.append(given))
    with monkeypatch.context() as patch:
        patch.setattr(npz, "MAX_BYTES", pictures.nbytes * 2)  # enough for each
        with pytest.raises(DataError, match=r"the arrays in .* have [\d,]+ bytes; up to 720 are read"):
            open_data(tmp_path / "a.npz")
    monkeypatch.setattr(npz, "MAX_TEXT_BYTES", 4000)
    with pytest.raises(DataError, match=r"'name' in .* has 4,\d+ bytes; up to 4,000 of text are read"):
        open_data(tmp_path / "a.npz")
    assert read == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice(tmp_path):
    np.savez(tmp_path / "a.npz", images=PICTURES.permute(0, 2, 3, 1), labels=[0, 1, 2, 0])
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("labels.npy", archive.read("labels.npy"))
    with pytest.raises(DataError, match="has the array 'labels' 2 times"):
        open_data(tmp_path / "a.npz")


def test_a_damaged_file_is_refused_wherever_it_ends(tmp_path):
    write_npz(table_from_arrays(PICTURES), tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    for length in range(0, len(whole), 31):
        (tmp_path / "a.npz").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cannot read '.*a.npz' as a \.npz file"):
            open_data(tmp_path / "a.npz")
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        (tmp_path / "a.npz").write_bytes(damaged)
        try:
            read = open_data(tmp_path / "a.npz")
        except DataError:
            continue
        assert torch.equal(read.samples, PICTURES)


def test_another_name_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"give such as 'data.npz'"):
        write_npz(table_from_arrays(PICTURES), tmp_path / "a.npy")
