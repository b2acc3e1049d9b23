"""What r1, r2 and gradient_penalty have in common, and the values of the last two; those of r1 are in test_r1.py."""

import math
from dataclasses import fields

import pytest
import torch
from registered import terms
from torch import nn

from ganzoo.errors import ConfigError
from ganzoo.losses.gradient_penalty import GradientPenalty
from ganzoo.losses.r1 import R1
from ganzoo.losses.r2 import R2
from ganzoo.losses.term import Penalty
from ganzoo.randomness import generator

SHAPES = [(2,), (3, 8, 6)]
PENALTIES = terms(Penalty)


def samples(shape, n=5, seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(weight):
    return lambda x: (x * weight).flatten(1).sum(1) + 3


def quadratic(x):
    return x.flatten(1).square().sum(1) / 2  # its gradient is x itself


def norms(x):
    return x.flatten(1).square().sum(1).sqrt()


def penalty(term, discriminator, real, fake, seed=0):
    return term.penalty(discriminator, real, fake, generator(seed))


def test_these_are_the_penalties():
    assert set(PENALTIES.values()) == {R1(), R2(), GradientPenalty()}


@pytest.mark.parametrize("shape", SHAPES)
def test_r2_of_a_linear_discriminator_is_the_norm_of_its_weight(shape):
    weight = samples(shape, n=1)[0]
    value = penalty(R2(10), linear(weight), samples(shape, seed=1), samples(shape, seed=2))
    assert value.shape == ()
    assert value.item() == pytest.approx(5 * weight.square().sum().item(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_r2_of_a_quadratic_discriminator_is_the_mean_of_squared_norms_of_fakes(shape):
    real, fake = samples(shape), samples(shape, seed=1)
    value = penalty(R2(3), quadratic, real, fake)
    assert value.item() == pytest.approx(1.5 * norms(fake).square().mean().item(), rel=1e-12)
    assert value == penalty(R2(3), quadratic, real * math.nan, fake)


@pytest.mark.parametrize("shape", SHAPES)
def test_r1_and_r2_are_each_other_with_real_and_fake_exchanged(shape):
    real, fake = samples(shape), samples(shape, seed=1)
    assert penalty(R1(3), quadratic, real, fake) == penalty(R2(3), quadratic, fake, real)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_discriminator_is_that_of_its_weight_s_norm(shape, norm):
    weight = samples(shape, n=1)[0]
    weight *= norm / weight.norm()
    value = penalty(GradientPenalty(7), linear(weight), samples(shape, seed=1), samples(shape, seed=2))
    assert value.shape == ()
    assert value.item() == pytest.approx(7 * (norm - 1) ** 2, rel=1e-9, abs=1e-20)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_penalty_of_a_quadratic_discriminator_is_that_of_the_samples_between(shape):
    real, fake = samples(shape), samples(shape, seed=1)
    mix = torch.rand(5, generator=generator(0)).double().view(5, *[1] * len(shape))
    between = fake + mix * (real - fake)
    value = penalty(GradientPenalty(10), quadratic, real, fake)
    assert value.item() == pytest.approx(10 * (norms(between) - 1).square().mean().item(), rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mix_is_one_number_a_sample(shape):
    real, fake = samples(shape, n=50), samples(shape, n=50, seed=1)
    seen = []

    def discriminator(x):
        seen.append(x.detach())
        return quadratic(x)

    penalty(GradientPenalty(), discriminator, real, fake)
    (between,) = seen
    mix = ((between - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(mix, mix[:, :1].expand_as(mix), rtol=0, atol=1e-9)
    assert 0 <= mix.min() < 0.1 < 0.9 < mix.max() <= 1
    assert len(mix[:, 0].unique()) == 50


def test_a_mix_of_one_would_be_the_real_sample(monkeypatch):
    real, fake = samples((2,)), samples((2,), seed=1)
    monkeypatch.setattr(torch, "rand", lambda shape, generator: torch.ones(shape))
    value = penalty(GradientPenalty(1), quadratic, real, fake)
    assert value.item() == pytest.approx((norms(real) - 1).square().mean().item(), rel=1e-9)


def test_draws_are_the_generator_s_alone():
    real, fake, before = samples((2,)), samples((2,), seed=1), torch.get_rng_state()
    first, again, other = (penalty(GradientPenalty(), quadratic, real, fake, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_the_norm_is_zero(dtype):
    weight = torch.zeros(2, dtype=dtype, requires_grad=True)
    real, fake = samples((2,)).to(dtype), samples((2,), seed=1).to(dtype)
    value = penalty(GradientPenalty(10), lambda x: x @ weight, real, fake)
    value.backward()
    assert value.item() == pytest.approx(10, rel=1e-5)
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_penalty_of_patches_is_that_of_their_mean(name, shape):
    real, fake, weight = samples(shape), samples(shape, seed=1), samples(shape, n=1, seed=2)[0]

    def logits(x):
        return (x * weight).flatten(1).square().sum(1)

    def patches(x):
        return logits(x)[:, None, None, None] * torch.tensor([[0.5, 1.5], [0.0, 2.0]], dtype=x.dtype)

    value = penalty(PENALTIES[name], patches, real, fake)
    assert value.item() == pytest.approx(penalty(PENALTIES[name], logits, real, fake).item(), rel=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_can_be_descended(name):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    real, fake = samples((2,)), samples((2,), seed=1)
    assert torch.autograd.gradcheck(
        lambda weight: penalty(
            PENALTIES[name],
            lambda x: torch.func.functional_call(network, {"0.weight": weight}, x).squeeze(1),
            real,
            fake,
        ),
        network[0].weight.detach().clone().requires_grad_(),
    )


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_leaves_the_samples_it_is_given_alone(name):
    real, fake = samples((2,)), samples((2,), seed=1)
    kept = real.clone(), fake.clone()
    penalty(PENALTIES[name], quadratic, real, fake).item()
    for sample, copy in zip((real, fake), kept, strict=True):
        assert torch.equal(sample, copy)
        assert not sample.requires_grad
        assert sample.grad is None


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_proportional_to_its_strength_and_knows_no_interval(name):
    kind, real, fake = type(PENALTIES[name]), samples((2,)), samples((2,), seed=1)
    once = penalty(kind(1.0), quadratic, real, fake)
    torch.testing.assert_close(penalty(kind(2.5, 16), quadratic, real, fake), 2.5 * once)
    assert kind(1.0, 16).every == 16
    assert once > 0


@pytest.mark.parametrize("arguments", [(-1,), (math.nan,), (math.inf,), (1, 0), (1, -3)], ids=str)
@pytest.mark.parametrize("name", PENALTIES)
def test_arguments_out_of_range_are_refused(name, arguments):
    kind = type(PENALTIES[name])
    strength = fields(kind)[0].name
    with pytest.raises(ConfigError, match=rf"^{name}: {strength} is .* it takes {strength} >= 0 and every >= 1"):
        kind(*arguments)
