"""DiffAugment, part by part: each alone, with its closed form."""

import math

import pytest
import torch

from ganzoo.augmentations.diffaugment import DiffAugment, shifted
from ganzoo.errors import ConfigError

NONE = {"brightness": 0, "saturation": 0, "contrast": 0, "translation": 0, "cutout": 0}


def only(**numbers):
    return DiffAugment(**{**NONE, **numbers})


def pictures(n=4, channels=3, side=8, width=None, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, side, width or side, generator=rng, dtype=torch.float64) * 2 - 1


def augment(augmentation, samples, source=None, seed=0):
    return augmentation.augment(samples, source, torch.Generator().manual_seed(seed), state={}, images=0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_with_all_left_out_it_is_the_identity(channels):
    given = pictures(channels=channels).float()
    assert torch.equal(augment(only(), given)[0], given)


def test_brightness_is_one_uniform_number_for_each_picture():
    given = pictures(4000, side=2)
    added = augment(only(brightness=0.5), given)[0] - given
    each = added[:, 0, 0, 0]
    assert torch.allclose(added, each.reshape(-1, 1, 1, 1).expand_as(added), atol=1e-12)
    assert -0.5 <= float(each.min()) < -0.49
    assert 0.49 < float(each.max()) <= 0.5
    deviation = 0.5 / math.sqrt(3)
    assert abs(float(each.mean())) < 4 * deviation / math.sqrt(4000)
    assert float(each.std()) == pytest.approx(deviation, rel=0.03)


def test_saturation_scales_the_distance_to_grey():
    given = pictures(1000)
    found = augment(only(saturation=1), given)[0]
    grey, found_grey = given.mean(1, keepdim=True), found.mean(1, keepdim=True)
    assert torch.allclose(grey, found_grey, atol=1e-12)
    factors = ((found - grey) / (given - grey)).flatten(1)
    assert torch.allclose(factors, factors[:, :1].expand_as(factors), atol=1e-6)
    assert 0 <= float(factors.min()) < 0.05
    assert 1.95 < float(factors.max()) <= 2 + 1e-6
    assert float(factors[:, 0].mean()) == pytest.approx(1, abs=4 / math.sqrt(3 * 1000))


def test_contrast_scales_the_distance_to_the_pictures_mean():
    given = pictures(1000)
    found = augment(only(contrast=0.5), given)[0]
    mean = given.mean((1, 2, 3), keepdim=True)
    assert torch.allclose(found.mean((1, 2, 3), keepdim=True), mean, atol=1e-12)
    factors = ((found - mean) / (given - mean)).flatten(1)
    assert torch.allclose(factors, factors[:, :1].expand_as(factors), atol=1e-6)
    assert 0.5 <= float(factors[:, 0].min()) < 0.52
    assert 1.48 < float(factors[:, 0].max()) <= 1.5


@pytest.mark.parametrize(("channels", "colours"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_alpha_keeps_its_values_and_grey_has_no_saturation(channels, colours):
    given = pictures(channels=channels)
    found = augment(only(brightness=0.5, saturation=1, contrast=0.5), given)[0]
    assert torch.equal(found[:, colours:], given[:, colours:])
    assert not torch.allclose(found[:, :colours], given[:, :colours])
    if colours == 1:
        assert torch.equal(augment(only(saturation=1), given)[0], given)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, -2), (-3, 5), (8, 0), (0, -6), (99, 99)])
def test_a_known_shift_moves_pixels_and_brings_in_zeros(down, right):
    given = pictures(2, side=8, width=6)
    found = shifted(given, torch.tensor([[down, 0], [right, 0]]))
    expected = torch.zeros_like(given[0])
    for row in range(8):
        for column in range(6):
            if 0 <= row - down < 8 and 0 <= column - right < 6:
                expected[:, row, column] = given[0, :, row - down, column - right]
    assert torch.equal(found[0], expected)
    assert torch.equal(found[1], given[1])


def test_translation_is_uniform_over_whole_pixels_up_to_an_eighth():
    marked = torch.zeros(2000, 1, 16, 24)
    marked[:, :, 8, 12] = 1
    found = augment(only(translation=0.125), marked)[0]
    _, _, rows, columns = found.nonzero(as_tuple=True)
    for places, centre, farthest in ((rows, 8, 2), (columns, 12, 3)):
        values, counts = (places - centre).unique(return_counts=True)
        assert values.tolist() == list(range(-farthest, farthest + 1))
        expected = 2000 / len(values)
        assert float(((counts - expected) ** 2 / expected).sum()) < 25  # chi squared, 4 or 6 degrees of freedom


def test_cutout_hides_a_rectangle_of_half_of_each_side_and_the_expected_area():
    side, width, n = 8, 12, 4000
    found = augment(only(cutout=0.5), torch.ones(n, 2, side, width))[0]
    assert set(found.unique().tolist()) == {0.0, 1.0}
    hidden = found == 0
    assert torch.equal(hidden[:, 0], hidden[:, 1])

    def covered(length, cut):  # on average, a stretch around a uniform pixel covers so many
        return sum(max(0, min(c - cut // 2 + cut, length) - max(c - cut // 2, 0)) for c in range(length)) / length

    area = hidden[:, 0].sum((1, 2)).double()
    expected = covered(side, 4) * covered(width, 6)
    assert float(area.mean()) == pytest.approx(expected, abs=4 * float(area.std()) / math.sqrt(n))
    assert int(area.max()) == 4 * 6
    assert torch.equal(hidden.any(2).sum(2) * hidden.any(3).sum(2), hidden.sum((2, 3)))  # a rectangle each time


def test_a_source_moves_along_and_keeps_its_colours():
    given = pictures(32)
    source = pictures(32, channels=1, seed=1)
    found, moved = augment(only(translation=0.25, cutout=0.5), torch.cat([given, source], 1)[:, :3], source)
    alone, _ = augment(only(translation=0.25, cutout=0.5), torch.cat([source, given], 1))
    assert torch.equal(torch.cat([moved, found], 1), alone)
    found, moved = augment(only(brightness=0.5, contrast=0.5), given, source)
    assert torch.equal(moved, source)
    assert not torch.equal(found, given)


@pytest.mark.parametrize("part", NONE)
@pytest.mark.parametrize("channels", [1, 4])
def test_gradients_are_right_twice(part, channels):
    augmentation = only(**{part: 0.5})
    given = pictures(2, channels=channels, side=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(augmentation, x)[0], given, fast_mode=True)
    # Squared, because the map itself is linear.
    assert torch.autograd.gradgradcheck(lambda x: augment(augmentation, x)[0].square(), given, fast_mode=True)


@pytest.mark.parametrize(
    "numbers",
    [
        {"brightness": -0.1},
        {"brightness": math.inf},
        {"brightness": math.nan},
        {"saturation": 1.1},
        {"contrast": 2},
        {"translation": 1.5},
        {"cutout": -1},
        {"cutout": "half"},
        {"cutout": True},
    ],
)
def test_refused_by_name(numbers):
    with pytest.raises(ConfigError, match=f"diffaugment: {next(iter(numbers))} is"):
        DiffAugment(**numbers)
