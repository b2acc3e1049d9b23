import gzip
import random
import tracemalloc

import pytest
import torch
from idx_files import idx_bytes, write_split

from ganzoo.data.idx import open_idx_folder, open_idx_images, read_idx, whole_folder
from ganzoo.errors import DataError, InputError
from ganzoo.metrics.reference import open_reference_of


def read_bytes(tmp_path, content):
    path = tmp_path / "some-file"
    path.write_bytes(content)
    return read_idx(path)


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4), (2, 1, 3, 4)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_plain_and_gzipped_by_content(tmp_path, shape, pack):
    tensor = read_bytes(tmp_path, pack(idx_bytes(shape)))
    assert tensor.dtype == torch.uint8
    assert tensor.shape == shape
    assert tensor.flatten().tolist() == list(range(tensor.numel()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x08", "not an idx file"),
        (b"PK\3\4 and so on", "not an idx file: it begins with '50 4b 03 04'"),
        (idx_bytes(()), "not an idx file"),
        (idx_bytes((1,) * 5), "not an idx file"),
        (idx_bytes((2,), b"1234", kind=0x0B), "int16 numbers; only uint8"),
        (idx_bytes((2,), b"1234", kind=0x0D), "float32 numbers; only uint8"),
        (idx_bytes((2,), b"1234", kind=0x42), "type 0x42 numbers"),
        (idx_bytes((2, 3))[:10], "ends within its header"),
        (idx_bytes((2, 3))[:-1], "cut short: its header announces 6 bytes"),
        (idx_bytes((2, 3)) + b"x", "followed by other bytes"),
        (idx_bytes((0, 3)), "announces 0 bytes"),
        (idx_bytes((2**31, 2**31, 2**31), b"few"), "announces .* bytes; from 1 byte to 4 GiB"),
        (gzip.compress(idx_bytes((2, 3)))[:-3], "cannot read"),
        (gzip.compress(idx_bytes((2, 3))) + b"rubbish", "cannot read"),
        (gzip.compress(idx_bytes((2, 3)))[:-8] + b"badchcks", "cannot read .*CRC"),
        (b"\x1f\x8b\x00", "cannot read"),
    ],
)
def test_damage_is_named_with_the_file(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_bytes(tmp_path, content)
    assert "some-file" in str(caught.value)


def test_a_missing_file_and_a_folder_are_data_errors(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(DataError, match="cannot read"):
            read_idx(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_header_alone_allocates_nothing(tmp_path, pack):
    content = pack(idx_bytes((2**16, 2**16), b"few"))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="cut short"):
            read_bytes(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_gzip_that_unpacks_to_more_than_announced_is_not_unpacked(tmp_path):
    content = gzip.compress(idx_bytes((4,), bytes(64 * 2**20)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="followed by other bytes"):
            read_bytes(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_mutations_are_refused_or_read_right(tmp_path, pack):
    rng = random.Random(0)
    whole = pack(idx_bytes((3, 4, 5)))
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.3:
            content = content[: rng.randrange(len(content))]
        try:
            tensor = read_bytes(tmp_path, bytes(content))
        except DataError:
            refused += 1
        else:
            # What is read is what the file says: its header's shape, and its last bytes.
            plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else bytes(content)
            assert plain.endswith(bytes(tensor.flatten().tolist()))
            assert idx_bytes(tuple(tensor.shape), b"") == plain[: -tensor.numel()]
    assert refused > 100


@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw", "FashionMNIST/raw"])
def test_opens_torchvisions_folders(tmp_path, place):
    write_split(tmp_path / place)
    write_split(tmp_path / place, "t10k", count=2, labels=b"\0\1")
    table = open_idx_folder(tmp_path)
    assert (len(table), table.sample_shape, table.class_names) == (6, (1, 4, 5), ("0", "1", "2"))
    assert table.labels is not None
    assert table.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert table.samples[1, 0, 0].tolist() == [20, 21, 22, 23, 24]
    assert len(open_idx_folder(tmp_path, "test")) == 2


def test_a_table_is_named_after_its_folder(tmp_path):
    write_split(tmp_path / "MNIST/raw")
    assert open_idx_folder(tmp_path).name == "MNIST"
    assert open_idx_folder(tmp_path / "MNIST/raw").name == "MNIST"


def test_the_source_opens_the_same_split_again(tmp_path):
    write_split(tmp_path)
    write_split(tmp_path, "t10k", count=2, labels=None)
    table = open_idx_folder(tmp_path, "test")
    assert table.source is not None
    assert open_idx_images(table.source).fingerprint() == table.fingerprint()


def test_without_labels_the_table_is_unlabelled(tmp_path):
    write_split(tmp_path, labels=None)
    table = open_idx_folder(tmp_path)
    assert table.labels is None
    assert table.num_classes == 0


def test_a_missing_split_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz there, in raw and in \*/raw; give the folder"):
        open_idx_folder(tmp_path)
    write_split(tmp_path, "t10k")
    with pytest.raises(DataError, match="use split='test', which is there"):
        open_idx_folder(tmp_path)
    with pytest.raises(InputError, match="no split 'valid'; use 'train' or 'test'"):
        open_idx_folder(tmp_path, "valid")


def test_two_data_sets_in_one_folder_are_refused(tmp_path):
    write_split(tmp_path / "MNIST/raw")
    write_split(tmp_path / "FashionMNIST/raw")
    with pytest.raises(DataError, match=r"several data sets.*FashionMNIST/raw' and .*MNIST/raw'"):
        open_idx_folder(tmp_path)


def test_counts_must_agree(tmp_path):
    write_split(tmp_path, labels=b"\0\1\2")
    with pytest.raises(DataError, match=r"6 pictures.*labels of shape \(3,\)"):
        open_idx_folder(tmp_path)


def test_labels_are_not_pictures(tmp_path):
    write_split(tmp_path)
    with pytest.raises(DataError, match="give a pictures file"):
        open_idx_images(tmp_path / "train-labels-idx1-ubyte")


def test_the_folder_around_training_pictures_is_found_where_test_pictures_lie_beside_them(tmp_path):
    write_split(tmp_path / "alone")
    source = open_idx_folder(tmp_path / "alone").source
    assert whole_folder(source) == source
    write_split(tmp_path / "both" / "raw")
    write_split(tmp_path / "both" / "raw", "t10k", count=2, labels=b"\0\1")
    train, test = (open_idx_folder(tmp_path / "both", split) for split in ("train", "test"))
    assert whole_folder(train.source) == str(tmp_path / "both" / "raw")
    assert whole_folder(test.source) == test.source
    assert whole_folder("ring") == "ring"
    assert whole_folder(f"pictures:{tmp_path}") == f"pictures:{tmp_path}"
    assert [len(open_reference_of(table).test) for table in (train, test)] == [2, 2]
    assert len(open_reference_of(train).train) == 6
    assert open_reference_of(test).train is None
