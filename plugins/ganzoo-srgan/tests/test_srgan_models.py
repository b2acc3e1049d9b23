"""The models that enlarge emoji: as good as their cards say, and trained as their recipes say."""

import pytest
import torch
from ganzoo_srgan.compare import compare

import ganzoo
from ganzoo.data.loading import open_data
from ganzoo.training.description import HOUSEKEEPING
from ganzoo.training.recipes import read_recipe

MODELS = {"srgan-openmoji-x2": 2, "srgan-openmoji-x4": 4}
NETWORK = "openmoji/judge-openmoji"


@pytest.mark.parametrize(("name", "factor"), MODELS.items())
def test_a_model_is_as_good_as_its_card_says_and_better_than_bicubic_enlargement(name, factor):
    gan, table = ganzoo.load(name), open_data(f"downscaled,factor={factor}:openmoji-test")
    found = compare(gan, table, network=NETWORK)
    recorded = {metric["name"]: metric for metric in gan.config.metrics}
    for key, title, tolerance in (
        ("psnr", "PSNR", 0.02),
        ("ssim", "SSIM", 1e-3),
        ("feature_distance", f"feature distance[{NETWORK}]", 1e-3),
    ):
        assert found["model"][key] == pytest.approx(recorded[title]["value"], abs=tolerance)
        assert found["bicubic"][key] == pytest.approx(recorded[title]["ceiling"], abs=tolerance)
    assert found["pictures"] == recorded["PSNR"]["protocol"]["samples"] == 208
    assert found["model"]["psnr"] > found["bicubic"]["psnr"] + 2
    assert found["model"]["ssim"] > found["bicubic"]["ssim"]
    assert found["model"]["feature_distance"] < found["bicubic"]["feature_distance"] / 2
    assert gan.config.license["weights"] == "CC-BY-SA-4.0"


@pytest.mark.parametrize(("name", "factor"), MODELS.items())
def test_a_model_was_trained_as_its_recipe_says(name, factor):
    config = ganzoo.load(f"srgan/{name}", discriminator=True).config
    recipe = read_recipe(name)
    assert recipe["name"] == config.training["recipe"] == name
    assert recipe["data"]["source"] == f"downscaled,factor={factor}:openmoji"
    assert str(ganzoo.create_objective(recipe["objective"])) == config.training["objective"]
    for network in config.networks.values():
        assert recipe["model"]["args"].items() <= network.args.items()
        assert network.args["factor"] == factor
    training = {key: value for key, value in recipe["training"].items() if key not in HOUSEKEEPING}
    assert training.items() <= config.training.items()
    assert recipe["license"] == config.license


def test_a_model_enlarges_pictures_of_any_size():
    gan = ganzoo.load("srgan-openmoji-x2")
    whole = (
        open_data("openmoji-test").batch(torch.arange(2)).sample
    )  # (2, 3, 64, 64), twice as large as it was trained on
    made = gan.translate(whole)
    assert made.shape == (2, 3, 128, 128)
    small = torch.nn.functional.avg_pool2d(made, 2)
    assert (small - whole).abs().mean() < 0.05  # made small again, it is what it was made of
