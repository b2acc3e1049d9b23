import fcntl
import threading
import tomllib
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import (
    WIDTHS,
    copied,
    described,
    digest,
    lines,
    pairs,
    pictures,
    plain_gan,
    points,
    same,
    stop_at,
    trainer,
)
from torch import nn

import ganzoo
from ganzoo import GAN, Trainer
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.render import beside
from ganzoo.data.table import Table
from ganzoo.data.toy import RING_MODES, mode_coverage
from ganzoo.errors import ConfigError, InputError, ObjectiveError, RunError, UnknownNameError, WeightsError
from ganzoo.models.condition import Condition, condition_of
from ganzoo.training import resuming
from ganzoo.training.probe import Probe
from ganzoo.training.step import AdversarialStep
from ganzoo.training.trainer import CHANNELS_LAST_FROM

LOG_KEYS = {
    "images",
    "step",
    "discriminator_loss",
    "discriminator_gradient_norm",
    "generator_loss",
    "generator_gradient_norm",
    "real_score",
    "fake_score",
    "images_per_second",
}


# One seed, one result


@pytest.mark.parametrize(
    "changes", [{}, {"precision": "bf16"}, {"objective": "non_saturating + label_noise(0.7, 0.9)"}]
)
def test_two_runs_with_one_seed_are_bit_identical(changes):
    first, second, other = (trainer(steps=4, seed=seed, **changes) for seed in (1, 1, 2))
    for run in (first, second, other):
        torch.manual_seed(id(run) % 1000)  # the caller's own randomness has no part in it
        run.fit()
    assert digest(first) == digest(second)
    assert digest(first) != digest(other)


def test_preparing_a_run_leaves_the_callers_randomness_alone():
    state = torch.get_rng_state()
    trainer()
    assert torch.equal(torch.get_rng_state(), state)


def test_training_leaves_the_callers_randomness_alone():
    state = torch.get_rng_state()
    trainer(steps=2).fit()
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_is_drawn_from_the_seed():
    model_args = {"discriminator_dropout": 0.5}
    first, second = (trainer(steps=3, model_args=model_args) for _ in range(2))
    first.fit()
    torch.rand(7)
    second.fit()
    assert digest(first) == digest(second)


# A run's folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("finished") / "run"
    prepared = trainer(
        run, steps=10, log_every_images=32, sample_every_images=80, checkpoint_every_images=48, keep_checkpoints=3
    )
    return run, prepared, prepared.fit()


def test_the_config_says_everything(finished):
    run, prepared, _ = finished
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["objective"] == "non_saturating"
    assert config["model"]["architecture"] == "mlp"
    assert config["model"]["args"]["generator_widths"] == [8]
    assert config["data"]["source"] == "ring"
    assert config["data"]["fingerprint"] == prepared.table.fingerprint()
    assert config["training"]["precision"] in ("fp32", "bf16")
    assert config["training"]["device"] == str(prepared.gan.device)
    assert "auto" not in config["training"].values()
    assert set(config["training"]) == set(prepared.settings.to_dict())


def test_the_config_is_enough_to_start_again(finished, tmp_path):
    run, prepared, _ = finished
    config = tomllib.loads((run / "config.toml").read_text())
    again = resuming.arguments(config, run, data=None, objective=None, model=None, step=None)
    second = Trainer(run=tmp_path / "again", progress=False, **again)
    second.fit()
    assert digest(second) == digest(prepared)
    assert (tmp_path / "again" / "config.toml").read_bytes() == (run / "config.toml").read_bytes()


def test_the_log_has_a_line_an_interval(finished):
    run, _, _ = finished
    found = lines(run)
    assert [line["images"] for line in found] == [32, 64, 96, 128, 160]
    assert [line["step"] for line in found] == [2, 4, 6, 8, 10]
    for line in found:
        assert LOG_KEYS - {"images_per_second"} <= set(line)
        assert all(isinstance(value, int | float) for value in line.values())
        assert 0 <= line["real_score"] <= 1
    assert '"images_per_second"' in (run / "metrics.jsonl").read_text()


def test_the_log_has_each_part_of_a_loss_of_several(tmp_path):
    trainer(tmp_path / "run", steps=3, objective="non_saturating + r1(gamma=2.0) + r1(gamma=3.0, every=2)").fit()
    for line in lines(tmp_path / "run"):
        parts = [line[f"discriminator_{name}"] for name in ("non_saturating", "r1", "r1_2")]
        assert parts[1] > 0
        assert "generator_non_saturating" not in line
        if line["step"] % 2:  # the penalty with every=2 was due
            assert line["discriminator_loss"] == pytest.approx(sum(parts), rel=1e-5)


