"""An architecture with a training step of its own, and networks that go back from samples to sources."""

import pytest
import torch
from small import digest, lines, pairs, same, stop_at, trainer
from turning import TURNING

import ganzoo
from ganzoo import Trainer
from ganzoo.data.unpaired import hide_pairs
from ganzoo.errors import CheckpointError, ConfigError, InputError, ObjectiveError
from ganzoo.gan import GAN
from ganzoo.models.architecture import goes_back
from ganzoo.models.condition import Condition
from ganzoo.training.settings import Settings
from ganzoo.training.step import AdversarialStep

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")

NETWORKS = ("generator", "generator_back", "discriminator", "discriminator_back")


@pytest.fixture
def turn(site):
    site.install("ganzoo-turns", TURNING)
    return {"model": "ganzoo_turns/turn", "data": hide_pairs(pairs()), "steps": 4}


def test_the_architecture_brings_the_step_with_what_the_run_was_asked_for(turn):
    run = trainer(**turn, objective="2 * least_squares", precision="auto", model_args={"weight": 7.0})
    step = run.step
    assert type(step).__name__ == "Step"
    assert (step.weight, str(step.there.objective)) == (7.0, "2.0 * least_squares")
    assert step.settings == run.settings
    assert step.settings.precision != "auto"
    assert set(step.networks) == set(NETWORKS)
    assert "step" not in run.config()  # nothing that only Python holds


def test_a_model_that_was_built_has_it_too_and_plain_modules_have_not(turn):
    gan = ganzoo.create_model("ganzoo_turns/turn")
    assert type(trainer(**turn | {"model": gan}).step).__name__ == "Step"
    plain = GAN(dict(gan.networks.items()))
    assert type(trainer(**turn | {"model": plain}).step) is AdversarialStep


def test_a_step_that_is_given_wins(turn):
    gan = ganzoo.create_model("ganzoo_turns/turn")
    settings = Settings(images=64, batch_size=16).resolved()
    given = AdversarialStep(gan, ganzoo.create_objective("hinge"), settings)
    run = trainer(**turn | {"model": gan}, step=given)
    assert run.step is given


def test_what_the_step_refuses_is_refused_before_the_first_batch(turn):
    with pytest.raises(ObjectiveError, match="turn takes no penalties"):
        trainer(**turn, objective="hinge + r1(1)")


@pytest.mark.parametrize("data", [pairs(), hide_pairs(pairs())], ids=["paired", "unpaired"])
def test_all_networks_learn_by_losses_of_both_ways(turn, data):
    objective = "least_squares" if data.paired is False else "least_squares + l1"
    run = trainer(**turn | {"data": data}, objective=objective)
    before = {name: {k: v.clone() for k, v in run.gan.networks[name].state_dict().items()} for name in NETWORKS}
    run.fit()
    for name in NETWORKS:
        assert not any(torch.equal(v, before[name][k]) for k, v in run.gan.networks[name].state_dict().items()), name
    seen = set(run.monitor.values)
    assert {"generator_cycle", "generator_mean", "generator_least_squares", "generator_least_squares_back"} <= seen
    assert {"discriminator_least_squares", "discriminator_least_squares_back"} <= seen
    assert ("generator_l1_back" in seen) == data.paired


@pytest.mark.parametrize("cuts", [(0,), (3,), (6, 7)], ids=str)
def test_a_resumed_run_equals_one_that_was_not_stopped(tmp_path, turn, cuts):
    """40 samples in batches of 16, and as many sources in an order of their own; the step keeps a mean of its own."""
    turn |= {"steps": 10}
    whole = trainer(tmp_path / "whole", **turn)
    whole.fit()
    run = trainer(tmp_path / "cut", **turn)
    for cut in cuts:
        stop_at(run, cut, save=True)
        run = Trainer.resume(tmp_path / "cut", data=turn["data"], progress=False)
        assert run.images == cut * 16
    run.fit()
    assert digest(run) == digest(whole)
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")
    assert same(run.step.state_dict(), whole.step.state_dict())


