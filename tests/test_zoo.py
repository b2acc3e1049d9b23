import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import mutations
import pytest
import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as serialize_tensors

import ganzoo
from ganzoo import files, zoo
from ganzoo.errors import (
    ConfigError,
    GanzooError,
    InputError,
    MissingPluginError,
    PluginError,
    SourceError,
    UnknownNameError,
    WeightsError,
)
from ganzoo.losses.r1 import R1
from ganzoo.models.condition import Condition

PLUGIN = """
    from dataclasses import dataclass
    import torch
    from torch import nn
    from ganzoo.hookspecs import hookimpl
    from ganzoo.models.architecture import Architecture, Generator

    @dataclass(frozen=True, kw_only=True)
    class WaveConfig:
        length: int = 8

    class Wave(Generator):
        def __init__(self, config):
            super().__init__()
            self.latent_dim, self.sample_shape = 3, (1, config.length)
            self.project = nn.Linear(3, config.length)
            self.register_buffer("window", torch.linspace(0, 1, config.length), persistent=False)

        def forward(self, latent, condition=None):
            return torch.tanh(self.project(latent) * self.window)[:, None]

    WAVE = Architecture(WaveConfig, {"generator": Wave}, lambda shape, condition: {"length": shape[-1]})

    @hookimpl
    def ganzoo_register(registry):
        registry.architecture("wave", __name__ + ":WAVE", summary="a wave")
        registry.architecture("odd", __name__ + ":Wave", summary="no Architecture")
        registry.pretrained("drums", "ganzoo_sound_models:drums", summary="drums", architecture="wave", data="none")
        registry.pretrained("lost", "ganzoo_nowhere:drums", summary="lost", architecture="wave", data="none")
        registry.pretrained("flat", "ganzoo_sound:drums", summary="in no package", architecture="wave", data="none")
"""


def small(**arguments):
    torch.manual_seed(0)
    sizes = {"sample_shape": (1, 4, 4), "latent_dim": 6, "generator_widths": (16,), "discriminator_widths": (8,)}
    return ganzoo.create_model("mlp", **sizes | arguments)


@pytest.fixture
def folder(tmp_path):
    """A saved model's folder."""
    small().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edit(folder, change):
    """Change config.json's content in place."""
    path = folder / "config.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def put(folder, tensors):
    """Replace the generator's weights, with the digest that goes with them."""
    content = serialize_tensors(tensors)
    (folder / "generator.safetensors").write_bytes(content)
    digest = files.sha256(folder / "generator.safetensors")
    edit(folder, lambda config: config["networks"]["generator"].update(sha256=digest))


def generator_tensors(folder):
    return parse_tensors((folder / "generator.safetensors").read_bytes())


# load


