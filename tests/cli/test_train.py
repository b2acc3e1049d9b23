"""`ganzoo train`, `ganzoo resume` and `ganzoo info`."""

import json
import re

import pytest
from click.testing import CliRunner

import ganzoo
from ganzoo.cli import cli
from ganzoo.cli.train import parse_assignments
from ganzoo.data.loading import open_data
from ganzoo.errors import ConfigError

SMALL = ["-a", "generator_widths=[8]", "-a", "discriminator_widths=[8]", "-a", "latent_dim=2", "--batch-size", "32"]


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_training_writes_a_run_whose_model_loads(here):
    result = run("train", "mlp", "--data", "ring", "--images", 640, "--seed", 5, *SMALL)
    assert result.exit_code == 0, result.output
    gan = ganzoo.load("local-dir:runs/mlp-ring-1/model", discriminator=True)
    assert gan.sample(3, seed=0).shape == (3, 2)
    assert gan.config.training["seed"] == 5
    assert gan.config.training["images_shown"] == 640


def test_a_second_run_gets_the_next_number(here):
    for number in (1, 2):
        assert run("train", "mlp", "--data", "ring", "--images", 64, *SMALL).exit_code == 0
        assert (here / "runs" / f"mlp-ring-{number}" / "model").is_dir()


@pytest.mark.parametrize("options", [["--augment", "instance_noise(0.2)"], ["-s", "augment=instance_noise(0.2)"]])
def test_an_augmentation_is_asked_for_by_an_option(here, options):
    result = run("train", "mlp", "--data", "ring", "--images", 64, "--run", "r", *options, *SMALL)
    assert result.exit_code == 0, result.output
    trained = ganzoo.load("local-dir:r/model").config.training
    assert trained["augment"] == "instance_noise(deviation=0.2, until=64)"


def test_an_augmentation_is_described_with_its_numbers():
    result = run("info", "ada", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output)
    assert facts["kind"] == "augmentation"
    assert (facts["settings"]["target"], facts["settings"]["rise"]) == (0.6, 500_000)


def test_callbacks_and_the_best_model_are_asked_for_by_options(here):
    events = here / "events"
    result = run(
        *("train", "mlp", "--data", "ring", "--images", 640, "--run", "r", *SMALL),
        *("--callback", "tensorboard", "--callback", f"tensorboard(directory='{events}')"),
        *("--best-by", "high quality", "--evaluate-every-images", 320, "-s", "evaluate_samples=50"),
        *("--learning-rate-decay", "cosine", "--learning-rate-warmup-images", 64),
    )
    assert result.exit_code == 0, result.output
    assert list(events.iterdir())
    assert list((here / "r" / "tensorboard").iterdir())
    training = ganzoo.load("local-dir:r/best").config.training
    assert "the best by high quality, " in result.output
    assert f" after {training['images_shown']} images, is in r/best" in result.output
    assert (training["learning_rate_decay"], training["learning_rate_warmup_images"]) == ("cosine", 64)
    assert run("resume", "r").exit_code == 0


def test_another_discriminator_and_its_settings(here):
    result = run(
        *("train", "mlp", "--data", "ring", "--images", 64, "--run", "r", *SMALL),
        *("--discriminator", "mlp", "-d", "discriminator_widths=[5]", "--discriminator-arg", "maxout-pieces=2"),
    )
    assert result.exit_code == 0, result.output
    networks = ganzoo.load("local-dir:r/model", discriminator=True).config.networks
    assert networks["generator"].args["discriminator_widths"] == [8]
    assert networks["discriminator"].args["discriminator_widths"] == [5]
    assert networks["discriminator"].args["maxout_pieces"] == 2
    assert run("resume", "r").exit_code == 0


def test_a_recipe_names_the_discriminator_and_options_replace_it(here):
    (here / "mine.toml").write_text(
        RECIPE + "source = 'ring'\n[model.discriminator_args]\ndiscriminator_widths = [5]\nmaxout_pieces = 3\n"
    )
    assert run("train", "--recipe", "mine.toml", "--run", "a").exit_code == 0
    assert run("train", "--recipe", "mine.toml", "--run", "b", "-d", "discriminator_widths=[6]").exit_code == 0
    found = [ganzoo.load(f"local-dir:{name}/model", discriminator=True).config for name in "ab"]
    args = [config.networks["discriminator"].args for config in found]
    assert [(each["discriminator_widths"], each["maxout_pieces"]) for each in args] == [([5], 3), ([6], 3)]
    assert [config.training.get("recipe") for config in found] == ["mine", None]


