import json
import re
import tomllib
from dataclasses import replace

import pytest
import torch
from small import BATCH, copied, digest, edit, lines, pairs, pictures, points, same, stop_at, trainer

import ganzoo
from ganzoo import Trainer
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.errors import ConfigError, GanzooError, InputError, RunError
from ganzoo.losses.parsing import read_objective
from ganzoo.training.choices import choose_number, choose_settings
from ganzoo.training.step import train_mode

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")

SMALL = {"latent_dim": 4, "base_channels": 4, "generator_hidden": 6}
LICENSE = {"weights": "CC-BY-4.0", "data": "Random pictures, CC-BY-4.0"}
QUICK = {"images": 6 * BATCH, "batch_size": BATCH, "precision": "fp32", "progress": False, "log_every_images": 1}
QUICK |= {"checkpoint_every_images": 10**9, "sample_every_images": 10**9, "callbacks": ()}


def colours(n=40, *, side=16, seed=3, classes=0):
    rng = torch.Generator().manual_seed(seed)
    samples = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=rng)
    return table_from_arrays(samples, torch.arange(n) % classes if classes else None)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """Return a folder with a trained model: grey pictures of 16x16, batch norm in both networks."""
    run = tmp_path_factory.mktemp("parent") / "run"
    prepared = trainer(
        run, steps=4, model="dcgan", data=pictures(40, side=16), model_args=SMALL, notes={"license": LICENSE}
    )
    prepared.fit()
    return run / "model"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Return a folder with a trained model of three classes."""
    run = tmp_path_factory.mktemp("labelled") / "run"
    data = pictures(40, side=16, classes=3)
    trainer(run, steps=2, model="dcgan", data=data, model_args=SMALL, conditional=True).fit()
    return run / "model"


def finetuned(source, data=None, **changes):
    return Trainer.from_pretrained(source, pictures(30, side=16) if data is None else data, **QUICK | changes)


def test_generator_average_and_discriminator_start_as_published_to_the_bit(parent):
    published = ganzoo.load(parent, discriminator=True)
    run = finetuned(parent)
    assert same(run.gan.networks.state_dict(), published.networks.state_dict())
    assert same(run.averages["generator"].network.state_dict(), published.generator.state_dict())
    assert torch.equal(run.result().sample(4, seed=0), published.sample(4, seed=0))
    assert all(transfer.is_whole for transfer in run.finetuning.transfers.values())


def test_frozen_layers_do_not_move_and_all_others_do(parent):
    run = finetuned(parent, freeze_discriminator_layers=1)
    before = copied(run.gan.networks)
    run.fit()
    after = run.gan.networks.state_dict()
    moved = {key for key, value in before.items() if not torch.equal(value, after[key])}
    frozen = {key for key in before if key.startswith("discriminator.blocks.0.")}
    assert len(frozen) == 2
    assert moved == before.keys() - frozen


def test_frozen_batch_norm_keeps_its_statistics_and_eval_mode(parent):
    run = finetuned(parent, freeze_discriminator_layers=2)
    norm = run.gan.discriminator.blocks[1][1]
    before, modes = copied(norm), []
    norm.register_forward_hook(lambda module, *_: modes.append(module.training))
    run.fit()
    assert same(norm.state_dict(), before)
    assert modes
    assert not any(modes)


def test_the_first_steps_are_those_of_a_run_built_by_hand(parent):
    run = finetuned(parent, freeze_discriminator_layers=1, learning_rate=1e-3, augment="", ema_half_life_images=64)
    run.fit()
    gan = ganzoo.load(parent, discriminator=True)
    gan.discriminator.blocks[0].requires_grad_(False)
    settings = {key: value for key, value in QUICK.items() if key != "callbacks"}
    settings |= {"learning_rate": 1e-3, "ema_half_life_images": 64}
    by_hand = Trainer(gan, "non_saturating", pictures(30, side=16), **settings)
    by_hand.fit()
    assert same(run.gan.networks.state_dict(), by_hand.gan.networks.state_dict())
    assert same(run.averages["generator"].network.state_dict(), by_hand.averages["generator"].network.state_dict())


@pytest.mark.parametrize("cuts", [(0,), (2, 5)], ids=["start", "twice"])
@pytest.mark.parametrize("kind", ["same", "grey-to-colour", "another-size"])
def test_a_resumed_run_ends_in_the_same_bits(parent, tmp_path, kind, cuts):
    data = {"same": pictures(30, side=16), "grey-to-colour": colours(), "another-size": pictures(30, side=32)}[kind]
    layers = 0 if kind == "grey-to-colour" else 1
    whole = finetuned(parent, data, run=tmp_path / "whole", freeze_discriminator_layers=layers)
    whole.fit()
    prepared = finetuned(parent, data, run=tmp_path / "cut", freeze_discriminator_layers=layers)
    for cut in cuts:
        stop_at(prepared, cut, save=True)
        prepared = Trainer.resume(tmp_path / "cut", data=data, progress=False)
        assert prepared.images == cut * BATCH
    prepared.fit()
    assert digest(prepared) == digest(whole)
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")
    frozen = [key for key, p in prepared.gan.networks.named_parameters() if not p.requires_grad]
    assert len(frozen) == 2 * layers
    first, other = (ganzoo.load(tmp_path / name / "model").config.training for name in ("cut", "whole"))
    assert first["finetuning"] == other["finetuning"]


def test_the_source_need_not_be_there_to_resume_and_what_is_said_of_it_cannot_change(parent, tmp_path):
    run = tmp_path / "run"
    stop_at(finetuned(parent, run=run), 2, save=True)
    config = tomllib.loads((run / "config.toml").read_text())
    described = json.loads((parent / "config.json").read_text())["networks"]
    assert config["finetuning"]["model"] == "run/model"
    assert config["finetuning"]["sha256"] == {name: each["sha256"] for name, each in described.items()}
    assert config["training"]["freeze_discriminator_layers"] == 1
    assert "frozen" not in config["model"]
    edit(run, lambda config: config["finetuning"].update(model="elsewhere"))
    with pytest.raises(RunError, match=r"finetuning\.model was"):
        Trainer.resume(run, data=pictures(30, side=16), progress=False)
    edit(run, lambda config: config["finetuning"].update(model="run/model"))
    edit(run, lambda config: config["training"].update(freeze_discriminator_layers=0))
    with pytest.raises(RunError, match="freeze_discriminator_layers was 1 and is 0"):
        Trainer.resume(run, data=pictures(30, side=16), progress=False)


def test_the_saved_model_says_what_it_was_made_from_and_carries_licences_on(parent, tmp_path):
    finetuned(parent, run=tmp_path / "a", images=2 * BATCH).fit()
    config = ganzoo.load(tmp_path / "a" / "model").config
    origin = config.training["finetuning"]
    assert (origin["model"], origin["images_shown"], origin["data"]) == ("run/model", 64, "data")
    assert config.license == {"weights": "CC-BY-4.0", "parent_data": LICENSE["data"]}
    card = (tmp_path / "a" / "model" / "README.md").read_text()
    assert "## Fine-tuned from" in card
    assert "CC-BY-4.0" in card
    finetuned(tmp_path / "a" / "model", run=tmp_path / "b", images=2 * BATCH).fit()
    again = ganzoo.load(tmp_path / "b" / "model").config
    assert again.training["finetuning"]["model"] == "a/model"
    assert again.training["finetuning"]["parents"] == ["run/model"]
    assert again.license == config.license
    assert again.metrics == []


def test_licences_that_are_given_go_beside_those_of_the_parent(parent, tmp_path):
    given = {"license": {"data": "CC0-1.0"}}
    finetuned(parent, run=tmp_path / "run", images=2 * BATCH, notes=given).fit()
    kept = {"weights": "CC-BY-4.0", "parent_data": LICENSE["data"]}
    assert ganzoo.load(tmp_path / "run" / "model").config.license == kept | {"data": "CC0-1.0"}
    own = finetuned(parent, notes={"license": {"weights": "MIT"}}).notes["license"]
    assert own == kept | {"weights": "MIT"}


def test_plan_is_printed_once_before_anything_is_written(parent, tmp_path, capsys):
    finetuned(parent, colours(), run=tmp_path / "run", progress=True)
    said = capsys.readouterr().err
    assert said.startswith(f"fine-tuning {parent} on data: 40 samples of 3x16x16\n")
    assert "layers.5.weight (192 parameters, 4x3x4x4): grey repeated for 3 channels" in said
    assert "freeze_discriminator_layers  0 " in said
    assert re.search(r"augment +diffaugment +40 pictures: the discriminator would soon know", said)
    assert not (tmp_path / "run").exists()
    finetuned(parent, progress=False)
    assert capsys.readouterr().err == ""


def test_what_is_given_wins_over_what_is_chosen(parent):
    chosen = Trainer.from_pretrained(parent, pictures(30, side=16), progress=False)
    assert (chosen.settings.images, chosen.settings.batch_size) == (40_000, 8)
    assert chosen.settings.augment.startswith("diffaugment")
    assert chosen.settings.ema_half_life_images == 4_000
    assert str(chosen.objective) == "non_saturating"
    given = {"images": 99, "batch_size": 3, "augment": "", "ema_half_life_images": 7, "learning_rate": 0.5}
    given |= {"freeze_discriminator_layers": 0, "best_by": "", "precision": "fp32"}
    run = Trainer.from_pretrained(parent, pictures(30, side=16), objective="hinge", progress=False, **given)
    assert {key: getattr(run.settings, key) for key in given} == given
    assert str(run.objective) == "hinge"
    assert run.finetuning.choices == ()


@pytest.mark.parametrize(
    ("count", "size", "reason"),
    [
        (30, 12, "25 halved until it is at most half of the 30 samples"),
        (17, 8, "25 halved until it is at most half of the 17 samples"),
        (11, 8, "25 halved until 8 are left"),
    ],
)
def test_batches_are_halved_down_to_eight(parent, count, size, reason):
    gan = ganzoo.load(parent, discriminator=True)
    gan.config.training["batch_size"] = 25
    made = choose_settings(gan, pictures(count), read_objective("hinge"), {}, freezable=0, layers=0, can_keep=False)
    assert {each.name: (each.value, each.reason) for each in made}["batch_size"] == (size, reason)


def test_a_warm_up_is_held_against_the_budget_that_is_chosen(parent):
    quick = {name: value for name, value in QUICK.items() if name != "images"}
    run = Trainer.from_pretrained(parent, pictures(30, side=16), learning_rate_warmup_images=1_000, **quick)
    assert (run.settings.images, run.settings.learning_rate_warmup_images) == (40_000, 1_000)
    with pytest.raises(ConfigError, match="learning_rate_warmup_images is 40000, and the budget is 40000 images"):
        Trainer.from_pretrained(parent, pictures(30, side=16), learning_rate_warmup_images=40_000, **quick)


def test_patience_is_three_evaluations_however_often_these_are(tmp_path):
    for given in ({}, {"evaluate_every_images": 5_000}, {"evaluate_every_images": 90}, {"batch_size": 48}):
        given |= {"batch_size": 64} | given
        run = Trainer.from_pretrained("mlp-ring", "ring", run=tmp_path / "run", images=40_000, progress=False, **given)
        settings = run.settings
        evaluations = [
            steps * settings.images_per_step
            for steps in range(1, settings.steps)
            if settings.is_due(settings.evaluate_every_images, steps)
        ]
        assert evaluations[3] - evaluations[0] == settings.patience_images


@pytest.mark.parametrize(
    ("count", "augment", "frozen"), [(999, "diffaugment", 1), (1_000, "ada", 1), (19_999, "ada", 1), (20_000, "", 0)]
)
def test_augmentation_and_frozen_layers_follow_from_the_number_of_pictures(parent, count, augment, frozen):
    data = pictures(1, side=16).samples.expand(count, -1, -1, -1)
    run = Trainer.from_pretrained(parent, data, progress=False)
    assert run.settings.augment.partition("(")[0] == augment
    assert run.settings.freeze_discriminator_layers == frozen


def test_an_adaptive_augmentation_is_not_chosen_for_a_loss_that_compares_logits(parent):
    data = pictures(1, side=16).samples.expand(1_000, -1, -1, -1)
    run = Trainer.from_pretrained(parent, data, objective="relativistic", progress=False)
    assert run.settings.augment.startswith("diffaugment")


def test_a_model_without_discriminator_gets_a_fresh_one_and_says_so(parent, tmp_path):
    gan = ganzoo.load(parent)
    gan.config.networks.pop("discriminator")
    gan.save_pretrained(tmp_path / "alone")
    run = finetuned(tmp_path / "alone")
    transfer = run.finetuning.transfers["discriminator"]
    assert transfer.new_parameters == transfer.parameters > 0
    assert "the pretrained model has none, so it starts untrained" in str(run.finetuning)
    assert run.settings.freeze_discriminator_layers == 0
    assert run.finetuning.transfers["generator"].is_whole
    with pytest.raises(ConfigError, match=r"0 to 0 can be frozen, because discriminator.blocks.0.0.weight"):
        finetuned(tmp_path / "alone", freeze_discriminator_layers=1)


def test_another_discriminator_starts_untrained(parent):
    run = finetuned(parent, discriminator="pix2pix", discriminator_args={"base_channels": 4})
    assert run.finetuning.transfers["discriminator"].note == "it was asked to be another, so it starts untrained"
    assert run.gan.config.networks["discriminator"].architecture == "pix2pix"
    run.fit()


def test_what_is_not_as_published_cannot_be_frozen(parent):
    with pytest.raises(ConfigError, match=r"of this discriminator 0 to 0 can be frozen, because discriminator.blocks"):
        finetuned(parent, colours(), freeze_discriminator_layers=1)
    with pytest.raises(ConfigError, match="is 3, and of this discriminator 0 to 2 can be frozen; what is new"):
        finetuned(parent, freeze_discriminator_layers=3)


def test_labels_are_used_only_where_asked_for_and_the_reverse(parent, labelled):
    data = pictures(30, side=16, classes=2)
    plain = finetuned(parent, data)
    assert plain.gan.condition.kind == "none"
    assert "data gives a label from 0 to 1" in str(plain.finetuning)
    run = finetuned(parent, data, conditional=True)
    assert run.gan.condition.num_classes == 2
    assert run.finetuning.transfers["generator"].named("kept in part") == ["hidden.0.weight"]
    run.fit()
    other = finetuned(labelled, data)
    assert other.gan.condition.num_classes == 2
    assert "conditioned on a label from 0 to 1, where" in str(other.finetuning)
    without = finetuned(labelled, pictures(30, side=16))
    assert without.gan.condition.kind == "none"
    assert without.finetuning.transfers["generator"].new_parameters == 0
    without.fit()


def test_settings_of_the_architecture_can_be_others(parent):
    run = finetuned(parent, model_args={"discriminator_hidden": 5})
    assert run.gan.config.networks["discriminator"].args["discriminator_hidden"] == 5
    assert run.finetuning.transfers["generator"].is_whole


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (
            lambda: points(),
            {},
            "the model makes samples of shape .1, 16, 16., and data has .2,.; start from a model of",
        ),
        (lambda: pictures(30, side=17), {}, "image_size is 17x17; each side must be"),
        (lambda: pictures(30, side=16), {"conditional": True}, "a conditional model was asked for, and data has no"),
        (lambda: pairs(), {"conditional": True}, "dcgan can be conditioned on none or label, and data gives an image"),
        (lambda: pictures(30, side=16), {"patience_images": 5}, "nothing says what is to improve; give best_by"),
        (
            lambda: pictures(30, side=16),
            {"notes": 3},
            "notes is '3' .int.; it takes settings by name, such as {'license'",
        ),
        (
            lambda: pictures(30, side=16),
            {"notes": {"license": "MIT"}},
            "license of notes is 'MIT' .str.; it takes settings",
        ),
        (
            lambda: pictures(30, side=16),
            {"access": 3},
            "access is '3' .int.; it takes settings by name, such as {'token'",
        ),
        (lambda: pictures(30, side=16), {"model_args": 3}, "model_args is '3' .int.; it takes settings by name"),
        (lambda: pictures(30, side=16), {"discriminator_args": 3}, "discriminator_args is '3' .int.; it takes"),
        (lambda: pictures(30, side=16), {"learning_rat": 5}, "there is no setting 'learning_rat'; did you mean"),
        (
            lambda: pictures(30, side=16),
            {"model_args": {"base_channels": 9}},
            "parameters for samples of shape .* only",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(parent, data, changes, message):
    with pytest.raises(GanzooError, match=message) as caught:
        finetuned(parent, data(), **changes)
    assert "\n" not in str(caught.value)


def test_a_model_that_needs_a_condition_refuses_data_without():
    with pytest.raises(InputError, match="cgan makes its samples from a label from 0 to 9, and data has none"):
        finetuned("cgan-mnist", pictures(30, side=28))
    with pytest.raises(ConfigError, match="and cannot do without; leave out conditional"):
        finetuned("cgan-mnist", pictures(30, side=28, classes=3), conditional=False)


def test_a_bundled_model_goes_on_with_its_objective_and_its_classes_by_name():
    data = pictures(30, side=28, classes=3)  # named 0, 1 and 2, as three of the model's
    run = finetuned("cgan-mnist", data)
    assert str(run.objective) == "non_saturating + r1(gamma=1.0, every=16)"
    assert run.settings.beta1 == 0.0
    published = ganzoo.load("cgan-mnist", discriminator=True).networks.state_dict()
    ours = run.gan.networks.state_dict()
    changed = {key for key in published if not torch.equal(ours[key], published[key]) or key not in ours}
    assert changed == {"generator.trunk.hidden.0.weight", "discriminator.trunk.blocks.0.0.weight"}
    weight = published["generator.trunk.hidden.0.weight"]
    assert torch.equal(ours["generator.trunk.hidden.0.weight"], weight[:, : 64 + 3])
    assert "3 of 3 classes kept by their names, 7 others left out" in str(run.finetuning)


def test_the_number_that_tells_the_best_is_chosen_where_one_can():
    gan = ganzoo.load("mlp-ring")
    assert (
        choose_number(gan, ganzoo.Trainer("mlp", "hinge", "ring", images=1, progress=False).table)[0] == "high quality"
    )
    translator = ganzoo.create_model("pix2pix", base_channels=4)
    assert choose_number(translator, pairs())[0] == "absolute error"
    assert choose_number(translator, replace(pairs(), paired=False)) == ("", "unpaired data has no targets")
    assert choose_number(gan, pairs())[0] == ""
    assert choose_number(gan, points())[0] == ""
    number, reason = choose_number(gan, pictures(30, side=28))
    assert number == ""
    assert reason == "no number can tell the best: no judge is known for the data 'data'"


def test_nothing_tells_the_best_where_nothing_is_held_out():
    few = open_data("mnist-test").samples
    for samples in (few, few.repeat(-(-20_000 // len(few)), 1, 1, 1)):
        table = replace(table_from_arrays(samples), name="mnist-mine")
        number, reason = choose_number(ganzoo.load("dcgan-mnist"), table)
        assert number == ""
        assert "nothing is held out" in reason


def test_only_as_many_layers_are_frozen_as_there_are():
    with pytest.raises(ConfigError, match=r"is 2, and the discriminator has 1 layers below .* it takes 0 to 1"):
        trainer(freeze_discriminator_layers=2)
    run = trainer(freeze_discriminator_layers=1)
    train_mode(run.gan.discriminator)
    assert not run.gan.discriminator.layers[0].training
    assert run.gan.discriminator.output.training
