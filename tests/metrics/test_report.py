import json
from dataclasses import replace

import pytest

from ganzoo.errors import ConfigError
from ganzoo.metrics.report import Measurement, Protocol, Report

PROTOCOL = Protocol(
    samples=10_000,
    reference="10000 of mnist, test split",
    floor="10000 of the training split against 10000 of the test split",
    ceiling="10000 samples of an untrained mlp",
    features="judge-mnist-01234567",
    features_sha256="0123456789abcdef" * 4,
    seed=3,
    batch_size=250,
    quantisation="uint8",
    labels="i % 10",
    weights="EMA, half-life 10000 images",
    versions="ganzoo 0.1.0",
)
FRECHET = Measurement(
    name="FCD[judge-mnist-01234567]", value=5.5, floor=0.05, ceiling=110.0, better="lower", detail="", protocol=PROTOCOL
)
PRECISION = replace(FRECHET, name="precision[judge-mnist-01234567]", value=0.7, ceiling=0.0, better="higher")
KID = replace(FRECHET, name="KID[judge-mnist-01234567]", value=-1e-5, floor=None, ceiling=None, deviation=0.002)
REPORT = Report(
    model="mlp-mnist",
    data="mnist",
    measurements=(FRECHET, PRECISION, KID),
    class_shares={"judge-mnist-01234567": [0.25, 0.75]},
    notes=("a note",),
)


def test_a_report_survives_json():
    assert Report.from_json(REPORT.to_json()) == REPORT
    assert json.loads(REPORT.to_json()) == json.loads(json.dumps(REPORT.to_dict()))
    assert json.loads(REPORT.to_json())["measurements"][0]["protocol"]["seed"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"model": "m"}',
        '{"measurements": [3]}',
        '{"measurements": [{"protocol": 3}]}',
        REPORT.to_json().replace("5.5", '"5.5"'),
    ],
)
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ConfigError):
        Report.from_json(text)


def test_the_table_shows_value_floor_ceiling_and_share_and_each_protocol_once():
    lines = str(REPORT).splitlines()
    assert lines[0] == "mlp-mnist on mnist"
    assert lines[2].split() == ["value", "floor", "ceiling", "of", "ceiling", "better"]
    assert lines[3].split() == ["FCD[judge-mnist-01234567]", "5.5", "0.05", "110", "5.0%", "lower"]
    assert lines[4].split() == ["precision[judge-mnist-01234567]", "0.7", "0.05", "0", "higher"]
    assert lines[5].split() == ["KID[judge-mnist-01234567]", "-1e-05", "-", "-", "lower", "±", "0.002,"]
    assert "classes[judge-mnist-01234567]: 25.0% 75.0%" in lines
    assert [line.startswith("protocol: 10000 samples against") for line in lines].count(True) == 1
    assert lines[-1] == "a note"


def test_a_protocol_says_everything_that_must_be_equal():
    text = str(PROTOCOL)
    for part in ("judge-mnist-01234567", "seed 3", "batches of 250", "float32", "uint8", "resize none", "i % 10"):
        assert part in text
    for part in ("truncation none", "EMA", "test split", "training split", "untrained mlp", "ganzoo 0.1.0"):
        assert part in text


def test_a_share_of_the_ceiling_is_for_what_shall_be_low():
    assert FRECHET.share_of_ceiling == pytest.approx(0.05)
    assert PRECISION.share_of_ceiling is None
    assert KID.share_of_ceiling is None


def test_a_measurement_is_found_by_its_beginning():
    assert REPORT["KID"] is KID
    with pytest.raises(KeyError):
        REPORT["FID"]