def test_an_unknown_recipe_is_refused_with_the_near_match(here):
    result = run("train", "--recipe", "mlp-rng", "--run", "r")
    assert result.exit_code == 2
    assert "there is no recipe 'mlp-rng'; did you mean 'mlp-ring'" in result.output
    assert not (here / "r").exists()


def test_a_recipe_file_is_followed_and_options_replace_it(here):
    (here / "mine.toml").write_text(
        'objective = "minimax + label_smoothing(0.8)"\n[model]\narchitecture = "mlp"\n'
        "[model.args]\nlatent_dim = 3\n[data]\nsource = 'ring'\n[training]\nimages = 640\nbatch_size = 64\n"
    )
    result = run("train", "--recipe", "mine.toml", "--images", 128, "-a", "latent_dim=4", "-s", "beta1=0.25")
    assert result.exit_code == 0, result.output
    training = ganzoo.load("local-dir:runs/mine-1/model").config.training
    assert "recipe" not in training
    assert training["objective"] == "minimax + label_smoothing(real_target=0.8)"
    assert (training["images"], training["batch_size"], training["beta1"]) == (128, 64, 0.25)
    assert ganzoo.load("local-dir:runs/mine-1/model").latent_dim == 4


RECIPE = (
    '[model]\narchitecture = "mlp"\n[model.args]\nlatent_dim = 2\ngenerator_widths = [8]\ndiscriminator_widths = [8]\n'
    "[training]\nimages = 64\n[license]\nweights = 'MIT'\n[data]\n"
)


