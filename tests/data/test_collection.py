"""Folders and archives of single pictures as tables."""

import gzip
import hashlib
import logging
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from idx_files import write_split
from picture_files import encoded, noise, write_files, write_tar, write_zip
from PIL import Image

import ganzoo
from ganzoo.data import collection, mapped
from ganzoo.data.folders import open_pictures
from ganzoo.data.loading import open_data
from ganzoo.data.npz import KEYS, write_npz
from ganzoo.data.options import PictureOptions
from ganzoo.data.pictures import SUFFIXES
from ganzoo.errors import DataError, InputError, RunError

PLAIN = {f"{i}.png": encoded(noise(i)) for i in range(4)}
CLASSES = {f"{kind}/{i}.png": encoded(noise(i + 10 * n)) for n, kind in enumerate("ba") for i in range(2)}


def stacked(*seeds, **shape):
    return torch.from_numpy(np.stack([noise(seed, **shape) for seed in seeds])).permute(0, 3, 1, 2)


def place(tmp_path, kind, files):
    if kind == "folder":
        (tmp_path / "data").mkdir()
        return write_files(tmp_path / "data", files)
    return (write_zip if kind == "zip" else write_tar)(tmp_path / f"data.{kind}", files)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_path_of_pictures_simply_works(tmp_path, kind, caplog):
    caplog.set_level(logging.INFO)
    path = place(tmp_path, kind, PLAIN)
    for data in (path, str(path), f"pictures:{path}"):
        table = open_data(data)
        assert torch.equal(table.samples, stacked(0, 1, 2, 3))
        assert (table.labels, table.name) == (None, "data")
        assert table.source == f"pictures,image_size=6x8,mode=RGB,held_out=0.0:{path}"
        assert open_data(table.source).fingerprint() == table.fingerprint()
    assert {(each.levelname, each.message) for each in caplog.records} == {
        ("INFO", "data: 4 pictures, RGB, 6 high and 8 wide")
    }


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_folders_are_classes(tmp_path, kind):
    table = open_data(place(tmp_path, kind, {f"top/{name}": content for name, content in CLASSES.items()}))
    assert table.class_names == ("a", "b")
    assert table.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(table.samples, stacked(10, 11, 0, 1))
    free = open_data(table.source.replace("pictures", "pictures,labels=none"))
    assert (free.labels, len(free)) == (None, 4)


def test_pictures_in_folders_within_a_class_belong_to_it(tmp_path):
    files = {"a/deep/er/0.png": encoded(noise(0)), "a/1.png": encoded(noise(1)), "b/2.png": encoded(noise(2))}
    table = open_data(write_files(tmp_path, files))
    assert table.labels.tolist() == [0, 0, 1]
    assert torch.equal(table.samples, stacked(1, 0, 2))


def test_pictures_beside_classes_are_refused_unless_labels_are_not_wanted(tmp_path):
    path = write_files(tmp_path, CLASSES | {"cover.png": encoded(noise(0))})
    with pytest.raises(DataError, match=r"has pictures, such as 'cover.png', beside folders.*'a'.*labels=none"):
        open_data(path)
    assert len(open_data(f"pictures,labels=none:{path}")) == 5


def test_a_class_without_pictures_is_left_out_and_said(tmp_path, caplog):
    path = write_files(tmp_path, CLASSES | {"c/readme.txt": b""})
    (path / "d").mkdir()
    assert open_data(path).class_names == ("a", "b")
    assert "folders without pictures left out: 'c', 'd'" in caplog.text
    assert "1 other files passed over, such as 'c/readme.txt'" in caplog.text


