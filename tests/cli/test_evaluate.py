import json

import pytest
from click.testing import CliRunner

from ganzoo import zoo
from ganzoo.cli.evaluate import evaluate
from ganzoo.errors import UnknownNameError
from ganzoo.metrics.report import Report


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    zoo.create_model("mlp", sample_shape=(2,), latent_dim=2).save_pretrained(folder)
    return f"local-dir:{folder}"


def invoke(*arguments):
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


def test_evaluate_prints_a_table_with_its_protocol(model):
    shown = invoke(model, "--data", "ring", "--samples", 500)
    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"{model} on ring\n")
    assert "high quality" in shown.stdout
    assert "protocol: 500 samples against 100000 of ring" in shown.stdout


def test_json_is_the_report_and_the_file_holds_the_same(model, tmp_path):
    out = tmp_path / "deep" / "report.json"
    shown = invoke(model, "--data", "ring", "--seed", 3, "--json", "--out", out)
    report = Report.from_json(shown.stdout)
    assert json.loads(shown.stdout).keys() == {"model", "data", "measurements", "class_shares", "notes"}
    assert report["modes"].protocol.seed == 3
    assert Report.from_json(out.read_text()) == report


def test_unknown_features_are_refused():
    shown = invoke("mlp", "--data", "mnist-test", "--features", "judge-mnist", "--features", "inception")
    assert isinstance(shown.exception, UnknownNameError)


def test_data_is_required(model):
    assert "Missing option '--data'" in invoke(model).stderr
