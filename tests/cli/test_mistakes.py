"""What people get wrong at first, and what they are told: what happened, and what to do instead."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ganzoo
from ganzoo.cli import cli, refusals
from ganzoo.data.loading import FORMS, open_data
from ganzoo.errors import SourceError, did_you_mean

SMALL = {"model_args": {"generator_widths": [8], "discriminator_widths": [8], "latent_dim": 2}, "progress": False}
TRAIN = ("train", "mlp", "--images", "64", "--batch-size", "32", "-a", "generator_widths=[8]")


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def refusal(*arguments):
    """Return what is said of a refusal."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, with a best model too."""
    folder = tmp_path_factory.mktemp("trained") / "digits"
    best = {"best_by": "high quality", "evaluate_samples": 50}
    ganzoo.Trainer("mlp", "non_saturating", "ring", images=64, batch_size=32, run=folder, **best, **SMALL).fit()
    return folder


def test_data_that_is_nowhere_is_told_every_form_that_data_has(here):
    said = refusal(*TRAIN, "--data", "nothere")
    assert "no data set is named 'nothere'" in said
    assert f"There is no folder or file 'nothere' either; give {FORMS}" in said
    assert FORMS in refusal(*TRAIN)
    assert FORMS in refusal(*TRAIN, "--data", "no/where")
    for form in ("ganzoo list", "folder", "zip, tar", ".npz", "idx", "pairs:PATH", "torchvision:NAME"):
        assert form in FORMS


@pytest.mark.parametrize(
    ("data", "split", "says"),
    [
        ("ring", "test", "asked of 'ring', which comes in one part"),
        ("points.npz", "val", "asked of 'points.npz', which comes in one part"),
        ("./points.npz", "test", "which comes in one part"),
        ("pictures@test:photos", "train", "which names 'test'; leave one of them out"),
        ("pairs@train:photos", "val", "which names 'train'"),
        ("unpaired:ring", "test", "asked of 'ring', which comes in one part"),
        ("unpaired@train:photos", "test", "which names 'train'"),
        ("downscaled,factor=2:unpaired:ring", "test", "asked of 'ring', which comes in one part"),
    ],
)
def test_a_split_that_would_change_nothing_is_refused(here, data, split, says):
    np.savez(here / "points.npz", samples=np.zeros((64, 2), np.float32), value_range=[-1.0, 1.0])
    assert says in refusal(*TRAIN, "--data", data, "--split", split)
    assert says in refusal("data", "pack", data, "packed.npz", "--split", split)
    assert [path.name for path in here.iterdir()] == ["points.npz"]


@pytest.mark.parametrize("data", ["ring", "points.npz"])
def test_the_split_train_of_data_in_one_part_is_all_of_it(here, data):
    np.savez(here / "points.npz", samples=np.zeros((64, 2), np.float32), value_range=[-1.0, 1.0])
    assert run("data", "pack", data, "packed.npz", "--split", "train").exit_code == 0
    assert len(open_data("packed.npz")) == len(open_data(data))


@pytest.mark.parametrize("command", ["sample", "info", "evaluate"])
def test_the_folder_of_a_run_names_its_models(trained, command):
    options = {"sample": ["--out", "x.png"], "info": [], "evaluate": ["--data", "ring"]}[command]
    said = refusal(command, f"local-dir:{trained}", *options)
    assert f"is the folder of a run, whose model is 'local-dir:{trained}/model' and whose best model is " in said
    assert f"'local-dir:{trained}/best'" in said


def test_the_path_of_a_run_names_its_models(trained, monkeypatch):
    monkeypatch.chdir(trained.parents[1])
    for given in (str(trained), f"{trained.parent.name}/digits"):
        with pytest.raises(SourceError, match=f"whose model is 'local-dir:{given}/model' and whose best model"):
            ganzoo.load(given)
    with pytest.raises(SourceError, match="for the folder of this path write 'local-dir:"):
        ganzoo.load(str(trained / "model"))