def test_split_folders(tmp_path):
    train = {f"train/{name}": content for name, content in CLASSES.items()}
    path = write_files(tmp_path, train | {"val/a/9.png": encoded(noise(9)), "test/c/8.png": encoded(noise(8))})
    assert open_data(path).labels.tolist() == [0, 0, 1, 1]
    val, test = open_data(path, split="val"), open_data(f"pictures@test:{path}")
    # A class has one number in all splits.
    assert (val.labels.tolist(), test.labels.tolist(), test.class_names) == ([0], [2], ("a", "b", "c"))
    assert (val.name, test.name) == (f"{path.name}-val", f"{path.name}-test")
    assert open_data(test.source).fingerprint() == test.fingerprint()
    assert open_data(f"pictures@train:{path}").name == f"{path.name}-train"


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("labels", ["", ",labels=none"])
def test_all_splits_have_one_size_and_mode(tmp_path, kind, labels):
    files = {
        "train/0.png": encoded(noise(0, 16, 16)),
        "train/1.png": encoded(noise(1, 16, 16, channels=1)),
        "test/2.png": encoded(noise(2, 20, 20, channels=1)),
        "val/3.png": encoded(noise(3, 16, 16, channels=1)),
        "val/bad.png": b"hello",
    }
    path = place(tmp_path, kind, files)
    shapes = {open_data(f"pictures@{split}{labels},unreadable=0.5:{path}").sample_shape for split in ("train", "test")}
    assert shapes == {(3, 64, 64)}
    assert open_data(f"pictures@test,mode=grey{labels}:{path}").sample_shape == (1, 64, 64)
    assert open_data(f"pictures@test,image_size=8{labels}:{path}").sample_shape == (3, 8, 8)
    alike = {"train/0.png": encoded(noise(0, 16, 12)), "test/2.png": encoded(noise(2, 16, 12))}
    (tmp_path / "alike").mkdir()
    assert open_data(place(tmp_path / "alike", kind, alike)).sample_shape == (3, 16, 12)


def test_nothing_is_held_out_of_folders_by_split(tmp_path):
    path = write_files(
        tmp_path, {f"{split}/{i}.png": PLAIN[f"{i}.png"] for i in range(3) for split in ("train", "test")}
    )
    with pytest.raises(DataError, match=r"held_out is 0\.3, but .* has folders by split"):
        open_data(f"pictures,held_out=0.3:{path}")
    assert len(open_data(f"pictures,held_out=0:{path}")) == 3


def digest_share(content):
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") / 2**64


@pytest.mark.parametrize("held_out", [None, 0.3])
def test_what_is_held_out_depends_on_the_content_alone(tmp_path, held_out):
    files = {f"{i:03}.png": encoded(noise(i, 2, 2)) for i in range(120)}
    files["copy.png"] = files["000.png"]
    option = "" if held_out is None else f",held_out={held_out}"
    path = write_files(tmp_path / "a", files)
    train, test = (open_data(f"pictures@{split}{option}:{path}") for split in ("train", "test"))
    expected = [digest_share(files[name]) < (held_out or 0.1) for name in sorted(files)]
    assert (len(train), len(test)) == (expected.count(False), expected.count(True))
    assert 0 < len(test) < len(train)
    every = torch.from_numpy(
        np.stack([noise(int(name[:3]) if name[0] == "0" or name[0] == "1" else 0, 2, 2) for name in sorted(files)])
    )
    assert torch.equal(test.samples, every[torch.tensor(expected)].permute(0, 3, 1, 2))
    assert open_data(test.source).fingerprint() == test.fingerprint()
    # Other names and more pictures move none from one split to the other.
    renamed = {f"x{name}": content for name, content in files.items()}
    more = write_files(tmp_path / "b", renamed | {"zz.png": encoded(noise(500, 2, 2))})
    again = open_data(f"pictures@test{option}:{more}")
    assert torch.equal(again.samples[: len(test)], test.samples)


def test_a_split_that_nothing_falls_to(tmp_path):
    path = write_files(tmp_path, PLAIN)
    assert len(open_data(path)) == 4  # of fewer than 100 none is held out
    with pytest.raises(DataError, match=r"none fall to the split 'test', as 0 of them.*held_out=0.2"):
        open_data(path, split="test")
    with pytest.raises(DataError, match="no folders by split"):
        open_data(path, split="val")
    with pytest.raises(InputError, match="no split 'all'"):
        open_data(f"pictures@all:{path}")


def test_one_picture_and_none(tmp_path):
    assert len(open_data(write_files(tmp_path / "one", {"a.png": PLAIN["0.png"]}))) == 1
    for name, files in (("none", {}), ("other", {"a.txt": b"x"})):
        (tmp_path / name).mkdir()
        with pytest.raises(DataError, match=r"there are no pictures in .*whose names end in \.png"):
            open_data(write_files(tmp_path / name, files))