def test_a_loss_alone_is_logged_once(finished):
    assert not any(key.endswith("non_saturating") for line in lines(finished[0]) for key in line)


def test_the_data_is_hashed_once(tmp_path, monkeypatch):
    calls, hashed = [], Table.fingerprint
    monkeypatch.setattr(Table, "fingerprint", lambda table: calls.append(1) or hashed(table))
    trainer(tmp_path / "run", steps=3, checkpoint_every_images=16).fit()
    assert len(calls) == 1


def test_a_setting_that_is_none_is_left_out_of_the_config(tmp_path):
    model = trainer().gan
    network = model.config.networks["generator"]
    odd = replace(network, args={**network.args, "odd": None, "deep": {"odd": None, "even": 2}})
    model.config = replace(model.config, networks={**model.config.networks, "generator": odd})
    trainer(tmp_path / "run", model=model, steps=1).fit()
    args = tomllib.loads((tmp_path / "run" / "config.toml").read_text())["model"]["args"]
    assert "odd" not in args
    assert args["deep"] == {"even": 2}
    assert Trainer.resume(tmp_path / "run", model=model).images == 16


def test_pictures_are_named_by_images_and_show_the_same_latents(finished):
    run, _, _ = finished
    found = sorted(path.name for path in (run / "samples").iterdir())
    assert found == ["000000000.png", "000000080.png", "000000160.png"]
    drawn = [Image.open(run / "samples" / name).convert("RGB") for name in found]
    assert len({picture.size for picture in drawn}) == 1
    assert drawn[0].tobytes() != drawn[2].tobytes()


def test_checkpoints_are_kept_and_the_last_state_is_one_of_them(finished):
    run, _, _ = finished
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["000000096", "000000144", "000000160", "latest"]
    assert (run / "checkpoints" / "latest").read_text() == "000000160\n"


def test_the_model_loads_and_samples_as_the_returned_gan(finished):
    run, prepared, gan = finished
    loaded = ganzoo.load(run / "model", discriminator=True)
    assert torch.equal(loaded.sample(8, seed=1), gan.sample(8, seed=1))
    assert torch.equal(loaded.sample(8, seed=1), prepared.result().sample(8, seed=1))
    assert same(loaded.discriminator.state_dict(), gan.discriminator.state_dict())
    assert loaded.config.training["objective"] == "non_saturating"
    assert loaded.config.training["images_shown"] == 160
    assert torch.equal(loaded.to_data(torch.ones(1, 2)), prepared.table.to_data(torch.ones(1, 2)))
    assert (run / "model" / "README.md").is_file()


def test_nothing_half_written_is_left(finished):
    run, _, _ = finished
    assert not list(run.rglob("*.tmp-*"))
    assert {path.name for path in run.iterdir()} == {
        ".lock",
        "config.toml",
        "metrics.jsonl",
        "samples",
        "checkpoints",
        "model",
    }


def test_half_precision_weights(tmp_path):
    gan = trainer(tmp_path / "run", steps=2, weights_dtype="float16").fit()
    loaded = ganzoo.load(tmp_path / "run" / "model")
    assert loaded.config.networks["generator"].dtype == "float16"
    assert torch.allclose(loaded.sample(4, seed=0), gan.sample(4, seed=0), atol=1e-2)


def test_pictures_are_drawn_only_where_somebody_sees_them(monkeypatch):
    seen, drawn, picture = [], [], Probe.picture
    monkeypatch.setattr(Probe, "picture", lambda *arguments: drawn.append(1) or picture(*arguments))

    class Looks(ganzoo.Callback):
        def on_sample(self, images, shown):
            seen.append(images)

    trainer(steps=2).fit()
    assert not drawn
    trainer(steps=2, callbacks=[Looks()]).fit()
    assert (seen, len(drawn)) == ([0, 32], 2)


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer(steps=2, checkpoint_every_images=16).fit()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    trainer(tmp_path / "run", steps=1).fit()
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="holds a run already; go on with 'ganzoo resume"):
        trainer(tmp_path / "run", steps=1).fit()
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_checkpoints_without_a_config_are_a_run_too(tmp_path):
    trainer(tmp_path / "run", steps=1).fit()
    (tmp_path / "run" / "config.toml").unlink()
    with pytest.raises(RunError, match="holds a run already"):
        trainer(tmp_path / "run", steps=1).fit()


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process trains in"):
            trainer(tmp_path / "run", steps=1).fit()
    trainer(tmp_path / "run", steps=1).fit()


