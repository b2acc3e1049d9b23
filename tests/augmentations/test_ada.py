"""ADA: how p moves, and what is done to pictures at a known p."""

import math

import pytest
import torch

from ganzoo.augmentations.ada import AdaptiveAugmentation
from ganzoo.augmentations.resampling import rotation, scaling, translation, warped
from ganzoo.errors import ConfigError


def pictures(n=4, channels=3, side=8, width=None, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, side, width or side, generator=rng, dtype=torch.float64) * 2 - 1


def fixed(p=1.0, blit=0.0, geometry=0.0, colour=0.0):
    return AdaptiveAugmentation(p=p, rise=0, blit=blit, geometry=geometry, colour=colour)


def augment(augmentation, samples, source=None, seed=0, state=None):
    state = augmentation.initial_state() if state is None else state
    return augmentation.augment(samples, source, torch.Generator().manual_seed(seed), state=state, images=0)


def each(*values):
    return [torch.tensor([value], dtype=torch.float64) for value in values]


def is_normal(values, deviation):
    """Tell whether numbers have mean 0 and a deviation, within four standard errors."""
    count = len(values)
    mean_fits = abs(float(values.mean())) < 4 * deviation / math.sqrt(count)
    return mean_fits and abs(float(values.std()) / deviation - 1) < 4 / math.sqrt(2 * count)


# How p moves.


def watched(augmentation, batches, logits):
    state = augmentation.initial_state()
    found = []
    for _ in range(batches):
        state = augmentation.observed(state, logits)
        found.append(float(state["p"]))
    return found


def test_p_moves_every_four_batches_by_the_images_since():
    ada = AdaptiveAugmentation(rise=1000)
    steps = watched(ada, 12, torch.full((16,), 2.0))
    assert steps == pytest.approx([0, 0, 0, 0.064] + [0.064] * 3 + [0.128] * 4 + [0.192], abs=1e-12)
    assert watched(AdaptiveAugmentation(), 4, torch.ones(64))[-1] == pytest.approx(256 / 500_000)


@pytest.mark.parametrize(
    ("share", "moves"), [(1.0, 1), (0.85, 1), (0.8, 0), (0.75, -1), (0.0, -1)]
)  # r_t of 1, 0.7, 0.6, 0.5 and -1
def test_p_rises_above_the_target_and_falls_below_it(share, moves):
    logits = torch.where(torch.arange(100) < 100 * share, 3.0, -0.5)
    ada = AdaptiveAugmentation(rise=1000, p=0.5, every=1)
    state = ada.observed(ada.initial_state(), logits)
    assert float(state["p"]) == pytest.approx(0.5 + 0.1 * moves, abs=1e-12)
    assert float(ada.numbers(state, 0)["augment_r_t"]) == pytest.approx(2 * share - 1)


def test_r_t_is_the_mean_over_the_batches_since():
    ada = AdaptiveAugmentation(rise=1000, p=0.5, every=2, target=0.1)
    state = ada.observed(ada.initial_state(), torch.ones(8))
    state = ada.observed(state, -torch.ones(8))
    assert float(state["r_t"]) == 0
    assert float(state["p"]) == pytest.approx(0.5 - 16 / 1000)
    assert [int(state[name]) for name in ("signs", "logits", "images", "batches")] == [0] * 4


def test_p_stays_within_0_and_1():
    assert watched(AdaptiveAugmentation(rise=40, every=1), 6, torch.ones(16)) == [0.4, 0.8, 1, 1, 1, 1]
    assert watched(AdaptiveAugmentation(rise=40, every=1, p=0.5), 3, -torch.ones(16))[1:] == [0, 0]


def test_patches_count_each_and_images_once():
    ada = AdaptiveAugmentation(rise=1000, every=1)
    state = ada.observed(ada.initial_state(), torch.ones(16, 1, 3, 3))
    assert float(state["p"]) == pytest.approx(0.016)


def test_p_stays_where_it_is_asked_to():
    assert watched(AdaptiveAugmentation(p=0.3, rise=0), 8, torch.ones(16)) == [0.3] * 8


# What is done to pictures.


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_at_p_0_it_is_the_identity(channels):
    given = pictures(64, channels=channels).float()
    assert torch.equal(augment(AdaptiveAugmentation(), given)[0], given)