def test_sizes_that_differ_become_64_and_it_is_said(tmp_path, caplog):
    path = write_files(tmp_path, PLAIN | {"9.png": encoded(noise(9, 20, 10))})
    table = open_data(path)
    assert table.sample_shape == (3, 64, 64)
    assert (
        "5 of 6 to 20 high and 8 to 10 wide brought to it by resize=crop, which keeps the middle (resize=pad keeps all)"
        in caplog.text
    )
    assert "image_size=64," in table.source


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad", "nearest"])
@pytest.mark.parametrize("size", [4, (3, 8)])
def test_size_and_resizing_are_those_of_translate(tmp_path, resize, size):
    from ganzoo.data.pictures import source_from_picture

    path = write_files(tmp_path, {"a.png": encoded(noise(0, 6, 9))})
    table = open_pictures(path, image_size=size, resize=resize)
    height, width = (size, size) if isinstance(size, int) else size
    expected, _ = source_from_picture(tmp_path / "a.png", (3, height, width), resize)
    assert torch.equal(table.batch(torch.tensor([0])).sample[0], expected)
    text = f"pictures,image_size={height}x{width},resize={resize}:{path}"
    assert open_data(text).fingerprint() == open_data(table.source).fingerprint() == table.fingerprint()


def test_nearest_adds_no_colours(tmp_path):
    values = noise(0, 5, 7)
    table = open_pictures(write_files(tmp_path, {"a.png": encoded(values)}), image_size=(10, 14), resize="nearest")
    assert torch.equal(
        table.samples[0], torch.from_numpy(values).permute(2, 0, 1).repeat_interleave(2, 1).repeat_interleave(2, 2)
    )


def test_modes(tmp_path, caplog):
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    grey = encoded(np.full((2, 2), 7, dtype=np.uint8))
    path = write_files(tmp_path, {"0.png": encoded(clear), "1.png": grey})
    assert open_data(path).samples[:, :, 0, 0].tolist() == [[255] * 3, [7] * 3]
    assert "1 with transparent parts laid on white" in caplog.text
    assert open_pictures(path, mode="RGBA").samples[:, :, 0, 0].tolist() == [[255, 0, 0, 0], [7, 7, 7, 255]]
    blue = open_data(f"pictures,background=#0000ff:{path}")
    assert blue.samples[:, :, 0, 0].tolist() == [[0, 0, 255], [7] * 3]
    assert open_data(blue.source).fingerprint() == blue.fingerprint()
    assert open_pictures(path, mode="grey", background="black").samples[:, :, 0, 0].tolist() == [[0], [7]]
    (path / "0.png").unlink()
    assert open_data(path).samples[:, :, 0, 0].tolist() == [[7]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pictures,scale=3:x", "the option 'scale' of .* is unknown; there are image_size, resize"),
        ("pictures,resise=pad:x", "unknown; did you mean 'resize'"),
        ("pictures,mode=RGB,mode=L:x", "'mode' of .* is there twice"),
        ("pictures,mode=CMYK:x", "mode is 'CMYK'; use 'auto', 'grey', 'RGB', 'RGBA'"),
        ("pictures,image_size=0:x", "image_size is 0; it takes pixels from 1 to 8192"),
        ("pictures,image_size=9999:x", "image_size is 9999"),
        ("pictures,image_size=big:x", "image_size is .*big"),
        ("pictures,held_out=1:x", r"held_out is '1.0' \(float\); it takes a share"),
        ("pictures,unreadable=many:x", "unreadable is 'many'"),
        ("pictures,background=mud:x", "background is 'mud'; it takes a colour such as 'white'"),
        ("pictures,labels=yes:x", "labels is 'yes'; use 'folders', 'none'"),
        ("pictures:", "names no path"),
        ("pictures,mode=RGB", "names no path"),
    ],
)
def test_options_that_cannot_be(text, message):
    with pytest.raises(InputError, match=message):
        open_data(text)