def test_a_start_cut_short_can_be_made_again(tmp_path, monkeypatch):
    """A config is there only once a checkpoint is, so a folder with a config can be resumed."""
    from ganzoo.training.run import RunFolder

    def fail(*_):
        raise RuntimeError("cut short")

    monkeypatch.setattr(RunFolder, "create", fail)
    with pytest.raises(RuntimeError, match="cut short"):
        trainer(tmp_path / "run", steps=2).fit()
    monkeypatch.undo()
    with pytest.raises(RunError, match="holds no run"):
        Trainer.resume(tmp_path / "run")
    trainer(tmp_path / "run", steps=2, seed=5).fit()


# What does not go together


def test_another_shape_is_refused():
    model = ganzoo.create_model("mlp", sample_shape=[3])
    with pytest.raises(ConfigError, match=r"samples of shape \(3,\), and ring has \(2,\)"):
        trainer(model=model)


def test_another_number_of_classes_is_refused():
    model = ganzoo.create_model("mlp", sample_shape=[2], num_classes=3)
    with pytest.raises(ObjectiveError, match="conditioned on a label from 0 to 2, and data gives a label from 0 to 4"):
        trainer(model=model, data=points(classes=5))
    with pytest.raises(ObjectiveError, match="conditioned on a label from 0 to 2, and ring gives nothing"):
        trainer(model=model)


def test_a_network_that_nothing_would_train_is_refused():
    model = trainer().gan
    model.networks["encoder"] = nn.Linear(2, 2)
    with pytest.raises(ConfigError, match="nothing would train the model's 'encoder'"):
        trainer(model=model)
    prepared = trainer()
    assert trainer(model=model, step=AdversarialStep(model, prepared.objective, prepared.settings)).gan is model


def test_the_objective_is_checked_with_every_discriminator():
    model = trainer().gan
    model.networks["discriminator_b"] = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    with pytest.raises(ObjectiveError, match="batch norm in the discriminator"):
        trainer(model=model, objective="non_saturating + r1(1.0)")


def test_a_conditional_model_needs_labels():
    with pytest.raises(InputError, match="ring has no labels, vectors or pairs; give data with them"):
        trainer(conditional=True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "mlpp"}, UnknownNameError),
        ({"data": "rung"}, UnknownNameError),
        ({"objective": "non_saturatin"}, UnknownNameError),
        ({"objective": "label_smoothing(0.9)"}, ObjectiveError),
        ({"model_args": {"widths": [3]}}, ConfigError),
        ({"learning_rat": 0.1}, ConfigError),
        ({"discriminator": 5}, ConfigError),
        ({"discriminator_args": "x"}, ConfigError),
    ],
)
def test_refused_before_anything_is_written(tmp_path, changes, error):
    with pytest.raises(error):
        trainer(tmp_path / "run", **changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        *(({"model": model}, InputError, "the model is ") for model in (5, None, Path("mlp"), nn.Linear(2, 2))),
        ({"model_args": "x"}, ConfigError, r"model_args is 'x' \(str\); it takes settings by name"),
        ({"model_args": {1: 2}}, ConfigError, "model_args is "),
        ({"run": 5}, InputError, r"run is '5' \(int\); it takes the path of a folder"),
        ({"conditional": "yes"}, InputError, r"conditional is 'yes' \(str\); it takes True, False or None"),
    ],
    ids=str,
)
def test_arguments_of_another_type_are_refused(changes, error, says):
    arguments = {"model": "mlp", "objective": "non_saturating", "data": "ring", "images": 64} | changes
    with pytest.raises(error, match=says):
        Trainer(**arguments)


# Learning


def coverage(gan):
    return mode_coverage(gan.to_data(gan.sample(1000, seed=0)), RING_MODES, sigma=0.03)


def test_learns_the_ring():
    run = trainer(
        steps=600,
        batch_size=128,
        images=128 * 600,
        learning_rate=2e-3,
        ema_half_life_images=2000,
        log_every_images=10**6,
        model_args={"latent_dim": 8, "generator_widths": [64, 64], "discriminator_widths": [64, 64]},
    )
    modes, share = coverage(run.result())
    assert (modes, share) <= (2, 0.05)
    modes, share = coverage(run.fit())
    assert modes >= 7
    assert share > 0.25


