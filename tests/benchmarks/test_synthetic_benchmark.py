"""Pictures drawn for a classifier: what is given to it, how gains are counted, and the command."""

import json
import re
import shlex

import pytest
import synthetic_augmentation
import synthetic_page
import synthetic_pictures
import torch
from click.testing import CliRunner
from synthetic_pictures import Data, train_classifier

from ganzoo.cli import cli
from ganzoo.data.bundled import mnist_test
from ganzoo.data.render import picture, save_png
from ganzoo.data.table import Table
from ganzoo.metrics.train_judge import accuracy


@pytest.fixture(scope="module")
def data():
    digits = mnist_test()
    train, test = (
        Table(digits.samples[rows], digits.labels[rows], digits.class_names, name="mnist")
        for rows in (slice(0, 2000), slice(2000, 2600))
    )
    return Data("mnist", train, test)


@pytest.mark.slow
def test_a_seed_has_twenty_pictures_of_each_class_and_another_seed_others(data):
    few, again, other = data.few(0), data.few(0), data.few(1)
    assert few.labels.tolist() == [label for label in range(10) for _ in range(20)]
    assert torch.equal(few.samples, again.samples)
    assert torch.equal(other.labels, few.labels)
    assert not torch.equal(other.samples, few.samples)
    known = {bytes(picture.numpy()) for picture in data.train.samples}
    assert {bytes(picture.numpy()) for picture in few.samples} <= known


@pytest.mark.slow
def test_a_classifier_learns_from_few_and_is_the_same_again(data, monkeypatch):
    monkeypatch.setattr(synthetic_pictures, "STEPS", 60)
    few = data.few(0)
    first, again = (train_classifier(few, None, shift=0, seed=3) for _ in range(2))
    assert 0.5 < accuracy(first, data.test) == accuracy(again, data.test)


def test_half_of_each_batch_is_drawn(data, monkeypatch):
    monkeypatch.setattr(synthetic_pictures, "STEPS", 60)
    few = data.few(0)
    wrong = Table(few.samples, (few.labels + 1) % 10, few.class_names)
    misled = train_classifier(few, wrong, shift=0, seed=3)
    with torch.inference_mode():
        likeliest = misled(few.samples)[1].topk(2).indices
    # Two labels for each picture, equally often: those two are what it gives.
    pairs = torch.stack([few.labels, (few.labels + 1) % 10], 1)
    assert (likeliest.sort(1).values == pairs.sort(1).values).all(1).float().mean() > 0.8


def result(seed, plain, shifted):
    numbers = {"accuracy": plain, "accuracy, shifts": shifted}
    environment = {"versions": {"torch": "2"}, "threads": 1, "processor": "any"}
    return {"seed": seed, "numbers": numbers, "environment": environment}


def test_gains_are_those_within_a_seed():
    found = {
        "mnist": {
            "real": [result(0, 0.5, 0.75), result(1, 0.75, 0.75)],
            "cgan": [result(0, 0.75, 0.75), result(1, 1.0, 0.5)],
            "other": [],
        }
    }
    content = synthetic_page.summarise("small", {"real": "real", "cgan": "drawn", "other": "o"}, found)
    real, cgan = content["rows"]
    assert cgan["mean"] == {
        "accuracy": 0.875,
        "accuracy, shifts": 0.625,
        "gain in accuracy": 0.25,
        "gain in accuracy, shifts": -0.125,
    }
    assert cgan["standard_error"]["gain in accuracy"] == 0
    assert cgan["standard_error"]["gain in accuracy, shifts"] == 0.125
    assert not any(column.startswith("gain") for column in real["mean"])
    section = synthetic_page.write_section(content, synthetic_augmentation.PROTOCOL)
    assert "| drawn | 87.5% ± 12.5% | +25.0% ± 0.0% | 62.5% ± 12.5% | -12.5% ± 12.5% | 2 |" in section
    assert "| real | 62.5% ± 12.5% |  | 75.0% ± 0.0% |  | 2 |" in section


