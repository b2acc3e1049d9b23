"""The plugin's data and model, as a user meets them."""

import collections
import importlib
import sys
from pathlib import Path

import pytest
import torch
from ganzoo_openmoji.data import grouped, is_held_out, metadata

import ganzoo
from ganzoo import plugins
from ganzoo.data.loading import open_data
from ganzoo.metrics.judge import describe_judge, load_judge
from ganzoo.metrics.pairs import measure_pairs
from ganzoo.testing import check_plugin
from ganzoo.training.description import HOUSEKEEPING
from ganzoo.training.recipes import read_recipe

sys.path.insert(0, str(Path(__file__).parents[1]))
train_judge = importlib.import_module("train_judge")


@pytest.fixture(scope="module")
def parts():
    return open_data("openmoji"), open_data("openmoji-test")


def test_the_plugin_conforms():
    check_plugin("ganzoo-openmoji")


def test_the_parts_hold_every_emoji_once(parts):
    train, test = parts
    assert (len(train), len(test)) == (1442, 208)
    assert len(metadata()) == 1650
    for table in parts:
        assert table.sample_shape == (3, 64, 64)
        assert table.condition.shape == (1, 64, 64)
        assert table.license == "CC-BY-SA-4.0"
    both = torch.cat([train.samples, test.samples]).flatten(1)
    assert len(both) == 1650


def test_no_group_of_variants_straddles_the_parts():
    sides = collections.defaultdict(set)
    for row in metadata():
        sides[row["split_group"]].add(is_held_out(row["split_group"]))
    assert len(sides) == 1297
    assert all(len(side) == 1 for side in sides.values())


def test_every_emoji_names_its_author():
    assert all(row["author"] and row["annotation"] for row in metadata())


def test_outlines_are_dark_on_white_and_in_register(parts):
    for table in parts:
        assert table.sources.float().mean() > 200
        assert (table.sources.flatten(1).amin(1) < 128).float().mean() > 0.99
        # Where the outline is black, so is the picture in colour: the two are in register.
        outlines = table.sources[:, 0] < 30
        assert table.samples.float().mean(1)[outlines].mean() < 60


def test_a_table_opens_again_by_its_source(parts):
    for table in parts:
        assert open_data(table.source).fingerprint() == table.fingerprint()


def test_the_groups_label_the_same_pictures(parts):
    train, test = grouped("train"), grouped("test")
    assert train.class_names == test.class_names
    assert len(train.class_names) == 10
    for labelled, part in zip((train, test), parts, strict=True):
        assert torch.equal(labelled.samples, part.samples)
    groups = [row["group"] for row in metadata() if is_held_out(row["split_group"])]
    assert [test.class_names[label] for label in test.labels] == groups
    assert len(grouped("validating")) + len(grouped("validation")) == len(train)


def test_the_judge_names_as_many_groups_as_it_says():
    judge, test = load_judge("judge-openmoji"), grouped("test")
    described = describe_judge(plugins.find("judge", "openmoji/judge-openmoji"))
    assert described.class_names == test.class_names
    seen = judge.observe(test.samples)
    accuracy = float((seen.logits.argmax(1) == test.labels).double().mean())
    assert accuracy == pytest.approx(described.accuracy, abs=0.006)  # one picture of 208
    assert accuracy > described.guessing + 0.2
    assert seen.features.shape == (208, 64)


def test_emoji_are_measured_with_their_judge_without_being_asked_to(parts):
    with torch.random.fork_rng():
        model = ganzoo.create_model("mlp", sample_shape=(3, 64, 64))
    report = ganzoo.evaluate(model, "openmoji-test", metrics=["frechet", "kid", "precision-recall"], samples=208)
    assert [each.name.partition("-")[0] for each in report.measurements] == [
        f"{title}[judge" for title in ("FCD", "KID", "precision", "recall")
    ]
    assert report["FCD"].floor < 0.2 * report["FCD"].value
    assert abs(report["KID"].floor) < 0.2 * report["KID"].value
    assert report["precision"].floor > 0.5 > report["precision"].value


def test_the_program_that_trains_the_judge_moves_and_tints_on_white(parts):
    pictures = parts[0].samples[:40]
    rng = torch.Generator().manual_seed(0)
    changed = train_judge.augmented(pictures, rng)
    assert changed.shape == pictures.shape
    assert 0 <= changed.min() <= changed.max() <= 255
    corners = changed[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners > 254.9).float().mean() > 0.9
    assert (changed != pictures).flatten(1).any(1).all()


def test_a_translator_learns_from_the_pairs(parts):
    trainer = ganzoo.Trainer(
        "pix2pix",
        "non_saturating + 100 * l1",
        parts[0],
        images=1600,
        batch_size=16,
        model_args={"base_channels": 8},
        learning_rate=1e-3,
        ema_half_life_images=0,
        flip=True,
        shift=4,
        progress=False,
    )
    before = measure_pairs(trainer.gan.eval(), parts[1], 32)
    after = measure_pairs(trainer.fit(), parts[1], 32)
    assert after["absolute_error"] < before["absolute_error"] / 2


def test_the_model_colours_outlines_as_its_card_says(parts):
    gan = ganzoo.load("pix2pix-openmoji")
    measured = measure_pairs(gan, parts[1], len(parts[1]))
    recorded = {metric["name"]: metric["value"] for metric in gan.config.metrics}
    assert measured["error_over_copying"] == pytest.approx(recorded["error over copying"], abs=2e-3)
    assert measured["error_over_copying"] < 0.85
    assert 0.8 <= measured["gradient_ratio"] <= 1.2
    assert gan.config.license["weights"] == "CC-BY-SA-4.0"


def test_the_model_was_trained_as_its_recipe_says():
    config = ganzoo.load("openmoji/pix2pix-openmoji", discriminator=True).config
    recipe = read_recipe("pix2pix-openmoji")
    assert recipe["name"] == config.training["recipe"] == "pix2pix-openmoji"
    assert str(ganzoo.create_objective(recipe["objective"])) == config.training["objective"]
    for network in config.networks.values():
        assert recipe["model"]["args"].items() <= network.args.items()
    training = {key: value for key, value in recipe["training"].items() if key not in HOUSEKEEPING}
    assert training.items() <= config.training.items()
    assert recipe["license"] == config.license
