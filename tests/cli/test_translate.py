import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from turning import TURNING

import ganzoo
from ganzoo.cli import cli
from ganzoo.data.pictures import source_from_picture
from ganzoo.data.render import picture


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    gan = ganzoo.create_model("pix2pix", image_size=16, base_channels=4, discriminator_depth=1)
    for parameter in gan.generator.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0, 0.3)  # fresh weights would give a grey in which no noise shows
    gan.save_pretrained(folder)
    return folder


def run(*arguments):
    return CliRunner().invoke(cli, ["translate", *map(str, arguments)])


def photograph(path, size=(40, 30)):
    values = torch.randint(0, 256, (size[1], size[0], 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    Image.fromarray(values.numpy()).save(path)
    return path


def test_each_picture_keeps_its_name(model, tmp_path):
    pictures = [photograph(tmp_path / "cat.png"), photograph(tmp_path / "dog.bmp", (16, 16))]
    result = run(f"local-dir:{model}", *pictures, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cat.png", "dog.png"]
    assert "cat.png: 40x30 (4:3) stretched to 16x16 (1:1)" in result.output
    assert "dog.bmp: 16x16 as it is" in result.output
    source, _ = source_from_picture(pictures[0], (3, 16, 16), "stretch")
    expected = picture(ganzoo.load(model).translate(source))
    assert Image.open(tmp_path / "out" / "cat.png").tobytes() == expected.tobytes()


@pytest.mark.parametrize(("resize", "told"), [("crop", "cut to its middle 30x30"), ("pad", "padded with white")])
def test_the_aspect_ratio_can_be_kept(model, tmp_path, resize, told):
    result = run(f"local-dir:{model}", photograph(tmp_path / "cat.png"), "--out", tmp_path / "out", "--resize", resize)
    assert result.exit_code == 0, result.output
    assert told in result.output


def test_a_seed_draws_noise(model, tmp_path):
    path = photograph(tmp_path / "cat.png")
    written = []
    for number, options in enumerate([(), (), ("--seed", 1), ("--seed", 1), ("--seed", 2)]):
        run(f"local-dir:{model}", path, "--out", tmp_path / str(number), *options)
        written.append((tmp_path / str(number) / "cat.png").read_bytes())
    assert written[0] == written[1] != written[2] == written[3] != written[4]


def test_two_pictures_of_one_name_are_refused_before_anything_is_written(model, tmp_path):
    pictures = [photograph(tmp_path / "cat.png"), photograph(tmp_path / "cat.bmp")]
    result = run(f"local-dir:{model}", *pictures, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "would both be written to cat.png" in result.output
    assert not (tmp_path / "out").exists()


def test_what_is_no_picture_is_named(model, tmp_path):
    (tmp_path / "notes.png").write_text("not a picture")
    result = run(f"local-dir:{model}", tmp_path / "notes.png", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "notes.png" in result.output
    assert "Traceback" not in result.output


def test_a_picture_that_does_not_fit_is_named_before_anything_is_written(model, tmp_path):
    pictures = [photograph(tmp_path / "a.png", (16, 16)), photograph(tmp_path / "b.png", (20, 20))]
    result = run(f"local-dir:{model}", *pictures, "--out", tmp_path / "out", "--resize", "none")
    assert result.exit_code == 2
    assert "b.png' cannot be translated: the condition has shape" in result.output
    assert not (tmp_path / "out").exists()


def test_an_unconditional_model_is_refused(tmp_path):
    path = photograph(tmp_path / "cat.png")
    result = run("mlp-ring", path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "mlp-ring takes nothing as its condition, not pictures; use ganzoo sample" in result.output


def test_a_way_back_is_chosen_by_its_network(site, tmp_path):
    site.install("ganzoo-turns", TURNING)
    ganzoo.create_model("ganzoo_turns/turn").save_pretrained(tmp_path / "model")
    path, model = photograph(tmp_path / "cat.png", (16, 16)), f"local-dir:{tmp_path / 'model'}"
    result = run(model, path, "--out", tmp_path / "out", "--network", "generator_back")
    assert result.exit_code == 0, result.output
    source, _ = source_from_picture(path, (3, 16, 16), "stretch")
    expected = picture(ganzoo.load(tmp_path / "model").translate(source, network="generator_back"))
    written = Image.open(tmp_path / "out" / "cat.png")
    assert (written.mode, written.tobytes()) == ("L", expected.tobytes())
    result = run(model, path, "--out", tmp_path / "out", "--network", "generator_2")
    assert result.exit_code == 2
    assert "has no generator 'generator_2'; it has generator and generator_back" in result.output