@pytest.mark.parametrize(
    ("data", "options", "is_named", "is_licensed"),
    [
        ("source = 'ring'", [], True, True),
        ("source = 'ring'", ["--images", 64, "-s", "log_every_images=64"], True, True),
        ("source = 'ring'", ["--seed", 7], False, True),
        ("source = 'ring'", ["-a", "latent_dim=3"], False, True),
        ("source = 'ring'", ["--objective", "minimax"], False, True),
        ("source = 'ring'", ["--data", "grid"], False, False),
        ("fingerprint = '{ring}'", ["--data", "ring"], True, True),
        ("fingerprint = '{ring}'", ["--data", "ring", "--images", 32], False, True),
        ("fingerprint = '{ring}'", ["--data", "grid"], False, False),
        ("hint = 'points'", ["--data", "ring"], True, False),
    ],
)
def test_the_card_says_of_a_recipe_what_is_true(here, data, options, is_named, is_licensed):
    (here / "mine.toml").write_text(RECIPE + data.format(ring=open_data("ring").fingerprint()) + "\n")
    result = run("train", "--recipe", "mine.toml", "--run", "r", *options)
    assert result.exit_code == 0, result.output
    config = ganzoo.load("local-dir:r/model").config
    assert config.training.get("recipe") == ("mine" if is_named else None)
    assert config.license.get("weights") == ("MIT" if is_licensed else None)
    assert config.license.get("data") == open_data("ring").license


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[model]\nargs = 3", "model: args is '3'"),
        ("[model]\narchitecure = 'mlp'", "did you mean 'architecture'"),
        ("[data]\nsource = 3", "data: source is '3'"),
        ("[data]\nsplit = 'all'", "data: split is 'all'"),
        ("[model]\narchitecture = 'mlp'\n[data]\nsource = 'ring'\n[training]\nimages = 64\nrun = 'x'", "setting 'run'"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused(here, content, says):
    (here / "mine.toml").write_text(content)
    result = run("train", "--recipe", "mine.toml")
    assert result.exit_code == 2, result.output
    assert says in result.output


def test_resume_goes_on_to_the_budget_in_the_config(here):
    assert run("train", "mlp", "--data", "ring", "--images", 320, "--run", "r", *SMALL).exit_code == 0
    config = (here / "r" / "config.toml").read_text()
    (here / "r" / "config.toml").write_text(config.replace("\nimages = 320\n", "\nimages = 640\n"))
    result = run("resume", "r")
    assert result.exit_code == 0, result.output
    assert ganzoo.load("local-dir:r/model").config.training["images_shown"] == 640


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--recipe NAME"),
        (["mlp"], "--data"),
        (["mlp", "--data", "ring"], "--images"),
        (["mpl", "--data", "ring", "--images", "64"], "did you mean 'mlp'"),
        (["mlp", "--data", "rnig", "--images", "64"], "did you mean 'ring'"),
        (["dcgan", "--data", "ring", "--images", "64"], "use the architecture 'mlp'"),
        (["mlp", "--data", "ring", "--images", "64", "--conditional"], "labels"),
        (["mlp", "--data", "ring", "--images", "0"], "images is 0"),
        (["mlp", "--data", "ring", "--images", "64", "--objective", "hinge2"], "hinge2"),
        (["mlp", "--data", "ring", "--images", "64", "--objective", "r1"], "adversarial"),
        (["mlp", "--data", "ring", "--images", "64", "--optimizer", "adma"], "did you mean 'adam"),
        (["mlp", "--data", "ring", "--images", "64", "--device", "tpu9"], "device"),
        (["mlp", "--data", "ring", "--images", "64", "--callback", "tensorbord"], "did you mean 'tensorboard'"),
        (["mlp", "--data", "ring", "--images", "64", "--best-by", "FCD"], "use 'modes' or 'high quality'"),
        (["mlp", "--data", "ring", "--images", "64", "--learning-rate-decay", "step"], "learning_rate_decay_images"),
        (["mlp", "--data", "ring", "--images", "64", "-s", "callbacks=x"], "there is no setting 'callbacks'"),
        (["mlp", "--data", "ring", "--images", "64", "-a", "width=[3]"], "there is no setting 'width'"),
        (["mlp", "--data", "ring", "--images", "64", "-a", "latent_dim"], "KEY=VALUE"),
        (["mlp", "--data", "ring", "--images", "64", "-s", "beat1=0.5"], "did you mean 'beta1'"),
        *(
            (["mlp", "--data", "ring", "--images", "64", "-s", f"{name}=x"], f"there is no setting '{name}'")
            for name in ("run", "notes", "step", "progress", "data", "model")
        ),
        (["mlp", "--data", "ring", "--images", "64", "-d", "widths=[3]"], "there is no setting 'widths'"),
        (["mlp", "--data", "ring", "--images", "64", "--discriminator", "mlpp"], "did you mean 'mlp'"),
        (["mlp", "--data", "ring", "--images", "64", "--discriminator", "dcgan"], "dcgan takes pictures"),
        (["timm", "--data", "ring", "--images", "64"], "timm has no generator"),
        (["pix2pix", "--data", "mnist-test", "--images", "64"], "takes no label as its condition"),
        (["cgan", "--data", "ring", "--images", "64"], "makes its samples from a condition (label or vector)"),
        (
            ["mlp", "--data", "ring", "--images", "64", "--objective", "minimax + l1"],
            "only a sample made from a source has one",
        ),
        (["mlp", "--data", "ring", "--images", "64", "-s", "flip=true"], "can be mirrored or shifted"),
        *(
            (["mlp", "--data", "ring", "--images", "64", "-s", f"{name}=x"], f"there is no setting '{name}'")
            for name in ("discriminator", "discriminator_args", "conditional")
        ),
        (["--recipe", "mlp-mnits"], "did you mean 'mlp-mnist'"),
        (["--recipe", "mlp-mnist"], "idx files of MNIST"),
        (["mlp", "--data", "ring", "--images", "64", "--run", "file/run"], "cannot write"),
    ],
)
def test_refusals_are_one_sentence_with_exit_code_2(here, arguments, says):
    (here / "file").write_text("")
    result = run("train", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in here.iterdir()] == ["file"]


def test_resuming_what_is_no_run_is_refused(here):
    result = run("resume", "nothing")
    assert result.exit_code == 2
    assert "holds no run" in result.output


def test_values_of_settings_are_read_as_toml_or_text():
    assert parse_assignments(("a=1", "b=[1, 2]", "c=text", "d-e=true", "f=1e-3")) == {
        "a": 1,
        "b": [1, 2],
        "c": "text",
        "d_e": True,
        "f": 1e-3,
    }
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        parse_assignments(("=1",))


def test_info_tells_each_protocol_once():
    output = run("info", "dcgan-mnist").output
    assert output.count("Protocol:") == 2  # one for each judge
    assert output.count("FCD[judge-mnist-") == 2
    assert len(output.splitlines()) < 100


