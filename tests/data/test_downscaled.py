"""Pairs of pictures and smaller ones of themselves."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.downscaled import downscaled
from ganzoo.data.flips import check_flips, flip_and_shift
from ganzoo.data.loading import open_data
from ganzoo.data.npz import write_npz
from ganzoo.errors import ConfigError, DataError, InputError


def pictures(n=5, channels=3, size=(12, 8), seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, *size), dtype=torch.uint8, generator=rng)


def test_box_sources_are_the_means_of_squares():
    table = downscaled(table_from_arrays(pictures()), 4, filter="box")
    squares = pictures().double().unflatten(3, (2, 4)).unflatten(2, (3, 4))  # (N, C, 3, 4, 2, 4)
    assert torch.equal(table.sources, squares.mean(dim=(3, 5)).round().to(torch.uint8))
    assert torch.equal(table.samples, pictures())
    assert table.condition.shape == (3, 3, 2)


def test_bicubic_sources_are_pillow_s():
    table = downscaled(table_from_arrays(pictures(size=(32, 24))), 2)
    for sample, source in zip(table.samples, table.sources, strict=True):
        image = Image.fromarray(sample.permute(1, 2, 0).numpy()).resize((12, 16), Image.Resampling.BICUBIC)
        theirs = torch.from_numpy(np.array(image)).permute(2, 0, 1).int()
        assert (source.int() - theirs).abs().max() <= 1  # Pillow computes with whole numbers


@pytest.mark.parametrize("filter", ["bicubic", "box"])
def test_one_colour_stays_and_a_mirror_image_gives_the_mirror_image(filter):
    for value in (0, 37, 255):
        flat = torch.full((1, 1, 8, 8), value, dtype=torch.uint8)
        assert downscaled(table_from_arrays(flat), 2, filter=filter).sources.unique().tolist() == [value]
    table = downscaled(table_from_arrays(pictures()), 2, filter=filter)
    mirrored = downscaled(table_from_arrays(pictures().flip(3)), 2, filter=filter)
    assert (mirrored.sources.int() - table.sources.flip(3).int()).abs().max() <= 1


def test_sources_of_floats_stay_in_range():
    values = (pictures(size=(16, 16)) > 127).float() * 4 - 3  # -3 or 1
    table = downscaled(table_from_arrays(values, value_range=(-3, 1)), 4)
    assert table.sources.dtype == torch.float32
    low, high = table.sources.aminmax()
    assert low >= -3
    assert high <= 1
    batch = table.batch(torch.tensor([2, 0]))
    assert batch.condition.shape == (2, 3, 4, 4)
    assert torch.equal(batch.target, batch.sample)


def test_rows_are_scaled_down_alike_wherever_they_are():
    many = pictures(n=300, channels=1, size=(4, 4))
    whole = downscaled(table_from_arrays(many), 2).sources
    parts = [downscaled(table_from_arrays(part), 2).sources for part in many.split(70)]
    assert torch.equal(whole, torch.cat(parts))


def test_labels_and_other_sources_are_left_out():
    labelled = table_from_arrays(pictures(), torch.arange(5) % 2, class_names=["a", "b"])
    assert downscaled(labelled, 2).labels is None
    assert downscaled(labelled, 2).class_names == ()
    paired = table_from_arrays(pictures(), sources=pictures(channels=1))
    assert torch.equal(downscaled(paired, 2).sources, downscaled(table_from_arrays(pictures()), 2).sources)
    assert downscaled(replace(paired, paired=False), 2).paired


def test_text_opens_any_pictures_and_opens_again(tmp_path):
    write_npz(table_from_arrays(pictures(), name="some"), tmp_path / "some.npz")
    table = open_data(f"downscaled,factor=4,filter=box:{tmp_path / 'some.npz'}")
    assert table.name == "some-x4"
    assert table.source == f"downscaled,factor=4,filter=box:{tmp_path / 'some.npz'}"
    assert torch.equal(table.sources, downscaled(table_from_arrays(pictures()), 4, filter="box").sources)
    assert open_data(table.source).fingerprint() == table.fingerprint()
    assert open_data(f"downscaled:{tmp_path / 'some.npz'}").sources.shape == (5, 3, 6, 4)


def test_a_split_is_that_of_the_data_inside(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for i in range(3):
            (tmp_path / "photos" / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
                tmp_path / "photos" / split / f"{i}.png"
            )
    plain = {split: open_data(tmp_path / "photos", split=split) for split in ("train", "test")}
    for split, table in plain.items():
        by_argument = open_data(f"downscaled:{tmp_path / 'photos'}", split=split)
        by_text = open_data(f"downscaled,factor=2:pictures@{split}:{tmp_path / 'photos'}")
        for opened in (by_argument, by_text, open_data(by_argument.source)):
            assert torch.equal(opened.samples, table.samples)
            assert opened.sources.shape == (3, 3, 4, 4)


def test_a_registered_set_can_be_scaled_down():
    table = open_data("downscaled,factor=4:mnist-test")
    assert (table.name, table.source) == ("mnist-test-x4", "downscaled,factor=4:mnist-test")
    assert table.sources.shape == (10_000, 1, 7, 7)
    assert table.license == open_data("mnist-test").license


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("downscaled:", InputError, "names no data; give 'downscaled:DATA'"),
        ("downscaled,factor=2", InputError, "names no data"),
        (
            "downscaled,factr=2:ring",
            InputError,
            "the option 'factr' of 'downscaled,factr=2:ring' is unknown; did you mean 'factor'",
        ),
        (
            "downscaled,factor=2,factor=2:ring",
            InputError,
            "the option 'factor' of 'downscaled,factor=2,factor=2:ring' is there twice",
        ),
        ("downscaled,factor=1:mnist-test", InputError, "it takes a whole number from 2 to 64"),
        ("downscaled,factor=2.5:mnist-test", InputError, "it takes a whole number from 2 to 64"),
        ("downscaled,factor=x:mnist-test", InputError, "it takes a whole number from 2 to 64"),
        ("downscaled,filter=lanczos:mnist-test", InputError, "filter is 'lanczos'; use 'bicubic', 'box'"),
        (
            "downscaled,factor=3:mnist-test",
            DataError,
            "28x28 pixels (height x width), which are no multiples of the factor 3",
        ),
        ("downscaled,factor=32:mnist-test", DataError, "image_size=32x32"),
        (
            "downscaled:ring",
            DataError,
            "ring has samples of shape (2,), and only pictures (C, H, W) can be scaled down",
        ),
        ("downscaled:downscaled:mnist-test", InputError, "scales down twice"),
        ("downscaled:nowhere/at-all", DataError, "there is no folder or file"),
    ],
)
def test_refusals_say_what_would_do(text, error, message):
    with pytest.raises(error) as refused:
        open_data(text)
    assert message in str(refused.value)


def test_pairs_of_two_sizes_are_mirrored_together_and_not_shifted():
    table = downscaled(table_from_arrays(pictures(size=(8, 8))), 2, filter="box")
    check_flips(table, flip=True, shift=0)
    with pytest.raises(ConfigError, match="leave out shift"):
        check_flips(table, flip=True, shift=1)
    batch = table.batch(torch.arange(5))
    moved = flip_and_shift(batch, flip=True, shift=0, rng=torch.Generator().manual_seed(1))
    turned = [not torch.equal(*pair) for pair in zip(moved.sample, batch.sample, strict=True)]
    assert 0 < sum(turned) < 5
    for i, is_turned in enumerate(turned):
        expected = batch.condition[i].flip(2) if is_turned else batch.condition[i]
        assert torch.equal(moved.condition[i], expected)


def test_a_model_for_one_size_refuses_them_in_a_sentence():
    with pytest.raises(ConfigError, match="pix2pix: the sources are 8x8 and the pictures 16x16; they need one size"):
        ganzoo.Trainer("pix2pix", "non_saturating", downscaled(table_from_arrays(pictures(size=(16, 16))), 2), images=8)
