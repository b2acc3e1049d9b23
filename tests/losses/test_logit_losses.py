import itertools

import pytest
import torch
import torch.nn.functional as F
from registered import generator_loss, terms

from ganzoo.errors import ObjectiveError
from ganzoo.losses.binary import BinaryLoss
from ganzoo.losses.hinge import Hinge
from ganzoo.losses.label_flip import LabelFlip
from ganzoo.losses.label_noise import LabelNoise
from ganzoo.losses.label_smoothing import LabelSmoothing
from ganzoo.losses.least_squares import LeastSquares
from ganzoo.losses.minimax import Minimax
from ganzoo.losses.non_saturating import NonSaturating
from ganzoo.losses.relativistic import Relativistic
from ganzoo.losses.relativistic_average import RelativisticAverage
from ganzoo.losses.term import AdversarialLoss
from ganzoo.losses.wasserstein import Wasserstein
from ganzoo.randomness import generator

LOSSES = list(terms(AdversarialLoss).values())
CROSS_ENTROPIES = list(terms(BinaryLoss).values())
TARGETED = [loss for loss in LOSSES if loss.binary_targets]
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


# What a discriminator that is wrong and sure is told: its loss at a real logit of -80 and a fake one of 80, and the
# gradients of loss and generator loss there, with respect to the real and the fake logit.
WRONG_AND_SURE = {
    Minimax(): (160, -1, 1, -1),
    NonSaturating(): (160, -1, 1, 0),
    LeastSquares(): ((81**2 + 80**2) / 2, -81, 80, 79),
    Hinge(): (162, -1, 1, -1),
    Wasserstein(): (160, -1, 1, -1),
    Relativistic(): (160, -1, 1, 0),
    RelativisticAverage(): (320, -2, 2, 0),
}


def test_there_are_expectations_for_every_loss():
    assert set(WRONG_AND_SURE) == set(LOSSES)
    assert {Minimax(), NonSaturating()} == set(CROSS_ENTROPIES)
    assert {*CROSS_ENTROPIES, LeastSquares()} == set(TARGETED)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("loss", "trick"),
    [(loss, trick) for loss in LOSSES for trick in (TRICKS if loss.binary_targets else [None])],
    ids=name,
)
def test_large_logits_give_finite_values_and_gradients(loss, trick, dtype):
    for real_logit, fake_logit in itertools.product((-80.0, 80.0), repeat=2):
        real = torch.full((64,), real_logit, dtype=dtype, requires_grad=True)
        fake = torch.full((64,), fake_logit, dtype=dtype, requires_grad=True)
        targets = trick.targets(real.shape, generator(1)) if trick else ()
        value = loss.discriminator(real, fake, *targets)
        value.backward()
        assert value.isfinite()
        assert value >= 0 or isinstance(trick, LabelNoise) or isinstance(loss, Wasserstein)
        assert real.grad.isfinite().all()
        assert fake.grad.isfinite().all()
        found = [value, real.grad * 64, fake.grad * 64]
        fake.grad = None
        generated = generator_loss(loss, fake, real)
        generated.backward()
        assert generated.isfinite()
        assert fake.grad.isfinite().all()
        if trick is None and real_logit < 0 < fake_logit:
            found.append(fake.grad * 64)
            for tensor, expected in zip(found, WRONG_AND_SURE[loss], strict=True):
                torch.testing.assert_close(tensor, torch.full_like(tensor, expected), rtol=0.01, atol=1e-30)


@pytest.mark.parametrize("shape", [(17,), (5, 1, 3, 4)])
@pytest.mark.parametrize("loss", CROSS_ENTROPIES, ids=name)
def test_discriminator_loss_is_binary_cross_entropy(loss, shape):
    rng = torch.Generator().manual_seed(3)
    real, fake = (torch.randn(shape, generator=rng, dtype=torch.float64) * 5 for _ in range(2))
    real_targets, fake_targets = (torch.rand(shape, generator=rng, dtype=torch.float64) for _ in range(2))
    expected = F.binary_cross_entropy_with_logits(real, real_targets)
    expected += F.binary_cross_entropy_with_logits(fake, fake_targets)
    torch.testing.assert_close(loss.discriminator(real, fake, real_targets, fake_targets), expected)


@pytest.mark.parametrize("loss", CROSS_ENTROPIES, ids=name)
def test_discriminator_loss_has_targets_one_and_zero_by_default(loss):
    real, fake = torch.tensor([0.3, -2.0]), torch.tensor([1.0, -1.0])
    expected = F.binary_cross_entropy_with_logits(real, torch.ones(2))
    expected += F.binary_cross_entropy_with_logits(fake, torch.zeros(2))
    torch.testing.assert_close(loss.discriminator(real, fake), expected)


@pytest.mark.parametrize("loss", TARGETED, ids=name)
def test_one_target_a_sample_broadcasts_over_its_patches(loss):
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(4, 1, 2, 3, generator=rng), torch.randn(4, 1, 2, 3, generator=rng)
    targets = LabelNoise().targets(torch.Size([4, 1, 1, 1]), rng)
    spread = [target.expand(4, 1, 2, 3) for target in targets]
    torch.testing.assert_close(loss.discriminator(real, fake, *targets), loss.discriminator(real, fake, *spread))


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_a_loss_of_patches_is_the_loss_of_all_of_them(loss):
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(4, 1, 2, 3, generator=rng, dtype=torch.float64) for _ in range(2))
    flat = [logits.flatten() for logits in (real, fake)]
    torch.testing.assert_close(loss.discriminator(real, fake), loss.discriminator(*flat))
    torch.testing.assert_close(generator_loss(loss, fake, real), generator_loss(loss, *reversed(flat)))


