import os
import random
import tarfile

import numpy as np
import pytest
import torch
from picture_files import encoded, noise, write_files, write_tar
from PIL import Image

from ganzoo.data import pairs, pictures, shelves
from ganzoo.data.loading import open_data
from ganzoo.data.pairs import open_pairs
from ganzoo.errors import DataError, InputError

LEFT = [noise(seed) for seed in range(3)]
RIGHT = [noise(seed + 100) for seed in range(3)]


def together(left, right):
    return np.concatenate([left, right], axis=1)


def side_by_side(prefix="", count=3):
    return {f"{prefix}{i}.png": encoded(together(LEFT[i], RIGHT[i])) for i in range(count)}


def apart(split="", count=3):
    sources = {f"A/{split}{i}.png": encoded(LEFT[i]) for i in range(count)}
    return sources | {f"B/{split}{i}.bmp": encoded(RIGHT[i], "BMP") for i in range(count)}


def stacked(pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def is_right(table, count=3):
    assert torch.equal(table.sources, stacked(LEFT[:count]))
    assert torch.equal(table.samples, stacked(RIGHT[:count]))
    return True


def place(tmp_path, kind, files):
    """Write files into a folder or an archive, and return its path."""
    if kind == "folder":
        return write_files(tmp_path / "data", files)
    suffix, mode = kind
    return write_tar(tmp_path / f"data.{suffix}", files, mode)


KINDS = ["folder", ("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.xz", "w:xz"), ("tar.bz2", "w:bz2")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("files", [side_by_side(), side_by_side("train/"), apart(), apart("train/")])
def test_left_is_the_source_and_right_the_target(tmp_path, kind, files):
    table = open_pairs(place(tmp_path, kind, files))
    assert is_right(table)
    assert (table.name, table.labels, table.samples.dtype) == ("data", None, torch.uint8)
    assert str(table.condition) == "an image of 3x6x8"
    batch = table.batch(torch.tensor([2, 0]))
    assert batch.target is batch.sample
    assert torch.equal(batch.condition, (stacked([LEFT[2], LEFT[0]]) - 127.5) / 127.5)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_reversal(tmp_path, kind):
    path = place(tmp_path, kind, side_by_side())
    table = open_pairs(path, reverse=True)
    assert torch.equal(table.samples, stacked(LEFT))
    assert torch.equal(table.sources, stacked(RIGHT))
    assert table.source == f"reversed-pairs:{path}"
    assert open_data(table.source).fingerprint() == table.fingerprint() != open_pairs(path).fingerprint()


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("layout", ["train/0.png", "A/train", "train/A"])
def test_splits(tmp_path, kind, layout):
    def of(split, count):
        if layout == "train/0.png":
            return side_by_side(f"{split}/", count)
        if layout == "A/train":
            return apart(f"{split}/", count)
        return {f"{split}/{name}": content for name, content in apart(count=count).items()}

    path = place(tmp_path, kind, of("train", 3) | of("val", 2))
    assert is_right(open_pairs(path), 3)
    assert is_right(open_pairs(path, split="val"), 2)
    with pytest.raises(DataError, match="has no folder 'test'; it has train, val, so use 'pairs@train:DIR'"):
        open_pairs(path, split="test")
    with pytest.raises(InputError, match="no split 'all'; use 'train', 'test', 'val'"):
        open_pairs(path, split="all")


@pytest.mark.parametrize("files", [side_by_side(), apart()])
def test_without_split_folders_all_is_for_training(tmp_path, files):
    path = write_files(tmp_path, files)
    assert is_right(open_pairs(path))
    with pytest.raises(DataError, match="no folders named by split, so all its pictures are split 'train'"):
        open_pairs(path, split="test")


def test_the_source_opens_the_same_again(tmp_path, monkeypatch):
    write_files(tmp_path / "maps", side_by_side("train/") | side_by_side("test/", 2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in ("maps", "./maps", "~/maps", str(tmp_path / "maps")):
        table = open_data(f"pairs:{text}")
        assert table.source == f"pairs:{tmp_path / 'maps'}"
        assert open_data(table.source).fingerprint() == table.fingerprint()
        assert table.name == "maps"
    test = open_data("reversed-pairs:maps", split="test")
    assert (len(test), test.source) == (2, f"reversed-pairs@test:{tmp_path / 'maps'}")
    assert test.name == "maps-test"
    assert open_data("pairs@train:maps").name == "maps-train"
    # A text that names the split opens it whatever else is asked.
    assert open_data(test.source).fingerprint() == open_data(test.source, split="train").fingerprint()
    assert open_data(test.source).fingerprint() == test.fingerprint()


def test_order_is_that_of_the_names_wherever_the_files_lie(tmp_path):
    names = ["10.png", "9.png", "a.png", "B.png", "é.png"]
    pictures = {name: noise(i, 2, 4) for i, name in enumerate(names)}
    files = {name: encoded(pictures[name]) for name in random.Random(1).sample(names, len(names))}
    expected = stacked([pictures[name][:, 2:] for name in ("10.png", "9.png", "B.png", "a.png", "é.png")])
    for path in (write_files(tmp_path / "a", files), write_tar(tmp_path / "a.tar.gz", files, "w:gz")):
        assert torch.equal(open_pairs(path).samples, expected)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_other_files_are_passed_over(tmp_path, kind):
    others = dict.fromkeys(
        ["LICENSE", "train/readme.txt", "train/._0.png", "train/.hidden.png", "__MACOSX/train/0.png", ".git/a.png"],
        b"x",
    )
    assert is_right(open_pairs(place(tmp_path, kind, others | side_by_side("train/"))))


@pytest.mark.parametrize("kind", KINDS[:3])
def test_one_folder_around_all_is_looked_into(tmp_path, kind):
    files = {f"facades/{name}": content for name, content in side_by_side("train/").items()}
    assert is_right(open_pairs(place(tmp_path, kind, files)))


def test_links_and_devices_in_an_archive_are_passed_over(tmp_path):
    path = write_tar(tmp_path / "data.tar", side_by_side())
    with tarfile.open(path, "a") as archive:
        for i, kind in enumerate(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
        ):
            member = tarfile.TarInfo(f"z{i}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert is_right(open_pairs(path))


def test_what_is_no_file_in_a_folder(tmp_path):
    write_files(tmp_path, side_by_side())
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "fifo.png")
    assert is_right(open_pairs(tmp_path))
    (tmp_path / "3.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"cannot read the picture '.*3.png': No such file"):
        open_pairs(tmp_path)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_one_channel_where_all_are_grey(tmp_path, kind):
    grey = [noise(i, channels=1) for i in range(3)]
    files = {f"{i}.png": encoded(together(grey[i], grey[i])) for i in range(3)}
    table = open_pairs(place(tmp_path, kind, files))
    assert (table.sample_shape, tuple(table.sources.shape)) == ((1, 6, 8), (3, 1, 6, 8))
    assert np.array_equal(table.samples[:, 0].numpy(), np.stack(grey))


@pytest.mark.parametrize("coloured", range(3))
def test_grey_among_colour_gets_three_channels(tmp_path, coloured):
    grey = [noise(i, channels=1) for i in range(3)]
    files = {f"A/{i}.png": encoded(LEFT[i] if i == coloured else grey[i]) for i in range(3)}
    files |= {f"B/{i}.png": encoded(grey[i]) for i in range(3)}
    table = open_pairs(write_files(tmp_path, files))
    assert table.sample_shape == (1, 6, 8)
    expected = [LEFT[i] if i == coloured else np.repeat(grey[i][..., None], 3, axis=2) for i in range(3)]
    assert torch.equal(table.sources, stacked(expected))


def test_palettes_and_transparency(tmp_path):
    palette = Image.new("P", (4, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1, 1, 0])
    clear = Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    table = open_pairs(write_files(tmp_path, {"0.png": encoded(palette), "1.png": encoded(clear)}))
    assert table.sources[0, :, 0].T.tolist() == [[255, 0, 0], [0, 0, 255]]
    assert table.samples[0, :, 0].T.tolist() == [[0, 0, 255], [255, 0, 0]]
    assert table.samples[1].unique().tolist() == [255]


def test_sides_of_different_sizes(tmp_path):
    files = {f"A/{i}.png": encoded(noise(i, 3, 4)) for i in range(2)}
    files |= {f"B/{i}.png": encoded(noise(i, 6, 8)) for i in range(2)}
    table = open_pairs(write_files(tmp_path, files))
    assert (tuple(table.sources.shape), tuple(table.samples.shape)) == ((2, 3, 3, 4), (2, 3, 6, 8))


WIDE = encoded(noise(9, 6, 20))


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there are no pictures in .*give a place of pictures whose left half.*folders A"),
        ({"readme.txt": b"x"}, "there are no pictures"),
        ({"0.png": encoded(noise(0, 6, 7))}, r"0.png' is 7 pixels wide, which has no middle.*even width"),
        (side_by_side() | {"3.png": WIDE}, r"3.png' has 20x6 pixels, but '.*0.png' has 16x6; make all"),
        (apart() | {"A/3.png": WIDE, "B/3.png": WIDE}, r"A/3.png' has 20x6 pixels, but '.*A/0.png' has 8x6"),
        (side_by_side() | {"1.png": b"hello"}, r"1.png' is not a picture in BMP"),
        (side_by_side() | {"1.png": side_by_side()["1.png"][:90]}, r"1.png' cannot be read.*cut short"),
        (side_by_side() | {"1.png": b""}, r"1.png' is not a picture"),
        (apart() | {"A/x.png": WIDE}, r"1 of the pictures in '.*A' have no partner.*: 'x'; add"),
        (apart() | {f"B/x{i}.png": WIDE for i in range(5)}, r"5 of .*B' .*: 'x0', 'x1', 'x2' and others"),
        (apart() | {"A/0.jpg": WIDE}, "A' has two pictures called '0'; keep one"),
        ({"A/0.png": WIDE}, "has a folder A alone; give both A"),
        (apart("train/") | {"A/test/0.png": WIDE}, r"A' has a folder 'test' and '.*B' has none; give both"),
        (apart() | {"B/val/0.png": WIDE}, r"B' has a folder 'val' and '.*A' has none; give both"),
    ],
)
def test_what_cannot_be_pairs_is_named(tmp_path, kind, files, message):
    if kind == "folder":
        (tmp_path / "data").mkdir()
    path = place(tmp_path, kind, files)
    with pytest.raises(DataError, match=message):
        open_pairs(path, split="test" if "test" in message else "train")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_damaged_archive_is_refused_wherever_it_ends(tmp_path, mode):
    path = write_tar(tmp_path / "data.tar", side_by_side(), mode)
    whole = path.read_bytes()
    # What pads an archive may be lost; a gzip archive has its checksum after it.
    end = len(whole) if mode == "w:gz" else len(whole.rstrip(b"\0")) + 1
    for length in {*range(0, end, 97), *range(0, end, 512)}:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"data.tar"):
            open_pairs(path)
    path.write_bytes(whole)
    assert is_right(open_pairs(path))


def test_a_damaged_header_in_the_middle_is_not_the_end(tmp_path):
    path = write_tar(tmp_path / "data.tar", side_by_side())
    with tarfile.open(path) as archive:
        second = archive.getmembers()[1].offset
    content = bytearray(path.read_bytes())
    content[second + 150] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="does not end as an archive does; fetch it again"):
        open_pairs(path)


def test_sizes_are_bounded(tmp_path, monkeypatch):
    path = write_tar(tmp_path / "data.tar", side_by_side())
    for place, limit, message in [
        (shelves, "MAX_FILES", "more than 2 members"),
        (pairs, "MAX_TABLE_BYTES", "3 pictures of 8x6 pixels take more than"),
        (pictures, "MAX_FILE_BYTES", r"data.tar/0.png' has .* bytes; up to 2 are read"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(place, limit, 2)
            with pytest.raises(DataError, match=message):
                open_pairs(path)


def test_an_absent_path(tmp_path):
    with pytest.raises(DataError, match=r"no file or folder '.*absent'; give a folder, or a tar or zip archive"):
        open_data(f"pairs:{tmp_path / 'absent'}")
    with pytest.raises(DataError, match="'pairs:' names no path; give 'pairs:PATH'"):
        open_data("pairs:")
    with pytest.raises(InputError, match="no split 'all'"):
        open_data("pairs@all:x")


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("files", [apart(), {f"train/{name}": content for name, content in apart().items()}])
def test_pairs_without_their_prefix_get_a_hint(tmp_path, kind, files):
    path = place(tmp_path, kind, files)
    with pytest.raises(DataError, match=r"has the folders A and B, as pairs.* 'pairs:.*data.* or 'pictures:"):
        open_data(path)
    assert open_data(f"pictures:{path}").class_names == ("A", "B")


def test_only_long_reading_shows_a_bar(tmp_path, capsys):
    content = encoded(noise(0, 1, 2))
    open_pairs(write_tar(tmp_path / "a.tar", {f"{i}.png": content for i in range(1_000)}))
    assert capsys.readouterr().err == ""
    open_pairs(write_tar(tmp_path / "a.tar", {f"{i}.png": content for i in range(1_001)}))
    assert "reading pairs" in capsys.readouterr().err
