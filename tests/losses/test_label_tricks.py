import math

import pytest
import torch
from registered import terms

from ganzoo.errors import ConfigError
from ganzoo.losses.binary import BinaryLoss
from ganzoo.losses.label_flip import LabelFlip
from ganzoo.losses.label_noise import LabelNoise
from ganzoo.losses.label_smoothing import LabelSmoothing
from ganzoo.losses.term import AdversarialLoss
from ganzoo.randomness import generator

LOSSES = [loss for loss in terms(AdversarialLoss).values() if loss.binary_targets]


def name(value):
    return type(value).__name__


def real_gradient(loss, logits, real_targets, fake_targets=0.0):
    logits = logits.clone().requires_grad_()
    loss.discriminator(logits, torch.zeros(1, dtype=logits.dtype), real_targets, fake_targets).backward()
    return logits.grad * len(logits)


def test_label_smoothing_sets_the_real_target_alone():
    real, fake = LabelSmoothing(0.9).targets(torch.Size([5, 1, 1, 1]), generator(0))
    assert torch.equal(real, torch.full((5, 1, 1, 1), 0.9))
    assert torch.equal(fake, torch.zeros(5, 1, 1, 1))


def test_label_noise_is_uniform_on_its_range_for_real_alone():
    real, fake = LabelNoise(0.7, 1.2).targets(torch.Size([20_000]), generator(0))
    assert torch.equal(fake, torch.zeros(20_000))
    assert 0.7 <= real.min() < 0.7002
    assert 1.1998 < real.max() <= 1.2
    # Five standard errors of a mean, and a variance of width ** 2 / 12.
    assert real.mean().item() == pytest.approx(0.95, abs=5 * 0.5 / math.sqrt(12 * 20_000))
    assert real.var().item() == pytest.approx(0.25 / 12, rel=0.03)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_label_noise_has_the_expected_gradient_of_label_smoothing(loss):
    logits = torch.tensor([-3.0, 0.0, 1.0, 4.0], dtype=torch.float64)
    draws = 20_000
    trick, rng = LabelNoise(0.6, 1.0), generator(5)
    targets = trick.targets(torch.Size([draws, 4]), rng)[0].double()
    mean = real_gradient(loss, logits.repeat(draws), targets.flatten()).view(draws, 4).mean(0)
    smoothed = real_gradient(loss, logits, LabelSmoothing(0.8).real_target)
    # A gradient is s(l) - t, or l - t for least squares, whose deviation is that of the target.
    assert (mean - smoothed).abs().max() < 5 * 0.4 / math.sqrt(12 * draws)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_the_gradient_is_linear_in_the_target(loss):
    logits = torch.tensor([-30.0, -3.0, 0.0, 1.0, 30.0], dtype=torch.float64)
    low, high = (real_gradient(loss, logits, target) for target in (0.6, 1.0))
    torch.testing.assert_close((low + high) / 2, real_gradient(loss, logits, 0.8), rtol=1e-15, atol=1e-15)
    answer = logits.sigmoid() if isinstance(loss, BinaryLoss) else logits
    torch.testing.assert_close(low, answer - 0.6, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.3])
def test_label_flip_flips_as_often_as_it_says(probability):
    draws = 40_000
    real, fake = LabelFlip(probability).targets(torch.Size([draws]), generator(2))
    assert set(real.unique().tolist()) | set(fake.unique().tolist()) <= {0.0, 1.0}
    tolerance = 5 * math.sqrt(probability * (1 - probability) / draws)
    assert (real == 0).double().mean().item() == pytest.approx(probability, abs=tolerance)
    assert (fake == 1).double().mean().item() == pytest.approx(probability, abs=tolerance)


def test_label_flip_draws_real_and_fake_independently():
    draws = 40_000
    real, fake = LabelFlip(0.3).targets(torch.Size([draws]), generator(2))
    both = ((real == 0) & (fake == 1)).double().mean().item()
    assert both == pytest.approx(0.09, abs=5 * math.sqrt(0.09 * 0.91 / draws))


@pytest.mark.parametrize("trick", [LabelFlip(0.3), LabelNoise()], ids=name)
def test_draws_are_the_generator_s_alone(trick):
    shape = torch.Size([64])
    before = torch.get_rng_state()
    first, again, other = (trick.targets(shape, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("trick", "mean"),
    [(LabelSmoothing(0.9), 0.9), (LabelFlip(0.2), 0.8), (LabelNoise(0.7, 1.0), 0.85), (LabelNoise(0.8, 1.4), 1.1)],
    ids=name,
)
def test_mean_real_target_is_that_of_the_draws(trick, mean):
    assert trick.mean_real_target == pytest.approx(mean)
    assert trick.targets(torch.Size([40_000]), generator(0))[0].mean().item() == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize(
    ("trick", "arguments"),
    [
        *((LabelSmoothing, (value,)) for value in (0.0, -0.1, 1.1, math.nan, math.inf)),
        *((LabelFlip, (value,)) for value in (-0.1, 0.5, 1.0, math.nan)),
        *((LabelNoise, pair) for pair in ((-0.1, 1.0), (1.0, 0.7), (0.7, math.inf), (math.nan, 1.0), (0.7, math.nan))),
    ],
)
def test_arguments_out_of_range_are_refused(trick, arguments):
    with pytest.raises(ConfigError, match=r"^label_\w+: .* is|are .*; it takes .*such as"):
        trick(*arguments)
