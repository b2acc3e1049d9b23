"""`ganzoo finetune`."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

import ganzoo
from ganzoo.cli import cli
from ganzoo.data.bundled import mnist_test

QUICK = ["--images", "64", "--batch-size", "16", "--precision", "fp32", "--callback", "memorisation(samples=20)"]


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    for number, picture in enumerate(mnist_test().samples[:30]):
        image = Image.fromarray(picture[0].numpy())
        image.resize((20 + number, 24)).save(tmp_path / "digits" / f"{number}.png")
    return tmp_path


def test_finetuning_says_what_it_does_and_writes_a_run_that_resumes(here):
    result = run("finetune", "dcgan-mnist", "--data", "digits", *QUICK)
    assert result.exit_code == 0, result.output
    said = result.output
    assert said.index("fine-tuning dcgan-mnist on digits: 30 samples of 1x28x28") < said.index("training in runs/")
    assert "generator: 538,113 of 538,113 parameters kept, 0 new" in said
    assert "memorisation: " in said
    assert "look at runs/dcgan-mnist-digits-1/memorisation" in said
    folder = here / "runs" / "dcgan-mnist-digits-1"
    gan = ganzoo.load(folder / "model", discriminator=True)
    assert gan.config.training["finetuning"]["model"] == "dcgan-mnist"
    assert gan.config.training["images_shown"] == 64
    assert gan.config.license["weights"] == "CC-BY-SA-3.0"
    assert gan.config.license["parent_data"].startswith("MNIST, CC-BY-SA-3.0")
    assert json.loads((folder / "memorisation" / "report.json").read_text())["training"] == 30
    before = (folder / "model" / "generator.safetensors").read_bytes()
    resumed = run("resume", folder)
    assert resumed.exit_code == 0
    assert "memorisation: " in resumed.output
    assert (folder / "model" / "generator.safetensors").read_bytes() == before


def test_a_dry_run_prints_the_plan_and_writes_nothing(here):
    result = run("finetune", "dcgan-mnist", "--data", "digits", "--dry-run", "--freeze-layers", 2, "-s", "beta1=0.25")
    assert result.exit_code == 0, result.output
    assert "augment" in result.output
    assert "533,825 parameters, 401,537 of them trained" in result.output
    assert "freeze_discriminator_layers  2" in result.output
    assert "beta1                        0.25" in result.output
    assert not (here / "runs").exists()


def test_settings_of_networks_and_an_objective_are_options_too(here):
    options = [
        "--objective",
        "hinge",
        "-d",
        "discriminator_hidden=9",
        "--unconditional",
        "--run",
        "r",
        "-s",
        "augment=",
    ]
    result = run("finetune", "dcgan-mnist", "--data", "digits", *options, *QUICK)
    assert result.exit_code == 0, result.output
    gan = ganzoo.load(here / "r" / "model", discriminator=True)
    assert gan.config.networks["discriminator"].args["discriminator_hidden"] == 9
    assert gan.config.training["objective"] == "hinge"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dcgan-mnst", "--data", "digits"], "did you mean 'dcgan-mnist'"),
        (["dcgan-mnist", "--data", "nowhere"], "no data set is named 'nowhere'"),
        (["mlp-ring", "--data", "digits"], "start from a model of such samples"),
        (["dcgan-mnist", "--data", "digits", "--conditional"], "a conditional model was asked for"),
        (["dcgan-mnist", "--data", "pictures,image_size=30:digits"], "the nearest valid sizes are 28x28 and 32x32"),
        (["dcgan-mnist", "--data", "mnist-test", "--split", "test"], "comes in one part and has no splits; leave it"),
        *(
            (["dcgan-mnist", "--data", "digits", "-s", text], f"there is no setting {text.partition('=')[0]!r}")
            for text in ("revision=x", "data=1", "model_args=3", "notes=1", "access=1", "value_range=1", "progress=no")
        ),
        (["dcgan-mnist", "--data", "digits", "--freeze-layers", "9"], "of this discriminator 0 to 3 can be frozen"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(here, arguments, message):
    result = run("finetune", *arguments)
    assert result.exit_code == 2
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
    assert not (here / "runs").exists()


def test_help_names_no_default_of_what_is_chosen():
    shown = run("finetune", "--help").output
    assert "Images a step.  [default: chosen]" in " ".join(shown.split()).replace("step. ", "step.  ")
    assert "0.0002" not in shown
    assert "[default: chosen]" not in run("train", "--help").output
