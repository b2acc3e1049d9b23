import json
import shutil
from dataclasses import asdict
from importlib.resources import files

import pytest
import torch

from ganzoo.errors import UnknownNameError, WeightsError
from ganzoo.files import sha256
from ganzoo.metrics import judge as judge_module
from ganzoo.metrics.fidelity import compare
from ganzoo.metrics.judge import load_judge
from ganzoo.metrics.recipes import NETWORKS, RECIPES
from ganzoo.metrics.train_judge import accuracy

FOLDER = files("ganzoo.metrics") / "judges"
MNIST = ("judge-mnist", "judge-mnist-b")


@pytest.mark.parametrize("name", RECIPES)
def test_a_judge_is_small_and_described_as_it_was_trained(name):
    described = json.loads((FOLDER / f"{name}.json").read_text())
    recipe = asdict(RECIPES[name])
    assert described["name"] == name
    assert described["accuracy"] >= recipe["expected_accuracy"]
    assert [described[key] for key in ("network", "data", "license")] == [
        recipe.pop(key) for key in ("network", "data", "license")
    ]
    assert described["recipe"] == recipe
    path = FOLDER / f"{name}.safetensors"
    assert path.stat().st_size < 600_000
    assert sha256(path) == described["sha256"]


@pytest.mark.parametrize("name", MNIST)
def test_an_mnist_judge_knows_digits(name, digits):
    measured = accuracy(load_judge(name).network, digits)
    assert measured >= 0.993
    assert measured == pytest.approx(json.loads((FOLDER / f"{name}.json").read_text())["accuracy"], abs=5e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_a_judge_gives_few_non_negative_features_and_a_label_with_its_digest(name, digits):
    judge = load_judge(name)
    seen = judge.observe(digits.samples[:300])
    assert seen.features.shape == (300, 128)
    assert seen.logits.shape == (300, 10)
    assert seen.features.min() == 0
    assert judge.label == f"{name}-{judge.sha256[:8]}"
    assert not any(parameter.requires_grad for parameter in judge.network.parameters())


def test_the_two_judges_of_a_set_differ_in_architecture_and_seed():
    for kind in ("mnist", "fashion"):
        first, second = RECIPES[f"judge-{kind}"], RECIPES[f"judge-{kind}-b"]
        assert first.network != second.network
        assert first.seed != second.seed
    assert {recipe.network for recipe in RECIPES.values()} == set(NETWORKS)


def test_two_judges_rank_real_and_noised_pictures_alike(digits):
    real, others = digits.samples[:500], digits.samples[500:1000]
    noise = torch.randn(others.shape, generator=torch.Generator().manual_seed(0))
    sets = [others, *((others + sigma * noise).clamp(0, 255).round().byte() for sigma in (25, 100))]
    for name in MNIST:
        judge = load_judge(name)
        target = judge.observe(real).features
        distances = [compare(judge.observe(each).features, target, ["frechet"])["frechet"] for each in sets]
        assert distances == sorted(distances)
        assert distances[2] > 3 * distances[0]


def test_an_unknown_judge_names_the_near_ones():
    with pytest.raises(UnknownNameError, match=r"did you mean 'judge-mnist'.* there are judge-mnist, judge-mnist-b, "):
        load_judge("judge-mnst")


@pytest.mark.parametrize("damage", ["altered", "absent"])
def test_damaged_weights_are_refused(damage, tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "judges")
    path = tmp_path / "judges" / "judge-mnist.safetensors"
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "altered":
        content[-1] ^= 1
        path.write_bytes(content)
    monkeypatch.setattr(judge_module, "files", lambda package: tmp_path)
    with pytest.raises(WeightsError, match=r"judge-mnist.safetensors"):
        load_judge("judge-mnist")
