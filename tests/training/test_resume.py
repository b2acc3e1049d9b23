import logging
import re

import pytest
import torch
from small import (
    described,
    digest,
    edit,
    edit_state,
    lines,
    pairs,
    pictures,
    plain_gan,
    points,
    same,
    stop_at,
    trainer,
    warnings_of,
)

import ganzoo
from ganzoo import Trainer
from ganzoo.data.unpaired import hide_pairs
from ganzoo.errors import CheckpointError, GanzooError, RunError
from ganzoo.losses.non_saturating import NonSaturating
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.step import AdversarialStep

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")

CHANNELS = {"base_channels": 4, "latent_dim": 4}
# 40 rows in batches of 16: 2.5 steps an epoch.
FAMILIES = {
    "mlp": {"data": points()},
    "mlp-conditional": {"data": points(classes=4), "conditional": True},
    "mlp-spectral": {"data": points(), "model_args": {"discriminator_normalization": "spectral"}},
    "mlp-dropout": {"data": points(), "model_args": {"discriminator_dropout": 0.3}},
    "mlp-two-steps": {"data": points(), "discriminator_steps": 2},
    "mlp-lazy-r1": {"data": points(), "objective": "non_saturating + label_flip(0.1) + r1(1.0, every=2)"},
    "mlp-rare-r1": {"data": points(), "objective": "non_saturating + r1(1.0, every=4)"},
    "mlp-bf16": {"data": points(), "precision": "bf16"},
    "mlp-fp16": {"data": points(), "precision": "fp16"},
    "mlp-fp64": {"data": points(), "precision": "fp64"},
    "mlp-decay": {"data": points(), "learning_rate_decay": "cosine"},
    "mlp-rmsprop": {"data": points(), "optimizer": "rmsprop"},
    "mlp-lamb": {"data": points(), "optimizer": "lamb"},
    "dcgan": {"model": "dcgan", "data": pictures(40), "model_args": CHANNELS},
    "dcgan-conditional": {
        "model": "dcgan",
        "data": pictures(40, classes=3),
        "conditional": True,
        "model_args": CHANNELS,
    },
    "dcgan-spectral": {
        "model": "dcgan",
        "data": pictures(40),
        "model_args": {**CHANNELS, "discriminator_normalization": "spectral"},
    },
    "dcgan-with-pix2pix": {
        "model": "dcgan",
        "data": pictures(40),
        "model_args": CHANNELS,
        "discriminator": "pix2pix",
        "discriminator_args": {"base_channels": 6, "discriminator_normalization": "spectral"},
    },
    "mlp-with-mlp": {
        "data": points(classes=4),
        "conditional": True,
        "discriminator_args": {"discriminator_widths": [6], "discriminator_dropout": 0.3},
    },
    "cgan-vectors": {"model": "cgan", "data": described(), "model_args": {**CHANNELS, "conditioning": "projection"}},
    "pix2pix-dropout": {
        "model": "pix2pix",
        "data": pairs(),
        "model_args": {"base_channels": 4},
        "objective": "non_saturating + 10 * l1",
        "flip": True,
        "shift": 2,
        "discriminator_weight": 0.5,
    },
    "pix2pix-unpaired": {"model": "pix2pix", "data": hide_pairs(pairs(28)), "model_args": {"base_channels": 4}},
    "mlp-clipped": {"data": points(), "objective": "wasserstein + weight_clipping(0.05)", "discriminator_steps": 2},
    "mlp-instance-noise": {"data": points(), "augment": "instance_noise(0.2)", "discriminator_steps": 2},
    "dcgan-ada": {
        "model": "dcgan",
        "data": pictures(40),
        "model_args": {**CHANNELS, "discriminator_normalization": "none"},
        "objective": "non_saturating + r1(1.0, every=2)",
        "augment": "ada(target=-0.5, rise=300, every=3, p=0.2)",
    },
    "mlp-features": {"data": points(), "objective": "non_saturating + feature_matching"},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return uninterrupted runs by family, each made once."""
    made = {}

    def run(family):
        if family not in made:
            folder = tmp_path_factory.mktemp(family) / "run"
            prepared = trainer(folder, steps=10, **FAMILIES[family])
            prepared.fit()
            made[family] = digest(prepared), lines(folder)
        return made[family]

    return run


# Steps after which the run is cut: at its start, within an epoch, at an epoch's end, twice in one epoch.
CUTS = {"start": (0,), "mid-epoch": (3,), "boundary": (5,), "twice": (6, 7)}


def cut_families():
    """Give each family with each way to cut it; those but twice and one of the others in turn are slow."""
    for number, family in enumerate(FAMILIES):
        for position, (name, cuts) in enumerate(CUTS.items()):
            is_quick = name == "twice" or position == number % 3
            marks = [] if is_quick else [pytest.mark.slow]
            yield pytest.param(family, cuts, id=f"{family}-{name}", marks=marks)


@pytest.mark.parametrize(("family", "cuts"), list(cut_families()))
def test_resumed_is_bit_identical_to_uninterrupted(tmp_path, whole, family, cuts):
    run = tmp_path / "run"
    images = 16 * FAMILIES[family].get("discriminator_steps", 1)
    prepared = trainer(run, steps=10, **FAMILIES[family])
    for cut in cuts:
        stop_at(prepared, cut, save=True)
        torch.manual_seed(cut)
        prepared = Trainer.resume(run, data=FAMILIES[family]["data"], progress=False)
        assert prepared.images == cut * images
    prepared.fit()
    assert (digest(prepared), lines(run)) == whole(family)


@pytest.mark.parametrize("family", ["mlp-dropout", "pix2pix-dropout"])
def test_dropout_is_drawn_anew_each_step(family):
    run = trainer(steps=1, **FAMILIES[family])
    layers = [module for module in run.gan.modules() if "Dropout" in type(module).__name__]
    assert layers
    assert all(getattr(layer, "p", None) or layer.probability for layer in layers)
    quiet = "discriminator_dropout" if family == "mlp-dropout" else "dropout"
    settings = FAMILIES[family] | {"model_args": {**FAMILIES[family]["model_args"], quiet: 0.0}}
    without = trainer(steps=1, **settings)
    for each in (run, without):
        each.fit()
    assert not same(run.gan.networks.state_dict(), without.gan.networks.state_dict())


def test_work_since_the_last_checkpoint_is_done_again_alike(tmp_path, whole):
    run = tmp_path / "run"
    stop_at(trainer(run, steps=10, checkpoint_every_images=48, **FAMILIES["mlp"]), 8)
    assert lines(run)[-1]["images"] == 128
    resumed = Trainer.resume(run, data=points(), progress=False)
    assert resumed.images == 96
    resumed.fit()
    assert (digest(resumed), lines(run)) == whole("mlp")


def test_a_finished_run_only_writes_its_model_again(tmp_path):
    run = tmp_path / "run"
    first = trainer(run, steps=3)
    first.fit()
    log, before = (run / "metrics.jsonl").read_bytes(), digest(first)
    (run / "model" / "config.json").unlink()
    resumed = Trainer.resume(run, progress=False)
    gan = resumed.fit()
    assert digest(resumed) == before
    assert (run / "metrics.jsonl").read_bytes() == log
    assert torch.equal(ganzoo.load(run / "model").sample(3, seed=0), gan.sample(3, seed=0))


def test_a_larger_budget_goes_on_and_is_said(tmp_path, caplog):
    run = tmp_path / "run"
    trainer(run, steps=3).fit()
    edit(run, lambda config: config["training"].update(images=80))
    resumed = Trainer.resume(run, progress=False)
    assert "training.images was 48 and is 80; going on with the new value" in warnings_of(caplog)
    resumed.fit()
    longer = trainer(steps=5)
    longer.fit()
    assert same(longer.gan.networks.state_dict(), resumed.gan.networks.state_dict())


# What may not change


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(config):
        for key in path:
            config = config[key]
        config[last] = value

    return change


def drop(*path):
    *path, last = path

    def change(config):
        for key in path:
            config = config[key]
        del config[last]

    return change


# An edit of config.toml, and what the refusal or (for the last few) the warning names.
CONFIG_EDITS = {
    "learning rate": (put("training", "learning_rate", 1e-3), "training.learning_rate was 0.0002 and is 0.001"),
    "batch size": (put("training", "batch_size", 8), "training.batch_size"),
    "seed": (put("training", "seed", 1), "training.seed was 0 and is 1"),
    "optimizer": (put("training", "optimizer", "sgd"), "training.optimizer was 'adam' and is 'sgd'"),
    "precision": (put("training", "precision", "bf16"), "training.precision"),
    "discriminator steps": (put("training", "discriminator_steps", 2), "training.discriminator_steps"),
    "half-life": (put("training", "ema_half_life_images", 5), "training.ema_half_life_images"),
    "decay": (put("training", "learning_rate_decay", "linear"), "training.learning_rate_decay"),
    "reuse": (put("training", "reuse_fakes", False), "training.reuse_fakes"),
    "a default left out": (drop("training", "beta1"), "training.beta1"),
    "unknown setting": (put("training", "batchsize", 8), "did you mean 'batch_size'"),
    "wrong type": (put("training", "batch_size", "8"), "batch_size is '8'"),
    "another argument of the trainer": (put("training", "run", "x"), "there is no setting 'run'"),
    "arguments of no use": (put("model", "args", 3), "model.args is 3"),
    "a discriminator of no use": (put("model", "discriminator", 3), "model.discriminator is 3"),
    "discriminator arguments of no use": (put("model", "discriminator_args", 3), "model.discriminator_args is 3"),
    "another discriminator": (put("model", "discriminator", "dcgan"), "dcgan takes pictures"),
    "an unknown discriminator": (put("model", "discriminator", "mlpp"), "did you mean 'mlp'"),
    "other discriminator arguments": (
        put("model", "discriminator_args", {"discriminator_widths": [9]}),
        "model.discriminator_args.discriminator_widths was None and is [9]",
    ),
    "flips": (put("training", "flip", True), "only pictures (C, H, W) can be mirrored"),
    "an objective of no use": (put("objective", 3), "objective is 3"),
    "a source of no use": (put("data", "source", 3), "data.source is 3"),
    "objective": (put("objective", "minimax"), "objective was 'non_saturating' and is 'minimax'"),
    "unknown objective": (put("objective", "nothing_such"), "nothing_such"),
    "objective's origin": (put("objective_is_registered", False), "objective=..."),
    "architecture": (put("model", "architecture", "dcgan"), "dcgan"),
    "width": (put("model", "args", "generator_widths", [9]), "model.args.generator_widths was [8] and is [9]"),
    "another model key": (put("model", "arguments", {"x": 1}), "model.arguments.x"),
    "data": (put("data", "source", "grid"), "data.source was 'ring' and is 'grid'"),
    "data's fingerprint": (put("data", "fingerprint", "0" * 64), "data.fingerprint"),
    "data's size": (put("data", "samples", 5), "data.samples was 100000 and is 5"),
    "a section gone": (drop("training"), "lacks 'training'"),
    "data gone": (drop("data"), "lacks 'data'"),
    "a new section": (put("traning", {"seed": 1}), "traning.seed was None and is 1"),
    "budget": (put("training", "images", 10_000), "training.images was 96 and is 10000"),
    "log interval": (put("training", "log_every_images", 32), "training.log_every_images was 1 and is 32"),
    "kept": (put("training", "keep_checkpoints", 5), "training.keep_checkpoints was 2 and is 5"),
    "version": (put("ganzoo", "0.0.1"), "ganzoo was"),
}

# An edit of state.json with a manifest to match.
STATE_EDITS = {
    "threads": (put("environment", "threads", 64), "threads was 64 and is"),
    "torch": (put("environment", "torch", "2.0"), "torch was 2.0 and is"),
    "python": (put("environment", "python", "3.8"), "python was 3.8 and is"),
    "processor": (put("environment", "processor", "Z80"), "processor was Z80 and is"),
    "no environment": (drop("environment"), "torch was None and is"),
    "setting": (put("config", "training", "seed", 7), "training.seed was 7 and is 0"),
    "no config": (drop("config"), "and is"),
    "schema": (put("schema", 2), "it has schema 2, and this version reads 1"),
    "images": (put("images", 16), "it is of 16 images"),
    "step": (put("step", 1), "which are not 1 steps"),
    "no step": (drop("step"), "'step'"),
    "losses": (put("losses", 3), "another optimizer"),
    "no optimizer": (drop("optimizer_groups"), "'optimizer_groups'"),
    "another optimizer": (put("optimizer_groups", "generator", [{}, {}]), "another optimizer"),
    "a stray number": (put("optimizer_numbers", {"optimizer.generator.99.step": 1}), "another optimizer"),
}


# Likewise, of a run whose discriminator is another architecture's.
MIXED_EDITS = {
    "channels": (
        put("model", "discriminator_args", "base_channels", 5),
        "model.discriminator_args.base_channels was 6 and is 5",
    ),
    "architecture": (put("model", "discriminator", "dcgan"), "dcgan: there is no setting"),
    "none": (drop("model", "discriminator"), "dcgan: there is no setting"),
    "no arguments": (drop("model", "discriminator_args"), "model.discriminator_args.base_channels was 6 and is 4"),
    "size": (put("model", "discriminator_args", "image_size", 16), "takes samples of shape (1, 16, 16), and the gener"),
    "sources": (put("model", "discriminator_args", "source_channels", 1), "is conditioned on an image of 1x8x8"),
    "flip": (put("training", "flip", True), "training.flip was False and is True"),
    "shift": (put("training", "shift", 1), "training.shift was 0 and is 1"),
}


@pytest.mark.parametrize("name", MIXED_EDITS)
def test_an_edited_discriminator_is_refused_by_name(tmp_path, caplog, name):
    caplog.set_level(logging.WARNING)
    family = FAMILIES["dcgan-with-pix2pix"]
    run = tmp_path / "run"
    stop_at(trainer(run, **family), 1, save=True)
    assert Trainer.resume(run, data=family["data"], progress=False).images == 16
    change, expected = MIXED_EDITS[name]
    edit(run, change)
    with pytest.raises(GanzooError) as refused:
        Trainer.resume(run, data=family["data"], progress=False)
    assert expected in str(refused.value)
    assert warnings_of(caplog) == []


def test_paired_data_is_given_again(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run, **FAMILIES["pix2pix-dropout"]), 1, save=True)
    with pytest.raises(RunError, match=r"its own data; go on with .*data=\.\.\."):
        Trainer.resume(run)
    exchanged = pairs(channels=3)
    with pytest.raises(GanzooError, match=r"conditioned on an image of 1x16x16, and data gives an image of 3x16x16"):
        Trainer.resume(run, data=exchanged)
    other = pairs()
    other.sources[0, 0, 0, 0] ^= 1
    with pytest.raises(RunError, match=r"data\.fingerprint was"):
        Trainer.resume(run, data=other)
    assert Trainer.resume(run, data=pairs()).images == 16


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    run = tmp_path_factory.mktemp("cut") / "run"
    stop_at(trainer(run, checkpoint_every_images=32), 3)
    return run


def said(run, caplog):
    """Resume, and return the refusal or the warnings."""
    caplog.set_level(logging.WARNING)
    try:
        Trainer.resume(run, progress=False)
    except GanzooError as error:
        return [*warnings_of(caplog), str(error)]
    return warnings_of(caplog)


def copy_of(run, tmp_path):
    import shutil

    return shutil.copytree(run, tmp_path / "run")


def test_nothing_is_said_of_an_unchanged_run(cut, caplog):
    assert said(cut, caplog) == []


@pytest.mark.parametrize("name", CONFIG_EDITS)
def test_an_edited_config_is_refused_or_warned_of_by_name(cut, tmp_path, caplog, name):
    change, expected = CONFIG_EDITS[name]
    run = copy_of(cut, tmp_path)
    edit(run, change)
    messages = said(run, caplog)
    assert any(expected in message for message in messages), messages
    assert not any(re.search(r"Traceback|KeyError", message) for message in messages)


@pytest.mark.parametrize("name", STATE_EDITS)
def test_an_edited_state_is_refused_or_warned_of_by_name(cut, tmp_path, caplog, name):
    change, expected = STATE_EDITS[name]
    run = copy_of(cut, tmp_path)
    edit_state(run, change)
    messages = said(run, caplog)
    assert any(expected in message for message in messages), messages


def test_another_number_of_threads_is_warned_of(cut, tmp_path, caplog):
    run = copy_of(cut, tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        messages = said(run, caplog)
    finally:
        torch.set_num_threads(before)
    assert messages == [f"threads was {before} and is {before + 1}; results may differ in the last digits"]


def test_a_config_that_cannot_be_read(cut, tmp_path):
    run = copy_of(cut, tmp_path)
    (run / "config.toml").write_text("this is no toml")
    with pytest.raises(RunError, match=r"config\.toml' cannot be read"):
        Trainer.resume(run)
    (run / "config.toml").unlink()
    with pytest.raises(RunError, match="holds no run"):
        Trainer.resume(run)


# What came from Python


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"data": points()}, "data"),
        ({"model": plain_gan()}, "model"),
        ({"model": plain_gan(), "data": points()}, "data and model"),
    ],
)
def test_what_only_python_holds_must_be_given_again(tmp_path, changes, missing):
    run = tmp_path / "run"
    stop_at(trainer(run, **changes, checkpoint_every_images=16), 2)
    asked = ", ".join(f"{name}=..." for name in missing.split(" and "))
    with pytest.raises(RunError, match=rf"its own {missing}; go on with ganzoo.Trainer.resume\(.*, {asked}\)"):
        Trainer.resume(run)
    resumed = Trainer.resume(run, **changes, progress=False)
    assert resumed.images == 32
    resumed.fit()


def test_floats_and_their_range_are_given_again(tmp_path):
    run, samples = tmp_path / "run", torch.rand(40, 2)
    stop_at(trainer(run, data=samples, value_range=(0, 1), checkpoint_every_images=16), 2)
    with pytest.raises(RunError, match=r"data\.fingerprint was"):
        Trainer.resume(run, data=samples, value_range=(0, 2))
    assert Trainer.resume(run, data=samples, value_range=(0, 1)).images == 32


class Mine(NonSaturating):
    """An objective that no registry knows."""


def test_an_objective_of_ones_own_must_be_given_again(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run, objective=Mine()), 2)
    with pytest.raises(RunError, match=r"with its own objective; go on with .*objective=\.\.\."):
        Trainer.resume(run)
    with pytest.raises(RunError, match="objective was 'Mine' and is 'non_saturating'"):
        Trainer.resume(run, objective="non_saturating")
    assert Trainer.resume(run, objective=Mine()).objective.adversarial == Mine()


class MyStep(AdversarialStep):
    """A step of one's own."""


def test_a_step_of_ones_own_must_be_given_again(tmp_path):
    run = tmp_path / "run"
    prepared = trainer()
    step = MyStep(prepared.gan, prepared.objective, prepared.settings)
    stop_at(trainer(run, model=prepared.gan, step=step), 1)
    with pytest.raises(RunError, match=r"with its own step; go on with .*step=\.\.\."):
        Trainer.resume(run)
    assert Trainer.resume(run, step=step, model=prepared.gan).step is step


def test_a_step_is_not_exchanged(cut, tmp_path):
    prepared = trainer()
    with pytest.raises(RunError, match="step was None and is 'MyStep'"):
        Trainer.resume(copy_of(cut, tmp_path), step=MyStep(prepared.gan, prepared.objective, prepared.settings))


def test_a_partly_frozen_model_must_be_given_again(tmp_path):
    run = tmp_path / "run"
    prepared = trainer()
    prepared.gan.discriminator.layers[0].requires_grad_(False)
    stop_at(trainer(run, model=prepared.gan, checkpoint_every_images=16), 2)
    with pytest.raises(RunError, match=r"with its own model; go on with .*model=\.\.\."):
        Trainer.resume(run)
    with pytest.raises(RunError, match=r"model.frozen was \['discriminator"):
        Trainer.resume(run, model=trainer().gan)
    again = trainer().gan
    again.discriminator.layers[0].requires_grad_(False)
    assert Trainer.resume(run, model=again).images == 32


def test_other_networks_are_refused(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run, model=plain_gan()), 1)
    other = plain_gan()
    other.generator[0] = torch.nn.Linear(4, 8, bias=False)
    with pytest.raises(CheckpointError, match=r"of other networks or another optimizer.*unexpected '0\.bias'"):
        Trainer.resume(run, model=other)


def test_other_data_is_refused(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run, data=points()), 1)
    with pytest.raises(RunError, match=r"data\.fingerprint was"):
        Trainer.resume(run, data=points(seed=1))


def test_a_resumed_run_falls_back_when_the_newest_is_damaged(tmp_path, caplog, whole):
    run = tmp_path / "run"
    stop_at(trainer(run, steps=10, checkpoint_every_images=32, **FAMILIES["mlp"]), 7)
    (run / "checkpoints" / "000000096" / "state.safetensors").write_bytes(b"")
    resumed = Trainer.resume(run, data=points(), progress=False)
    assert resumed.images == 64
    assert "checkpoint 000000096 cannot be used" in caplog.text
    resumed.fit()
    assert (digest(resumed), lines(run)) == whole("mlp")
    assert CheckpointStore(run / "checkpoints", 2).names() == ["000000128", "000000160"]