@pytest.mark.parametrize("group", ["blit", "geometry", "colour"])
def test_about_as_many_pictures_change_as_p_says(group):
    given, p, n = pictures(2000).float(), 0.2, 2000
    found = augment(fixed(p, **{group: 1.0}), given)[0]
    share = float((found != given).flatten(1).any(1).float().mean())
    # Half of the mirrors and luma flips, and a quarter of the quarter turns, change nothing, nor does a shift that is
    # rounded to 0 both ways: on 8 pixels, a side moves by -1, 0 or 1 with probabilities 1/4, 1/2, 1/4.
    same = {
        "blit": (1 - p / 2) * (1 - p * 3 / 4) * (1 - p * 3 / 4),
        "geometry": (1 - p) ** 4,
        "colour": (1 - p) ** 4 * (1 - p / 2),
    }[group]
    assert share == pytest.approx(1 - same, abs=4 * math.sqrt(same * (1 - same) / n))


def test_blits_only_move_pixels():
    given = pictures(200, side=8)
    found = augment(fixed(blit=1.0), given)[0]
    for before, after in zip(given, found, strict=True):
        colours = {tuple(colour) for colour in before.flatten(1).T.round(decimals=6).tolist()}
        assert {tuple(colour) for colour in after.flatten(1).T.round(decimals=6).tolist()} <= colours


def test_mirrors_and_quarter_turns_are_uniform():
    given = pictures(1, channels=1, side=6).expand(4000, -1, -1, -1)
    found = augment(fixed(blit=1.0), given)[0]
    unshifted = given[0]
    counts = []
    for mirrored in (unshifted, unshifted.flip(2)):
        counts += [
            float(torch.isclose(found, mirrored.rot90(turns, (1, 2))).all((1, 2, 3)).sum()) for turns in range(4)
        ]
    assert min(counts) > 0
    expected = sum(counts) / 8
    assert sum((count - expected) ** 2 / expected for count in counts) < 30  # chi squared, 7 degrees of freedom


def test_pictures_that_are_not_square_are_turned_by_halves():
    given = pictures(1, channels=1, side=4, width=6).expand(500, -1, -1, -1)
    found = augment(fixed(blit=1.0), given)[0]
    values = given.unique()
    assert torch.isclose(found.flatten().unsqueeze(1), values, atol=1e-9).any(1).all()


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
def test_quarter_turns_are_exact(turns):
    given = pictures()
    found = warped(given, rotation(*each(turns * math.pi / 2)).expand(4, -1, -1))
    assert torch.allclose(found, given.rot90(-turns, (2, 3)), atol=1e-9)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (-2, 1), (0, 3)])
def test_a_shift_by_whole_pixels_brings_in_the_mirrored_picture(right, down):
    given = pictures(1, side=8, width=6)
    found = warped(given, translation(*each(right, down)))
    tiled = torch.cat([given.flip(2), given, given.flip(2)], 2)
    tiled = torch.cat([tiled.flip(3), tiled, tiled.flip(3)], 3)
    assert torch.allclose(found, tiled[:, :, 8 - down : 16 - down, 6 - right : 12 - right], atol=1e-9)


def test_half_a_pixel_on_a_ramp_is_half_a_step():
    ramp = torch.arange(12.0, dtype=torch.float64).expand(1, 1, 12, 12)
    found = warped(ramp, translation(*each(0.5, 0)))
    assert torch.allclose(found[..., 3:-3], ramp[..., 3:-3] - 0.5, atol=1e-9)


def test_scaling_by_two_doubles_the_size():
    square = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    square[..., 6:10, 6:10] = 1
    found = warped(square, scaling(*each(2, 2)))
    assert float(found.sum()) == pytest.approx(4 * 16, rel=0.02)
    assert found[..., 4:12, 4:12].min() > 0.4
    assert torch.allclose(warped(torch.ones_like(square), scaling(*each(0.3, 3))), torch.ones_like(square))


def test_geometry_has_the_papers_distributions():
    n, size = 4000, torch.Size([16, 24])
    maps = fixed()._geometry(1.0, torch.Generator().manual_seed(0), n, size)
    assert is_normal(maps[:, 0, 2], 0.125 * 24)
    assert is_normal(maps[:, 1, 2], 0.125 * 16)
    longer, shorter = torch.linalg.svdvals(maps[:, :2, :2]).log2().unbind(1)
    assert is_normal((longer + shorter) / 2, 0.2)  # one size for both directions
    stretch = (longer - shorter) / 2  # |0.2 n|
    assert float(stretch.mean()) == pytest.approx(0.2 * math.sqrt(2 / math.pi), rel=0.05)
    turned = torch.atan2(maps[:, 1, 0] - maps[:, 0, 1], maps[:, 0, 0] + maps[:, 1, 1])
    assert is_normal(turned, math.pi / math.sqrt(3))  # the deviation of a uniform angle


