import json
import shutil
import sys
from dataclasses import asdict, replace
from importlib.resources import files

import pytest
import torch
from click.testing import CliRunner

from ganzoo import plugins, zoo
from ganzoo.cli import cli
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError, ConformanceError, InputError, PluginError, UnknownNameError, WeightsError
from ganzoo.files import sha256
from ganzoo.metrics import judge as judge_module
from ganzoo.metrics.evaluation import evaluate
from ganzoo.metrics.fidelity import compare
from ganzoo.metrics.judge import Description, describe_judge, load_judge, save_judge
from ganzoo.metrics.recipes import RECIPES
from ganzoo.metrics.train_judge import accuracy
from ganzoo.testing import check_judge, check_plugin

FOLDER = files("ganzoo.metrics") / "judges"
MNIST = ("judge-mnist", "judge-mnist-b")


def test_the_bundled_judges_are_registered_with_the_networks_of_their_recipes():
    entries = {entry.name: entry for entry in plugins.entries("judge", provider="torch-ganzoo")}
    assert entries.keys() == RECIPES.keys()
    assert all(entry.load() is RECIPES[name].network for name, entry in entries.items())


@pytest.mark.parametrize("name", RECIPES)
def test_a_judge_is_small_and_described_as_it_was_trained(name):
    described = describe_judge(plugins.find("judge", name))
    recipe = asdict(RECIPES[name])
    assert described.accuracy >= recipe["expected_accuracy"]
    assert described.guessing < 0.12
    assert (described.data, described.license) == (recipe.pop("data"), recipe.pop("license"))
    assert described.recipe == recipe | {"network": recipe["network"].__name__}
    path = FOLDER / f"{name}.safetensors"
    assert path.stat().st_size < 600_000
    assert sha256(path) == described.sha256


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
    with pytest.raises(UnknownNameError, match=r"no judge is named 'judge-mnst'; did you mean 'judge-mnist'"):
        load_judge("judge-mnst")


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("damage", ["altered", "absent"])
def test_damaged_files_are_refused(damage, suffix, tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "judges")
    path = tmp_path / "judges" / f"judge-mnist{suffix}"
    content = path.read_bytes()
    path.unlink()
    if damage == "altered":
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    monkeypatch.setattr(judge_module, "files", lambda package: tmp_path)
    with pytest.raises(WeightsError, match=rf"judge-mnist{suffix}"):
        load_judge("judge-mnist")


# A plugin's judge

PLUGIN = """
    from ganzoo.hookspecs import hookimpl

    @hookimpl
    def ganzoo_register(registry):
        registry.judge(
            "judge-flags", "flags_judge:network", "{package}:flags.safetensors", summary="of flags", data="flags"
        )
"""
NETWORK = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.classify = nn.Linear(48, 5), nn.Linear(5, 3)

    def forward(self, pictures):
        features = OUTPUT
        return features, self.classify(features)

def network():
    return Network()
"""
OUTPUT = "self.embed(pictures.flatten(1) / 255).relu()"
DESCRIBED = Description(
    input_shape=(3, 4, 4),
    features=5,
    class_names=("red", "green", "blue"),
    accuracy=0.75,
    guessing=0.5,
    data="flags",
    license="CC0-1.0",
)


@pytest.fixture
def flags(site, monkeypatch):
    """Install a plugin with a judge, given its network's features and changes to its description."""

    def install(output=OUTPUT, **changes):
        (site.folder / "flags_judge.py").write_text(NETWORK.replace("OUTPUT", output))
        monkeypatch.delitem(sys.modules, "flags_judge", raising=False)
        package = site.folder / "flags_weights"
        package.mkdir()
        (package / "__init__.py").touch()
        site.install("ganzoo-flags", PLUGIN.format(package=package.name))
        torch.manual_seed(0)
        path = package / "flags.safetensors"
        save_judge(path, plugins.find("judge", "judge-flags").load()(), replace(DESCRIBED, **changes))
        return path

    return install


def invoke(*arguments):
    return CliRunner().invoke(cli, arguments)


def flag_data(name):
    rng = torch.Generator().manual_seed(0)
    return Table(torch.randint(0, 256, (60, 3, 4, 4), generator=rng, dtype=torch.uint8), name=name)


