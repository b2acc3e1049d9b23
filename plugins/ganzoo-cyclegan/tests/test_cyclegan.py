"""CycleGAN's networks, its step against closed forms, and its runs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ganzoo_cyclegan.architecture import CycleGANConfig, CycleGANDiscriminator, CycleGANGenerator, InstanceNorm
from ganzoo_cyclegan.pool import FakePool
from safetensors.torch import load_file
from torch import nn

import ganzoo
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.data.table import Batch, Table
from ganzoo.data.unpaired import hide_pairs
from ganzoo.errors import CheckpointError, ConfigError, InputError, ObjectiveError
from ganzoo.gan import GAN
from ganzoo.metrics.pairs import measure_pairs
from ganzoo.testing import plugin_checks
from ganzoo.training.description import HOUSEKEEPING
from ganzoo.training.recipes import read_recipe
from ganzoo.training.settings import Settings
from ganzoo.training.trainer import Trainer

SMALL = {"base_channels": 4, "blocks": 1, "discriminator_base_channels": 4, "discriminator_depth": 1}
NETWORKS = ("generator", "generator_back", "discriminator", "discriminator_back")


@pytest.mark.parametrize(
    "check", plugin_checks("ganzoo-cyclegan", base_channels=4, blocks=1, discriminator_base_channels=4), ids=str
)
def test_the_plugin_conforms(check):
    check()


# Networks


def test_the_papers_networks():
    """The authors' program has 11.378 and 2.765 million parameters (ResNet of 9 blocks, 70x70 patches), with biases."""
    generator = CycleGANGenerator(CycleGANConfig())
    discriminator = CycleGANDiscriminator(CycleGANConfig())
    convolutions = [each for each in generator.modules() if isinstance(each, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(convolutions) == 3 + 2 * 9 + 3
    biases = sum(each.out_channels for each in convolutions) - 3  # which instance norm takes away again
    assert sum(each.numel() for each in generator.parameters()) + biases == 11_378_179
    assert sum(each.numel() for each in discriminator.parameters()) + 128 + 256 + 512 == 2_764_737
    with torch.device("meta"):
        logits = CycleGANDiscriminator(CycleGANConfig()).to("meta")(torch.empty(1, 3, 256, 256))
    assert logits.shape == (1, 1, 30, 30)
    field = 1
    for block in reversed([*(block[0] for block in discriminator.blocks), discriminator.output]):
        field = (field - 1) * block.stride[0] + block.kernel_size[0]
    assert field == 70


@pytest.mark.parametrize(("size", "blocks"), [(128, 6), (256, 9), ((256, 128), 6)])
def test_as_many_blocks_as_the_paper_has_for_a_size(size, blocks):
    with torch.device("meta"):
        layers = CycleGANGenerator(CycleGANConfig(image_size=size)).layers
    assert sum(type(each).__name__ == "ResidualBlock" for each in layers) == blocks


def test_instance_norm_is_that_of_torch():
    x = torch.randn(3, 5, 6, 7) * 4 + 1
    for form in (torch.contiguous_format, torch.channels_last):
        given = x.contiguous(memory_format=form)
        assert torch.allclose(InstanceNorm()(given), nn.InstanceNorm2d(5)(given), atol=1e-5)


def test_the_border_is_reflected():
    """What a generator makes of a picture of one colour is one colour, which zeros around it would spoil."""
    torch.manual_seed(0)
    generator = CycleGANGenerator(CycleGANConfig(image_size=16, **SMALL))
    first = generator.layers[0]
    flat = torch.full((1, 3, 16, 16), 0.5)
    values = first(flat)
    assert torch.allclose(values, values[:, :, :1, :1].expand_as(values), atol=1e-6)
    assert first.padding_mode == generator.layers[-2].padding_mode == "reflect"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"image_size": 30}, "image_size is 30x30; each side takes 16 to 1024 pixels, a multiple of 4"),
        ({"image_size": (64, 8)}, "image_size is 64x8"),
        ({"blocks": 65}, "blocks is 65; it takes a whole number from 0 to 64"),
        ({"cycle_weight": -1.0}, "cycle_weight is -1.0; it takes a number from 0 up"),
        ({"identity_weight": float("nan")}, "identity_weight is .nan. .float.; it takes a finite number"),
        ({"image_size": 16, "discriminator_depth": 3}, "leaves no patch of 16x16 pictures; take 1 to 2"),
        ({"base_channel": 3}, "did you mean 'base_channels'"),
    ],
)
def test_settings_that_are_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        ganzoo.create_model("cyclegan/cyclegan", **settings)