def many_and_bad(tmp_path, bad, total):
    files = {f"{i:03}.png": encoded(noise(i, 2, 2)) for i in range(total)}
    return write_files(tmp_path, files | {f"{i:03}.png": b"hello" for i in range(bad)})


def test_few_unreadable_pictures_are_left_out_and_listed(tmp_path, caplog):
    path = many_and_bad(tmp_path, 1, 100)
    assert len(open_data(f"pictures,held_out=0:{path}")) == 99
    assert "1 left out that cannot be read: '000.png' is not a picture in BMP" in caplog.text


def test_more_than_a_hundredth_stops_and_says_how_to_go_on(tmp_path):
    path = many_and_bad(tmp_path, 5, 100)
    with pytest.raises(
        DataError, match=r"5 of the 100 pictures in .*cannot be read.*'000.png' is.*'001.png' is.*'002.png'"
    ) as raised:
        open_data(f"pictures,held_out=0:{path}")
    message = str(raised.value)
    assert "'003.png'" not in message
    assert f"'ganzoo data check {path}' lists all" in message
    remedy = f"pictures,held_out=0.0,unreadable=0.05:{path}"
    assert f"by '{remedy}'" in message
    assert len(open_data(remedy)) == 95


@pytest.mark.parametrize("bad", [7, 29])  # 100 * 0.07 > 7, and 0.29 * 100 < 29
def test_the_text_that_goes_on_names_the_very_share(tmp_path, bad):
    path = many_and_bad(tmp_path, bad, 100)
    remedy = f"pictures,held_out=0.0,unreadable={bad / 100}:{path}"
    with pytest.raises(DataError, match=re.escape(f"by '{remedy}'")):
        open_data(f"pictures,held_out=0:{path}")
    assert len(open_data(remedy)) == 100 - bad


def test_the_text_that_goes_on_leaves_out_what_only_decoding_shows_too(tmp_path):
    path = many_and_bad(tmp_path, 2, 50)
    whole = (path / "040.png").read_bytes()
    (path / "040.png").write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    remedy = f"pictures,unreadable=0.06:{path}"
    with pytest.raises(DataError, match=r"3 of the 50 pictures") as raised:
        open_data(str(path))
    assert f"by '{remedy}'" in str(raised.value)
    assert len(open_data(remedy)) == 47


def test_damage_that_only_decoding_shows_counts_too(tmp_path, caplog):
    path = many_and_bad(tmp_path, 0, 100)
    whole = (path / "050.png").read_bytes()
    (path / "050.png").write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    table = open_data(f"pictures,held_out=0:{path}")
    expected = [i for i in range(100) if i != 50]
    assert torch.equal(table.samples, stacked(*expected, height=2, width=2))
    assert "1 left out that cannot be read" in caplog.text
    with pytest.raises(DataError, match=r"1 of the 100 pictures.*'050.png' cannot be read"):
        open_data(f"pictures,held_out=0,unreadable=0:{path}")


def test_none_that_can_be_read(tmp_path):
    with pytest.raises(DataError, match="3 of the 3 pictures"):
        open_data(f"pictures,unreadable=0.9:{many_and_bad(tmp_path, 3, 3)}")


@pytest.mark.parametrize("change", ["gone", "other", "pipe"])
def test_files_that_change_while_they_are_read(tmp_path, monkeypatch, caplog, change):
    path = many_and_bad(tmp_path, 0, 100)
    victim = path / "050.png"
    real = collection.survey

    def and_then(shelf, names):
        headers = real(shelf, names)
        victim.unlink()
        if change == "other":
            victim.write_bytes(encoded(noise(500, 2, 2)))
        if change == "pipe":
            os.mkfifo(victim)
        (path / "new.png").write_bytes(encoded(noise(501, 2, 2)))
        return headers

    monkeypatch.setattr(collection, "survey", and_then)
    table = open_data(f"pictures,held_out=0:{path}")
    assert torch.equal(table.samples, stacked(*(i for i in range(100) if i != 50), height=2, width=2))
    said = {"gone": "No such file", "other": "changed while the data was read", "pipe": "is no file any more"}
    assert said[change] in caplog.text


