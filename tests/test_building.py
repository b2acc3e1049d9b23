"""Mixing: any generator with any discriminator, and what `create_model` makes of the settings."""

import itertools
from pathlib import Path

import pytest
import torch

import ganzoo
from ganzoo import building, create_model, plugins
from ganzoo.building import create_model_for
from ganzoo.errors import ConfigError, UnknownNameError
from ganzoo.models.condition import Condition, condition_of

SHAPE = (3, 16, 16)
SMALL = {
    "mlp": {"generator_widths": [8], "discriminator_widths": [8], "latent_dim": 4},
    "dcgan": {"base_channels": 4, "latent_dim": 4},
    "cgan": {"base_channels": 4, "latent_dim": 4, "embedding_dim": 3},
    "pix2pix": {"base_channels": 4},
    "timm": {"backbone": "test_resnet", "head_channels": 8},
}
CONDITIONS = {
    "none": Condition(),
    "label": Condition.label(3),
    "vector": Condition.vector(5),
    "image": Condition.image((2, 16, 16)),
}
OWN = {entry.name: entry for entry in plugins.entries("architecture") if entry.provider.namespace is None}


def architecture(name):
    return building.architecture_of(OWN[name])


def networks(name):
    return [
        (each, kind) for each in OWN if name in architecture(each).networks for kind in architecture(each).kinds(name)
    ]


def mixed(generator, discriminator, kind="none", **changes):
    torch.manual_seed(0)
    return create_model_for(
        generator,
        SHAPE,
        CONDITIONS[kind],
        **SMALL[generator],
        discriminator=discriminator,
        **{"discriminator_args": SMALL[discriminator]} | changes,
    )


def condition_batch(condition, n):
    rng = torch.Generator().manual_seed(1)
    if condition.kind == "none":
        return None
    if condition.kind == "label":
        return torch.arange(n) % condition.num_classes
    return torch.rand(n, *condition.shape, generator=rng) * 2 - 1


def same(first, second):
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_every_architecture_is_tried():
    assert set(SMALL) == set(OWN)
    kinds = {kind for _, kind in (*networks("generator"), *networks("discriminator"))}
    assert kinds == set(CONDITIONS)


# Every generator with every discriminator

GENERATORS, DISCRIMINATORS = networks("generator"), networks("discriminator")
PAIRS = [(g, d, kind) for (g, kind), d in itertools.product(GENERATORS, {name: 0 for name, _ in DISCRIMINATORS})]
FITTING = [(g, d, kind) for g, d, kind in PAIRS if (d, kind) in DISCRIMINATORS]
OTHERS = [pair for pair in PAIRS if pair not in FITTING]


@pytest.mark.parametrize(("generator", "discriminator", "kind"), FITTING)
def test_a_generator_and_a_discriminator_of_one_condition_go_together(tmp_path, generator, discriminator, kind):
    gan = mixed(generator, discriminator, kind)
    assert set(gan.networks) == {"generator", "discriminator"}
    assert gan.sample_shape == gan.discriminator.sample_shape == SHAPE
    assert gan.condition == condition_of(gan.discriminator) == CONDITIONS[kind]
    assert not any(module.training for module in gan.modules())
    assert {name: network.architecture for name, network in gan.config.networks.items()} == {
        "generator": generator,
        "discriminator": discriminator,
    }
    condition = condition_batch(gan.condition, 4)
    samples = gan.sample(4, seed=0, condition=condition)
    scores = gan.score(samples, condition)
    assert scores.shape == (4,)
    assert scores.isfinite().all()
    gan.train()
    latents = torch.randn(4, gan.latent_dim) if gan.latent_dim else None
    made = gan.generate(latents, condition)
    logits = building_call(gan.discriminator, made, condition)
    assert logits.shape in ((4,), (4, 1, *logits.shape[2:]))
    logits.sum().backward()
    assert any(parameter.grad.abs().max() > 0 for parameter in gan.generator.parameters())
    gan.eval().save_pretrained(tmp_path)
    loaded = ganzoo.load(tmp_path, discriminator=True)
    assert same(loaded, gan)
    assert loaded.condition == condition_of(loaded.discriminator) == CONDITIONS[kind]
    assert torch.equal(loaded.score(samples, condition), gan.score(samples, condition))
    assert torch.equal(loaded.sample(4, seed=0, condition=condition), gan.sample(4, seed=0, condition=condition))
    for name, network in loaded.config.networks.items():
        assert (network.architecture, network.args) == (
            gan.config.networks[name].architecture,
            gan.config.networks[name].args,
        )