# The pool


def numbered(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1)


def pool(size):
    return FakePool(size, (1,), torch.float32, torch.device("cpu"))


def test_a_pool_gives_back_what_is_new_until_it_is_full():
    kept, rng = pool(5), torch.Generator().manual_seed(0)
    for values in ((1, 2), (3, 4)):
        assert torch.equal(kept.exchange(numbered(*values), rng), numbered(*values))
    assert torch.equal(kept.fakes, numbered(1, 2, 3, 4))


def test_a_full_pool_exchanges_half_and_loses_nothing():
    kept, rng = pool(50), torch.Generator().manual_seed(0)
    shown, given = [], torch.arange(4000.0).reshape(-1, 8, 1)
    for fakes in given:
        before = fakes.clone()
        shown.append(kept.exchange(fakes, rng))
        assert torch.equal(fakes, before)  # what was given stays as it was
    past = torch.cat(shown).flatten() != given.flatten()
    assert past[:50].sum() < 2
    assert 0.47 < past[50:].float().mean() < 0.53
    assert len(kept.fakes) == 50
    everything = torch.cat([*shown, kept.fakes]).flatten()
    # Each fake is shown or kept; those of the first 50 that are not kept any more were shown twice.
    assert set(everything.tolist()) == set(range(4000))
    assert torch.cat(shown).flatten()[50:].unique().numel() >= 4000 - 100


def test_a_pool_of_none_gives_back_the_very_fakes():
    fakes = numbered(1, 2)
    assert pool(0).exchange(fakes, torch.Generator()) is fakes


# The step


class Shift(nn.Module):
    """A generator that adds a number to what it is given."""

    def __init__(self, by, shape=(1, 16, 16)):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))
        self.latent_dim, self.sample_shape = 0, shape
        self.condition = ganzoo.create_model("cyclegan/cyclegan", image_size=16, **SMALL).condition
        self.condition = replace(self.condition, shape=shape)

    def forward(self, latent, condition):
        return condition + self.by


