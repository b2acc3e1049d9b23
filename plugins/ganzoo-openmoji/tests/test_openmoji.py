"""The plugin's data and model, as a user meets them."""

import collections

import pytest
import torch
from ganzoo_openmoji.data import is_held_out, metadata

import ganzoo
from ganzoo.data.loading import open_data
from ganzoo.metrics.pairs import measure_pairs
from ganzoo.testing import check_plugin
from ganzoo.training.description import HOUSEKEEPING
from ganzoo.training.recipes import read_recipe


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


def test_the_colours_alone_are_the_pairs_samples(parts):
    for paired, name in zip(parts, ("openmoji-colour", "openmoji-colour-test"), strict=True):
        alone = open_data(name)
        assert alone.condition.kind == "none"
        assert torch.equal(alone.samples, paired.samples)
        assert open_data(alone.source).fingerprint() == alone.fingerprint() != paired.fingerprint()


def test_half_the_size_is_the_mean_of_four_pixels(parts):
    for paired, name in zip(parts, ("openmoji-colour-32", "openmoji-colour-32-test"), strict=True):
        halved = open_data(name)
        assert halved.sample_shape == (3, 32, 32)
        mean = paired.samples.unflatten(3, (32, 2)).unflatten(2, (32, 2)).float().mean((3, 5))
        assert torch.equal(halved.samples, mean.round().to(torch.uint8))
        assert open_data(halved.source).fingerprint() == halved.fingerprint()


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