def test_plain_modules_train_and_come_back_as_a_gan(tmp_path):
    gan = plain_gan()
    before = copied(gan.networks)
    run = trainer(tmp_path / "run", model=gan, data=points(), steps=3)
    trained = run.fit()
    assert isinstance(trained, GAN)
    assert trained.sample(5, seed=0).shape == (5, 2)
    assert not any(module.training for module in trained.modules())
    assert not same(before, copied(gan.networks))
    assert not (tmp_path / "run" / "model").exists()
    assert (tmp_path / "run" / "checkpoints" / "000000048").is_dir()
    with pytest.raises(WeightsError, match="plain modules are in no registry"):
        trained.save_pretrained(tmp_path / "model")


def test_the_published_generator_is_the_average():
    run = trainer(steps=5, learning_rate=0.01, ema_half_life_images=100)
    gan = run.fit()
    assert same(gan.generator.state_dict(), run.averages["generator"].network.state_dict())
    assert not same(gan.generator.state_dict(), run.gan.generator.state_dict())
    assert gan.discriminator is run.gan.discriminator


def test_bf16_losses_are_close_to_fp32():
    def losses(precision):
        run = trainer(steps=20, precision=precision, learning_rate=1e-3)
        found = []
        for _ in range(20):
            run._train_step()
            found.append([float(run.monitor.values[f"{role}_loss"]) for role in ("discriminator", "generator")])
        return torch.tensor(found)

    exact, rounded = losses("fp32"), losses("bf16")
    assert not torch.equal(exact, rounded)
    assert torch.allclose(exact, rounded, atol=0.03)


def test_conditional_on_bundled_digits():
    run = trainer(steps=3, data="mnist-test", conditional=True)
    gan = run.fit()
    assert gan.condition.num_classes == 10
    assert gan.sample(3, seed=0, labels=[1, 2, 3]).shape == (3, 1, 28, 28)
    assert gan.config.sampling.class_names == tuple("0123456789")
    assert not torch.equal(gan.sample(1, seed=0, labels=1), gan.sample(1, seed=0, labels=2))


def test_pictures_train_in_channels_last_from_a_batch_size_up():
    args = {"base_channels": 4, "latent_dim": 4}
    run = trainer(model="dcgan", data=pictures(), model_args=args, steps=2, batch_size=CHANNELS_LAST_FROM)
    run.fit()
    convolution = next(module for module in run.gan.discriminator.modules() if isinstance(module, nn.Conv2d))
    average = next(p for p in run.averages["generator"].network.parameters() if p.dim() == 4)
    assert average.is_contiguous(memory_format=torch.channels_last)
    small = trainer(model="dcgan", data=pictures(), model_args=args, steps=1, batch_size=8)
    assert run._batches.memory_format is torch.channels_last
    assert small._batches.memory_format is torch.contiguous_format
    assert convolution.weight.dim() == 4


def test_more_images_than_a_multiple_of_the_batch_reach_the_budget():
    run = trainer(images=100, steps=0)
    run.fit()
    assert run.images == 112


def test_trains_outside_the_main_thread():
    run = trainer(steps=2)
    thread = threading.Thread(target=run.fit)
    thread.start()
    thread.join(30)
    assert run.images == 32


