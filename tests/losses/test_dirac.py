"""The Dirac-GAN (Mescheder, Geiger, Nowozin 2018): D(x) = psi x, all data at 0, the generator at theta."""

import pytest
import torch
from registered import generator_loss, terms

from ganzoo.losses.r1 import R1
from ganzoo.losses.r2 import R2
from ganzoo.losses.term import AdversarialLoss
from ganzoo.randomness import generator

# What each loss descends along, (v_theta, v_psi), in closed form.
FIELDS = {
    "minimax": lambda theta, psi: (psi * sigmoid(psi * theta), -theta * sigmoid(psi * theta)),
    "non_saturating": lambda theta, psi: (psi * sigmoid(-psi * theta), -theta * sigmoid(psi * theta)),
    "wasserstein": lambda theta, psi: (psi, -theta),
    "relativistic": lambda theta, psi: (psi * sigmoid(-psi * theta), -theta * sigmoid(psi * theta)),
    "relativistic_average": lambda theta, psi: (2 * psi * sigmoid(-psi * theta), -2 * theta * sigmoid(psi * theta)),
    "least_squares": lambda theta, psi: (psi * (1 - psi * theta), -psi * theta**2),
    "hinge": lambda theta, psi: (psi, -theta * (psi * theta > -1)),
}
# The determinant f of the field's Jacobian at the equilibrium; its eigenvalues are -g / 2 +- sqrt(g^2 / 4 - f), where
# the penalties take g * psi off v_psi. The two players' slopes there multiply to f: 1/2 each for a logistic loss, 1
# each for the sum of two logistic terms and for linear ones, and 0 for the discriminator of least squares.
DETERMINANTS = {
    "minimax": 0.25,
    "non_saturating": 0.25,
    "relativistic": 0.25,
    "relativistic_average": 1.0,
    "wasserstein": 1.0,
    "hinge": 1.0,
    "least_squares": 0.0,
}
LOSSES = terms(AdversarialLoss)
PENALTIES = {"none": (), "r1": (R1,), "r2": (R2,), "both": (R1, R2)}


def sigmoid(value):
    return torch.as_tensor(value, dtype=torch.float64).sigmoid().item()


def generator_field(loss, theta, psi):
    fake = torch.tensor([[theta]], dtype=torch.float64, requires_grad=True)
    real = torch.zeros(1, 1, dtype=torch.float64)
    generator_loss(loss, (psi * fake).squeeze(1), (psi * real).squeeze(1)).backward()
    return -fake.grad.item()


def discriminator_field(loss, theta, psi, penalties=()):
    weight = torch.tensor(psi, dtype=torch.float64, requires_grad=True)
    real, fake = torch.zeros(1, 1, dtype=torch.float64), torch.tensor([[theta]], dtype=torch.float64)

    def discriminator(samples):
        return (weight * samples).squeeze(1)

    value = loss.discriminator(discriminator(real), discriminator(fake))
    for penalty in penalties:
        value = value + penalty.penalty(discriminator, real, fake, generator(0))
    value.backward()
    return -weight.grad.item()


def points(n=20):
    return (torch.randn(n, 2, generator=torch.Generator().manual_seed(7), dtype=torch.float64) * 3).tolist()


def test_every_adversarial_loss_has_a_closed_form_here():
    assert set(LOSSES) == set(FIELDS) == set(DETERMINANTS)


def test_points_are_on_both_sides_of_the_hinge():
    assert {psi * theta > -1 for theta, psi in points()} == {True, False}


@pytest.mark.parametrize("gamma", [0.3, 10.0])
@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("name", LOSSES)
def test_the_field_is_the_closed_form(name, penalties, gamma):
    loss, used = LOSSES[name], [penalty(gamma) for penalty in PENALTIES[penalties]]
    for theta, psi in points():
        v_theta, v_psi = FIELDS[name](theta, psi)
        assert generator_field(loss, theta, psi) == pytest.approx(v_theta, rel=1e-12, abs=1e-6)
        expected = v_psi - len(used) * gamma * psi
        assert discriminator_field(loss, theta, psi, used) == pytest.approx(expected, rel=1e-12, abs=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("penalties", ["r1", "r2", "both"])
@pytest.mark.parametrize("name", LOSSES)
def test_eigenvalues_of_the_jacobian_at_the_equilibrium(name, penalties, gamma):
    loss, h, f = LOSSES[name], 1e-5, DETERMINANTS[name]
    used = [penalty(gamma) for penalty in PENALTIES[penalties]]
    g = len(used) * gamma

    def field(theta, psi):
        return [generator_field(loss, theta, psi), discriminator_field(loss, theta, psi, used)]

    columns = []
    for step in ((h, 0.0), (0.0, h)):
        ahead, behind = field(*step), field(-step[0], -step[1])
        columns.append([(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)])
    (a, c), (b, d) = columns
    # Trace and determinant tell the eigenvalues also where they are a double root, at g^2 = 4 f.
    root = torch.tensor(g**2 / 4 - f, dtype=torch.complex128).sqrt()
    low, high = -g / 2 - root, -g / 2 + root
    assert a + d == pytest.approx((low + high).real.item(), abs=1e-8)
    assert a * d - b * c == pytest.approx((low * high).real.item(), abs=1e-8)
    if g**2 != 4 * f:
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
    loss, used, (theta, psi) = LOSSES[name], [R1(gamma)] if gamma else [], (1.0, -1.0)
    for _ in range(500):
        new_theta = theta + 0.2 * generator_field(loss, theta, psi)
        psi += 0.2 * discriminator_field(loss, new_theta if alternating else theta, psi, used)
        theta = new_theta
    reached = (theta**2 + psi**2) ** 0.5
    if gamma:
        assert norm / 2 < reached < norm * 2
    else:
        assert reached == pytest.approx(norm, rel=2e-3 if norm < 3 else 5e-3)