def odd_tree(path):
    write_files(
        path,
        {"b.png": encoded(noise(1)), "B.png": encoded(noise(0)), "\u00e9.png": encoded(noise(3))}
        | {"sub/x.png": encoded(noise(2)), "noname": b"", ".DS_Store": b"x", "Thumbs.db": b"x", ".hidden.png": b"x"}
        | {"dir.png/readme": b"x", "__MACOSX/b.png": b"x", ".git/a.png": b"x"},
    )
    (path / "sub" / "loop").symlink_to(path)
    (path / "self.png").symlink_to("self.png")
    os.mkfifo(path / "pipe.png")
    odd = os.fsencode(path) + b"/\xff.png"
    Path(os.fsdecode(odd)).write_bytes(encoded(noise(4)))
    return path


def test_odd_trees_are_read_in_the_order_of_bytes(tmp_path, caplog):
    path = odd_tree(tmp_path / "odd")
    with pytest.raises(DataError, match=r"1 of the 6 pictures.*self.png'"):
        open_data(f"pictures,labels=none:{path}")
    caplog.clear()
    table = open_data(f"pictures,labels=none,unreadable=0.2:{path}")
    assert torch.equal(table.samples, stacked(0, 1, 2, 3, 4))
    # A folder that is called like a picture, a pipe, a link that leads back to where it lies.
    assert "4 other files passed over, such as 'dir.png/readme'" in caplog.text


def test_a_folder_given_by_several_links_is_read_by_each(tmp_path):
    write_files(tmp_path / "real", PLAIN)
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).symlink_to(tmp_path / "real")
    with pytest.raises(DataError, match="has the folders A and B"):
        open_data(write_files(tmp_path / "p", {"A/0.png": PLAIN["0.png"], "B/0.png": PLAIN["1.png"]}))
    assert open_data(tmp_path / "data").labels.tolist() == [0] * 4 + [1] * 4


@pytest.fixture
def another_user():
    """Act as one who may not read everything, where the tests run as root."""
    if os.getuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)
    yield
    os.seteuid(os.getuid())
    os.setegid(os.getgid())


