"""`ganzoo runs` and `ganzoo progress`."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from ganzoo import Trainer
from ganzoo.cli import cli
from ganzoo.cli.runs import HEADER

SMALL = {"model_args": {"generator_widths": [8], "discriminator_widths": [8], "latent_dim": 2}, "progress": False}


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    Trainer("mlp", "non_saturating", "ring", images=640, batch_size=64, run=folder / "first", **SMALL).fit()
    Trainer("mlp", "hinge", "ring", images=640, batch_size=64, run=folder / "nested" / "0", **SMALL).fit()
    (folder / "nested" / "0" / "config.toml").unlink()
    return folder


def test_the_table_has_a_line_for_each_run_and_why_one_is_damaged(runs):
    result = run("runs", runs)
    assert result.exit_code == 0, result.output
    head, first, nested, reason = result.output.splitlines()
    assert head.split() == " ".join(HEADER).split()
    last = json.loads((runs / "first" / "metrics.jsonl").read_text().splitlines()[-1])
    assert first.split()[:9] == ["first", "finished", "mlp", "non_saturating", "ring", "640", "of", "640", "100%"]
    figures = [last[name] for name in ("discriminator_loss", "generator_loss", "real_score", "fake_score")]
    assert first.split()[9:13] == [f"{value:.3g}" for value in figures]
    assert nested.split()[:2] == ["nested/0", "damaged"]
    assert "no readable config.toml" in reason


def test_json_has_the_same_of_each(runs):
    first, nested = json.loads(run("runs", runs, "--json", "--verify").output)
    assert (first["state"], first["images"], first["budget"]) == ("finished", 640, 640)
    assert first["path"] == str(runs / "first")
    assert first["model"] == str(runs / "first" / "model")
    assert first["figures"]["images_per_second"] > 0
    assert (nested["state"], nested["budget"], nested["objective"]) == ("damaged", None, "")


def test_a_figure_that_is_not_finite_is_null_in_json(tmp_path):
    (tmp_path / "config.toml").write_text("[training]\nimages = 64\n")
    (tmp_path / "metrics.jsonl").write_text('{"images": 64, "generator_loss": NaN, "real_score": 0.5}\n')
    (only,) = json.loads(run("runs", tmp_path, "--json").output, parse_constant=pytest.fail)
    assert only["figures"] == {"generator_loss": None, "real_score": 0.5}
    assert "nan" in run("runs", tmp_path).output


def test_no_folder_and_no_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("runs")
    assert result.exit_code == 2
    assert "there is no folder 'runs'" in result.output
    assert "There is no run" in run("runs", tmp_path).output
    assert json.loads(run("runs", tmp_path, "--json").output) == []


def test_listing_runs_loads_no_torch(runs):
    code = (
        "import sys\nfrom ganzoo.cli import main\n"
        "try:\n    main(['runs', sys.argv[1], '--verify'])\nexcept SystemExit:\n"
        "    print([name for name in ('torch', 'numpy', 'timm', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(runs)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "finished" in done.stdout


def test_progress_writes_a_picture_and_an_animation(runs, tmp_path):
    result = run("progress", runs / "first", "--out", tmp_path / "a.png", "--gif", tmp_path / "a.gif")
    assert result.exit_code == 0, result.output
    assert Image.open(tmp_path / "a.png").width == 1200
    pictures = len(list((runs / "first" / "samples").glob("*.png")))
    assert Image.open(tmp_path / "a.gif").n_frames == pictures
    assert f"wrote {pictures} pictures to" in result.output


def test_progress_goes_into_the_run_by_default(runs):
    assert run("progress", runs / "nested" / "0").exit_code == 0
    assert Image.open(runs / "nested" / "0" / "progress.png").format == "PNG"


@pytest.mark.parametrize(
    ("folder", "options", "says"),
    [
        ("nothing", [], "there is no folder"),
        ("empty", [], "nothing to draw"),
        ("log", ["--gif", "a.gif"], "no picture"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(tmp_path, monkeypatch, folder, options, says):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "log"):
        (tmp_path / name).mkdir()
    (tmp_path / "log" / "metrics.jsonl").write_text('{"images": 64, "generator_loss": 1.0}\n')
    result = run("progress", folder, *options)
    assert result.exit_code == 2
    assert says in result.output
    assert not (tmp_path / "a.gif").exists()