def test_an_interrupted_run_without_a_folder_can_go_on():
    from small import at_step

    def interrupt():
        raise KeyboardInterrupt

    run = at_step(trainer(steps=4, model_args=WIDTHS), 2, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.fit()
    assert run.images == 32
    run.step.begin = type(run.step).begin.__get__(run.step)
    run.fit()
    assert run.images == 64


def test_a_stopped_run_has_no_finished_model(tmp_path):
    stop_at(trainer(tmp_path / "run", checkpoint_every_images=16), 3)
    assert not (tmp_path / "run" / "model").exists()


def test_samples_that_cannot_be_drawn_train_all_the_same(tmp_path):
    samples = torch.rand(40, 3, 5, generator=torch.Generator().manual_seed(0))
    run = trainer(tmp_path / "run", data=table_from_arrays(samples, value_range=(0, 1)))
    assert run.fit().sample(2, seed=0).shape == (2, 3, 5)
    assert ganzoo.load(tmp_path / "run" / "model").sample_shape == (3, 5)
    assert not (tmp_path / "run" / "model" / "samples.png").exists()


def test_the_finished_model_has_its_picture_in_its_card(tmp_path):
    trainer(tmp_path / "run", steps=2).fit()
    assert Image.open(tmp_path / "run" / "model" / "samples.png").size[0] > 0
    assert "](samples.png)" in (tmp_path / "run" / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    "fitting",
    [
        {"conditional": True},
        {"model_args": {"latent_dim": 2}},
        {"discriminator": "mlp"},
        {"discriminator_args": {"discriminator_widths": [4]}},
    ],
)
def test_a_gan_that_is_built_is_not_fitted_to_the_data(fitting):
    with pytest.raises(InputError, match="a GAN is what it is"):
        Trainer(plain_gan(), "non_saturating", points(classes=2), images=16, **fitting)


# Conditions of other kinds

TINY = {"base_channels": 4, "latent_dim": 4}
PIX2PIX = {"model": "pix2pix", "model_args": {"base_channels": 4}}


def noted(run):
    """Note each batch that the discriminator is shown."""
    batches, compute = [], run.step.discriminator_losses

    def note(batch):
        batches.append(batch)
        return compute(batch)

    run.step.discriminator_losses = note
    return batches


@pytest.mark.parametrize("conditional", [None, True])
def test_pairs_train_pix2pix(tmp_path, conditional):
    table = pairs()
    run = trainer(
        tmp_path / "run", data=table, objective="non_saturating + 100 * l1", conditional=conditional, steps=3, **PIX2PIX
    )
    before = copied(run.gan.networks)
    batches = noted(run)
    gan = run.fit()
    assert gan.condition == condition_of(gan.discriminator) == Condition.image((1, 16, 16))
    assert gan.sample_shape == (3, 16, 16)
    after = copied(run.gan.networks)
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert any(name.startswith("generator") for name in moved)
    assert any(name.startswith("discriminator") for name in moved)
    for number, batch in enumerate(batches):
        rows = run._batches.order.batch(number)
        assert batch.target is batch.sample
        assert torch.equal(batch.condition, table.normalise(table.sources[rows]))
        assert torch.equal(batch.sample, table.normalise(table.samples[rows]))
    for line in lines(tmp_path / "run"):
        total = line["generator_non_saturating"] + line["generator_l1"]
        assert line["generator_loss"] == pytest.approx(total, rel=1e-5)
        assert 10 < line["generator_l1"] < 200
    loaded = ganzoo.load(tmp_path / "run" / "model")
    sources = table.normalise(table.sources[:3])
    assert same(loaded.generator.state_dict(), gan.generator.state_dict())
    # The trained one's weights lie in memory channel by channel, which rounds otherwise.
    torch.testing.assert_close(loaded.translate(sources), gan.translate(sources), rtol=0, atol=1e-5)
    assert (loaded.config.sampling.class_names, loaded.config.training["data"]) == ((), "data")


def test_l1_alone_brings_translations_to_their_targets():
    flat = torch.linspace(30, 220, 32).byte()[:, None, None, None].expand(32, 3, 16, 16).contiguous()
    table = table_from_arrays(flat, sources=255 - flat[:, :1])
    run = trainer(
        data=table,
        objective="0 * non_saturating + l1",
        steps=60,
        learning_rate=5e-3,
        model="pix2pix",
        model_args={"base_channels": 4, "dropout": 0.0},
    )
    batch = table.batch(torch.arange(32))

    def distance():
        run.gan.eval()
        return (run.gan.translate(batch.condition) - batch.target).abs().mean().item()

    before = distance()
    run.fit()
    assert distance() < before / 3


def test_the_picture_of_pairs_shows_source_sample_and_target(tmp_path):
    table = pairs(channels=3)
    run = trainer(tmp_path / "run", data=table, steps=2, sample_every_images=16, seed=3, **PIX2PIX)
    rows = table.batch(torch.arange(24))
    first = run.result().sample(24, seed=3, condition=rows.condition)
    last = run.fit().sample(24, seed=3, condition=rows.condition)
    for name, samples in (("000000000", first), ("000000032", last)):
        picture = np.asarray(Image.open(tmp_path / "run" / "samples" / f"{name}.png").convert("RGB"))
        assert picture.shape == (6 * (16 + 2) + 2, 4 * (3 * 16 + 2) + 2, 3)
        shown = beside([rows.condition, samples, rows.target])
        expected = ((shown + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        for number in (0, 1, 5, 23):
            top, left = (2 + (number // 4) * (16 + 2), 2 + (number % 4) * (3 * 16 + 2))
            assert np.array_equal(picture[top : top + 16, left : left + 48], expected[number])
    card = np.asarray(Image.open(tmp_path / "run" / "model" / "samples.png").convert("RGB"))
    assert card.shape == picture.shape
    assert not torch.equal(first, last)


def test_fewer_pairs_than_a_picture_shows_are_shown_again(tmp_path):
    trainer(tmp_path / "run", data=pairs(5), steps=1, batch_size=4, images=4, **PIX2PIX).fit()
    picture = np.asarray(Image.open(tmp_path / "run" / "samples" / "000000000.png").convert("RGB"))
    first, again = (picture[top : top + 16, left : left + 16] for top, left in ((2, 2), (2 + 18, 2 + 50)))
    assert np.array_equal(first, again)  # the sixth is the first


@pytest.mark.parametrize("conditional", [None, True])
def test_vectors_train_cgan(tmp_path, conditional):
    table = described()
    run = trainer(tmp_path / "run", model="cgan", data=table, model_args=TINY, conditional=conditional, steps=3)
    batches = noted(run)
    gan = run.fit()
    assert gan.condition == condition_of(gan.discriminator) == Condition.vector(3)
    rows = [run._batches.order.batch(number) for number in range(len(batches))]
    assert all(torch.equal(batch.condition, table.vectors[each]) for batch, each in zip(batches, rows, strict=True))
    assert all(batch.target is None for batch in batches)
    loaded = ganzoo.load(tmp_path / "run" / "model", discriminator=True)
    vectors = table.vectors[:5]
    assert torch.equal(loaded.sample(5, seed=0, condition=vectors), gan.sample(5, seed=0, condition=vectors))
    # The picture shows the samples of the data's first vectors.
    picture = np.asarray(Image.open(tmp_path / "run" / "model" / "samples.png"))
    drawn = gan.draw(seed=0, condition=table.vectors[torch.arange(64) % 40])
    assert np.array_equal(picture, np.asarray(drawn))


def test_labels_condition_what_needs_them_and_else_only_when_asked():
    labelled = pictures(classes=3)
    assert trainer(model="cgan", data=labelled, model_args=TINY).gan.condition == Condition.label(3)
    assert trainer(model="dcgan", data=labelled, model_args=TINY).gan.condition == Condition()
    assert trainer(model="dcgan", data=labelled, model_args=TINY, conditional=False).gan.condition == Condition()
    assert trainer(model="dcgan", data=labelled, model_args=TINY, conditional=True).gan.condition == Condition.label(3)
    for table in (described(), pairs()):  # what it is not asked to use does no harm
        assert trainer(model="dcgan", data=table, model_args=TINY, steps=1).fit().condition == Condition()


@pytest.mark.parametrize("model", ["cgan", "pix2pix"])
def test_a_needed_condition_that_the_data_lacks_is_asked_for(model):
    begins, asked = {
        "cgan": ("makes its samples from a condition (label or vector), and", "a conditional model was asked for, and"),
        "pix2pix": ("makes pictures from pictures, and", "pix2pix makes pictures from pictures, and"),
    }[model]
    with pytest.raises(InputError) as refused:
        trainer(model=model, data=pictures())
    assert str(refused.value).startswith(f"{model} {begins} data has none; ")
    with pytest.raises(InputError, match=f"{asked} data has no"):
        trainer(model=model, data=pictures(), conditional=True)
    with pytest.raises(ConfigError, match=f"the generator of {model} goes with a condition only"):
        trainer(model=model, data=pairs(), conditional=False)


@pytest.mark.parametrize(
    ("model", "data", "kind"),
    [
        ("mlp", pairs(), "image"),
        ("mlp", described(), "vector"),
        ("dcgan", pairs(), "image"),
        ("dcgan", described(), "vector"),
        ("cgan", pairs(), "image"),
    ],
)
def test_a_condition_that_the_architecture_does_not_take_is_refused(model, data, kind):
    asked = [True, None] if model == "cgan" else [True]
    for conditional in asked:
        with pytest.raises(ConfigError, match=f"the generator of {model} takes no {kind} as its condition .*; use "):
            trainer(model=model, data=data, conditional=conditional)


@pytest.mark.parametrize(("data", "kind"), [(described(), "vector"), (pictures(classes=3), "label")])
@pytest.mark.parametrize("conditional", [True, None])
def test_what_makes_pictures_from_pictures_asks_for_pairs(data, kind, conditional):
    with pytest.raises(InputError, match=f"data has a {kind} for each instead; give pairs as 'pairs:PATH'"):
        trainer(model="pix2pix", data=data, conditional=conditional)


def test_a_model_of_another_condition_is_refused_with_the_data():
    model = trainer(model="cgan", data=described(size=2), model_args=TINY).gan
    for data, gives in ((described(), "a vector of 3 numbers"), (pictures(classes=3), "a label from 0 to 2")):
        with pytest.raises(
            ObjectiveError, match=f"conditioned on a vector of 2 numbers, and data gives {gives}; give data"
        ):
            trainer(model=model, data=data)
    model = trainer(data=pairs(), **PIX2PIX).gan
    with pytest.raises(ObjectiveError, match="on an image of 1x16x16, and data gives an image of 3x16x16"):
        trainer(model=model, data=pairs(channels=3))


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_paired_terms_are_refused_without_paired_data(name):
    objective = f"non_saturating + 100 * {name}"
    for changes in (
        {},
        {"model": "cgan", "data": described(), "model_args": TINY},
        {"model": "dcgan", "data": pairs(), "model_args": TINY},  # a generator that is not told the sources
    ):
        with pytest.raises(ObjectiveError) as refused:
            trainer(objective=objective, **changes)
        assert str(refused.value).startswith(
            f"{name} compares each sample with its target, and only a sample made from a source has one; give paired "
        )
    assert trainer(objective=objective, data=pairs(), **PIX2PIX)


# Mixing


def test_another_discriminator_is_trained_and_written_down(tmp_path):
    run = trainer(
        tmp_path / "run",
        model="dcgan",
        data=pictures(),
        model_args=TINY,
        discriminator="pix2pix",
        discriminator_args={"base_channels": 6},
        objective="least_squares + label_smoothing(0.9)",
        steps=2,
    )
    before = copied(run.gan.discriminator)
    assert type(run.gan.discriminator).__name__ == "Pix2PixDiscriminator"
    gan = run.fit()
    assert not same(before, copied(gan.discriminator))
    model = tomllib.loads((tmp_path / "run" / "config.toml").read_text())["model"]
    assert (model["architecture"], model["discriminator"]) == ("dcgan", "pix2pix")
    assert (model["args"]["base_channels"], model["discriminator_args"]["base_channels"]) == (4, 6)
    loaded = ganzoo.load(tmp_path / "run" / "model", discriminator=True)
    samples = gan.sample(4, seed=0)
    assert torch.equal(loaded.sample(4, seed=0), samples)
    assert torch.equal(loaded.score(samples), gan.score(samples))
    names = {name: network.architecture for name, network in loaded.config.networks.items()}
    assert names == {"generator": "dcgan", "discriminator": "pix2pix"}


def test_an_equal_discriminator_is_not_written_twice(finished):
    model = tomllib.loads((finished[0] / "config.toml").read_text())["model"]
    assert set(model) == {"architecture", "args"}


def test_settings_of_the_discriminator_alone():
    run = trainer(discriminator_args={"discriminator_widths": [5]})
    assert run.gan.discriminator.layers[0][0].out_features == 5
    assert run.config()["model"]["discriminator_args"]["discriminator_widths"] == [5]
    assert run.config()["model"]["args"]["discriminator_widths"] == [8]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"discriminator": "mlpp"}, "did you mean 'mlp'"),
        ({"discriminator": "dcgan"}, "dcgan takes pictures"),
        ({"discriminator_args": {"widths": [3]}}, "mlp: there is no setting 'widths'"),
        ({"model": "timm", "data": pictures()}, "timm has no generator; give it as the discriminator"),
    ],
)
def test_a_discriminator_that_does_not_go_is_refused_before_anything_is_written(tmp_path, changes, says):
    with pytest.raises((ConfigError, UnknownNameError)) as refused:
        trainer(tmp_path / "run", **changes)
    assert says in str(refused.value)
    assert not list(tmp_path.iterdir())


# Flips


def is_flipped(batch, sources, samples):
    """Tell which rows of a batch are mirrored; each must be as it is or mirrored, with its source."""
    turned = []
    for got, source, condition, sample in zip(batch.sample, sources, batch.condition, samples, strict=True):
        mirrored = torch.equal(got, sample.flip(-1))
        assert mirrored or torch.equal(got, sample)
        assert torch.equal(condition, source.flip(-1) if mirrored else source)
        turned.append(mirrored)
    return turned


def test_flips_mirror_sources_and_targets_together():
    table = pairs()
    run = trainer(data=table, steps=4, flip=True, **PIX2PIX)
    batches = noted(run)
    run.fit()
    turned = []
    for number, batch in enumerate(batches):
        rows = run._batches.order.batch(number)
        turned.append(is_flipped(batch, table.normalise(table.sources[rows]), table.normalise(table.samples[rows])))
        assert torch.equal(batch.target, batch.sample)
    assert 0.25 < sum(map(sum, turned)) / 64 < 0.75
    assert len({tuple(each) for each in turned}) == 4  # drawn anew each step


def test_flips_and_shifts_follow_the_seed():
    changes = {"model": "dcgan", "data": pictures(), "model_args": TINY, "steps": 2, "discriminator_steps": 2}
    runs = [trainer(**changes, **moves) for moves in ({}, {"flip": True}, {"flip": True}, {"shift": 2}, {"shift": 2})]
    shown = []
    for run in runs:
        batches = noted(run)
        torch.manual_seed(id(run) % 1000)
        run.fit()
        shown.append(torch.stack([batch.sample for batch in batches]))
    plain, flipped, again, shifted, shifted_again = shown
    assert torch.equal(flipped, again)
    assert torch.equal(shifted, shifted_again)
    assert digest(runs[1]) == digest(runs[2])
    assert digest(runs[3]) == digest(runs[4])
    assert len({digest(run) for run in runs}) == 3
    assert not torch.equal(plain, flipped)
    assert not torch.equal(plain, shifted)
    turned = (flipped == plain.flip(-1)).flatten(2).all(2)  # (steps, N)
    assert len({tuple(row) for row in turned.tolist()}) == 4  # each of the two discriminator steps draws its own


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"flip": True}, "only pictures .* can be mirrored or shifted"),
        ({"shift": 1}, "only pictures .* can be mirrored or shifted"),
        ({"model": "dcgan", "data": pictures(), "shift": 4}, "it takes less than half of the shorter side"),
        ({"shift": -1}, "shift is -1"),
        ({"flip": 1}, "flip is"),
    ],
)
def test_flips_of_what_is_no_picture_are_refused(changes, says):
    with pytest.raises(ConfigError, match=says):
        trainer(**changes)