def test_info_shows_settings_of_architectures_and_losses():
    facts = json.loads(run("info", "dcgan", "--json").output)
    assert facts["kind"] == "architecture"
    assert facts["settings"]["base_channels"] == 64
    assert json.loads(run("info", "label_noise", "--json").output)["settings"] == {"low": 0.7, "high": 1.0}
    assert "mean 4" in run("info", "gaussian-1d").output or "gaussian" in run("info", "gaussian-1d").output


PLUGIN = """
    from dataclasses import dataclass, field
    from ganzoo.hookspecs import hookimpl
    from ganzoo.models.architecture import Architecture

    @dataclass(frozen=True, kw_only=True)
    class WaveConfig:
        length: int
        widths: tuple[int, ...] = field(default_factory=lambda: (8, 16))

    class Plain:
        pass

    WAVE, PLAIN = (Architecture(config, {}, lambda shape, condition: {}) for config in (WaveConfig, Plain))

    @hookimpl
    def ganzoo_register(registry):
        registry.architecture("wave", __name__ + ":WAVE", summary="a wave")
        registry.architecture("plain", __name__ + ":PLAIN", summary="its config is no dataclass")
        registry.architecture("odd", __name__ + ":Plain", summary="no Architecture")
        registry.loss("odd-loss", __name__ + ":Plain", summary="no Term")
"""


def test_info_shows_what_a_factory_makes_by_default(site):
    site.install("ganzoo-sound", PLUGIN)
    settings = json.loads(run("info", "wave", "--json").output)["settings"]
    assert settings == {"length": "required", "widths": [8, 16]}


@pytest.mark.parametrize(
    ("name", "message"), [("plain", "is no dataclass"), ("odd", "is no Architecture"), ("odd-loss", "is no Term")]
)
def test_info_of_what_is_not_what_it_says_is_one_sentence(site, name, message):
    site.install("ganzoo-sound", PLUGIN)
    result = run("info", name)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit)
    assert message in result.output


def test_info_shows_a_local_model(here):
    assert run("train", "mlp", "--data", "ring", "--images", 64, "--run", "r", *SMALL).exit_code == 0
    facts = json.loads(run("info", "local-dir:r/model", "--json").output)
    assert facts["generator"]["architecture"] == "mlp"
    assert facts["generator"]["bytes"] == (here / "r" / "model" / "generator.safetensors").stat().st_size
    assert facts["samples"]["shape"] == [2]
    assert "objective: non_saturating" in run("info", "local-dir:r/model").output


def test_info_of_nothing_names_what_is_near():
    result = run("info", "dcgann")
    assert result.exit_code == 2
    assert "did you mean 'dcgan'" in result.output


def test_a_dry_run_prints_the_plan_and_writes_nothing(here, monkeypatch):
    monkeypatch.setattr("ganzoo.training.trial.SECONDS", 0.0)
    result = run("train", "mlp", "--data", "ring", "--images", 6400, "--dry-run", *SMALL)
    assert result.exit_code == 0, result.output
    assert list(here.iterdir()) == []
    gan = ganzoo.create_model("mlp", sample_shape=(2,), generator_widths=[8], discriminator_widths=[8], latent_dim=2)
    for name, network in gan.networks.items():
        assert re.search(
            rf"^  {name} +{sum(p.numel() for p in network.parameters())} parameters +mlp$", result.output, re.M
        )
    assert re.search(r"^  run +runs/mlp-ring-1; nothing is written now$", result.output, re.M)
    assert re.search(r"^  precision +(bf16|fp32) +chosen here$", result.output, re.M)
    assert re.search(r"^  batch_size +32$", result.output, re.M)
    assert re.search(r"^  steps +200 of 32 images$", result.output, re.M)
    assert re.search(
        r"^  between +\S.* and \S.*, by the fastest and slowest tenth of \d+ timed steps$", result.output, re.M
    )


def test_a_dry_run_refuses_what_the_run_would(here):
    assert run("train", "mlp", "--data", "ring", "--images", 64, "--run", "r", *SMALL).exit_code == 0
    result = run("train", "mlp", "--data", "ring", "--images", 64, "--run", "r", "--dry-run", *SMALL)
    assert result.exit_code == 2
    assert "holds a run already" in result.output