def building_call(network, samples, condition):
    return network(samples) if condition is None else network(samples, condition)


@pytest.mark.parametrize(("generator", "discriminator", "kind"), OTHERS)
def test_a_discriminator_that_cannot_take_the_condition_is_refused_naming_both(generator, discriminator, kind):
    with pytest.raises(ConfigError) as refused:
        mixed(generator, discriminator, kind)
    message = str(refused.value)
    asked = "goes with a condition only" if kind == "none" else f"takes no {kind} as its condition"
    assert message.startswith(f"the discriminator of {discriminator} {asked} (it takes ")
    assert f"and the generator of {generator} " in message
    assert "; use " in message
    for name in message.rpartition("; use ")[2].split(" or "):
        assert (name, kind) in DISCRIMINATORS  # what it names does take it


@pytest.mark.parametrize("discriminator", ["dcgan", "cgan", "pix2pix", "timm"])
def test_points_have_no_discriminator_of_pictures(discriminator):
    with pytest.raises(
        ConfigError, match=rf"^{discriminator} takes pictures .* samples of shape \(2,\)|goes with a cond"
    ):
        create_model("mlp", sample_shape=[2], discriminator=discriminator)


def test_points_keep_points():
    gan = create_model("mlp", sample_shape=[2], discriminator="mlp", discriminator_args={"discriminator_widths": [3]})
    assert gan.score(gan.sample(3, seed=0)).shape == (3,)


# Which settings go where


def test_shared_settings_go_to_both_and_the_others_to_the_one_that_knows_them():
    gan = create_model(
        "dcgan",
        discriminator="pix2pix",
        image_size=32,
        channels=1,
        base_channels=4,  # both know it
        latent_dim=5,  # dcgan's alone
        discriminator_depth=1,  # pix2pix's alone
        discriminator_normalization="spectral",  # both know it
    )
    generator, discriminator = (gan.config.networks[name].args for name in ("generator", "discriminator"))
    assert (generator["base_channels"], discriminator["base_channels"]) == (4, 4)
    assert (generator["latent_dim"], gan.latent_dim) == (5, 5)
    assert "discriminator_depth" not in generator
    assert discriminator["discriminator_depth"] == 1
    assert discriminator["discriminator_normalization"] == "spectral"
    assert discriminator["image_size"] == 32
    assert (discriminator["channels"], discriminator["source_channels"]) == (1, 0)
    assert gan.discriminator.sample_shape == gan.sample_shape == (1, 32, 32)


def test_discriminator_args_win_over_shared_settings():
    gan = create_model(
        "dcgan",
        discriminator="pix2pix",
        image_size=32,
        base_channels=4,
        discriminator_args={"base_channels": 6, "discriminator_depth": 0},
    )
    generator, discriminator = (gan.config.networks[name].args for name in ("generator", "discriminator"))
    assert (generator["base_channels"], discriminator["base_channels"]) == (4, 6)
    assert discriminator["discriminator_depth"] == 0
    assert gan.discriminator.blocks[0][0].out_channels == 6


def test_discriminator_args_alone_change_the_own_discriminator():
    plain = create_model("dcgan", image_size=16, base_channels=4)
    assert plain.config.networks["generator"] == plain.config.networks["discriminator"]
    gan = create_model(
        "dcgan", image_size=16, base_channels=4, discriminator_args={"discriminator_normalization": "spectral"}
    )
    generator, discriminator = (gan.config.networks[name] for name in ("generator", "discriminator"))
    assert (generator.architecture, discriminator.architecture) == ("dcgan", "dcgan")
    assert generator.args["discriminator_normalization"] == "batch"
    assert discriminator.args["discriminator_normalization"] == "spectral"
    assert discriminator.args["base_channels"] == 4
    assert gan.discriminator.sample_shape == (3, 16, 16)


def test_a_conditional_generator_fits_its_discriminator():
    gan = create_model("dcgan", image_size=16, base_channels=4, num_classes=4, discriminator="cgan")
    assert gan.condition == condition_of(gan.discriminator) == Condition.label(4)
    args = gan.config.networks["discriminator"].args
    assert (args["num_classes"], args["condition_dim"], args["conditioning"]) == (4, 0, "concat")
    gan = create_model(
        "mlp", sample_shape=SHAPE, num_classes=4, discriminator="cgan", conditioning="projection", base_channels=4
    )
    assert gan.discriminator.projects


