import math

import pytest
import torch

from ganzoo.augmentations.instance_noise import InstanceNoise
from ganzoo.errors import ConfigError


def augment(augmentation, samples, images=0, seed=0):
    found, source = augmentation.augment(samples, None, torch.Generator().manual_seed(seed), state={}, images=images)
    assert source is None
    return found


@pytest.mark.parametrize(("images", "left"), [(0, 1.0), (50_000, 0.75), (100_000, 0.5), (200_000, 0)])
def test_the_deviation_falls_in_a_line(images, left):
    noise = InstanceNoise(0.4, until=200_000)
    assert noise.deviation_after(images) == pytest.approx(0.4 * left, rel=1e-9)
    assert float(noise.numbers({}, images)["augment_deviation"]) == pytest.approx(0.4 * left, rel=1e-6)


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 16), (3, 8, 8)])
@pytest.mark.parametrize(("images", "deviation"), [(0, 0.5), (600, 0.2)])
def test_noise_has_the_variance_of_its_time(shape, images, deviation):
    given = torch.zeros(200_000 // math.prod(shape), *shape)
    found = augment(InstanceNoise(0.5, until=1000), given, images).flatten()
    assert float(found.mean()) == pytest.approx(0, abs=4 * deviation / math.sqrt(len(found)))
    assert float(found.std()) == pytest.approx(deviation, rel=4 / math.sqrt(2 * len(found)))


def test_after_the_end_it_is_the_identity():
    given = torch.randn(4, 3, 8, 8)
    for images in (1000, 1001, 10**9):
        assert torch.equal(augment(InstanceNoise(0.5, until=1000), given, images), given)
    assert torch.equal(augment(InstanceNoise(0.0, until=1000), given), given)


def test_it_falls_over_the_budget_unless_told_otherwise():
    assert InstanceNoise(0.3).resolved(64_000) == InstanceNoise(0.3, until=64_000)
    assert InstanceNoise(0.3, until=10).resolved(64_000) == InstanceNoise(0.3, until=10)


def test_gradients_are_right():
    given = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augment(InstanceNoise(0.5, until=9), x), given, fast_mode=True)


@pytest.mark.parametrize("numbers", [{"deviation": -0.1}, {"deviation": math.inf}, {"until": -1}, {"until": 1.5}])
def test_refused_by_name(numbers):
    with pytest.raises(ConfigError, match="instance_noise: "):
        InstanceNoise(**numbers)