def small(monkeypatch):
    """Make everything quick."""
    monkeypatch.setattr(synthetic_pictures, "STEPS", 2)
    monkeypatch.setattr(synthetic_pictures, "DRAWN", 4)
    monkeypatch.setattr(synthetic_augmentation, "DRAWN", 4)
    monkeypatch.setattr(synthetic_augmentation, "NETWORKS", {**synthetic_augmentation.NETWORKS, "base_channels": 8})
    quick = {"images": 64, "ema_half_life_images": 10}
    rows = [
        synthetic_augmentation.Row(
            name=row.name,
            label=row.label,
            settings=row.settings and {**row.settings, **quick},
            pretrained=row.pretrained,
        )
        for row in synthetic_augmentation.ROWS
    ]
    monkeypatch.setattr(synthetic_augmentation, "ROWS", rows)


@pytest.mark.slow
def test_one_command_writes_report_page_and_pictures_and_computes_nothing_twice(data, tmp_path, monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(synthetic_augmentation, "open_data", lambda path, split="train": getattr(data, split))
    paths = [f"--{name}={tmp_path / name}" for name in ("runs", "report", "page", "sheet")]

    def run(*arguments):
        answer = CliRunner().invoke(synthetic_augmentation.main, [f"--mnist={tmp_path}", *arguments, *paths])
        assert answer.exit_code == 0, answer.output
        return json.loads((tmp_path / "report").read_text()), (tmp_path / "page").read_text()

    report, page = run("--seeds=1")
    assert [row["name"] for row in report["rows"]] == ["real", "cgan", "diffaugment", "finetuned", "published"]
    published = report["rows"][-1]["mean"]
    assert published["label accuracy"] > 0.9
    assert published["precision"] > 0.7
    assert (tmp_path / "sheet").stat().st_size > 1000
    assert "### MNIST" in page
    assert f"![real and drawn pictures]({tmp_path.name}/sheet)" in page
    monkeypatch.setattr(synthetic_augmentation, "train_gan", None)
    again, _ = run("--seeds=1")
    assert again == report
    # Neither what is done nor what was cut short is taken for an answer to another question.
    (tmp_path / "runs" / synthetic_augmentation.NAME / "mnist" / "real" / "0" / "result.json").unlink()
    monkeypatch.setattr(synthetic_augmentation, "OBJECTIVE", "hinge")
    for row in ("real", "cgan"):
        answer = CliRunner().invoke(
            synthetic_augmentation.main, [f"--mnist={tmp_path}", "--seeds=1", f"--only={row}", *paths]
        )
        assert "was asked for with other objective; choose other --runs" in answer.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "no data was given; give --mnist DIR"), (("--mnist=.", "--only=x"), "there is no row x; use real, cgan")],
)
def test_what_the_command_cannot_do_is_refused(arguments, says):
    answer = CliRunner().invoke(synthetic_augmentation.main, arguments)
    assert answer.exit_code != 0
    assert says in answer.output


@pytest.mark.slow
def test_the_commands_of_the_page_give_what_it_says(data, tmp_path, monkeypatch):
    page = (synthetic_augmentation.ROOT / "docs" / "augmentation.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    few = data.few(0)
    for number, (sample, label) in enumerate(zip(few.samples, few.labels, strict=True)):
        save_png(picture(few.normalise(sample)), tmp_path / "few" / few.class_names[label] / f"{number}.png")
    for line in commands.splitlines():
        short = line.replace("150000", "64").replace("--per-class 100", "--per-class 2")
        answer = CliRunner().invoke(cli, shlex.split(short)[1:])
        assert answer.exit_code == 0, answer.output
    found = {}
    exec(code, found)
    assert found["table"].class_names == few.class_names
    assert found["table"].labels.tolist() == [label for _, label in found["images"]]
    assert found["table"].labels.bincount().tolist() == [2] * 10