def test_a_plugins_judge_is_found_listed_and_described(flags):
    digest = sha256(flags())
    for name in ("judge-flags", "judge_flags", "ganzoo_flags/judge-flags"):
        assert load_judge(name).label == f"judge-flags-{digest[:8]}"
    (listed,) = json.loads(invoke("list", "judge-fl*", "--json").stdout)
    assert (listed["kind"], listed["full_name"], listed["info"]) == (
        "judge",
        "ganzoo_flags/judge-flags",
        {"data": "flags"},
    )
    facts = json.loads(invoke("info", "judge-flags", "--json").stdout)
    assert (facts["kind"], facts["input_shape"], facts["features"]) == ("judge", [3, 4, 4], 5)
    assert (facts["accuracy"], facts["guessing"], facts["license"]) == (0.75, 0.5, "CC0-1.0")
    assert facts["sha256"] == digest


def test_a_plugins_judge_measures_its_data_and_what_else_has_its_shape(flags):
    flags()
    with torch.random.fork_rng():
        model = zoo.create_model("mlp", sample_shape=(3, 4, 4))
    found = evaluate(model, flag_data("flags-here"), metrics=["frechet", "kid", "classes"], samples=50)
    assert [each.name.partition("-flags")[0] for each in found.measurements] == [
        f"{title}[judge" for title in ("FCD", "KID", "class KL", "confidence")
    ]
    assert found["KID"].detail == "mean of 100 subsets of 50"
    assert [len(shares) for shares in found.class_shares.values()] == [3]
    named = evaluate(model, flag_data("others"), metrics=["frechet"], features="judge-flags", samples=50)
    assert named["FCD"].value == found["FCD"].value
    with pytest.raises(InputError, match=r"no judge is known for the data 'others'.* ganzoo_flags/judge-flags"):
        evaluate(model, flag_data("others"), samples=50)
    with pytest.raises(InputError, match=r"uint8 pictures of shape \(1, 28, 28\), .* \(3, 4, 4\)"):
        evaluate(model, flag_data("flags"), features="judge-mnist", samples=50)


def test_a_plugins_judge_for_mnist_changes_no_default(flags, monkeypatch, few, mlp):
    monkeypatch.setitem(globals(), "PLUGIN", PLUGIN.replace('data="flags"', 'data="mnist"'))
    flags()
    shares = evaluate(mlp, few, metrics=["classes"], samples=50).class_shares
    assert [name.rpartition("-")[0] for name in shares] == ["judge-mnist", "judge-mnist-b"]


def test_a_judge_that_keeps_its_contract_conforms(flags):
    flags()
    check_plugin("ganzoo-flags")


@pytest.mark.parametrize(
    ("output", "changes", "message"),
    [
        (OUTPUT, {"license": ""}, "names no licence"),
        (OUTPUT, {"accuracy": 0.5}, "names 50.00% of the classes, and guessing the largest gets 50.00%"),
        (OUTPUT, {"features": 6}, r"of shape \(6, 5\); expected float32, \(6, 6\)"),
        (OUTPUT, {"class_names": ("red", "green")}, r"logits have shape \(6, 3\); expected \(6, 2\)"),
        (OUTPUT.removesuffix(".relu()"), {}, "negative somewhere; end them with a ReLU"),
        (OUTPUT + " / 0", {}, "not finite"),
        (OUTPUT + " + pictures.float().mean() / 100", {}, "a picture alone other features than in a batch"),
    ],
)
def test_a_judge_that_breaks_its_contract_is_caught(flags, output, changes, message):
    flags(output, **changes)
    with pytest.raises(ConformanceError, match=message):
        check_judge("judge-flags")


def test_a_factory_that_makes_no_network_is_refused(flags, monkeypatch):
    flags()
    monkeypatch.setattr("flags_judge.network", dict)
    with pytest.raises(PluginError, match=r"'ganzoo_flags/judge-flags' of ganzoo-flags 1.0 is a dict; register a func"):
        load_judge("judge-flags")


@pytest.mark.parametrize(
    "changes",
    [{"accuracy": 1.2}, {"guessing": -0.1}, {"features": 0}, {"class_names": ("one",)}, {"sha256": "../../x"}],
)
def test_a_description_is_checked(changes):
    with pytest.raises(ConfigError, match="a judge"):
        replace(DESCRIBED, **changes)