def test_load_takes_a_dtype(folder):
    loaded = ganzoo.load(folder, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    assert loaded.sample(2, seed=0).dtype == torch.float32


def test_a_card_of_one_s_own_is_kept(folder, caplog):
    gan, readme = ganzoo.load(folder, discriminator=True), folder / "README.md"
    trained = ganzoo.GAN(gan.networks, config=replace(gan.config, training={"objective": "hinge"}))
    trained.save_pretrained(folder)
    assert "hinge" in readme.read_text()  # nobody had touched the card that was there
    assert not caplog.records
    readme.write_text("# Mine\n")
    gan.save_pretrained(folder)
    assert readme.read_text() == "# Mine\n"
    assert f"{readme} is kept, for it is your own; 'ganzoo card {folder} --overwrite' writes it anew" in caplog.text


def test_weights_that_a_model_without_them_leaves_behind_are_told(folder, caplog):
    gan = ganzoo.load(folder)
    gan.save_pretrained(folder)
    assert f"{folder / 'discriminator.safetensors'} was there before and is not of the model" in caplog.text
    caplog.clear()
    ganzoo.load(folder).save_pretrained(folder)
    assert not caplog.records


@pytest.mark.parametrize("device", ["gpu", "cuda:99", 3.5])
def test_a_device_that_is_not_there_is_refused(folder, device):
    with pytest.raises(InputError, match=rf"device is '{device}' .*there is none here; it takes cpu, cuda"):
        ganzoo.load(folder, device=device)


def test_load_draws_from_no_global_generator(folder):
    state = torch.get_rng_state()
    ganzoo.load(folder, discriminator=True)
    assert torch.equal(torch.get_rng_state(), state)


def test_load_trains_on(folder):
    gan = ganzoo.load(folder, discriminator=True).train()
    gan.discriminator(gan.generate(torch.randn(4, 6))).sum().backward()
    assert all(parameter.grad is not None for parameter in gan.parameters())


@pytest.mark.parametrize("name", ["absent", "config.json", "x" * 5000, "~nobody-here/model", "nul\0", "sur\ud800"])
def test_a_folder_that_is_not_there(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    with pytest.raises(SourceError, match=r"there is no folder .*; give one that save_pretrained wrote"):
        ganzoo.load(f"local-dir:{name}")


def test_a_home_folder_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert ganzoo.load("local-dir:~/model").sample_shape == (1, 4, 4)
    assert ganzoo.load(Path("~/model")).sample_shape == (1, 4, 4)


def test_a_folder_without_config_is_no_model(tmp_path):
    with pytest.raises(SourceError, match=r"holds no readable config\.json; give a folder that save_pretrained wrote"):
        ganzoo.load(tmp_path)
    (tmp_path / "config.json").mkdir()
    with pytest.raises(SourceError, match=r"holds no readable config\.json"):
        ganzoo.load(tmp_path)


def test_a_path_given_as_a_name_says_what_to_write(folder):
    with pytest.raises(SourceError, match=re.escape(f"write 'local-dir:{folder}'")):
        ganzoo.load(str(folder))


def test_unknown_names_have_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean 'mlp-mnist'"):
        ganzoo.load("mlp-mnits")
    with pytest.raises(UnknownNameError, match="no architecture is named 'dcgann'; did you mean 'dcgan'"):
        ganzoo.create_model("dcgann")


def test_a_model_without_discriminator_cannot_be_loaded_with_it(folder):
    edit(folder, lambda config: config["networks"].pop("discriminator"))
    assert set(ganzoo.load(folder).networks) == {"generator"}
    with pytest.raises(SourceError, match="has no discriminator; load it without discriminator=True"):
        ganzoo.load(folder, discriminator=True)


def test_a_config_larger_than_the_limit_is_not_read_on(folder):
    (folder / "config.json").write_bytes(b" " * (2**20 + 10))
    with pytest.raises(ConfigError, match="it takes at most 1048576"):
        ganzoo.load(folder)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda c: c["networks"]["generator"].update(architecture="mpl"), UnknownNameError, "did you mean 'mlp'"),
        (lambda c: c["networks"]["generator"].update(architecture="os:system"), UnknownNameError, "no architecture is"),
        (lambda c: c["networks"]["generator"].update(architecture=""), UnknownNameError, "no architecture is named ''"),
        (lambda c: c["networks"]["generator"]["args"].update(depth=3), ConfigError, "mlp: there is no setting 'depth'"),
        (lambda c: c["networks"]["generator"]["args"].update(latent_dim=1e9), ConfigError, "it takes a whole number"),
        (lambda c: c["networks"]["generator"]["args"].update(latent_dim=7), WeightsError, "has shape"),
        (
            lambda c: c["networks"]["generator"]["args"].update(generator_widths=[2**20] * 32),
            WeightsError,
            "missing 'layers.1.0.weight'",
        ),
        (
            lambda c: c["networks"]["generator"]["args"].update(sample_shape=[2**20] * 32),
            ConfigError,
            "mlp: sample_shape is",
        ),
        (
            lambda c: c["sampling"].update(sample_shape=[3, 64, 64]),
            ConfigError,
            "the generator is one for samples of (1, 4, 4)",
        ),
        (lambda c: c["sampling"].update(sample_shape=[2**20] * 8), ConfigError, "the generator is one for samples of"),
        (
            lambda c: c["networks"].update(critic=c["networks"]["generator"]),
            ConfigError,
            "mlp has no network 'critic'",
        ),
        (lambda c: c["networks"].pop("generator"), ConfigError, "config.json has no generator"),
        (
            lambda c: c["networks"]["generator"].pop("file"),
            WeightsError,
            "config.json names no weights for the generator",
        ),
        (
            lambda c: c["networks"]["generator"].update(file="other.safetensors"),
            WeightsError,
            "other.safetensors': No such file",
        ),
        (
            lambda c: c["networks"]["generator"].update(file="../model/generator.safetensors"),
            ConfigError,
            "a plain name that ends in .safetensors",
        ),
        (lambda c: c["networks"]["generator"].update(sha256="0" * 64), WeightsError, "are damaged: their sha256 is"),
        (
            lambda c: c["networks"]["generator"].update(
                architecture="sound/wave",
                provider={"distribution": "ganzoo-sound", "version": "0.4", "requires": "ganzoo-sound>=0.4"},
            ),
            MissingPluginError,
            "`pip install \"ganzoo-sound>=0.4\"` installs it. The plugin 'ganzoo-sound' is not installed.",
        ),
        (
            lambda c: c["networks"]["generator"].update(architecture="sound/wave", provider={"requires": "x; evil"}),
            MissingPluginError,
            "holds no valid requirement",
        ),
        (
            lambda c: c["networks"]["generator"].update(
                architecture="sound/wave", provider={"distribution": ["a", {}]}
            ),
            MissingPluginError,
            "holds no valid requirement",
        ),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, site, change, kind, message):
    edit(folder, change)
    with pytest.raises(kind) as refused:
        ganzoo.load(folder)
    assert message in str(refused.value)