# Constraints and generator terms


@pytest.mark.parametrize("steps", [1, 3])
def test_weights_are_clipped_after_each_discriminator_step(steps):
    run = trainer(
        objective="wasserstein + weight_clipping(0.05)", steps=3, discriminator_steps=steps, learning_rate=0.5
    )
    largest, updated = [], []

    def size():
        return max(parameter.detach().abs().max().item() for parameter in run.gan.discriminator.parameters())

    for name in ("discriminator_losses", "generator_losses"):
        compute = getattr(run.step, name)
        setattr(run.step, name, lambda batch, compute=compute: largest.append(size()) or compute(batch))
    update = run.discriminator.update
    run.discriminator.update = lambda *args, **kwargs: (update(*args, **kwargs), updated.append(size()))[0]
    before = copied(run.gan.generator)
    run.fit()
    assert len(updated) == 3 * steps
    assert min(updated) > 0.1  # the optimizer's step leaves the box
    assert largest[0] > 0.1  # as built
    assert largest[1:] == [pytest.approx(0.05)] * (3 * (steps + 1) - 1)  # before each forward after the first step
    assert size() == pytest.approx(0.05)
    assert not same(before, copied(run.gan.generator))
    assert max(parameter.abs().max().item() for parameter in run.gan.generator.parameters()) > 0.1  # not clipped