class Mean(nn.Module):
    """A discriminator whose logit is the mean of a picture, times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.sample_shape = nn.Parameter(torch.tensor(factor)), (1, 16, 16)

    def forward(self, sample):
        return self.factor * sample.mean((1, 2, 3))


def game(objective="least_squares", **args):
    """Return the step of four networks so simple that its losses are known."""
    described = ganzoo.create_model(
        "cyclegan/cyclegan", image_size=16, source_channels=1, channels=1, **SMALL | args
    ).config
    networks = {
        "generator": Shift(0.1),
        "generator_back": Shift(-0.3),
        "discriminator": Mean(2.0),
        "discriminator_back": Mean(3.0),
    }
    gan = GAN(networks, config=described)
    settings = Settings(images=64, batch_size=2, precision="fp32", device="cpu").resolved()
    from ganzoo_cyclegan.step import create_step

    step = create_step(gan, ganzoo.create_objective(objective), settings)
    step.begin(0)
    return step


X, Y = 0.2, 0.5  # sources and samples, each of one grey


def batch():
    return Batch(torch.full((2, 1, 16, 16), Y), torch.full((2, 1, 16, 16), X))


def test_the_losses_are_the_papers():
    step = game("2 * least_squares", cycle_weight=10.0, identity_weight=0.5)
    there, back = X + 0.1, Y - 0.3  # G(x) and F(y)
    found = {name: value.item() for name, value in step.discriminator_losses(batch()).items()}
    assert found == pytest.approx(
        {
            "least_squares": (2 * Y - 1) ** 2 + (2 * there) ** 2,
            "least_squares_back": (3 * X - 1) ** 2 + (3 * back) ** 2,
        },
        abs=1e-6,
    )
    found = {name: value.item() for name, value in step.generator_losses(batch()).items()}
    assert found == pytest.approx(
        {
            "least_squares": (2 * there - 1) ** 2,
            "least_squares_back": (3 * back - 1) ** 2,
            "cycle": 10 * 0.2,  # there and back again is 0.1 - 0.3 away
            "cycle_back": 10 * 0.2,
            "identity": 5 * 0.1,
            "identity_back": 5 * 0.3,
        },
        abs=1e-5,
    )


def test_each_loss_reaches_the_networks_it_is_about():
    step = game()
    losses = step.generator_losses(batch())
    parameters = {name: [*each.parameters()] for name, each in (("G", step.there.generator), ("F", step.there.back))}
    reached = {
        "least_squares": ("G",),
        "least_squares_back": ("F",),
        "cycle": ("G", "F"),
        "cycle_back": ("G", "F"),
        "identity": ("G",),
        "identity_back": ("F",),
    }
    assert losses.keys() == reached.keys()
    for name, loss in losses.items():
        for network, (parameter,) in parameters.items():
            (gradient,) = torch.autograd.grad(loss, parameter, retain_graph=True, allow_unused=True)
            assert (gradient is not None and gradient.abs() > 0) == (network in reached[name]), (name, network)


def test_identity_needs_as_many_channels_and_weights_of_0_cost_nothing():
    assert set(game(identity_weight=0.0).generator_losses(batch())) == {
        *("least_squares", "least_squares_back", "cycle", "cycle_back")
    }
    assert set(game(cycle_weight=0.0).generator_losses(batch())) == {"least_squares", "least_squares_back"}
    run = prepared(None, data=pictures())  # of 1 and 3 channels
    run.fit()
    assert "generator_cycle_back" in run.monitor.values
    assert not any("identity" in name for name in run.monitor.values)


def test_the_discriminators_are_shown_past_fakes():
    step = game(pool_size=2)
    seen = []
    for index in range(30):
        step.begin(index)
        with torch.no_grad():
            step.there.generator.by.fill_(index / 100)
        step.discriminator_losses(batch())
        seen.append((step.there.statistics["fake_logits"] / 2 - X).mul(100).round().int().tolist())
    assert seen[0] == [0, 0]
    assert any(number < index for index, row in enumerate(seen) for number in row)
    assert all(number <= index for index, row in enumerate(seen) for number in row)
    new = sum(number == index for index, row in enumerate(seen[1:], 1) for number in row)
    assert 15 < new < 45  # of 58


def test_both_ways_draw_their_own_numbers():
    step = game("least_squares + label_noise(0.5, 1.0)")
    assert not torch.equal(*(torch.rand(4, generator=way.rng("targets")) for way in (step.there, step.back)))


@pytest.mark.parametrize("terms", ["hinge + r1(1)", "wasserstein + gradient_penalty(10)", "relativistic"])
def test_any_objective_trains_all_four(terms):
    run = prepared(None, objective=f"{terms} + feature_matching")
    before = {name: [p.detach().clone() for p in each.parameters()] for name, each in run.gan.networks.items()}
    run.fit()
    assert set(before) == set(NETWORKS)
    for name, each in run.gan.networks.items():
        changed = [not torch.equal(a, b) for a, b in zip(before[name], each.parameters(), strict=True) if a.dim() > 1]
        assert all(changed), name


# Runs


def pictures(n=14, *, channels=(1, 3)):
    rng = torch.Generator().manual_seed(0)
    sources, samples = (torch.randint(0, 256, (n, each, 16, 16), dtype=torch.uint8, generator=rng) for each in channels)
    return hide_pairs(table_from_arrays(samples, sources=sources))


def prepared(folder, *, steps=8, data=None, objective="2 * least_squares", **changes):
    settings = {
        "images": 4 * steps,
        "batch_size": 4,
        "model_args": {**SMALL, "pool_size": 6},
        "precision": "fp32",
        "log_every_images": 1,
        "sample_every_images": 10**9,
        "checkpoint_every_images": 10**9,
        "progress": False,
    }
    data = pictures(channels=(3, 3)) if data is None else data
    return Trainer("cyclegan/cyclegan", objective, data, run=folder, **settings | changes)


def state(run):
    """Return all that a checkpoint would hold."""
    from ganzoo.training.resuming import pack

    return {name: value.detach().clone() for name, value in pack(run)[0].items()}


def log(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("cut", [1, 5])
def test_a_resumed_run_has_the_same_past_fakes_and_the_same_end(tmp_path, cut):
    """The pool of 6 is not yet full after one step of 4, and full and shuffled after 5."""
    whole = prepared(tmp_path / "whole")
    whole.fit()
    run = prepared(tmp_path / "cut")
    begin = run.step.begin

    def stopping(index):
        if index == cut:
            run.journal.checkpoint()
            raise StoppedError
        begin(index)

    run.step.begin = stopping
    with pytest.raises(StoppedError):
        run.fit()
    resumed = Trainer.resume(tmp_path / "cut", data=pictures(channels=(3, 3)), progress=False)
    kept = resumed.step.state_dict()
    assert {name: len(fakes) for name, fakes in kept.items()} == dict.fromkeys(("there", "back"), min(4 * cut, 6))
    assert all(torch.equal(kept[name], run.step.state_dict()[name]) for name in kept)
    resumed.fit()
    first, second = state(whole), state(resumed)
    assert first.keys() == second.keys()
    assert {"step.there", "step.back"} <= first.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert log(tmp_path / "whole") == log(tmp_path / "cut")


def test_past_fakes_of_other_pictures_are_refused(tmp_path):
    run = prepared(tmp_path / "run", steps=2)
    run.step.state_dict = lambda: {"there": torch.zeros(2, 3, 8, 8)}
    run.fit()
    with pytest.raises(CheckpointError, match=r"2 past fakes of shape \(3, 8, 8\), and up to 6 of shape \(3, 16, 16\)"):
        Trainer.resume(tmp_path / "run", data=pictures(channels=(3, 3)), progress=False)


def test_what_it_cannot_be_trained_on_or_with():
    with pytest.raises(ObjectiveError, match="l1 compares each sample with its target"):
        prepared(None, objective="least_squares + l1")
    with pytest.raises(InputError, match="makes pictures from pictures, and mnist-test has a label for each instead"):
        prepared(None, data="mnist-test")
    with pytest.raises(ConfigError, match="the discriminator is conditioned on an image of 3x16x16, and without pairs"):
        prepared(None, discriminator="pix2pix", discriminator_args={"discriminator_depth": 1})
    prepared(None, discriminator="pix2pix", discriminator_args={"discriminator_depth": 1, "source_channels": 0})
    gan = ganzoo.create_model("cyclegan/cyclegan", image_size=16, **SMALL)
    networks = {name: each for name, each in gan.networks.items() if name != "discriminator_back"}
    with pytest.raises(ConfigError, match="discriminator_back is missing; build the model with"):
        Trainer(GAN(networks, config=gan.config), "hinge", pictures(channels=(3, 3)), images=8, batch_size=4)


TWO = """
import os
import sys
from safetensors.torch import save_file
sys.path.insert(0, sys.argv[1])
import test_cyclegan as tests
from ganzoo.training.distributed import leave
run = tests.prepared(None, precision="fp64", objective="least_squares + label_noise(0.7, 1.0)")
run.fit()
if not run.processes.number:
    save_file({name: value.contiguous() for name, value in tests.state(run).items()}, sys.argv[2])