def test_weights_that_do_not_fit_are_refused_by_name(folder):
    tensors = generator_tensors(folder)
    tensors["extra"] = tensors.pop("output.bias")
    tensors["output.weight"] = tensors["output.weight"][:, 1:].contiguous()
    tensors["layers.0.0.bias"][0] = float("nan")
    put(folder, tensors)
    with pytest.raises(WeightsError) as refused:
        ganzoo.load(folder)
    for part in (
        f"the weights of {folder} (generator) do not fit its architecture",
        "missing 'output.bias'",
        "unexpected 'extra'",
        "'output.weight' has shape (16, 15) instead of (16, 16)",
        "'layers.0.0.bias' holds values that are not finite",
    ):
        assert part in str(refused.value)


def test_weights_of_another_kind_are_refused(folder):
    tensors = generator_tensors(folder)
    put(folder, tensors | {"output.bias": tensors["output.bias"].to(torch.float8_e5m2)})
    with pytest.raises(WeightsError, match=r"'output\.bias' has dtype torch\.float8_e5m2 instead of torch\.float32"):
        ganzoo.load(folder)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-7], lambda b: b[:-7] + b"\1" + b[-6:], lambda b: b"", lambda b: b + b"\0"]
)
def test_damaged_weights_are_refused(folder, damage):
    path = folder / "generator.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match=r"generator\.safetensors' are damaged: .*fetch or install them again"):
        ganzoo.load(folder)


def test_missing_weights_are_refused(folder):
    (folder / "discriminator.safetensors").unlink()
    assert ganzoo.load(folder).latent_dim == 6
    with pytest.raises(WeightsError, match=r"discriminator\.safetensors': No such file"):
        ganzoo.load(folder, discriminator=True)


@pytest.mark.parametrize("name", ["generator.pt", "generator.bin", "generator.pkl", "pytorch_model.bin"])
def test_pickles_are_never_opened(folder, name):
    shutil.copy(folder / "generator.safetensors", folder / name)
    (folder / "generator.safetensors").unlink()
    edit(folder, lambda config: config["networks"]["generator"].update(file=name))
    with pytest.raises(ConfigError, match=r"it takes a plain name that ends in \.safetensors"):
        ganzoo.load(folder)


def test_mutated_weights_are_refused_or_are_what_the_file_says(folder):
    rng, path = random.Random(3), folder / "generator.safetensors"
    original = path.read_bytes()
    header = 8 + int.from_bytes(original[:8], "little")
    refused = loaded = 0
    for trial in range(300):
        content = bytearray(original)
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(8, header) if trial % 2 else rng.randrange(len(content))
            content[place] = rng.choice([rng.randrange(256), content[place] ^ 1])
        path.write_bytes(content)
        digest = files.sha256(path)
        edit(folder, lambda config, digest=digest: config["networks"]["generator"].update(sha256=digest))
        try:
            state = ganzoo.load(folder).generator.state_dict()
        except WeightsError:
            refused += 1
        else:
            loaded += 1
            said = parse_tensors(bytes(content))
            assert all(torch.equal(tensor, said[name].to(tensor.dtype)) for name, tensor in state.items())
    assert refused > 50
    assert loaded > 50


