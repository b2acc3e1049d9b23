"""A lazy penalty, computed every k steps and multiplied by k, adds up to the eager one over each interval."""

from dataclasses import replace

import pytest
import torch
from matrix import LOSSES, PENALTIES
from torch import nn

from ganzoo import GAN
from ganzoo.data.table import Batch
from ganzoo.losses.objective import Objective
from ganzoo.randomness import generator as seeded_generator
from ganzoo.training.settings import Settings
from ganzoo.training.step import AdversarialStep

BATCH, WEIGHT = 8, 0.5
INTERVALS = (1, 2, 3, 16)
LOSS = Objective.of(next(iter(LOSSES.values())))


class SameDraws(AdversarialStep):
    """Draws the same at each step, so that only the interval tells two steps apart."""

    def rng(self, purpose):
        return seeded_generator(0, purpose)


def networks(*, linear=False):
    """Return a GAN of plain modules. A linear discriminator has the same gradient wherever it is taken."""
    torch.manual_seed(0)
    hidden = [] if linear else [nn.Linear(2, 8), nn.Tanh()]
    return GAN(
        generator=nn.Sequential(nn.Linear(4, 2), nn.Tanh()),
        discriminator=nn.Sequential(*hidden, nn.Linear(2 if linear else 8, 1), nn.Flatten(0)),
        latent_dim=4,
        sample_shape=(2,),
    )


def batch():
    return Batch(torch.rand(BATCH, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1)


def contributions(gan, penalties, indices, *, kind=SameDraws, discriminator_steps=1):
    """Return, for each step, the penalties' contributions to the discriminator's loss by name."""
    settings = Settings(
        images=BATCH, batch_size=BATCH, precision="fp32", device="cpu", discriminator_steps=discriminator_steps
    ).resolved()
    step, found = kind(gan, sum((WEIGHT * penalty for penalty in penalties), start=LOSS), settings), []
    for index in indices:
        step.begin(index)
        for _ in range(discriminator_steps):
            losses = step.discriminator_losses(batch())
            adversarial = next(iter(losses))
            found.append({name: value for name, value in losses.items() if name != adversarial})
    return found


def total(gan, penalties, indices, **changes):
    """Return the sum of the contributions, and its gradient with respect to the discriminator's parameters."""
    found = contributions(gan, penalties, indices, **changes)
    value = sum(value for losses in found for value in losses.values())
    parameters = list(gan.discriminator.parameters())
    gradients = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
    return value.detach(), torch.cat([gradient.flatten() for gradient in gradients])


def assert_same_total(gan, penalty, every, **changes):
    indices = range(3 * every, 4 * every)  # not the first interval, of which step 0 is always due
    value, gradient = total(gan, [replace(penalty, every=every)], indices, **changes)
    eager_value, eager_gradient = total(gan, [replace(penalty, every=1)], indices, **changes)
    assert eager_value > 0
    assert eager_gradient.norm() > 0
    torch.testing.assert_close(value, eager_value, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, eager_gradient, rtol=1e-4, atol=1e-5 * float(eager_gradient.norm()))


@pytest.mark.parametrize("every", INTERVALS)
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("discriminator_steps", [1, 2])
def test_an_interval_adds_up_to_the_eager_sum_with_the_same_draws(name, every, discriminator_steps):
    assert_same_total(networks(), PENALTIES[name], every, discriminator_steps=discriminator_steps)


@pytest.mark.parametrize("every", INTERVALS)
@pytest.mark.parametrize("name", PENALTIES)
def test_an_interval_adds_up_where_the_draws_do_not_matter(name, every):
    """The step as it is, whose latents and mixtures differ from step to step."""
    assert_same_total(networks(linear=True), PENALTIES[name], every, kind=AdversarialStep)


@pytest.mark.parametrize("every", INTERVALS)
@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_due_at_each_multiple_of_its_interval_and_then_only(name, every):
    found = contributions(networks(), [replace(PENALTIES[name], every=every)], range(2 * every + 2))
    assert [bool(losses) for losses in found] == [index % every == 0 for index in range(2 * every + 2)]


def test_penalties_of_different_intervals_are_due_each_by_itself():
    every = dict(zip(PENALTIES, range(2, 2 + len(PENALTIES)), strict=True))
    lazy = [replace(penalty, every=every[name]) for name, penalty in PENALTIES.items()]
    found = contributions(networks(), lazy, range(25))
    eager = contributions(networks(), [replace(penalty, every=1) for penalty in PENALTIES.values()], range(1))[0]
    for index, losses in enumerate(found):
        assert set(losses) == {name for name in PENALTIES if index % every[name] == 0}
        for name, value in losses.items():
            assert value.item() == pytest.approx(every[name] * eager[name].item(), rel=1e-5)
