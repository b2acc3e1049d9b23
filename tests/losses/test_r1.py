import math

import pytest
import torch
from torch import nn

from ganzoo.errors import ConfigError
from ganzoo.losses.r1 import R1
from ganzoo.losses.term import squared_gradient_norm
from ganzoo.randomness import generator

SHAPES = [(1,), (2,), (1, 64), (3, 8, 6)]


def samples(shape, n=5, seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def penalty(term, discriminator, real, fake=None):
    return term.penalty(discriminator, real, real if fake is None else fake, generator(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_r1_of_a_linear_discriminator_is_the_norm_of_its_weight(shape):
    weight = samples(shape, n=1)[0]
    value = penalty(R1(10), lambda x: (x * weight).flatten(1).sum(1) + 3, samples(shape, seed=1))
    assert value.shape == ()
    assert value.item() == pytest.approx(5 * weight.square().sum().item(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_r1_of_a_quadratic_discriminator_is_the_mean_of_squared_norms(shape):
    real = samples(shape)
    value = penalty(R1(3), lambda x: x.flatten(1).square().sum(1) / 2, real)
    assert value.item() == pytest.approx(1.5 * real.flatten(1).square().sum(1).mean().item(), rel=1e-12)


def test_the_norm_is_each_sample_s_own():
    real = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]])
    assert squared_gradient_norm(lambda x: x.square().sum(1) / 2, real).tolist() == [25, 1, 0]


@pytest.mark.parametrize("shape", [(2,), (3, 8, 6)])
def test_r1_of_patches_is_that_of_their_mean(shape):
    real, weight = samples(shape), samples(shape, n=1, seed=2)[0]

    def patches(x):
        logit = (x * weight).flatten(1).square().sum(1)[:, None, None, None]
        return logit * torch.tensor([[0.5, 1.5], [0.0, 2.0]], dtype=x.dtype)

    value = penalty(R1(1), patches, real)
    mean = penalty(R1(1), lambda x: (x * weight).flatten(1).square().sum(1), real)
    assert value.item() == pytest.approx(mean.item(), rel=1e-12)


def test_r1_looks_at_real_samples_alone():
    real, fake = samples((2,)), samples((2,), seed=1)

    def discriminator(x):
        return x.square().sum(1)

    assert penalty(R1(1), discriminator, real, fake) == penalty(R1(1), discriminator, real, fake * math.nan)


def test_r1_can_be_descended():
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    real = samples((2,))
    assert torch.autograd.gradcheck(
        lambda weight: penalty(
            R1(2), lambda x: torch.func.functional_call(network, {"0.weight": weight}, x).squeeze(1), real
        ),
        network[0].weight.detach().clone().requires_grad_(),
    )


def test_r1_leaves_the_samples_it_is_given_alone():
    real = samples((2,))
    penalty(R1(), lambda x: x.square().sum(1), real)
    assert not real.requires_grad
    assert real.grad is None


@pytest.mark.parametrize("arguments", [(-1,), (math.nan,), (math.inf,), (1, 0), (1, -3)])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ConfigError, match=r"^r1: gamma is .* it takes gamma >= 0 and every >= 1"):
        R1(*arguments)