def test_a_mutated_config_loads_or_is_refused_with_a_typed_error(folder):
    rng, path = random.Random(4), folder / "config.json"
    original, refused = path.read_text(), 0
    for trial in range(300):
        changed = (
            mutations.of_bytes(original.encode(), rng) if trial % 3 == 0 else mutations.of_json(original, rng).encode()
        )
        path.write_bytes(changed)
        try:
            ganzoo.load(folder, discriminator=True)
        except GanzooError as error:
            refused += 1
            str(error).encode()
    assert 100 < refused < 300


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (
            lambda c: c["networks"]["discriminator"].update(architecture="x" * 10**5),
            UnknownNameError,
            "no architecture",
        ),
        (lambda c: c["networks"]["discriminator"]["args"].update(latent_dim=0), ConfigError, "latent_dim"),
        (lambda c: c["sampling"].update(sample_shape=[3]), ConfigError, "sample_shape"),
        (lambda c: c["sampling"].update(sample_shape=[1] * 10**5), ConfigError, "sample_shape"),
        (
            lambda c: c["networks"]["generator"]["args"].update(generator_widths=[1] * 10**5),
            ConfigError,
            "generator_widths",
        ),
    ],
)
def test_a_config_that_cannot_be_used_is_refused_shortly_and_before_weights_are_read(folder, change, error, said):
    for path in folder.glob("*.safetensors"):
        path.unlink()
    edit(folder, change)
    with pytest.raises(error, match=said) as refused:
        ganzoo.load(folder, discriminator=True)
    assert len(str(refused.value)) < 1000


# plugins


def test_a_plugin_s_architecture_is_built_saved_and_loaded(site, tmp_path):
    site.install("ganzoo-sound", PLUGIN, version="0.4")
    gan = ganzoo.create_model("wave", length=5)
    assert gan.config.networks["generator"].architecture == "ganzoo_sound/wave"
    assert gan.provider["distribution"] == "ganzoo-sound"
    gan.save_pretrained(tmp_path / "model")
    loaded = ganzoo.load(tmp_path / "model")
    # The window is not saved with the weights: the constructor makes it anew.
    assert torch.equal(loaded.generator.window, torch.linspace(0, 1, 5))
    assert torch.equal(loaded.sample(3, seed=0), gan.sample(3, seed=0))


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("self.freqs = torch.linspace(0, 1, config.length)", "self.freqs"),
        ("self.kept = {'freqs': [torch.linspace(0, 1, config.length)]}", "self.kept['freqs'][0]"),
        ("self.freqs = torch.tensor(torch.linspace(0, 1, config.length).tolist())", "self.freqs"),
        ("self.freqs = torch.linspace(0, torch.ones(()).item(), config.length)", "self.freqs"),
    ],
)
def test_a_constructor_that_needs_values_is_loaded(site, tmp_path, line, use):
    window = 'self.register_buffer("window", torch.linspace(0, 1, config.length), persistent=False)'
    site.install("ganzoo-sound", PLUGIN.replace(window, line).replace("self.window", use))
    gan = ganzoo.create_model("wave", length=5)
    gan.save_pretrained(tmp_path / "model")
    state = torch.get_rng_state()
    assert torch.equal(ganzoo.load(tmp_path / "model").sample(3, seed=0), gan.sample(3, seed=0))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_of_a_plugin_that_went_away_says_how_to_get_it(site, tmp_path, monkeypatch):
    site.install("ganzoo-sound", PLUGIN, version="0.4")
    ganzoo.create_model("wave").save_pretrained(tmp_path / "model")
    monkeypatch.setenv("GANZOO_DISABLE_PLUGINS", "ganzoo-sound")
    ganzoo.plugins.reset()
    with pytest.raises(MissingPluginError) as refused:
        ganzoo.load(tmp_path / "model")
    assert '`pip install "ganzoo-sound' in str(refused.value)
    assert "is installed but disabled" in str(refused.value)


