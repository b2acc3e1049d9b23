"""The Dirac-GAN (Mescheder, Geiger, Nowozin 2018): D(x) = psi x, all data at 0, the generator at theta."""

import pytest
import torch

from ganzoo import plugins
from ganzoo.losses.r1 import R1
from ganzoo.losses.term import AdversarialLoss
from ganzoo.randomness import generator

# What each loss descends along, (v_theta, v_psi), in closed form.
FIELDS = {
    "minimax": lambda theta, psi: (psi * sigmoid(psi * theta), -theta * sigmoid(psi * theta)),
    "non_saturating": lambda theta, psi: (psi * sigmoid(-psi * theta), -theta * sigmoid(psi * theta)),
}
LOGISTIC = ("minimax", "non_saturating")


def sigmoid(value):
    return torch.as_tensor(value, dtype=torch.float64).sigmoid().item()


def adversarial_losses():
    built_in = [entry for entry in plugins.entries("loss") if entry.provider.namespace is None]
    return [entry.name for entry in built_in if issubclass(entry.load(), AdversarialLoss)]


def loss_named(name):
    return plugins.find("loss", name).load()()


def generator_field(loss, theta, psi):
    fake = torch.tensor([[theta]], dtype=torch.float64, requires_grad=True)
    real = torch.zeros(1, 1, dtype=torch.float64)
    loss.generator((psi * fake).squeeze(1), (psi * real).squeeze(1)).backward()
    return -fake.grad.item()


def discriminator_field(loss, theta, psi, gamma=0.0):
    weight = torch.tensor(psi, dtype=torch.float64, requires_grad=True)
    real, fake = torch.zeros(1, 1, dtype=torch.float64), torch.tensor([[theta]], dtype=torch.float64)

    def discriminator(samples):
        return (weight * samples).squeeze(1)

    value = loss.discriminator(discriminator(real), discriminator(fake))
    if gamma:
        value = value + R1(gamma).penalty(discriminator, real, fake, generator(0))
    value.backward()
    return -weight.grad.item()


def points(n=20):
    return (torch.randn(n, 2, generator=torch.Generator().manual_seed(7), dtype=torch.float64) * 3).tolist()


def test_every_adversarial_loss_has_a_closed_form_here():
    assert set(adversarial_losses()) == set(FIELDS)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 10.0])
@pytest.mark.parametrize("name", adversarial_losses())
def test_the_field_is_the_closed_form(name, gamma):
    loss = loss_named(name)
    for theta, psi in points():
        v_theta, v_psi = FIELDS[name](theta, psi)
        assert generator_field(loss, theta, psi) == pytest.approx(v_theta, abs=1e-6)
        assert discriminator_field(loss, theta, psi, gamma) == pytest.approx(v_psi - gamma * psi, abs=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", LOGISTIC)
def test_eigenvalues_of_the_jacobian_at_the_equilibrium(name, gamma):
    loss, h = loss_named(name), 1e-5

    def field(theta, psi):
        return [generator_field(loss, theta, psi), discriminator_field(loss, theta, psi, gamma)]

    columns = []
    for step in ((h, 0.0), (0.0, h)):
        ahead, behind = field(*step), field(-step[0], -step[1])
        columns.append([(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)])
    (a, c), (b, d) = columns
    # The trace and determinant are those of -gamma / 2 +- sqrt(gamma^2 / 4 - 1 / 4), a double root at gamma = 1 too.
    root = torch.tensor(gamma**2 / 4 - 0.25, dtype=torch.complex128).sqrt()
    low, high = -gamma / 2 - root, -gamma / 2 + root
    assert a + d == pytest.approx((low + high).real.item(), abs=1e-8)
    assert a * d - b * c == pytest.approx((low * high).real.item(), abs=1e-8)
    if gamma != 1:
        found = torch.linalg.eigvals(torch.tensor([[a, b], [c, d]], dtype=torch.float64))
        expected = sorted([low.item(), high.item()], key=lambda value: (value.real, value.imag))
        assert sorted(found.tolist(), key=lambda value: (round(value.real, 6), value.imag)) == [
            pytest.approx(value, abs=1e-6) for value in expected
        ]


@pytest.mark.parametrize(
    ("name", "gamma", "alternating", "norm"),
    [
        ("minimax", 0.0, False, 3.10),
        ("non_saturating", 0.0, False, 0.640),
        ("minimax", 0.3, False, 2e-6),
        ("non_saturating", 0.3, False, 2e-6),
        ("minimax", 0.0, True, 1.42),
        ("non_saturating", 0.0, True, 0.284),
        ("minimax", 0.3, True, 2e-7),
        ("non_saturating", 0.3, True, 2e-7),
    ],
)
def test_distance_from_the_equilibrium_after_500_steps(name, gamma, alternating, norm):
    loss, (theta, psi) = loss_named(name), (1.0, -1.0)
    for _ in range(500):
        new_theta = theta + 0.2 * generator_field(loss, theta, psi)
        psi += 0.2 * discriminator_field(loss, new_theta if alternating else theta, psi, gamma)
        theta = new_theta
    reached = (theta**2 + psi**2) ** 0.5
    if gamma:
        assert norm / 2 < reached < norm * 2
    else:
        assert reached == pytest.approx(norm, rel=2e-3 if norm < 3 else 5e-3)
