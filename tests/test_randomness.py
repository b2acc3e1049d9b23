import math

import numpy as np
import pytest
import torch

from ganzoo import randomness
from ganzoo.errors import InputError


def test_seeds_are_these_on_every_machine():
    assert randomness.hash_seed(0, 0) == 5104172916443561106
    assert randomness.hash_seed(7, "latents", 12) == 5263624880869253998


def test_seeds_differ_by_every_part_and_their_order():
    parts = [(0,), (1,), (-1,), (0, 0), (0, 1), (1, 0), ("0",), ("a", 0), (0, "a"), (2**70,), ("a", "b"), ("ab",)]
    seeds = [randomness.hash_seed(*each) for each in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_numpy_s_integers_are_integers():
    assert randomness.hash_seed(np.int64(3), "a") == randomness.hash_seed(3, "a")
    with pytest.raises(TypeError):
        randomness.hash_seed(3.0)


def test_generators_are_their_seed_s_alone():
    torch.manual_seed(5)
    first = torch.rand(3, generator=randomness.generator(1, "x"))
    torch.manual_seed(6)
    assert torch.equal(first, torch.rand(3, generator=randomness.generator(1, "x")))
    assert not torch.equal(first, torch.rand(3, generator=randomness.generator(1, "y")))


@pytest.mark.parametrize("truncation", [None, 0.7])
@pytest.mark.parametrize("latent_dim", [1, 2, 15, 16, 100])
def test_a_latent_depends_on_seed_and_number_alone(latent_dim, truncation):
    whole = randomness.latents(0, 16, latent_dim, seed=3, truncation=truncation)
    assert whole.shape == (16, latent_dim)
    assert whole.dtype == torch.float32
    for start, stop in [(0, 1), (5, 6), (3, 11), (15, 16), (4, 4)]:
        part = randomness.latents(start, stop, latent_dim, seed=3, truncation=truncation)
        assert torch.equal(part, whole[start:stop])
    assert not torch.equal(whole, randomness.latents(0, 16, latent_dim, seed=4, truncation=truncation))
    assert len(set(map(tuple, whole.tolist()))) == 16


def test_latents_are_standard_normal():
    latents = randomness.latents(0, 1000, 40, seed=0)
    n = latents.numel()
    assert latents.mean().item() == pytest.approx(0, abs=5 / math.sqrt(n))
    assert latents.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / n))
    assert (latents.abs() > 1.96).double().mean().item() == pytest.approx(0.05, abs=5 * math.sqrt(0.05 * 0.95 / n))


@pytest.mark.parametrize("truncation", [1e-6, 0.1, 0.7, 2, 1e6, math.inf])
def test_truncated_latents_stay_in_bounds(truncation):
    latents = randomness.latents(0, 200, 40, seed=0, truncation=truncation)
    assert latents.abs().max() <= truncation
    # The variance of the normal distribution cut off at +-t: 1 - 2 t phi(t) / (2 Phi(t) - 1).
    if 0.05 < truncation < 10:
        density = math.exp(-(truncation**2) / 2) / math.sqrt(2 * math.pi)
        variance = 1 - 2 * truncation * density / math.erf(truncation / math.sqrt(2))
        assert latents.var().item() == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize("truncation", [0, -1, math.nan])
def test_truncation_is_positive(truncation):
    with pytest.raises(InputError, match=r"it takes a positive number, such as 0\.7, or None"):
        randomness.latents(0, 1, 2, seed=0, truncation=truncation)
