"""A plan says what a run would be and take, and leaves no trace."""

import random
from typing import ClassVar

import numpy as np
import pytest
import torch
from small import BATCH, digest, pairs, pictures, plain_gan, points, stop_at, trainer
from torch import nn

from ganzoo import Trainer
from ganzoo.errors import DivergenceError, InputError, RunError
from ganzoo.training import trial
from ganzoo.training.quantities import duration, memory
from ganzoo.training.step import AdversarialStep
from ganzoo.training.trial import Trial, _kinds_of_steps, _peak_of, try_steps

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Measure the fewest steps."""
    monkeypatch.setattr(trial, "MOST", trial.LEAST)


KINDS = [
    lambda run: trainer(run),
    lambda run: trainer(run, objective="non_saturating + r1(gamma=1, every=4) + label_flip(0.1)"),
    lambda run: trainer(
        run, objective="wasserstein + weight_clipping(0.01)", discriminator_steps=3, optimizer="rmsprop"
    ),
    lambda run: trainer(run, data=points(), model=plain_gan(), learning_rate_decay="linear"),
    lambda run: trainer(run, data=pictures(), model="dcgan", model_args={"base_channels": 4}, precision="bf16"),
    lambda run: trainer(
        run, data=pairs(), model="pix2pix", model_args={"base_channels": 4}, objective="non_saturating + 10 * l1"
    ),
]


@pytest.mark.parametrize("make", KINDS)
def test_a_plan_leaves_no_trace(make, tmp_path):
    run = make(tmp_path / "run")
    torch.manual_seed(3)
    draws = [torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()]
    modes = [module.training for module in run.gan.modules()]
    before, grads = digest(run), [parameter.grad for parameter in run.gan.parameters()]
    run.plan()
    assert digest(run) == before
    assert [module.training for module in run.gan.modules()] == modes
    assert [parameter.grad for parameter in run.gan.parameters()] == grads
    assert all(parameter.requires_grad for parameter in run.gan.parameters())
    assert torch.equal(torch.get_rng_state(), draws[0])
    assert [random.getstate(), np.random.get_state()[1].tolist()] == draws[1:]
    assert list(tmp_path.iterdir()) == []


def test_a_planned_run_ends_in_the_same_bits():
    planned, plain = trainer(None), trainer(None)
    planned.plan()
    planned.fit()
    plain.fit()
    assert digest(planned) == digest(plain)


@pytest.mark.parametrize("make", KINDS)
def test_counts_are_those_of_the_networks(make):
    run = make(None)
    plan = run.plan()
    assert {network.name: network.parameters for network in plan.networks} == {
        name: sum(parameter.numel() for parameter in network.parameters()) for name, network in run.gan.networks.items()
    }
    assert all(network.trained == network.parameters for network in plan.networks)
    held = sum(tensor.numel() * tensor.element_size() for tensor in run.gan.state_dict().values())
    assert plan.memory.weights == held
    assert plan.memory.gradients == max(
        sum(parameter.numel() * 4 for parameter in network.parameters()) for network in run.gan.networks.values()
    )
    assert plan.memory.activations > 0


def test_memory_in_closed_form():
    run = trainer(None)
    plan = run.plan()
    generator, discriminator = (plan.networks[k].parameters for k in (0, 1))
    # Widths 4 -> 8 -> 2, and 2 -> 8 -> 1: weights and biases.
    assert generator >= 4 * 8 + 8 + 8 * 2 + 2
    assert plan.memory.averages == sum(
        tensor.numel() * tensor.element_size() for tensor in run.gan.generator.state_dict().values()
    )
    tensors = len(list(run.gan.parameters()))
    assert plan.memory.optimizers == 2 * 4 * (generator + discriminator) + 4 * tensors  # two moments, and a count each
    assert plan.memory.data == 100_000 * 2 * 4
    parts = plan.memory
    assert parts.total == parts.weights + parts.averages + parts.optimizers + parts.gradients + parts.activations


def test_memory_of_a_step_grows_with_the_batch():
    one, four = (
        trainer(None, data=pictures(), model="dcgan", model_args={"base_channels": 8}, batch_size=size).plan().memory
        for size in (32, 128)
    )
    assert 3.5 < (four.activations + four.gradients) / (one.activations + one.gradients) < 4.2
    assert four.weights == one.weights


def test_the_peak_is_of_what_lives_at_a_time():
    held = torch.zeros(1000)

    def act():
        held.add_(1)
        held.view(10, 100).mul_(2)
        first = held + 1  # 4000 bytes
        second = first * 2  # 8000 at a time
        del first
        return second[:10] + 1  # 4040

    assert _peak_of(act, CPU) == 8000


def test_the_peak_sees_the_backward_pass():
    layer = nn.Linear(100, 100, bias=False)

    def act():
        layer(torch.ones(1, 100)).sum().backward()

    assert 40_000 <= _peak_of(act, CPU) < 2 * 40_000 + 4_000  # the gradient of the weight, and little else


@pytest.mark.parametrize(
    ("every", "kinds"),
    [
        ([], {0: 1.0}),
        ([1], {0: 1.0}),
        ([4], {0: 0.25, 1: 0.75}),
        ([2, 3], {0: 1 / 6, 1: 2 / 6, 2: 2 / 6, 3: 1 / 6}),
    ],
)
def test_kinds_of_steps_come_as_often_as_penalties_are_due(every, kinds):
    assert _kinds_of_steps(every) == pytest.approx(kinds)


def test_time_is_the_mean_of_the_kinds_times_the_steps(monkeypatch):
    measured = Trial(
        kinds=((0.25, (4.0, 6.0)), (0.75, (1.0, 1.0))), line_seconds=0.5, picture_seconds=2.0, peak_bytes=0,
        optimizer_bytes=0,
    )  # fmt: skip
    monkeypatch.setattr("ganzoo.training.plan.try_steps", lambda run: measured)
    run = trainer(None, steps=10, log_every_images=2 * BATCH, sample_every_images=5 * BATCH)
    time = run.plan().time
    assert (time.steps, time.timed) == (10, 4)
    assert time.seconds_per_step == pytest.approx(0.25 * 5 + 0.75)
    besides = 5 * 0.5 + 2 * 2.0
    assert time.seconds == pytest.approx(10 * 2.0 + besides)
    assert time.low == pytest.approx(10 * (0.25 * 4.2 + 0.75) + besides)
    assert time.high == pytest.approx(10 * (0.25 * 5.8 + 0.75) + besides)
    assert run.plan().memory.activations == 0


def test_every_kind_of_step_is_timed():
    measured = try_steps(trainer(None, objective="non_saturating + r1(gamma=1, every=3)"), seconds=0)
    assert [share for share, _ in measured.kinds] == pytest.approx([1 / 3, 2 / 3])
    assert all(len(times) == trial.LEAST and min(times) > 0 for _, times in measured.kinds)


class NotingStep(AdversarialStep):
    indices: ClassVar[list[int]] = []

    def begin(self, index):
        self.indices.append(index)
        super().begin(index)


@pytest.mark.parametrize(("every", "expected"), [(1, {29}), (3, {27, 28}), (100, {0, 1})])
def test_the_last_steps_are_timed_because_networks_may_grow(every, expected, monkeypatch):
    monkeypatch.setattr(NotingStep, "indices", [])
    run = trainer(None, steps=30, objective=f"non_saturating + r1(gamma=1, every={every})")
    run.step = NotingStep(run.gan, run.objective, run.settings)
    try_steps(run, seconds=0)
    assert set(NotingStep.indices) == expected


def test_what_was_left_to_the_program_is_told():
    run = trainer(None, precision="auto", sample_every_images=0, learning_rate=1e-3, device="cpu")
    plan = run.plan()
    assert plan.chosen == ("precision", "discriminator_learning_rate", "sample_every_images")
    assert plan.settings["precision"] in ("fp32", "bf16")
    assert plan.settings["discriminator_learning_rate"] == 1e-3


def test_frozen_parameters_are_told():
    gan = plain_gan()
    gan.generator[0].requires_grad_(False)
    generator = trainer(None, data=points(), model=gan).plan().networks[0]
    assert generator.parameters - generator.trained == 4 * 8 + 8
    assert "of them trained" in str(trainer(None, data=points(), model=gan).plan())


def test_a_resumed_run_is_planned_from_where_it_is(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run), 4, save=True)
    before = sorted(run.rglob("*"))
    plan = Trainer.resume(run, progress=False).plan()
    assert (plan.images, plan.time.steps) == (4 * BATCH, 2)
    assert "shown already" in str(plan)
    assert sorted(run.rglob("*")) == before


def test_a_folder_that_is_taken_is_refused(tmp_path):
    trainer(tmp_path / "run", steps=1).fit()
    with pytest.raises(RunError, match="holds a run already"):
        trainer(tmp_path / "run").plan()


def test_a_network_that_cannot_be_copied_is_refused():
    run = trainer(None, data=points(), model=plain_gan())
    run.gan.discriminator.kept = run.gan.generator(torch.zeros(2, 4))  # a tensor of a graph
    with pytest.raises(InputError, match="cannot be copied"):
        run.plan()


def test_a_run_that_diverges_at_once_says_so():
    with pytest.raises(DivergenceError):
        trainer(None, learning_rate=1e30, optimizer="sgd", beta1=0.0).plan()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.7, "1 min"), (100, "1 min 40 s"), (3600, "1 h"),
     (12_345, "3 h 25 min"), (90_000, "1 d 1 h")],
)  # fmt: skip
def test_durations_in_words(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (2e9, "2.0 GB")]
)
def test_memory_in_words(count, text):
    assert memory(int(count)) == text
