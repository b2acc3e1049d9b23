import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from ganzoo.data.table import Table
from ganzoo.files import sha256
from ganzoo.metrics import recipes
from ganzoo.metrics.judge import save_judge
from ganzoo.metrics.train_judge import accuracy, describe, flipped, main, shifted, train
from ganzoo.randomness import generator

SHORT = replace(recipes.RECIPES["judge-fashion"], epochs=1)


def test_pictures_are_shifted_by_whole_pixels_with_zeros_coming_in():
    picture = torch.zeros(200, 1, 6, 6, dtype=torch.uint8)
    picture[:, :, 2, 3] = 9
    moved = shifted(picture, 2, generator(0))
    rows, columns = moved[:, 0].flatten(1).argmax(1) // 6, moved[:, 0].flatten(1).argmax(1) % 6
    assert (moved.shape, moved.dtype) == (picture.shape, picture.dtype)
    assert moved.sum((1, 2, 3), dtype=torch.int64).eq(9).all()
    assert rows.unique().tolist() == [0, 1, 2, 3, 4]
    assert columns.unique().tolist() == [1, 2, 3, 4, 5]


def test_half_of_the_pictures_are_mirrored():
    pictures = torch.arange(6, dtype=torch.uint8).expand(400, 1, 2, 6)
    mirrored = flipped(pictures, generator(0))[:, 0, 0, 0] == 5
    assert 150 < mirrored.sum() < 250


def test_training_is_the_same_again_and_is_saved_with_its_description(digits, tmp_path):
    data = Table(digits.samples[:384], digits.labels[:384], digits.class_names)
    judge, other = train(SHORT, data), train(SHORT, data).state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in judge.state_dict().items())
    described = describe(SHORT, judge, data)
    assert described.accuracy == pytest.approx(accuracy(judge, data), abs=1e-4)
    assert described.guessing == pytest.approx(float(data.labels.bincount().max()) / 384, abs=1e-4)
    save_judge(tmp_path / "judge.safetensors", judge, described)
    saved = json.loads((tmp_path / "judge.json").read_text())
    assert (saved["input_shape"], saved["features"], saved["class_names"]) == ([1, 28, 28], 128, list("0123456789"))
    assert (saved["recipe"]["network"], saved["recipe"]["seed"], saved["license"]) == ("plain", 3, "MIT")
    assert saved["sha256"] == sha256(tmp_path / "judge.safetensors")


def test_a_judge_below_its_accuracy_is_not_written(mnist_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "judge-mnist", replace(SHORT, expected_accuracy=0.993))
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    out = tmp_path / "judge.safetensors"
    shown = CliRunner().invoke(main, ["judge-mnist", "--data", str(mnist_folder), "--out", str(out)])
    assert shown.exit_code == 1
    assert "below 99.30%; nothing was written" in shown.stderr
    assert not out.exists()


@pytest.mark.parametrize("data", ["ring", "./nowhere"])
def test_data_that_no_judge_can_learn_is_refused_in_one_line(data, tmp_path):
    shown = CliRunner().invoke(main, ["judge-mnist", "--data", data, "--out", str(tmp_path / "judge.safetensors")])
    assert shown.exit_code == 1
    assert len(shown.stderr.splitlines()) == 1