def test_a_discriminator_may_be_told_nothing():
    gan = create_model(
        "dcgan",
        image_size=16,
        base_channels=4,
        num_classes=4,
        discriminator="mlp",
        discriminator_args={"num_classes": 0, "discriminator_widths": [4]},
    )
    assert (gan.condition, condition_of(gan.discriminator)) == (Condition.label(4), Condition())
    assert gan.score(gan.sample(3, seed=0)).shape == (3,)


@pytest.mark.parametrize("name", ["dcgan", "pix2pix"])
def test_an_own_discriminator_by_its_name_is_the_same(name):
    arguments = {"image_size": 16, "base_channels": 4} | ({"discriminator_depth": 2} if name == "pix2pix" else {})
    models = []
    for discriminator in (None, name):
        torch.manual_seed(0)
        models.append(create_model(name, discriminator=discriminator, **arguments))
    assert same(*models)
    assert models[0].config.networks == models[1].config.networks


# Refusals


def test_an_unknown_setting_has_a_near_match_over_both():
    for name, near in (("latent_dimm", "latent_dim"), ("discriminator_dept", "discriminator_depth")):
        with pytest.raises(ConfigError) as refused:
            create_model("dcgan", discriminator="pix2pix", image_size=16, **{name: 3})
        message = str(refused.value)
        assert message.startswith(f"dcgan with pix2pix: there is no setting '{name}'; did you mean '{near}'")
        assert "it takes base_channels, channels, " in message
    with pytest.raises(ConfigError, match="dcgan: there is no setting 'discriminator_depth'"):
        create_model("dcgan", discriminator_depth=3)


def test_discriminator_args_are_the_discriminators_alone():
    with pytest.raises(ConfigError, match="pix2pix: there is no setting 'latent_dim'"):
        create_model("dcgan", image_size=32, discriminator="pix2pix", discriminator_args={"latent_dim": 3})
    with pytest.raises(ConfigError, match="pix2pix: there is no setting 'chanels'; did you mean 'channels'"):
        create_model("dcgan", image_size=32, discriminator="pix2pix", discriminator_args={"chanels": 3})
    with pytest.raises(ConfigError, match="dcgan: there is no setting 'generator_widths'"):
        create_model("dcgan", image_size=32, discriminator_args={"generator_widths": [3]})


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({"image_size": 32}, r"\(3, 32, 32\), and the generator of dcgan makes \(3, 16, 16\)"),
        ({"channels": 1}, r"\(1, 16, 16\), and the generator of dcgan makes \(3, 16, 16\)"),
    ],
)
@pytest.mark.parametrize("discriminator", ["pix2pix", "dcgan"])
def test_another_sample_shape_is_refused_naming_both(discriminator, changes, sizes):
    with pytest.raises(ConfigError, match=rf"the discriminator of {discriminator} takes samples of shape {sizes}"):
        create_model("dcgan", image_size=16, base_channels=4, discriminator=discriminator, discriminator_args=changes)


@pytest.mark.parametrize(
    ("generator", "discriminator", "changes", "says"),
    [
        ("dcgan", "dcgan", {"num_classes": 5}, "a label from 0 to 4, and the generator of dcgan on nothing"),
        ("dcgan", "pix2pix", {"source_channels": 1}, "an image of 1x16x16, and the generator of dcgan on nothing"),
        ("cgan", "dcgan", {"num_classes": 5}, "a label from 0 to 4, and the generator of cgan on a label from 0 to 2"),
        (
            "cgan",
            "cgan",
            {"num_classes": 0, "condition_dim": 2},
            "a vector of 2 numbers, and the generator of cgan on a label from 0 to 2",
        ),
        (
            "pix2pix",
            "pix2pix",
            {"source_channels": 1},
            "an image of 1x16x16, and the generator of pix2pix on an image of 2x16x16",
        ),
    ],
)
def test_another_condition_is_refused_naming_both(generator, discriminator, changes, says):
    kind = {"dcgan": "none", "cgan": "label", "pix2pix": "image"}[generator]
    with pytest.raises(ConfigError) as refused:
        mixed(generator, discriminator, kind, discriminator_args=SMALL[discriminator] | changes)
    assert str(refused.value).startswith(f"the discriminator of {discriminator} is conditioned on {says}; ")


def test_unknown_architectures_have_near_matches():
    with pytest.raises(UnknownNameError, match="no architecture is named 'dcgann'; did you mean 'dcgan'"):
        create_model("mlp", discriminator="dcgann")


