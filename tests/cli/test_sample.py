"""`ganzoo sample`: one picture, one file each, labels, and refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.datasets import ImageFolder

import ganzoo
from ganzoo.cli import cli
from ganzoo.cli.sample import class_folders
from ganzoo.data.loading import open_data
from ganzoo.gan import GAN


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
    files = sorted((tmp_path / "files").rglob("*.png"), key=lambda path: path.name)
    assert [path.relative_to(tmp_path / "files").as_posix() for path in files] == [
        f"{i % 3}/{i:02d}.png" for i in range(11)
    ]
    samples = ganzoo.load(conditional).sample(11, seed=3)
    expected = (samples * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    saved = np.stack([np.asarray(Image.open(path)) for path in files])
    assert np.array_equal(saved, expected[:, 0].numpy())


def brightness(folder):
    return [int(np.asarray(Image.open(path)).mean()) for path in in_turn(folder)]


def in_turn(folder):
    return sorted(folder.rglob("*.png"), key=lambda path: path.name)


def test_samples_without_classes_lie_in_the_folder_itself(tmp_path):
    assert run("sample", "mlp-mnist", "--each", tmp_path / "files", "-n", 2).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == ["0.png", "1.png"]
    again = run("sample", "mlp-mnist", "--each", tmp_path / "files", "-n", 1)
    assert f"1 other PNG files were in {tmp_path / 'files'} already, and are still" in again.output


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (("boot", "été", "T-shirt top"), ["boot", "été", "T-shirt top"]),
        (("boot", "T-shirt/top", "bag"), ["0", "1", "2"]),
        (("boot", "../bag", "bag"), ["0", "1", "2"]),
        (("boot", "Boot", "bag"), ["0", "1", "2"]),
        (("boot", "bag ", "hat"), ["0", "1", "2"]),
        (("train", "test", "bag"), ["0", "1", "2"]),
        ((), ["0", "1", "2"]),
    ],
)
def test_folders_are_named_as_classes_or_numbered(conditional, names, folders):
    gan = ganzoo.load(conditional)
    sampling = replace(gan.config.sampling, class_names=names)
    assert class_folders(GAN(dict(gan.networks.items()), config=replace(gan.config, sampling=sampling))) == folders


def test_samples_per_class_are_a_labelled_folder_for_ganzoo_and_torchvision(conditional, tmp_path):
    assert run("sample", conditional, "--each", tmp_path / "c", "--per-class", 4, "--seed", 5).exit_code == 0
    samples = ganzoo.load(conditional).sample(12, seed=5, labels=torch.arange(3).repeat_interleave(4))
    expected = (samples * 127.5 + 127.5).round().clamp(0, 255).byte()
    table = open_data(f"pictures,held_out=0:{tmp_path / 'c'}")
    assert table.class_names == ("0", "1", "2")
    assert table.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(table.samples, expected)
    images = ImageFolder(tmp_path / "c")
    assert images.classes == ["0", "1", "2"]
    assert [label for _, label in images] == [0] * 4 + [1] * 4 + [2] * 4
    assert np.array_equal(np.stack([np.asarray(image)[..., 0] for image, _ in images]), expected[:, 0].numpy())


def test_labels_are_used_in_turn(conditional, tmp_path):
    assert run("sample", conditional, "--each", tmp_path / "a", "-n", 4, "--labels", "2,0").exit_code == 0
    bright = brightness(tmp_path / "a")
    assert bright[0] == bright[2] > bright[1] == bright[3]


def test_per_class_gives_so_many_of_each_class(conditional, tmp_path):
    assert run("sample", conditional, "--each", tmp_path / "b", "--per-class", 2).exit_code == 0
    bright = brightness(tmp_path / "b")
    assert len(bright) == 6
    assert [path.parent.name for path in in_turn(tmp_path / "b")] == ["0", "0", "1", "1", "2", "2"]
    assert bright[0] == bright[1] < bright[2] == bright[3] < bright[4] == bright[5]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--out FILE"),
        (["--out", "a.png", "--each", "b"], "--out FILE"),
        (["--out", "a.png", "--labels", "7"], "0 to 2"),
        (["--out", "a.png", "--labels", "x"], "whole numbers"),
        (["--out", "a.png", "--labels", "9" * 30], "whole numbers up to"),
        (["--out", "a.png", "--labels", "1", "--per-class", "2"], "one of them"),
        (["--out", "a.png", "--number", "1", "--per-class", "2"], "one of them"),
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
        saved = np.stack([np.asarray(Image.open(path)) for path in in_turn(folder)])
        assert np.array_equal(saved, expected[:, 0].numpy())
        assert run("sample", conditional, "--out", tmp_path / "a.png", "--precision", precision).exit_code == 0
    assert run("sample", conditional, "--out", tmp_path / "b.png", "--precision", "fp16").exit_code == 2