def test_a_run_without_a_model_yet_is_to_be_resumed(tmp_path):
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(SourceError, match=f"has no model yet; go on with it: ganzoo resume {tmp_path}"):
        ganzoo.load(tmp_path)


@pytest.mark.parametrize(("data", "has"), [("mnist-test", "a label for each instead"), ("ring", "none")])
def test_pix2pix_says_that_it_needs_pairs_and_how_they_lie(here, data, has):
    said = refusal("train", "pix2pix", "--data", data, "--images", 64)
    assert f"pix2pix makes pictures from pictures, and {data} has {has}; give pairs as 'pairs:PATH'" in said
    assert "whose left half is the source and right half the target, or folders A (sources) and B (targets)" in said


RECIPE = (
    '[model]\narchitecture = "mlp"\nargs = {latent_dim = 2, generator_widths = [8], discriminator_widths = [8]}\n'
    "[training]\nimages = 64\n[data]\n"
)


@pytest.mark.parametrize(
    ("data", "options", "remark"),
    [
        ("source = 'ring'", ["--data", "grid"], "mine is for ring, and this is grid; expect other results\n"),
        ("fingerprint = 'ab'\nhint = 'all points'", ["--data", "grid"], "the recipe mine is for all points, and this"),
        ("source = 'ring'", ["--data", "ring"], ""),
        ("source = 'ring'", ["--seed", 3], ""),
        ("hint = 'points'", ["--data", "grid"], ""),
    ],
)
def test_a_recipe_on_other_data_is_remarked(here, data, options, remark):
    (here / "mine.toml").write_text(RECIPE + data)
    result = run("train", "--recipe", "mine.toml", *options)
    assert result.exit_code == 0, result.output
    assert remark in result.stderr
    assert ("expect other results" in result.stderr) == bool(remark)


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        (["sample", "mlp-ring", "--out", "x.txt"], ".png"),
        (["sample", "mlp-ring", "--out", "x"], ".png"),
        (["progress", "run", "--out", "x.jpg"], ".png"),
        (["progress", "run", "--gif", "x.png"], ".gif"),
        (["evaluate", "mlp-ring", "--data", "ring", "--out", "x.csv"], ".json"),
        (["data", "check", "photos", "--sheet", "x.pdf"], ".png"),
        (["data", "pack", "ring", "x.npy"], ".npz"),
    ],
)
def test_a_file_whose_ending_says_something_else_is_refused_first(here, command, ending):
    (here / "run").mkdir()
    said = refusal(*command)
    assert f"does not end with {ending}; give such as 'x{ending}'" in said
    assert [path.name for path in here.iterdir()] == ["run"]


def test_an_ending_may_be_in_capitals(here):
    assert run("sample", "mlp-ring", "--out", "X.PNG", "-n", 4).exit_code == 0
    assert Image.open("X.PNG").format == "PNG"


def test_a_broken_config_json_is_named_with_its_path_and_a_remedy(tmp_path):
    ganzoo.load("mlp-ring").save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    whole = config.read_text()
    for text, says in (
        (whole[:-30], "cannot be read: "),
        (whole.replace('"scale"', '"scales"'), "there is no setting 'scales'; did you mean 'scale'"),
        (whole.replace('"schema": 1', '"schema": 2'), "upgrade: pip install -U torch-ganzoo"),
    ):
        config.write_text(text)
        said = refusal("sample", f"local-dir:{tmp_path}", "--out", "x.png")
        assert says in said
        assert f"(in '{config}')" in said
    config.write_text(whole[:-30])
    assert "so undo the change or get the file again" in refusal("info", f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[training]", "[training"), "undo the change, or start a new run"),
        (("learning_rate =", "learning_rat ="), "there is no setting 'learning_rat'; did you mean 'learning_rate'"),
        (("batch_size = 32", "batch_size = 0"), "batch_size is 0; it takes a whole number from 1 up"),
    ],
)
def test_a_broken_config_toml_is_named_with_its_path_and_a_remedy(trained, change, says):
    config = trained / "config.toml"
    whole = config.read_text()
    try:
        config.write_text(whole.replace(*change))
        said = refusal("resume", trained)
    finally:
        config.write_text(whole)
    assert says in said
    assert f"'{config}'" in said


