"""`ganzoo data check` and `ganzoo data pack`."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ganzoo.cli import cli
from ganzoo.data.loading import open_data

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from picture_files import encoded, noise, write_files, write_zip


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def collection():
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.fromarray(noise(8)), Image.fromarray(noise(9))]
    return {
        "cats/0.png": encoded(noise(0)),
        "cats/same.bmp": encoded(noise(0), "BMP"),
        "cats/1.png": encoded(noise(1, 6, 8, channels=1)),
        "cats/bad.jpg": b"hello",
        "dogs/0.jpg": encoded(noise(2, 8, 6), "JPEG", exif=exif),
        "dogs/1.png": encoded(noise(3, 9, 9, channels=4)),
        "dogs/moving.webp": encoded(frames[0], "WEBP", lossless=True, save_all=True, append_images=frames[1:]),
        "dogs/cut.png": encoded(noise(4, 9, 9))[:-30],
        "notes.txt": b"x",
        "none/readme": b"x",
        ".DS_Store": b"x",
    }


FOUND = {
    "pictures": 8,
    "splits": {},
    "broken_splits": {},
    "labels": {"cats": 4, "dogs": 4},
    "sizes": {"8x6": 5, "9x9": 2},
    "modes": {"RGB": 5, "L": 1, "RGBA": 1},
    "formats": {"PNG": 4, "BMP": 1, "JPEG": 1, "WEBP": 1},
    "transparent": 1,
    "animated": 1,
    "turned": 1,
    "profiles": 0,
    "unreadable_share": 0.25,
    "duplicates": [["cats/0.png", "cats/same.bmp"]],
    "empty_folders": ["none"],
    "other_files": ["none/readme", "notes.txt"],
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_check_counts_what_is_there(tmp_path, kind):
    make = write_files if kind == "folder" else lambda path, files: write_zip(path.with_suffix(".zip"), files)
    path = make(tmp_path / "data", collection())
    result = run("data", "check", path, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert sorted(found.pop("unreadable")) == ["cats/bad.jpg", "dogs/cut.png"]
    # An archive need not list its folders.
    assert found == {"path": str(path), **FOUND} | ({"empty_folders": []} if kind == "zip" else {})


def test_check_gives_the_text_that_leaves_out_what_cannot_be_read(tmp_path):
    path = write_files(tmp_path / "data", collection())
    said = run("data", "check", f"pictures,mode=RGB:{path}").stderr
    text = f"pictures,mode=RGB,unreadable=0.25:{path}"
    assert said == f"repair or remove what cannot be read, or leave it out by '{text}' as the data\n"
    assert run("data", "check", text).exit_code == 0
    assert len(open_data(text)) == 6


def test_check_says_it_in_words(tmp_path):
    path = write_files(tmp_path / "data", collection())
    result = run("data", "check", path, "--sheet", tmp_path / "sheet.png")
    assert result.exit_code == 1
    for line in (
        f"{path}: 8 pictures",
        "  labels: cats: 4, dogs: 4",
        "  sizes: 8x6: 5, 9x9: 2; 6 to 9 high and 8 to 9 wide",
        "  1 animations, of which the first picture is taken",
        "  1 folders without pictures: 'none'",
        "  1 duplicates, whose pixels are those of another:\n    'cats/0.png', 'cats/same.bmp'",
        "  2 that cannot be read:\n    'cats/bad.jpg': 'cats/bad.jpg' is not a picture",
        "    'dogs/cut.png': the picture 'dogs/cut.png' cannot be read",
    ):
        assert line in result.output
    assert f"wrote 6 of them to {tmp_path / 'sheet.png'}" in result.output
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    # Six pictures of 64 x 64 pixels in three columns, with two pixels between them.
    assert sheet.shape == (2 * 66 + 2, 3 * 66 + 2, 3)
    expected = Image.fromarray(noise(0)).resize((64, 48), Image.Resampling.BICUBIC)
    assert np.abs(sheet[10:58, 2:66].astype(int) - np.asarray(expected)).max() <= 1
    assert (sheet[2:10, 2:66] == 255).all()


def test_the_sheet_shows_pictures_as_options_read_them(tmp_path):
    path = write_files(tmp_path / "data", {f"{i}.png": encoded(noise(i, 8, 12)) for i in range(2)})
    source = f"pictures,image_size=8x4,mode=grey,resize=nearest:{path}"
    result = run("data", "check", source, "--sheet", tmp_path / "sheet.png", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pictures"] == 2
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    expected = open_data(f"{source}").samples[0, 0].numpy()
    enlarged = expected.repeat(8, axis=0).repeat(8, axis=1)  # as the grid draws pictures that are small
    assert np.array_equal(sheet[2:66, 2:34], np.stack([enlarged] * 3, axis=2))


def test_check_takes_labels_from_the_text_and_no_split(tmp_path):
    path = write_files(
        tmp_path, {"a/0.png": encoded(noise(0)), "b/0.png": encoded(noise(1)), "0.png": encoded(noise(2))}
    )
    assert run("data", "check", path).exit_code == 2
    result = run("data", "check", f"pictures,labels=none:{path}")
    assert (result.exit_code, "3 pictures" in result.output) == (0, True)
    result = run("data", "check", f"pictures@test:{path}")
    assert result.exit_code == 2
    assert "names a split, and all splits are checked; leave '@test' away" in result.output


def test_check_of_splits_and_of_pictures_that_are_all_well(tmp_path):
    files = {
        f"{split}/{i}.png": encoded(noise(i)) for split, count in (("train", 3), ("test", 1)) for i in range(count)
    }
    result = run("data", "check", write_files(tmp_path, files), "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert (found["splits"], found["pictures"]) == ({"train": 3, "test": 1}, 4)
    assert found["duplicates"] == [["train/0.png", "test/0.png"]]


def test_check_says_which_split_cannot_be_opened(tmp_path):
    files = {f"{split}/{kind}/0.png": encoded(noise(0)) for split in ("train", "test") for kind in "ab"}
    write_files(tmp_path, files | {"test/stray.png": encoded(noise(1))})
    (tmp_path / "val").mkdir()
    result = run("data", "check", tmp_path)
    assert result.exit_code == 1
    assert "  splits: train: 2\n" in result.output
    assert "  2 splits that cannot be opened:\n    test: " in result.output
    assert "has pictures, such as 'stray.png', beside folders of pictures" in result.output
    found = json.loads(run("data", "check", tmp_path, "--json").output)
    assert (found["pictures"], list(found["broken_splits"])) == (2, ["test", "val"])
    assert run("data", "check", tmp_path, "--labels", "none", "--json").exit_code == 1  # nothing in val
    (tmp_path / "val").rmdir()
    assert run("data", "check", tmp_path, "--labels", "none").exit_code == 0
    (tmp_path / "train" / "stray.png").write_bytes(encoded(noise(1)))
    assert run("data", "check", tmp_path).exit_code == 2


def test_check_escapes_what_a_terminal_would_act_on(tmp_path):
    odd = "\x1b]0;x\x07\n"
    files = {f"{odd}a/0.png": encoded(noise(0)), "b/0.png": encoded(noise(0)), f"b/{odd}.png": b"x"}
    result = run("data", "check", write_zip(tmp_path / "a.zip", files))
    assert result.exit_code == 1
    assert r"  labels: \x1b]0;x\x07\na: 1, b: 2" in result.output
    assert "\x1b" not in result.output
    assert "\x07" not in result.output


def test_check_prints_names_that_are_no_text(tmp_path):
    odd = os.fsdecode(b"\xff.png")
    write_files(tmp_path, {odd: encoded(noise(0)), "same.png": encoded(noise(0)), os.fsdecode(b"\xfe.png"): b"x"})
    result = run("data", "check", tmp_path)
    assert result.exit_code == 1
    assert r"'same.png', '\udcff.png'" in result.output
    assert json.loads(run("data", "check", tmp_path, "--json").stdout)["duplicates"] == [["same.png", odd]]


def test_check_of_nothing(tmp_path):
    for path, says in ((tmp_path, "there are no pictures in"), (tmp_path / "absent", "there is no file or folder")):
        result = run("data", "check", path)
        assert (result.exit_code, says in result.output) == (2, True)


@pytest.mark.parametrize("source", ["ring", "pictures,image_size=5,mode=grey:data", "pictures@test,held_out=0.5:data"])
def test_pack_writes_what_is_read_back(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "data", {f"{'ab'[i % 2]}/{i}.png": encoded(noise(i)) for i in range(20)})
    result = run("data", "pack", source, "out.npz")
    assert result.exit_code == 0, result.output
    packed, table = open_data("out.npz"), open_data(source)
    assert (packed.fingerprint(), packed.class_names) == (table.fingerprint(), table.class_names)
    assert f"wrote {len(table):,} samples of" in result.output


def test_pack_writes_nothing_where_it_fails(tmp_path):
    assert run("data", "pack", tmp_path / "absent", tmp_path / "out.npz").exit_code == 2
    assert run("data", "pack", "ring", tmp_path / "out.zip").exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_training_on_a_folder_of_pictures_names_the_run_after_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "data", {f"{i}.png": encoded(noise(i, 8, 8)) for i in range(20)})
    small = ["-a", "generator_widths=[8]", "-a", "discriminator_widths=[8]", "--images", 32, "--batch-size", 16]
    for data in ("data", "pictures,mode=grey:data"):
        result = run("train", "mlp", "--data", data, *small)
        assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["mlp-data-1", "mlp-data-2"]
    assert run("resume", "runs/mlp-data-2").exit_code == 0
