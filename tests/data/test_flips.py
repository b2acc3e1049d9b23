import dataclasses

import pytest
import torch
import torch.nn.functional as F

from ganzoo.data.flips import check_flips, flip_and_shift
from ganzoo.data.table import Batch, Table
from ganzoo.errors import ConfigError, InputError


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def moved(batch, *, flip=False, shift=0, seed=7):
    return flip_and_shift(batch, flip=flip, shift=shift, rng=torch.Generator().manual_seed(seed))


def test_half_of_the_samples_are_mirrored():
    sample = draw(400, 1, 2, 3)
    result = moved(Batch(sample), flip=True).sample
    same = (result == sample).flatten(1).all(dim=1)
    mirrored = (result == sample.flip(3)).flatten(1).all(dim=1)
    assert torch.equal(same, ~mirrored)
    assert 150 < int(mirrored.sum()) < 250


def crops(picture, shift):
    """Return every crop of a picture padded with its edges, by hand."""
    height, width = picture.shape[1:]
    padded = F.pad(picture[None], (shift,) * 4, mode="replicate")[0]
    places = [(top, left) for top in range(2 * shift + 1) for left in range(2 * shift + 1)]
    return {place: padded[:, place[0] : place[0] + height, place[1] : place[1] + width] for place in places}


def test_shifts_are_crops_of_the_padded_picture_and_all_occur():
    sample = draw(1, 3, 5, 7).repeat(300, 1, 1, 1)
    result = moved(Batch(sample), shift=2).sample
    expected = crops(sample[0], 2)
    found = [[place for place, crop in expected.items() if torch.equal(crop, each)] for each in result]
    assert all(len(places) == 1 for places in found)
    assert {places[0] for places in found} == set(expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_source_and_target_go_with_the_sample(channels):
    sample = draw(40, 3, 6, 6)
    source = sample[:, :channels] / 2
    result = moved(Batch(sample, source, sample), flip=True, shift=2)
    assert not torch.equal(result.sample, sample)
    assert torch.equal(result.condition, result.sample[:, :channels] / 2)
    assert result.target is result.sample
    other = moved(Batch(sample, source, sample.clone()), flip=True, shift=2)
    assert torch.equal(other.target, result.sample)


def test_pictures_of_different_sizes_are_mirrored_together_and_not_shifted():
    sample = draw(40, 1, 8, 8)
    batch = Batch(sample, F.avg_pool2d(sample, 2), sample)
    result = moved(batch, flip=True)
    assert torch.allclose(result.condition, F.avg_pool2d(result.sample, 2), atol=1e-6)
    with pytest.raises(InputError, match=r"\(4, 4\) and \(8, 8\) pixels cannot be shifted together"):
        moved(batch, shift=1)


@pytest.mark.parametrize("condition", [torch.arange(5), torch.rand(5, 9), None])
def test_other_conditions_are_left_alone(condition):
    result = moved(Batch(draw(5, 1, 4, 4), condition), flip=True, shift=1)
    assert result.condition is condition
    assert result.target is None


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3])
def test_strides_and_dtype_are_kept(memory_format, channels):
    sample = draw(4, channels, 6, 6).to(torch.bfloat16).contiguous(memory_format=memory_format)
    result = moved(Batch(sample), flip=True, shift=1).sample
    assert (result.stride(), result.dtype) == (sample.stride(), sample.dtype)


def test_the_same_draws_give_the_same_and_nothing_asked_draws_nothing():
    batch = Batch(draw(16, 1, 6, 6))
    before = batch.sample.clone()
    assert torch.equal(moved(batch, flip=True, shift=2).sample, moved(batch, flip=True, shift=2).sample)
    assert not torch.equal(moved(batch, shift=2).sample, moved(batch, shift=2, seed=8).sample)
    assert torch.equal(batch.sample, before)
    rng = torch.Generator().manual_seed(0)
    state = rng.get_state()
    assert flip_and_shift(batch, flip=False, shift=0, rng=rng) is batch
    assert torch.equal(rng.get_state(), state)


def test_points_cannot_be_mirrored():
    with pytest.raises(InputError, match=r"shape \(5, 2\); only pictures"):
        moved(Batch(draw(5, 2)), flip=True)


POINTS = Table(torch.zeros(3, 2), name="points")
PICTURES = Table(torch.zeros(3, 1, 8, 6, dtype=torch.uint8), name="pictures")
PAIRS = dataclasses.replace(PICTURES, sources=torch.zeros(3, 1, 4, 3, dtype=torch.uint8), name="pairs")


@pytest.mark.parametrize(
    ("table", "flip", "shift", "message"),
    [
        (POINTS, True, 0, r"points has samples of shape \(2,\), and only pictures"),
        (POINTS, False, 1, "only pictures"),
        (PICTURES, False, 3, "shift is 3, and the pictures of pictures have 8x6 pixels.*less than half"),
        (PICTURES, True, -1, "shift is -1; it takes a whole number"),
        (PICTURES, True, 1.5, "shift is 1.5"),
        (PICTURES, True, True, "shift is True"),
        (PAIRS, True, 1, r"sources of pairs have 4x3 pixels \(height x width\) and its samples 8x6"),
    ],
)
def test_what_cannot_be_done_with_a_table_is_refused(table, flip, shift, message):
    with pytest.raises(ConfigError, match=message):
        check_flips(table, flip, shift)


def test_what_can_be_done_passes():
    check_flips(POINTS, False, 0)
    check_flips(PICTURES, True, 2)
    check_flips(PAIRS, True, 0)
    check_flips(dataclasses.replace(PAIRS, sources=torch.zeros(3, 3, 8, 6, dtype=torch.uint8)), True, 2)
