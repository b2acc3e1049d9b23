from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from small import at_step, plain_gan, points, stop_at, trainer

import ganzoo
from ganzoo import Trainer, create_loss
from ganzoo.errors import DivergenceError
from ganzoo.losses.term import AdversarialLoss
from ganzoo.training.checkpoints import CheckpointStore

pytestmark = [
    pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning"),
    pytest.mark.filterwarnings("ignore::ganzoo.errors.DiscriminatorWonWarning"),
]

NAN, INF = float("nan"), float("inf")
ADVERSARIAL = [
    name for name in ganzoo.list_losses(provider="torch-ganzoo") if isinstance(create_loss(name), AdversarialLoss)
]


def finite_checkpoints(run):
    """Count a run's checkpoints, each of which verifies and holds finite tensors only."""
    store = CheckpointStore(run / "checkpoints", 2)
    names = store.names()
    for name in names:
        tensors = store._load(name).tensors
        assert all(tensor.isfinite().all() for tensor in tensors.values() if tensor.is_floating_point())
    return len(names)


def diverges(run, folder, *said):
    with pytest.raises(DivergenceError) as caught:
        run.fit()
    assert caught.value.exit_code == 3
    for part in said:
        assert part in str(caught.value)
    assert finite_checkpoints(folder) >= 1
    assert not (folder / "model").exists()


@dataclass(frozen=True)
class Spoiled(AdversarialLoss):
    """Becomes a given value at a given call."""

    value: float = NAN
    player: str = "discriminator"
    calls: ClassVar[list[str]] = []

    def _loss(self, player, logits):
        self.calls.append(player)
        spoilt = player == self.player and self.calls.count(player) == 4
        return logits.mean() * (self.value if spoilt else 1.0)

    def discriminator(self, real_logits, fake_logits, real_targets=1.0, fake_targets=0.0):
        return self._loss("discriminator", fake_logits - real_logits)

    def generator(self, fake_logits, real_logits=None):
        return self._loss("generator", -fake_logits)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("value", [NAN, INF])
def test_in_a_loss(tmp_path, player, value):
    Spoiled.calls.clear()
    run = trainer(tmp_path / "run", objective=Spoiled(value, player), checkpoint_every_images=16)
    diverges(run, tmp_path / "run", "at step 4", player)
    assert run.images == 48


def test_in_the_data(tmp_path):
    run = trainer(tmp_path / "run", model=plain_gan(), data=points(), checkpoint_every_images=16)
    at_step(run, 3, lambda: run.table.samples.fill_(NAN))
    diverges(run, tmp_path / "run", "at step 4", "discriminator.layers.1.running_mean")


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("name", ["generator.output.weight", "discriminator.layers.0.0.bias"])
def test_in_a_gradient(tmp_path, name, value):
    run = trainer(tmp_path / "run", checkpoint_every_images=16)
    parameter = dict(run.gan.networks.named_parameters())[name]
    at_step(run, 3, lambda: parameter.register_hook(lambda gradient: gradient * value))
    diverges(run, tmp_path / "run", "at step 4", f"the gradient of {name}")
    assert all(tensor.isfinite().all() for tensor in run.gan.networks.state_dict().values())


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize(
    "name",
    [
        "generator.layers.0.0.weight",
        "discriminator.layers.0.0.weight",
        "discriminator.output.weight",
        "generator.layers.0.1.running_mean",
        "generator.layers.0.1.running_var",
    ],
)
def test_in_a_weight_or_a_statistic(tmp_path, name, value):
    run = trainer(tmp_path / "run", checkpoint_every_images=16)
    tensor = run.gan.networks.state_dict()[name]
    at_step(run, 3, lambda: tensor.fill_(value))
    diverges(run, tmp_path / "run", "at step 4", name)
    assert run.images == 48


def test_an_infinite_bias_that_tanh_hides_is_in_no_checkpoint(tmp_path):
    run = trainer(tmp_path / "run", checkpoint_every_images=16)
    at_step(run, 3, lambda: run.gan.generator.output.bias.data.fill_(INF))
    diverges(run, tmp_path / "run", "at step 4", "generator.output.bias")


def test_in_the_discriminators_statistics(tmp_path):
    run = trainer(tmp_path / "run", model=plain_gan(), data=points())
    at_step(run, 2, lambda: run.gan.discriminator.layers[1].running_var.fill_(INF))
    diverges(run, tmp_path / "run", "at step 3", "discriminator.layers.1.running_var")


def test_in_the_average_alone(tmp_path):
    run = trainer(tmp_path / "run", checkpoint_every_images=16)
    at_step(run, 3, lambda: run.averages["generator"].network.output.weight.fill_(NAN))
    diverges(run, tmp_path / "run", "at step 4", "ema.generator.output.weight")


def test_in_an_optimizers_state(tmp_path):
    run = trainer(tmp_path / "run", checkpoint_every_images=16)
    state = run.generator.optimizer.state
    at_step(run, 3, lambda: state[run.generator.parameters[0]]["exp_avg"].fill_(NAN))
    diverges(run, tmp_path / "run", "at step 4", "generator.layers.0.0.weight")


def test_by_the_last_update_also_without_a_folder():
    run = trainer(steps=3)
    with pytest.raises(DivergenceError, match="by step 3: generator"):
        at_step(run, 2, lambda: run.averages["generator"].network.output.weight.fill_(NAN)).fit()


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_learning_rate_of_a_million(tmp_path, name):
    """Every adversarial loss either diverges, and then says so, or stays finite; nothing else is ever written."""
    run = trainer(
        tmp_path / "run", objective=name, learning_rate=1e6, optimizer="sgd", steps=40, checkpoint_every_images=16
    )
    with suppress(DivergenceError):
        run.fit()
    assert finite_checkpoints(tmp_path / "run") >= 1


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_spoilt_weight_stops_every_loss_within_the_step(tmp_path, name, network):
    run = trainer(tmp_path / "run", objective=name, checkpoint_every_images=16)
    at_step(run, 2, lambda: run.gan.networks[network].output.weight.data.fill_(NAN))
    diverges(run, tmp_path / "run", "at step 3", f"{network}.output.weight")


def test_a_million_with_the_original_losses_stops(tmp_path):
    run = trainer(tmp_path / "run", learning_rate=1e6, optimizer="sgd", steps=40)
    diverges(run, tmp_path / "run", "training diverged at step", "try a smaller learning_rate")


def test_a_run_that_diverged_goes_on_from_its_last_good_state(tmp_path):
    run = trainer(tmp_path / "run", checkpoint_every_images=16)
    at_step(run, 3, lambda: run.gan.generator.output.bias.data.fill_(NAN))
    diverges(run, tmp_path / "run", "at step 4")
    resumed = Trainer.resume(tmp_path / "run", progress=False)
    assert resumed.images == 48
    assert stop_at(resumed, 5).images == 80


def test_the_message_says_what_a_norm_is(tmp_path):
    run = trainer(tmp_path / "run")
    parameters = run.discriminator.parameters
    at_step(run, 1, lambda: [p.register_hook(lambda g: torch.full_like(g, 3e38)) for p in parameters])
    diverges(run, tmp_path / "run", "at step 2", "the discriminator's gradient norm")
