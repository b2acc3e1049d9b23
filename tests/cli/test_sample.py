"""`ganzoo sample`: one picture, one file each, labels, and refusals."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ganzoo
from ganzoo.cli import cli


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A saved conditional model of 3 classes whose label decides the picture's brightness."""
    gan = ganzoo.create_model(
        "mlp", sample_shape=(1, 4, 4), latent_dim=2, num_classes=3, generator_widths=(4,), discriminator_widths=(4,)
    )
    torch.nn.init.zeros_(gan.generator.output.weight)
    with torch.no_grad():
        hidden = gan.generator.layers[0]
        hidden[0].weight.zero_()
        hidden[0].weight[0, 2:] = torch.tensor([1.0, 2.0, 3.0])  # the one-hot label comes after the latent
        gan.generator.output.weight[:, 0] = 0.25
        gan.generator.output.bias.zero_()
        hidden[0].bias.zero_()
    folder = tmp_path_factory.mktemp("conditional")
    gan.save_pretrained(folder)
    return f"local-dir:{folder}"


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_one_picture_of_all_samples(conditional, tmp_path):
    result = run("sample", conditional, "--out", tmp_path / "grid.png", "-n", 6)
    assert result.exit_code == 0, result.output
    assert Image.open(tmp_path / "grid.png").size[0] > 4


def test_each_sample_in_its_own_file_is_what_the_model_samples(conditional, tmp_path):
    result = run("sample", conditional, "--each", tmp_path / "files", "-n", 11, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == [f"{i:02d}.png" for i in range(11)]
    samples = ganzoo.load(conditional).sample(11, seed=3)
    expected = (samples * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    saved = np.stack([np.asarray(Image.open(tmp_path / "files" / f"{i:02d}.png")) for i in range(11)])
    assert np.array_equal(saved, expected[:, 0].numpy())


def brightness(folder):
    return [int(np.asarray(Image.open(path)).mean()) for path in sorted(folder.iterdir())]


def test_labels_are_used_in_turn(conditional, tmp_path):
    assert run("sample", conditional, "--each", tmp_path / "a", "-n", 4, "--labels", "2,0").exit_code == 0
    bright = brightness(tmp_path / "a")
    assert bright[0] == bright[2] > bright[1] == bright[3]


def test_per_class_gives_so_many_of_each_class(conditional, tmp_path):
    assert run("sample", conditional, "--each", tmp_path / "b", "--per-class", 2).exit_code == 0
    bright = brightness(tmp_path / "b")
    assert len(bright) == 6
    assert bright[0] == bright[1] < bright[2] == bright[3] < bright[4] == bright[5]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--out FILE"),
        (["--out", "a.png", "--each", "b"], "--out FILE"),
        (["--out", "a.png", "--labels", "7"], "0 to 2"),
        (["--out", "a.png", "--labels", "x"], "whole numbers"),
        (["--out", "a.png", "--labels", "1", "--per-class", "2"], "one of them"),
        (["--out", "a.png", "--truncation", "-1"], "positive"),
    ],
)
def test_refusals_are_one_sentence_with_exit_code_2(conditional, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    result = run("sample", conditional, *arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_leaves_nothing(conditional, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("sample", conditional, "--out", tmp_path / "file" / "grid.png")
    assert result.exit_code == 2
    assert "cannot write" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_model_is_named_with_its_near_match():
    result = run("sample", "mlp-mnits", "--out", "x.png")
    assert result.exit_code == 2
    assert "did you mean 'mlp-mnist'" in result.output


def test_precision_reaches_the_model(conditional, tmp_path):
    for precision in ("fp32", "bf16"):
        folder = tmp_path / precision
        assert run("sample", conditional, "--each", folder, "-n", 3, "--precision", precision).exit_code == 0
        samples = ganzoo.load(conditional).sample(3, seed=0, precision=precision)
        expected = (samples * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
        saved = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])
        assert np.array_equal(saved, expected[:, 0].numpy())
        assert run("sample", conditional, "--out", tmp_path / "a.png", "--precision", precision).exit_code == 0
    assert run("sample", conditional, "--out", tmp_path / "b.png", "--precision", "fp16").exit_code == 2