@pytest.mark.parametrize("loss", CROSS_ENTROPIES, ids=name)
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
    repeated = generator_loss(loss, fake.repeat(4), real.repeat(4))
    torch.testing.assert_close(repeated, generator_loss(loss, fake, real))


REAL, FAKE = torch.tensor([2.0, -0.5, 0.25]), torch.tensor([0.5, -3.0, 1.5])


@pytest.mark.parametrize(
    ("loss", "discriminator", "generated"),
    [
        # ((2-1)^2 + (-0.5-1)^2 + (0.25-1)^2 + 0.5^2 + 3^2 + 1.5^2) / 6 and ((0.5-1)^2 + (-3-1)^2 + (1.5-1)^2) / 6
        (LeastSquares(), (1 + 2.25 + 0.5625 + 0.25 + 9 + 2.25) / 6, (0.25 + 16 + 0.25) / 6),
        (Hinge(), (0 + 1.5 + 0.75 + 1.5 + 0 + 2.5) / 3, (-0.5 + 3 - 1.5) / 3),
        (Wasserstein(), (0.5 - 3 + 1.5 - 2 + 0.5 - 0.25) / 3, (-0.5 + 3 - 1.5) / 3),
    ],
    ids=name,
)
def test_values_worked_out_by_hand(loss, discriminator, generated):
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-6)
    assert loss.generator(FAKE).item() == pytest.approx(generated, rel=1e-6)


def test_least_squares_takes_targets_as_they_are_given():
    value = LeastSquares().discriminator(REAL, FAKE, 1.5, torch.tensor([0.0, 1.0, -1.0]))
    assert value.item() == pytest.approx((0.25 + 4 + 1.25**2 + 0.25 + 16 + 6.25) / 6)


def test_least_squares_generator_aims_at_one_whatever_the_targets_of_real():
    assert generator_gradient(LeastSquares(), 1.0) == 0
    assert generator_gradient(LeastSquares(), 3.0) == 2
    assert generator_gradient(LeastSquares(), -3.0) == -4


def test_hinge_ignores_what_is_right_by_more_than_the_margin():
    real = torch.tensor([0.9, 1.1], requires_grad=True)
    fake = torch.tensor([-0.9, -1.1], requires_grad=True)
    Hinge().discriminator(real, fake).backward()
    assert real.grad.tolist() == [-0.5, 0]
    assert fake.grad.tolist() == [0.5, 0]


def batch(n=7, seed=4):
    rng = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, generator=rng, dtype=torch.float64) * 3).requires_grad_() for _ in range(2)]


def test_relativistic_gradients_are_the_closed_forms():
    real, fake = batch()
    Relativistic().discriminator(real, fake).backward()
    wrong = (fake - real).sigmoid().detach() / len(real)
    torch.testing.assert_close(real.grad, -wrong)
    torch.testing.assert_close(fake.grad, wrong)
    fake.grad = None
    Relativistic().generator(fake, real.detach()).backward()
    torch.testing.assert_close(fake.grad, -(real - fake).sigmoid().detach() / len(real))


def test_relativistic_average_gradients_are_the_closed_forms():
    real, fake = batch()
    n = len(real)
    RelativisticAverage().discriminator(real, fake).backward()
    real_wrong = (fake.mean() - real).sigmoid().detach()
    fake_wrong = (fake - real.mean()).sigmoid().detach()
    # A logit counts for itself, and within the mean that the others are held against.
    torch.testing.assert_close(real.grad, -(real_wrong + fake_wrong.mean()) / n)
    torch.testing.assert_close(fake.grad, (fake_wrong + real_wrong.mean()) / n)
    fake.grad = None
    RelativisticAverage().generator(fake, real.detach()).backward()
    fake_right, real_right = (real.mean() - fake).sigmoid().detach(), (real - fake.mean()).sigmoid().detach()
    torch.testing.assert_close(fake.grad, -(fake_right + real_right.mean()) / n)


def test_relativistic_average_of_one_pair_is_twice_the_pair_s_loss():
    real, fake = batch(n=1)
    average, pair = RelativisticAverage(), Relativistic()
    torch.testing.assert_close(average.discriminator(real, fake), 2 * pair.discriminator(real, fake))
    torch.testing.assert_close(average.generator(fake, real), 2 * pair.generator(fake, real))


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss.generator_needs_real], ids=name)
def test_relativistic_losses_count_differences_alone(loss):
    real, fake = batch()
    torch.testing.assert_close(loss.discriminator(real + 5, fake + 5), loss.discriminator(real, fake))
    torch.testing.assert_close(loss.generator(fake + 5, real + 5), loss.generator(fake, real))


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss.generator_needs_real], ids=name)
def test_a_generator_loss_that_needs_real_logits_says_so(loss):
    with pytest.raises(ObjectiveError, match=r"relativistic.* needs the logits of real samples; pass real_logits"):
        loss.generator(FAKE)


def test_relativistic_losses_are_those_that_need_real_logits():
    assert {loss for loss in LOSSES if loss.generator_needs_real} == {Relativistic(), RelativisticAverage()}