def test_a_plugin_s_pretrained_model_is_loaded(site):
    site.install("ganzoo-sound", PLUGIN)
    (site.folder / "ganzoo_sound_models").mkdir()
    (site.folder / "ganzoo_sound_models" / "__init__.py").touch()
    gan = ganzoo.create_model("wave")
    gan.save_pretrained(site.folder / "ganzoo_sound_models" / "drums")
    for name in ("drums", "ganzoo_sound/drums", "ganzoo-sound/drums"):
        assert torch.equal(ganzoo.load(name).sample(2, seed=0), gan.sample(2, seed=0))


@pytest.mark.parametrize("name", ["lost", "flat"])
def test_a_plugin_s_pretrained_model_in_no_package_is_refused(site, name):
    site.install("ganzoo-sound", PLUGIN)
    with pytest.raises(SourceError, match=f"'ganzoo_sound/{name}' of ganzoo-sound 1.0 names no package's folder"):
        ganzoo.load(name)


def test_what_is_no_architecture_is_refused(site):
    site.install("ganzoo-sound", PLUGIN)
    with pytest.raises(ConfigError, match="ganzoo_sound/odd is registered as an architecture, but is no Architecture"):
        ganzoo.create_model("odd")
    site.install(
        "ganzoo-plain",
        PLUGIN.replace("    @dataclass(frozen=True, kw_only=True)\n", "").replace('"wave"', '"plain"', 1),
    )
    with pytest.raises(ConfigError, match="the config of the architecture ganzoo_plain/plain is no dataclass"):
        ganzoo.create_model("plain")
    site.install("ganzoo-gone", PLUGIN.replace(":WAVE", ":GONE").replace('"wave"', '"gone"', 1))
    with pytest.raises(PluginError, match=r"'ganzoo_gone/gone' of ganzoo-gone 1\.0 cannot be imported"):
        ganzoo.create_model("gone")


# create and list


def test_create_model_follows_torch_s_seed_and_is_in_eval_mode():
    first, again = small(), small()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    other = ganzoo.create_model("mlp", **first.config.networks["generator"].args)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert not any(module.training for module in first.modules())
    assert set(first.networks) == {"generator", "discriminator"}
    assert first.provider is None


def test_create_model_for_data_lets_arguments_win():
    gan = zoo.create_model_for("mlp", (2,), Condition.label(3), latent_dim=4, num_classes=5)
    assert (gan.sample_shape, gan.latent_dim, gan.condition.num_classes) == ((2,), 4, 5)


def test_create_objective_and_loss():
    objective = ganzoo.create_objective("non-saturating + 2 * r1(gamma=1)")
    assert objective.penalties == ((R1(1), 2),)
    assert ganzoo.create_loss("r1", every=16) == R1(10, 16)
    with pytest.raises(UnknownNameError, match="did you mean 'minimax'"):
        ganzoo.create_loss("minmax")
    with pytest.raises(ConfigError, match="r1: gamma is 'high' \\(str\\); it takes a finite number"):
        ganzoo.create_loss("r1", gamma="high")


def test_lists_are_sorted_names_that_match():
    assert {"dcgan", "mlp"} <= set(ganzoo.list_architectures())
    assert ganzoo.list_architectures("dc*") == ["dcgan"]
    assert ganzoo.list_losses("label-*") == ["label_flip", "label_noise", "label_smoothing"]
    assert ganzoo.list_losses("*no such*") == []
    assert "mlp-mnist" in ganzoo.list_pretrained("*mnist")
    for names in (ganzoo.list_losses(), ganzoo.list_datasets(), ganzoo.list_pretrained()):
        assert names == sorted(names)
        assert names


def test_lists_of_one_provider(site):
    site.install("ganzoo-sound", PLUGIN)
    assert ganzoo.list_architectures(provider="ganzoo-sound") == ["ganzoo_sound/odd", "ganzoo_sound/wave"]
    assert ganzoo.list_architectures("w*", provider="ganzoo_sound") == ["ganzoo_sound/wave"]
    assert "dcgan" in ganzoo.list_architectures(provider="torch-ganzoo")
    assert "ganzoo_sound/wave" in ganzoo.list_architectures()
    assert ganzoo.list_losses(provider="ganzoo-sound") == []