def test_feature_matching_trains(tmp_path):
    trainer(tmp_path / "run", objective="non_saturating + 0.5 * feature_matching", steps=4).fit()
    found = lines(tmp_path / "run")
    assert len(found) == 4
    for line in found:
        total = line["generator_non_saturating"] + line["generator_feature_matching"]
        assert line["generator_feature_matching"] > 0
        assert line["generator_loss"] == pytest.approx(total, rel=1e-5)
        assert "discriminator_feature_matching" not in line


def test_a_module_that_is_called_features_is_no_method():
    """It returns one tensor, whose rows would pass for the features of as many layers."""
    discriminator = nn.Sequential(OrderedDict(features=nn.Linear(2, 4), output=nn.Linear(4, 1)))
    gan = GAN(generator=nn.Linear(3, 2), discriminator=discriminator, latent_dim=3, sample_shape=(2,))
    with pytest.raises(ObjectiveError, match="features of Sequential gave a Tensor; comparing features needs a tuple"):
        trainer(model=gan, objective="non_saturating + feature_matching")


def test_notes_that_are_none_are_refused():
    with pytest.raises(ConfigError, match=r"notes is '3' .int.; it takes settings by name, such as"):
        trainer(notes=3)


def test_feature_matching_alone_brings_mean_features_together():
    objective = "0 * non_saturating + feature_matching(layer=0)"
    run = trainer(objective=objective, data=points(400), steps=150, batch_size=64, images=150 * 64, learning_rate=5e-3)
    discriminator = copied(run.gan.discriminator)

    def distance():
        features = run.gan.discriminator.features
        with torch.no_grad():
            real = features(run.table.batch(torch.arange(400)).sample)[0].mean(0)
            return (real - features(run.gan.sample(1000, seed=0))[0].mean(0)).norm().item()

    before = distance()
    run.fit()
    assert same(discriminator, copied(run.gan.discriminator))  # a term of the generator's alone
    assert distance() < before / 2