def test_files_this_user_may_not_read_are_listed(tmp_path_factory, caplog, request):
    path = many_and_bad(tmp_path_factory.mktemp("theirs") / "data", 0, 100)
    (path / "007.png").chmod(0)
    for folder in (path, *path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    request.getfixturevalue("another_user")
    assert len(open_data(f"pictures,held_out=0:{path}")) == 99
    assert "007.png': Permission denied" in caplog.text


def test_long_names(tmp_path):
    long = "x" * 300 + ".png"
    assert len(open_data(write_zip(tmp_path / "a.zip", {long: PLAIN["0.png"]}))) == 1
    assert len(open_data(write_tar(tmp_path / "a.tar", {long: PLAIN["0.png"]}))) == 1
    with pytest.raises(DataError, match="there is no folder or file"):
        open_data(f"./{'y' * 300}")


def test_a_path_that_no_config_could_name_is_refused(tmp_path):
    path = write_files(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")), PLAIN)
    with pytest.raises(DataError, match="is no text in UTF-8; rename it"):
        open_data(path)


def test_class_names_are_text_whatever_the_folders_are_called(tmp_path):
    odd = os.fsdecode(b"\xff")
    path = write_files(tmp_path, {f"{odd}/0.png": PLAIN["0.png"], "a/1.png": PLAIN["1.png"]})
    assert open_data(path).class_names == ("a", "\\xff")


@pytest.fixture
def small_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_TABLE_MEMORY", "100")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tables"


def test_large_tables_lie_in_the_cache(tmp_path, small_memory, monkeypatch):
    path = many_and_bad(tmp_path / "data", 1, 200)
    source = f"pictures,held_out=0:{path}"
    table = open_data(source)
    (kept,) = small_memory.glob("*.bin")
    assert kept.stat().st_size == table.samples.numel() == 199 * 12
    with monkeypatch.context() as patch:
        patch.delenv("GANZOO_TABLE_MEMORY")
        in_memory = open_data(source)
    assert in_memory.fingerprint() == table.fingerprint()
    before = kept.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(collection, "decode", None)  # it is not needed any more
        assert open_data(source).fingerprint() == table.fingerprint()
    assert kept.stat().st_mtime_ns == before
    (path / "100.png").write_bytes(encoded(noise(900, 2, 2)))
    assert open_data(source).fingerprint() != table.fingerprint()
    assert len(list(small_memory.glob("*.bin"))) == 2


def test_what_lies_in_the_cache_depends_on_no_file_that_is_not_of_the_table(tmp_path, small_memory, monkeypatch):
    files = {f"{'ab'[i > 40]}/{i:03}.png": encoded(noise(i, 2, 2)) for i in range(1, 120)}
    whole = files["b/041.png"]
    files["b/041.png"] = whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:]  # only decoding shows it
    path = write_files(tmp_path / "data", files)
    source = f"pictures,held_out=0.1:{path}"
    assert min(digest_share(files[name]) for name in ("a/040.png", "b/041.png")) >= 0.1
    table = open_data(source)
    other = next(content for i in range(1000, 2000) if digest_share(content := encoded(noise(i, 2, 2))) < 0.1)
    (path / "a" / "000.png").write_bytes(other)  # it is held out, and the first of class b is at another place
    with monkeypatch.context() as patch:
        patch.setattr(collection, "decode", None)  # it is not needed any more
        again = open_data(source)
    assert again.fingerprint() == table.fingerprint()
    assert len(again) == len(again.labels)
    monkeypatch.delenv("GANZOO_TABLE_MEMORY")
    assert open_data(source).fingerprint() == again.fingerprint()


@pytest.mark.parametrize("damage", ["flip", "cut", "no facts", "odd facts"])
def test_a_damaged_cache_is_made_again(tmp_path, small_memory, damage):
    source = f"pictures,held_out=0:{many_and_bad(tmp_path / 'data', 0, 30)}"
    expected = open_data(source).fingerprint()
    (kept,), (facts,) = small_memory.glob("*.bin"), small_memory.glob("*.json")
    content = bytearray(kept.read_bytes())
    content[5] ^= 1
    {
        "flip": lambda: kept.write_bytes(content),
        "cut": lambda: kept.write_bytes(content[:-1]),
        "no facts": lambda: facts.unlink(),
        "odd facts": lambda: facts.write_text("[]"),
    }[damage]()
    assert open_data(source).fingerprint() == expected


def aged(path, hours):
    os.utime(path, (time.time() - hours * 3600,) * 2)


def test_what_a_killed_process_left_in_the_cache_is_removed_after_a_day(tmp_path, small_memory):
    small_memory.mkdir(parents=True)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, young, living, own = (
        small_memory / f".{name}.bin.tmp-{pid}-00"
        for name, pid in (("a", dead.pid), ("b", dead.pid), ("a", 1), ("a", os.getpid()))
    )
    for file, hours in ((old, 25), (young, 23), (living, 25), (own, 25)):
        file.write_bytes(b"x")
        aged(file, hours)
    open_data(f"pictures,held_out=0:{many_and_bad(tmp_path / 'data', 0, 30)}")
    assert [file.exists() for file in (old, young, living, own)] == [False, True, True, True]


@pytest.mark.parametrize("budget", ["10", "100000000"])
def test_no_picture_that_can_be_decoded_is_told_alike_in_memory_and_beyond(tmp_path, small_memory, monkeypatch, budget):
    monkeypatch.setenv("GANZOO_TABLE_MEMORY", budget)
    cut = {f"{i}.png": encoded(noise(i, 9, 9))[:-30] for i in range(3)}
    with pytest.raises(DataError, match=r"3 of the 3 pictures in .* cannot be read"):
        open_data(f"pictures:{write_files(tmp_path / 'data', cut)}")
    assert not small_memory.exists() or list(small_memory.iterdir()) == []


def test_a_system_that_cannot_reserve_room(tmp_path, small_memory, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    table = open_data(f"pictures,held_out=0:{many_and_bad(tmp_path / 'data', 0, 30)}")
    assert torch.equal(table.samples, stacked(*range(30), height=2, width=2))
    assert len(list(small_memory.glob("*.bin"))) == 1


def in_children(count, act):
    """Run something in so many processes at once, and return their exit statuses."""
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            try:
                act()
                os._exit(0)
            except BaseException:
                os._exit(1)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_several_processes_share_the_cache(tmp_path, small_memory):
    source = f"pictures,held_out=0:{many_and_bad(tmp_path / 'data', 0, 200)}"

    def act():
        table = open_data(source)
        assert torch.equal(table.samples[:3], stacked(0, 1, 2, height=2, width=2))

    assert in_children(4, act) == [0] * 4
    assert sorted(path.suffix for path in small_memory.iterdir()) == [".bin", ".json"]
    assert open_data(source).samples.sum() == stacked(*range(200), height=2, width=2).sum()


def test_a_process_killed_while_it_decodes_leaves_nothing_that_is_used(tmp_path, small_memory, monkeypatch):
    source = f"pictures,held_out=0:{many_and_bad(tmp_path / 'data', 0, 200)}"
    real, count = collection.decode, iter(range(1000))

    def decode(content, name):
        if next(count) == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(content, name)

    with monkeypatch.context() as patch:
        patch.setattr(collection, "decode", decode)
        assert in_children(1, lambda: open_data(source)) == [-signal.SIGKILL]
    (left,) = small_memory.iterdir()
    assert ".tmp-" in left.name
    aged(left, 25)
    assert torch.equal(open_data(source).samples, stacked(*range(200), height=2, width=2))
    assert sorted(path.suffix for path in small_memory.iterdir()) == [".bin", ".json"]


def test_a_failure_that_may_pass_is_not_kept(tmp_path, small_memory, monkeypatch):
    path = many_and_bad(tmp_path / "data", 0, 100)
    source, victim = f"pictures,held_out=0:{path}", path / "050.png"
    content, real = victim.read_bytes(), collection.survey

    def opened_while_one_goes():
        with monkeypatch.context() as patch:
            patch.setattr(collection, "survey", lambda *given: (real(*given), victim.unlink())[0])
            table = open_data(source)
        victim.write_bytes(content)
        assert torch.equal(table.samples, stacked(*(i for i in range(100) if i != 50), height=2, width=2))

    opened_while_one_goes()
    assert list(small_memory.iterdir()) == []
    table = open_data(source)
    assert len(table) == 100
    # What another process made and uses stays what it is, also where its facts are not written yet.
    (kept,) = small_memory.glob("*.bin")
    before = kept.read_bytes()
    next(small_memory.glob("*.json")).unlink()
    opened_while_one_goes()
    assert kept.read_bytes() == before


def test_another_process_may_put_its_file_in_place_at_any_time(tmp_path, small_memory, monkeypatch):
    source = f"pictures,held_out=0:{many_and_bad(tmp_path / 'data', 0, 30)}"
    real = mapped.files.write_text

    def write_text(path, content):
        other = path.with_suffix(".other")
        other.write_bytes(b"short")
        other.replace(path.with_suffix(".bin"))
        real(path, content)

    monkeypatch.setattr(mapped.files, "write_text", write_text)
    assert torch.equal(open_data(source).samples, stacked(*range(30), height=2, width=2))


def test_a_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_TABLE_MEMORY", "100")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        DataError, match=r"take 360 bytes, more than the 100 that GANZOO_TABLE_MEMORY allows.*GANZOO_CACHE"
    ):
        open_data(f"pictures,held_out=0:{many_and_bad(tmp_path / 'data', 0, 30)}")
    monkeypatch.setenv("GANZOO_TABLE_MEMORY", "4 GB")
    with pytest.raises(InputError, match="GANZOO_TABLE_MEMORY is '4 GB'"):
        mapped.memory_budget()


ARCHITECTURE = {"latent_dim": 2, "generator_widths": [8], "discriminator_widths": [8]}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("budget", ["100", "100000000"])
def test_a_run_on_pictures_is_resumed(tmp_path, monkeypatch, kind, budget):
    monkeypatch.setenv("GANZOO_TABLE_MEMORY", budget)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    files = {f"{'ab'[i % 2]}/{i:03}.png": encoded(noise(i, 3 + i % 2, 3)) for i in range(110)}
    path = place(tmp_path, kind, files)

    def trainer(run):
        source = f"pictures,image_size=4,resize=nearest:{path}"
        return ganzoo.Trainer(
            "mlp",
            "non_saturating",
            source,
            images=80,
            batch_size=16,
            run=run,
            model_args=ARCHITECTURE,
            conditional=True,
            progress=False,
        )

    whole = trainer(tmp_path / "whole")
    whole.fit()
    half = trainer(tmp_path / "half")
    half.step.begin = stop_at(half, 3)
    with pytest.raises(KeyboardInterrupt):
        half.fit()
    resumed = ganzoo.Trainer.resume(tmp_path / "half", progress=False)
    assert resumed.table.fingerprint() == whole.table.fingerprint()
    resumed.fit()
    for name, tensor in whole.gan.networks.state_dict().items():
        assert torch.equal(resumed.gan.networks.state_dict()[name], tensor), name
    if kind == "folder":
        (path / "a" / "000.png").write_bytes(encoded(noise(999, 3, 3)))
        with pytest.raises(RunError, match=r"data\.fingerprint was"):
            ganzoo.Trainer.resume(tmp_path / "half", progress=False)


@pytest.mark.parametrize(
    "source", ["data.npz", "data.tar.gz", "pictures@test,held_out=0.5:data", "torchvision:./MNIST"]
)
def test_a_run_on_any_source_opens_the_same_again(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    files = {f"{i:03}.png": encoded(noise(i, 3, 3)) for i in range(60)}
    write_files(tmp_path / "data", files)
    write_tar(tmp_path / "data.tar.gz", files, "w:gz")
    write_npz(open_data("data"), "data.npz")
    for prefix in ("train", "t10k"):
        write_split(tmp_path / "MNIST" / "raw", prefix)
        packed = tmp_path / "MNIST" / "raw" / f"{prefix}-images-idx3-ubyte.gz"
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    trainer = ganzoo.Trainer(
        "mlp", "non_saturating", source, images=32, batch_size=16, run="r", model_args=ARCHITECTURE, progress=False
    )
    trainer.fit()
    monkeypatch.chdir("/")
    resumed = ganzoo.Trainer.resume(tmp_path / "r", progress=False)
    assert resumed.table.fingerprint() == trainer.table.fingerprint()
    assert (resumed.table.name, resumed.table.source) == (trainer.table.name, trainer.table.source)


def stop_at(trainer, step):
    real = trainer.step.begin

    def begin(index):
        if index == step:
            raise KeyboardInterrupt
        return real(index)

    return begin


def test_a_members_bytes_are_read_from_archives_in_any_order(tmp_path):
    names = [f"{i}.png" for i in (3, 1, 2, 0)]
    files = {name: PLAIN[name] for name in names}
    assert torch.equal(open_data(write_tar(tmp_path / "a.tar.gz", files, "w:gz")).samples, stacked(0, 1, 2, 3))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, files[name])
    assert torch.equal(open_data(tmp_path / "b.zip").samples, stacked(0, 1, 2, 3))
    assert tarfile.is_tarfile(tmp_path / "a.tar.gz")


def test_a_damaged_member_of_a_zip_archive_is_left_out(tmp_path, caplog):
    files = {f"{i:03}.png": encoded(noise(i, 2, 2)) for i in range(100)}
    path = write_zip(tmp_path / "a.zip", files)
    content = bytearray(path.read_bytes())
    content[content.index(files["050.png"]) + 50] ^= 1
    path.write_bytes(content)
    assert len(open_data(f"pictures,held_out=0:{path}")) == 99
    assert "'050.png' cannot be read from" in caplog.text


def test_a_single_picture_is_told_from_other_files(tmp_path):
    write_files(tmp_path, PLAIN)
    with pytest.raises(DataError, match=r"0\.png' is a single picture; give the folder"):
        open_data(tmp_path / "0.png")


def test_the_page_on_data_has_every_option_and_key():
    page = (Path(ganzoo.__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    for name in [*(each.name for each in fields(PictureOptions)), *KEYS]:
        assert any(f"`{name}`" in row for row in rows), name
    assert all(suffix in page for suffix in SUFFIXES)