@pytest.mark.parametrize(
    ("given", "meant"), [("lr", "learning_rate"), ("bs", "batch_size"), ("dlr", "discriminator_learning_rate")]
)
def test_what_people_abbreviate_is_known(here, given, meant):
    assert f"there is no setting '{given}'; did you mean '{meant}'?" in refusal(
        *TRAIN, "--data", "ring", "-s", f"{given}=0.1"
    )


def test_a_near_match_is_named_once():
    assert did_you_mean("mode", ["modes", "high quality", "modes"]) == "; did you mean 'modes'?"
    assert did_you_mean("l", ["learning"]) == ""
    assert refusal(*TRAIN, "--data", "ring", "--best-by", "mods").count("'modes'") == 1


@pytest.fixture(scope="module")
def clothes(tmp_path_factory):
    """A model of three kinds of clothing."""
    torch.manual_seed(0)
    settings = {"sample_shape": (1, 4, 4), "latent_dim": 2, "generator_widths": (4,), "discriminator_widths": (4,)}
    folder = tmp_path_factory.mktemp("clothes")
    ganzoo.create_model("mlp", num_classes=3, **settings).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["sampling"]["class_names"] = ["T-shirt/top", "Sneaker", "Ankle boot"]
    (folder / "config.json").write_text(json.dumps(config))
    return f"local-dir:{folder}"


def test_labels_can_be_class_names(clothes, here):
    for folder, labels in (("a", "1,2,0"), ("b", "sneaker, ankle boot,T-shirt/top"), ("c", "Sneaker,2,0")):
        assert run("sample", clothes, "--each", folder, "-n", 6, "--labels", labels).exit_code == 0
    written = [
        {path.relative_to(here / folder): path.read_bytes() for path in (here / folder).rglob("*.png")}
        for folder in "abc"
    ]
    assert len(written[0]) == 6
    assert written[0] == written[1] == written[2]


def test_a_label_that_is_no_class_names_those_that_are(clothes):
    said = refusal("sample", clothes, "--out", "x.png", "--labels", "Sneakers,1")
    assert "--labels is 'Sneakers,1'; did you mean 'Sneaker'?" in said
    assert "or this model's class names: T-shirt/top, Sneaker, Ankle boot" in said
    assert "class names" not in refusal("sample", "cgan-mnist", "--out", "x.png", "--labels", "three")


def test_resuming_a_finished_run_says_so_and_how_to_go_on(trained):
    result = run("resume", trained)
    assert result.exit_code == 0, result.output
    assert f"the run in {trained} is finished, after 64 images; to go on, set images" in result.stderr
    assert f"under [training] in {trained / 'config.toml'} to more, and resume it again" in result.stderr
    assert "training in" not in result.stderr
    assert f"the model is in {trained}/model" in result.stdout


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_translating_writes_nothing_where_one_picture_is_at_fault(here, fault):
    ganzoo.create_model("pix2pix", image_size=16, base_channels=4, discriminator_depth=1).save_pretrained("model")
    Image.new("RGB", (16, 16)).save("a.png")
    if fault == "damaged":
        (here / "b.png").write_bytes((here / "a.png").read_bytes()[:-30])
    assert "b.png" in refusal("translate", "local-dir:model", "a.png", "b.png", "--out", "out")
    assert not (here / "out").exists()


@pytest.mark.slow
def test_process_0_alone_says_why_all_refuse(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ganzoo"]
    done = subprocess.run(
        [*start, "train", "mpl", "--data", "ring", "--images", "64"],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert done.stderr.count("did you mean 'mlp'") == 1


def test_a_refusal_of_another_process_alone_is_said_a_little_later(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(refusals, "SECONDS", 0.2)
    for arguments, says in ((["resume", "nowhere"], "holds no run"), (["resume"], "Missing argument")):
        begun = time.monotonic()
        assert says in refusal(*arguments)
        assert time.monotonic() - begun >= 0.2