leave()
os._exit(0)  # torch may abort where an interpreter ends beside threads of gloo's
"""


@pytest.mark.slow
def test_two_processes_keep_the_past_fakes_of_the_whole_batch(tmp_path):
    """They hold what one process with the whole batch does: weights, averages and past fakes."""
    alone = prepared(None, precision="fp64", objective="least_squares + label_noise(0.7, 1.0)")
    alone.fit()
    (tmp_path / "two.py").write_text(TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [*command, str(tmp_path / "two.py"), str(Path(__file__).parent), str(tmp_path / "state.safetensors")],
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shared, expected = load_file(tmp_path / "state.safetensors"), state(alone)
    assert shared.keys() == expected.keys()
    assert len(shared["step.there"]) == 6
    for name, value in expected.items():
        assert torch.allclose(shared[name], value, rtol=1e-6, atol=1e-7), name


GREYS, COLOURS = ((30,), (200,)), ((20, 20, 110), (240, 190, 40))  # around a square, and in it


def squares(n, around, inside, seed):
    """Return pictures of one colour with a square of another, and where the squares are."""
    rng = torch.Generator().manual_seed(seed)
    where = torch.zeros(n, 1, 16, 16, dtype=torch.bool)
    for row, (y, x) in zip(where, torch.randint(1, 10, (n, 2), generator=rng).tolist(), strict=True):
        row[:, y : y + 5, x : x + 5] = True
    outer, inner = (torch.tensor(colour, dtype=torch.uint8)[:, None, None] for colour in (around, inside))
    return torch.where(where, inner, outer), where


def colours_of(gan, made, where):
    """Return the mean colours around the squares and in them, in the data's units."""
    values = gan.to_data(made).float()
    return [(values * part).sum((0, 2, 3)) / part.sum() for part in (~where, where)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_it_learns_both_ways_without_pairs(seed):
    """Grey ground becomes coloured and coloured ground grey, on pictures not seen before, and there and back again.

    So few images do not teach every seed to tell a square from the ground around it.
    """
    sources, samples = squares(96, *GREYS, seed=0)[0], squares(128, *COLOURS, seed=1)[0]
    run = prepared(
        None,
        data=Table(samples, sources=sources, paired=False, name="squares"),
        images=1600,
        batch_size=8,
        model_args={**SMALL, "base_channels": 8},
        learning_rate=2e-3,
        ema_half_life_images=80,
        log_every_images=400,
        seed=seed,
    )
    (greys, where), (colours, there) = squares(32, *GREYS, seed=2), squares(32, *COLOURS, seed=3)
    given, wanted = greys.float() / 127.5 - 1, colours.float() / 127.5 - 1

    def lost(gan):
        """Return what is lost on the way there and back."""
        return (gan.translate(gan.translate(given), network="generator_back") - given).abs().mean()

    before = lost(run.gan)
    gan = run.fit()
    found = colours_of(gan, gan.translate(given), where)
    back = colours_of(gan, gan.translate(wanted, network="generator_back"), there)
    for values, (around, inside) in ((found, COLOURS), (back, GREYS)):
        right, wrong = (torch.dist(values[0], torch.tensor(each, dtype=torch.float32)) for each in (around, inside))
        assert right < 0.5 * wrong, values
    assert lost(gan) < 0.5 * before


# The data


def test_half_size_emoji():
    train, test = open_data("cyclegan/openmoji-32"), open_data("openmoji-32-test")
    whole = open_data("openmoji-test")
    assert (len(train), len(test), test.paired) == (1442, 208, True)
    assert (test.sample_shape, test.condition.shape, test.license) == ((3, 32, 32), (1, 32, 32), "CC-BY-SA-4.0")
    mean = whole.samples[7, 2, 10:12, 20:22].float().mean()
    assert abs(test.samples[7, 2, 5, 10].float() - mean) <= 0.5
    assert open_data(test.source).fingerprint() == test.fingerprint()
    assert not open_data("unpaired:openmoji-32").paired


def test_without_the_emoji_it_is_said_what_to_install(monkeypatch):
    from ganzoo_cyclegan import data

    def absent(name):
        raise ganzoo.errors.UnknownNameError(name)

    monkeypatch.setattr(data, "open_data", absent)
    with pytest.raises(ganzoo.errors.MissingExtraError, match=r"pip install 'ganzoo-cyclegan\[train\]'"):
        data.openmoji_32()


# The model


def test_the_model_translates_as_its_card_says():
    """Held-out pairs: colours as sharp as real ones, no nearer to the artist's than copying; outlines much nearer."""
    test = open_data("cyclegan/openmoji-32-test")
    gan = ganzoo.load("cyclegan-openmoji")
    measured = measure_pairs(gan, test, len(test))
    recorded = {metric["name"]: metric["value"] for metric in gan.config.metrics}
    for name in ("absolute error", "gradient ratio", "error over copying"):
        assert measured[name.replace(" ", "_")] == pytest.approx(recorded[name], abs=2e-3)
    assert measured["error_over_copying"] < 1.05
    assert 0.9 < measured["gradient_ratio"] < 1.2
    back = gan.to_data(gan.translate(test.batch(torch.arange(len(test))).sample, network="generator_back"))
    grey = test.samples.float().mean(1, keepdim=True)
    errors = [(each.float() - test.sources.float()).abs().mean() / 255 for each in (back, grey)]
    assert errors[0] < 0.045 < 0.07 < errors[1]
    assert gan.config.license["weights"] == "CC-BY-SA-4.0"
    assert "OpenMoji 17" in gan.config.license["data"]


def test_the_model_was_trained_as_its_recipe_says():
    config = ganzoo.load("cyclegan-openmoji", discriminator=True).config
    recipe = read_recipe("cyclegan-openmoji")
    assert recipe["name"] == config.training["recipe"] == "cyclegan-openmoji"
    assert str(ganzoo.create_objective(recipe["objective"])) == config.training["objective"]
    assert set(config.networks) == set(NETWORKS)
    for network in config.networks.values():
        assert recipe["model"]["args"].items() <= network.args.items()
    training = {key: value for key, value in recipe["training"].items() if key not in HOUSEKEEPING}
    assert training.items() <= config.training.items()
    assert config.training["data_samples"] == config.training["data_sources"] == 1442
    table = open_data(recipe["data"]["source"])
    assert (table.paired, table.name) == (False, config.training["data"])
    assert recipe["license"] == config.license
