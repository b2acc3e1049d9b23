import os
import stat

import numpy as np
import pytest
import torch
from picture_files import encoded, noise, write_files, write_zip
from PIL import Image

from ganzoo.data.fitted import fitted_pictures
from ganzoo.data.loading import open_data
from ganzoo.errors import DataError

GREY, COLOUR = (1, 28, 28), (3, 16, 24)


@pytest.fixture
def photos(tmp_path):
    return write_files(tmp_path / "photos", {f"{k}.png": encoded(noise(k, 20 + k, 30)) for k in range(4)})


@pytest.fixture
def drawings(tmp_path):
    return write_files(tmp_path / "drawings", {f"{k}.png": encoded(noise(k, 20, 20, 1)) for k in range(3)})


def test_pictures_take_the_models_size_and_its_colours(photos, drawings):
    for place in (photos, str(photos)):
        text = fitted_pictures(place, COLOUR)
        assert text == f"pictures,image_size=16x24,mode=RGB:{photos}"
        assert open_data(text).sample_shape == COLOUR
    assert open_data(fitted_pictures(drawings, COLOUR)).sample_shape == COLOUR  # grey as RGB
    assert open_data(fitted_pictures(drawings, (4, 8, 8))).sample_shape == (4, 8, 8)


def test_a_grey_models_pictures_keep_their_colours(photos, drawings):
    assert fitted_pictures(photos, GREY) == f"pictures,image_size=28:{photos}"
    assert open_data(fitted_pictures(photos, GREY)).sample_shape == (3, 28, 28)
    assert open_data(fitted_pictures(drawings, GREY)).sample_shape == GREY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pictures,image_size=64:{}", "pictures,image_size=64,mode=RGB:{}"),
        ("pictures,mode=grey:{}", "pictures,image_size=16x24,mode=grey:{}"),
        (
            "pictures@test,resize=pad,held_out=0.5:{}",
            "pictures@test,image_size=16x24,resize=pad,mode=RGB,held_out=0.5:{}",
        ),
    ],
)
def test_what_the_text_states_stays(photos, text, expected):
    assert fitted_pictures(text.format(photos), COLOUR) == expected.format(photos)


def test_archives_are_pictures_too(tmp_path):
    archive = write_zip(tmp_path / "some.zip", {"a.png": encoded(noise(0)), "b.png": encoded(noise(1))})
    assert open_data(fitted_pictures(archive, COLOUR)).sample_shape == COLOUR


def test_other_data_stays_what_it_is(tmp_path):
    pixels = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "some.npz", samples=pixels)
    pairs = tmp_path / "maps"
    for side in "AB":
        (pairs / side).mkdir(parents=True)
        Image.fromarray(pixels[0]).save(pairs / side / "0.png")
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(12))
    others = [tmp_path / "some.npz", pairs, tmp_path / "idx", "ring", "torchvision:MNIST", f"pairs:{pairs}", pixels]
    for data in [*others, torch.zeros(2, 3), str(tmp_path / "nowhere")]:
        assert fitted_pictures(data, COLOUR) is data
    assert fitted_pictures(str(tmp_path), (2,)) == str(tmp_path)


def test_classes_of_letters_are_pictures_and_what_looks_like_pairs_stays(tmp_path):
    letters = write_files(tmp_path / "letters", {f"{c}/{k}.png": encoded(noise(k)) for c in "ABC" for k in range(2)})
    assert fitted_pictures(letters, COLOUR) == f"pictures,image_size=16x24,mode=RGB:{letters}"
    sides = {f"{side}/{k}.png": encoded(noise(k)) for side in "AB" for k in range(2)}
    split = {f"{part}/{name}": content for part in ("train", "test") for name, content in sides.items()}
    archive, folder = write_zip(tmp_path / "ab.zip", sides), write_files(tmp_path / "ab", split)
    for data in (archive, folder):
        assert fitted_pictures(data, COLOUR) is data
        with pytest.raises(DataError, match="has the folders A and B"):
            open_data(data)
    stated = f"pictures:{folder}"
    assert fitted_pictures(stated, COLOUR) == f"pictures,image_size=16x24,mode=RGB:{folder}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0, 0o444, 0o111])
def test_a_folder_that_may_not_be_read_is_refused_in_a_sentence(photos, mode):
    for path in photos.parents:
        if path != path.parent:
            path.chmod(path.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
    photos.chmod(mode)
    os.seteuid(65534)
    try:
        for opened in (open_data, lambda data: open_data(fitted_pictures(data, COLOUR))):
            with pytest.raises(DataError, match=r"cannot (be )?read"):
                opened(photos)
    finally:
        os.seteuid(0)
        photos.chmod(0o755)


def test_a_registered_name_wins_over_a_folder(tmp_path, monkeypatch, photos):
    monkeypatch.chdir(tmp_path)
    photos.rename(tmp_path / "ring")
    assert fitted_pictures("ring", COLOUR) == "ring"
    assert fitted_pictures("./ring", COLOUR) == "pictures,image_size=16x24,mode=RGB:ring"