def test_a_state_that_the_step_does_not_take_is_another_run_s(tmp_path, turn):
    run = trainer(tmp_path / "run", **turn)
    run.step.state_dict = dict
    stop_at(run, 2, save=True)
    with pytest.raises(CheckpointError, match="the checkpoint is of other networks or another optimizer: 'mean'"):
        Trainer.resume(tmp_path / "run", data=turn["data"], progress=False)


def test_a_model_keeps_its_way_back(tmp_path, turn):
    trainer(tmp_path / "run", **turn).fit()
    model = tmp_path / "run" / "model"
    whole, gan = ganzoo.load(model, discriminator=True), ganzoo.load(model)
    assert set(whole.networks) == set(NETWORKS)
    assert set(gan.networks) == {"generator", "generator_back"}
    sources, samples = torch.rand(3, 1, 16, 16) * 2 - 1, torch.rand(3, 3, 16, 16) * 2 - 1
    assert gan.translate(sources).shape == (3, 3, 16, 16)
    back = gan.translate(samples, network="generator_back")
    with torch.no_grad():
        assert torch.equal(back, gan.networks["generator_back"](None, samples))
    assert torch.allclose(gan.translate(samples[0], network="generator_back"), back[0], atol=1e-6)
    assert torch.equal(gan.translate(samples.numpy(), network="generator_back"), back)
    assert 'gan.translate(images, network="generator_back")' in (model / "README.md").read_text()
    with pytest.raises(InputError, match=r"expected \(3, 3, 16, 16\)"):
        gan.translate(sources, network="generator_back")
    with pytest.raises(InputError, match="has no generator 'discriminator'; it has generator and generator_back"):
        whole.translate(sources, network="discriminator")
    with pytest.raises(InputError, match="takes nothing as its condition, not an image; use sample"):
        ganzoo.create_model("mlp").translate(sources)


def test_what_goes_back():
    def network(shape, *condition):
        module = torch.nn.Identity()
        module.sample_shape, module.condition = shape, Condition.image(*condition) if condition else Condition()
        return module

    offered = Condition.image((1, 16, 16))
    there, back = network((3, 16, 16), (1, 16, 16)), network((1, 16, 16), (3, 16, 16))
    assert goes_back("generator_back", back, (3, 16, 16), offered)
    assert goes_back("discriminator_back", network((1, 16, 16)), (3, 16, 16), offered)
    assert not goes_back("generator", back, (3, 16, 16), offered)
    assert not goes_back("generator_2", there, (3, 16, 16), offered)
    assert not goes_back("generator_back", network((1, 16, 16), (2, 16, 16)), (3, 16, 16), offered)
    assert not goes_back("generator_back", back, (3, 16, 16), Condition())


def test_networks_of_neither_way_are_refused(turn):
    gan, other = (ganzoo.create_model("ganzoo_turns/turn", size=size) for size in ((16, 16), (24, 24)))
    networks = dict(gan.networks.items())
    for name in ("generator_back", "discriminator_back"):
        mixed = GAN({**networks, name: other.networks[name]}, config=gan.config)
        with pytest.raises(ConfigError, match=f"the {name} is one for samples of shape .1, 24, 24."):
            trainer(**turn | {"model": mixed})


def test_a_saved_network_of_neither_way_is_refused(tmp_path, turn):
    gan, other = (ganzoo.create_model("ganzoo_turns/turn", size=size) for size in ((16, 16), (24, 24)))
    config = gan.config
    config.networks["generator_back"] = other.config.networks["generator_back"]
    networks = {**dict(gan.networks.items()), "generator_back": other.networks["generator_back"]}
    GAN(networks, config=config).save_pretrained(tmp_path / "mixed")
    with pytest.raises(ConfigError, match=r"sample_shape is \(3, 16, 16\), and the generator_back is one for"):
        ganzoo.load(tmp_path / "mixed")
