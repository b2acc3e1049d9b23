import itertools

import pytest
import torch
import torch.nn.functional as F

from ganzoo.losses.label_flip import LabelFlip
from ganzoo.losses.label_noise import LabelNoise
from ganzoo.losses.label_smoothing import LabelSmoothing
from ganzoo.losses.minimax import Minimax
from ganzoo.losses.non_saturating import NonSaturating
from ganzoo.randomness import generator

LOSSES = [Minimax(), NonSaturating()]
TRICKS = [None, LabelSmoothing(0.9), LabelFlip(0.05), LabelFlip(0.49), LabelNoise(0.7, 1.0), LabelNoise(0.7, 1.2)]

# The generator loss's gradient with respect to a fake's logit, to the digits that the table states.
GRADIENTS = {
    Minimax(): {-30: "-9.4e-14", -25: "-1.4e-11", -10: "-4.5e-05", 0: "-5.0e-01", 10: "-1.0e+00"},
    NonSaturating(): {-30: "-1.0e+00", -25: "-1.0e+00", -10: "-1.0e+00", 0: "-5.0e-01", 10: "-4.5e-05"},
}
CELLS = [(loss, logit, text) for loss, row in GRADIENTS.items() for logit, text in row.items()]


def name(value):
    return type(value).__name__


def generator_gradient(loss, logit, dtype=torch.float64):
    logits = torch.full((1,), float(logit), dtype=dtype, requires_grad=True)
    loss.generator(logits).backward()
    return logits.grad.item()


@pytest.mark.parametrize(("loss", "logit", "expected"), CELLS, ids=str)
def test_generator_gradient_is_the_table_s(loss, logit, expected):
    assert f"{generator_gradient(loss, logit):.1e}" == expected
    assert generator_gradient(loss, logit, torch.float32) == pytest.approx(generator_gradient(loss, logit), rel=1e-3)


def test_non_saturating_gradient_at_minus_ten_to_five_digits():
    assert generator_gradient(NonSaturating(), -10) == pytest.approx(-0.99995, abs=5e-6)


@pytest.mark.parametrize("logit", [-80.0, -30.0, -3.0, 0.0, 3.0, 30.0, 80.0])
def test_generator_gradients_are_the_closed_forms(logit):
    value = torch.tensor(logit, dtype=torch.float64)
    assert generator_gradient(Minimax(), logit) == pytest.approx(-value.sigmoid().item(), rel=1e-12)
    assert generator_gradient(NonSaturating(), logit) == pytest.approx(-(-value).sigmoid().item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("trick", TRICKS, ids=name)
@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_large_logits_give_finite_values_and_gradients(loss, trick, dtype):
    for real_logit, fake_logit in itertools.product((-80.0, 80.0), repeat=2):
        real = torch.full((64,), real_logit, dtype=dtype, requires_grad=True)
        fake = torch.full((64,), fake_logit, dtype=dtype, requires_grad=True)
        targets = trick.targets(real.shape, generator(1)) if trick else ()
        value = loss.discriminator(real, fake, *targets)
        value.backward()
        assert value.isfinite()
        assert value >= 0 or isinstance(trick, LabelNoise)
        assert real.grad.isfinite().all()
        assert fake.grad.isfinite().all()
        # One that is wrong and sure is told so at full strength.
        if trick is None and real_logit < 0 < fake_logit:
            assert value == 160
            torch.testing.assert_close(real.grad * 64, torch.full_like(real, -1.0))
            torch.testing.assert_close(fake.grad * 64, torch.full_like(fake, 1.0))
        fake.grad = None
        generated = loss.generator(fake)
        generated.backward()
        assert generated.isfinite()
        assert fake.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(17,), (5, 1, 3, 4)])
@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_discriminator_loss_is_binary_cross_entropy(loss, shape):
    rng = torch.Generator().manual_seed(3)
    real, fake = (torch.randn(shape, generator=rng, dtype=torch.float64) * 5 for _ in range(2))
    real_targets, fake_targets = (torch.rand(shape, generator=rng, dtype=torch.float64) for _ in range(2))
    expected = F.binary_cross_entropy_with_logits(real, real_targets)
    expected += F.binary_cross_entropy_with_logits(fake, fake_targets)
    torch.testing.assert_close(loss.discriminator(real, fake, real_targets, fake_targets), expected)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_discriminator_loss_has_targets_one_and_zero_by_default(loss):
    real, fake = torch.tensor([0.3, -2.0]), torch.tensor([1.0, -1.0])
    expected = F.binary_cross_entropy_with_logits(real, torch.ones(2))
    expected += F.binary_cross_entropy_with_logits(fake, torch.zeros(2))
    torch.testing.assert_close(loss.discriminator(real, fake), expected)


def test_one_target_a_sample_broadcasts_over_its_patches():
    loss, rng = NonSaturating(), torch.Generator().manual_seed(0)
    real, fake = torch.randn(4, 1, 2, 3, generator=rng), torch.randn(4, 1, 2, 3, generator=rng)
    targets = LabelNoise().targets(torch.Size([4, 1, 1, 1]), rng)
    spread = [target.expand(4, 1, 2, 3) for target in targets]
    torch.testing.assert_close(loss.discriminator(real, fake, *targets), loss.discriminator(real, fake, *spread))


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_smoothed_optimum_on_equal_densities_is_half_the_target(loss):
    # The same samples as real and as fake: one logit must serve both.
    logit = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logit], max_iter=50, tolerance_grad=1e-12)
    real_target, fake_target = LabelSmoothing(0.9).targets(torch.Size([1]), generator(0))

    def closure():
        optimizer.zero_grad()
        value = loss.discriminator(logit, logit, real_target.double(), fake_target.double())
        value.backward()
        return value

    optimizer.step(closure)
    assert logit.sigmoid().item() == pytest.approx(0.45, abs=1e-6)
    assert logit.item() == pytest.approx(-0.2007, abs=5e-5)


@pytest.mark.parametrize("target", [0.5, 0.7, 0.9, 1.0])
def test_smoothed_gradient_vanishes_at_half_the_target(target):
    logit = torch.tensor([target / 2], dtype=torch.float64).logit().requires_grad_()
    NonSaturating().discriminator(logit, logit, target, 0.0).backward()
    assert logit.grad.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_losses_are_means_over_the_batch(loss):
    real, fake = torch.randn(3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    torch.testing.assert_close(loss.discriminator(real.repeat(4), fake.repeat(4)), loss.discriminator(real, fake))
    torch.testing.assert_close(loss.generator(fake.repeat(4)), loss.generator(fake))
