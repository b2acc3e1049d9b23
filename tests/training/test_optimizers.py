import pytest
import torch
from small import WIDTHS, copied, digest, stop_at, trainer
from torch import nn

from ganzoo import Trainer
from ganzoo.errors import ConfigError
from ganzoo.training.schedules import decay_factor


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "lion", "Adam"])
def test_trains(optimizer):
    run = trainer(steps=3, optimizer=optimizer, learning_rate=0.01)
    before = copied(run.gan.networks)
    run.fit()
    after = run.gan.networks.state_dict()
    learned = [name for name in after if name.endswith("weight")]
    assert all(not torch.equal(before[name], after[name]) for name in learned)


def test_torchs_own_are_fused():
    for optimizer in ("adam", "adamw", "sgd"):
        assert trainer(optimizer=optimizer).generator.optimizer.param_groups[0]["fused"]


def test_each_player_has_its_own_learning_rate():
    run = trainer(learning_rate=1e-3, discriminator_learning_rate=2e-3)
    run._train_step()
    assert run.generator.optimizer.param_groups[0]["lr"] == 1e-3
    assert run.discriminator.optimizer.param_groups[0]["lr"] == 2e-3


def test_an_unknown_name_gives_the_near_one():
    with pytest.raises(ConfigError, match=r"there is no optimizer 'adamm'.*did you mean 'adam"):
        trainer(optimizer="adamm")


@pytest.mark.parametrize("optimizer", ["adahessian", "kron"])
def test_optimizers_that_no_checkpoint_could_hold_are_refused(optimizer):
    with pytest.raises(ConfigError, match="there is no optimizer"):
        trainer(optimizer=optimizer)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "lion", "lamb"])
def test_betas_reach_optimizers_that_take_them(optimizer):
    group = trainer(optimizer=optimizer, beta1=0.25, beta2=0.75).generator.optimizer.param_groups[0]
    assert group["betas"] == (0.25, 0.75)


def test_the_first_beta_is_the_momentum_of_sgd():
    assert trainer(optimizer="sgd", beta1=0.25).generator.optimizer.param_groups[0]["momentum"] == 0.25


@pytest.mark.parametrize(
    ("optimizer", "beta"),
    [("rmsprop", "beta1"), ("rmsprop", "beta2"), ("sgd", "beta2"), ("sgdp", "beta1"), ("adan", "beta2")],
)
def test_betas_that_would_be_ignored_are_refused(optimizer, beta):
    with pytest.raises(ConfigError, match=rf"{beta} is 0\.25, and the optimizer '{optimizer}' has no use for it"):
        trainer(optimizer=optimizer, **{beta: 0.25})


@pytest.mark.skipif(torch.cuda.is_available(), reason="a card is there")
def test_an_optimizer_that_needs_a_card_says_so():
    with pytest.raises(ConfigError, match="'fusedadam' cannot be used here"):
        trainer(optimizer="fusedadam")


def test_nothing_left_to_learn():
    run = trainer()
    run.gan.discriminator.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameters to learn"):
        Trainer(run.gan, "non_saturating", "ring", images=16)


# Optimizers whose state is of an unusual kind: counters in the group, factored moments, numbers, none at all.
@pytest.mark.parametrize("optimizer", ["lamb", "adan", "adafactor", "madgrad", "novograd", "nadam", "lion", "sgdp"])
def test_resumes_bit_for_bit(tmp_path, optimizer):
    whole = trainer(tmp_path / "whole", steps=5, optimizer=optimizer)
    whole.fit()
    stop_at(trainer(tmp_path / "cut", steps=5, optimizer=optimizer, checkpoint_every_images=32), 3)
    resumed = Trainer.resume(tmp_path / "cut", progress=False)
    assert resumed.images == 32
    resumed.fit()
    assert digest(resumed) == digest(whole)


@pytest.mark.parametrize(
    ("kind", "factors"),
    [("none", [1, 1, 1]), ("linear", [1, 0.5, 0.25]), ("cosine", [1, 0.5, 0.146447])],
)
def test_decay(kind, factors):
    assert [decay_factor(kind, progress) for progress in (0, 0.5, 0.75)] == pytest.approx(factors, abs=1e-5)


def test_the_learning_rate_decays_over_the_budget():
    run = trainer(steps=4, learning_rate=1e-3, learning_rate_decay="linear")
    rates = []
    for _ in range(4):
        run._train_step()
        rates.append(run.generator.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])


def test_frozen_parameters_are_in_no_optimizer():
    run = trainer(model_args=WIDTHS)
    run.gan.generator.output.requires_grad_(False)
    again = Trainer(run.gan, "non_saturating", "ring", images=16)
    held = {id(parameter) for group in again.generator.optimizer.param_groups for parameter in group["params"]}
    assert not held & {id(parameter) for parameter in run.gan.generator.output.parameters()}
    assert isinstance(run.gan.generator.output, nn.Linear)