def test_one_of_both_turns_comes_with_probability_p():
    n, p = 4000, 0.3
    maps = fixed()._geometry(p, torch.Generator().manual_seed(0), n, torch.Size([8, 8]))
    is_turned = (maps[:, 0, 1].abs() + maps[:, 1, 0].abs()) > 1e-12
    assert float(is_turned.double().mean()) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))


def test_a_grey_is_brightened_contrasted_and_inverted():
    given = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(4000, 1, 1, 2)
    found = augment(fixed(colour=1.0), given)[0].flatten(1)
    slope = found[:, 1] - found[:, 0]
    assert is_normal(found[:, 0] / slope, 0.2)
    assert is_normal(slope.abs().log2(), 0.5)
    assert float((slope < 0).double().mean()) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(4000))


def test_colours_are_turned_about_grey_and_saturated():
    n = 4000
    basis = torch.cat([torch.zeros(3, 1), torch.eye(3)], dim=1).double()
    found = augment(fixed(colour=1.0), basis.reshape(1, 3, 1, 4).expand(n, -1, -1, -1))[0].squeeze(2)
    linear = found[:, :, 1:] - found[:, :, :1]
    grey = torch.full((3, 1), 1 / math.sqrt(3), dtype=torch.float64)
    kept = linear @ grey  # greys stay greys
    luma = (kept * grey).sum((1, 2))
    assert torch.allclose(kept, luma.reshape(-1, 1, 1) * grey, atol=1e-9)
    assert is_normal(luma.abs().log2(), 0.5)
    assert float((luma < 0).double().mean()) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(n))
    across = torch.tensor([[1.0], [-1.0], [0.0]], dtype=torch.float64) / math.sqrt(2)
    turned = linear @ across
    assert (turned * grey).sum((1, 2)).abs().max() < 1e-9
    length = turned.norm(dim=1).squeeze(1)
    assert is_normal((length / luma.abs()).log2(), 1.0)
    cosine = (turned * across).sum((1, 2)) / length
    assert float(cosine.mean()) == pytest.approx(0, abs=4 * math.sqrt(0.5 / n))
    assert float(cosine.square().mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("channels", "colours"), [(2, 1), (4, 3)])
def test_alpha_keeps_its_values(channels, colours):
    given = pictures(16, channels=channels)
    found = augment(fixed(colour=1.0), given)[0]
    assert torch.equal(found[:, colours:], given[:, colours:])
    assert not torch.allclose(found[:, :colours], given[:, :colours])


def test_a_source_moves_along_and_keeps_its_colours():
    given, source = pictures(32), pictures(32, channels=1, seed=1)
    ada = fixed(0.7, blit=1.0, geometry=1.0)
    found, moved = augment(ada, given, source)
    assert torch.equal(torch.cat([moved, found], 1), augment(ada, torch.cat([source, given], 1))[0])
    found, moved = augment(fixed(colour=1.0), given, source)
    assert torch.equal(moved, source)
    assert not torch.equal(found, given)


@pytest.mark.parametrize("group", ["blit", "geometry", "colour"])
@pytest.mark.parametrize("channels", [1, 4])
def test_gradients_are_right_twice(group, channels):
    ada = fixed(0.9, **{group: 1.0})
    given = pictures(2, channels=channels, side=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(ada, x, seed=1)[0], given, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: augment(ada, x, seed=1)[0].square(), given, fast_mode=True)


@pytest.mark.parametrize(
    "numbers",
    [
        {"target": 1.0},
        {"target": math.nan},
        {"p": 1.1},
        {"p": -0.1},
        {"blit": 2},
        {"geometry": math.nan},
        {"colour": -1},
        {"rise": -1},
        {"rise": 1.5},
        {"every": 0},
    ],
)
def test_refused_by_name(numbers):
    with pytest.raises(ConfigError, match=f"ada: .*{next(iter(numbers))} is"):
        AdaptiveAugmentation(**numbers)