def test_a_discriminator_alone_is_no_model():
    for make in (
        lambda: create_model("timm"),
        lambda: create_model_for("timm", SHAPE),
        lambda: create_model_for("timm", (2,)),
    ):
        with pytest.raises(ConfigError) as refused:
            make()
        assert str(refused.value) == (
            "timm has no generator; give it as the discriminator of another architecture, as in "
            "create_model('dcgan', discriminator='timm')"
        )


PLUGIN = """
    from dataclasses import dataclass
    from torch import nn
    from ganzoo.hookspecs import hookimpl
    from ganzoo.models.architecture import Architecture, Discriminator, Generator

    @dataclass(frozen=True, kw_only=True)
    class WaveConfig:
        length: int = 8
        width: int = 4

    class Wave(Generator):
        def __init__(self, config):
            super().__init__()
            self.latent_dim, self.sample_shape = 3, (1, config.length)
            self.project = nn.Linear(3, config.length)

        def forward(self, latent, condition=None):
            return self.project(latent).tanh()[:, None]

    class Critic(Discriminator):
        def __init__(self, config):
            super().__init__()
            self.sample_shape = (1, config.length)
            hidden = nn.Linear(config.length, config.width)
            self.layers = nn.Sequential(nn.Flatten(), hidden, nn.Linear(config.width, 1))

        def forward(self, sample, condition=None):
            return self.layers(sample).squeeze(1)

    def fit(shape, condition):
        return {"length": shape[-1]}

    WAVE = Architecture(WaveConfig, {"generator": Wave}, fit)
    CRITIC = Architecture(WaveConfig, {"discriminator": Critic}, fit)

    @hookimpl
    def ganzoo_register(registry):
        registry.architecture("wave", __name__ + ":WAVE", summary="a generator")
        registry.architecture("wave-critic", __name__ + ":CRITIC", summary="a discriminator")
        registry.architecture("gone", __name__ + ":GONE", summary="cannot be imported")
"""


def test_a_plugins_networks_mix_with_ones_own(site, tmp_path):
    site.install("ganzoo-sound", PLUGIN, version="0.4")
    assert set(create_model("wave").networks) == {"generator"}
    with pytest.raises(ConfigError, match="has no generator; give it as the discriminator of another architecture"):
        create_model("wave-critic")
    with pytest.raises(
        ConfigError, match=r"ganzoo_sound/wave has no network 'discriminator'; it has generator; choose"
    ):
        create_model("mlp", discriminator="wave")
    for generator, discriminator in (("wave", "wave-critic"), ("wave", "mlp"), ("mlp", "wave-critic")):
        shape = {"sample_shape": [1, 8]} if generator == "mlp" else {}
        gan = create_model(generator, discriminator=discriminator, **shape)
        provider = gan.config.networks["discriminator"].provider
        assert (provider is None) is (discriminator == "mlp")
        gan.save_pretrained(tmp_path / "model")
        samples = gan.sample(3, seed=0)
        assert torch.equal(ganzoo.load(tmp_path / "model", discriminator=True).score(samples), gan.score(samples))
    with pytest.raises(ConfigError, match="dcgan takes pictures"):
        create_model("wave", discriminator="dcgan")


def test_a_broken_plugin_does_not_hide_which_others_would_do(site):
    site.install("ganzoo-sound", PLUGIN)
    with pytest.raises(ConfigError, match="the discriminator of mlp takes no image") as refused:
        mixed("pix2pix", "mlp", "image")
    assert "; use pix2pix or timm" in str(refused.value)


@pytest.mark.parametrize(
    ("architecture", "arguments", "says"),
    [
        (5, {}, r"the architecture is '5' \(int\); it takes a name"),
        (None, {}, "the architecture is "),
        (Path("mlp"), {}, "the architecture is "),
        ("mlp", {"discriminator": 5}, r"discriminator is '5' \(int\); it takes a name"),
        ("mlp", {"discriminator_args": "x"}, r"discriminator_args is 'x' \(str\); it takes settings by name"),
        ("mlp", {"discriminator_args": []}, "discriminator_args is "),
        ("mlp", {"discriminator_args": {1: 2}}, "discriminator_args is "),
    ],
    ids=str,
)
def test_names_and_settings_of_another_type_are_refused(architecture, arguments, says):
    with pytest.raises(ConfigError, match=says):
        create_model(architecture, **arguments)
