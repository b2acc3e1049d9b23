"""Numbers by hand, and the command that compares a model with bicubic enlargement."""

import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from ganzoo_srgan.compare import compare
from ganzoo_srgan.evaluation import feature_distance, psnr, ssim
from PIL import Image

import ganzoo
from ganzoo.cli import cli
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.downscaled import downscaled
from ganzoo.data.npz import write_npz
from ganzoo.errors import InputError


def noise(n=2, channels=3, size=16, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=rng)


def test_psnr_by_hand():
    black, grey = torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.full((1, 1, 2, 2), 51, dtype=torch.uint8)
    assert psnr(black, grey).item() == pytest.approx(20 * math.log10(255 / 51))
    one = black.clone()
    one[0, 0, 0, 0] = 10  # a mean square of 100 / 4
    assert psnr(one, black).tolist() == pytest.approx([10 * math.log10(255**2 / 25)])
    assert psnr(black, black).item() == math.inf


def test_ssim_of_flat_pictures_is_that_of_their_means():
    a, b = (torch.full((1, 3, 16, 16), value, dtype=torch.uint8) for value in (100, 180))
    c1 = 2.55**2
    assert ssim(a, b).item() == pytest.approx((2 * 100 * 180 + c1) / (100**2 + 180**2 + c1))
    assert ssim(noise(), noise()).tolist() == pytest.approx([1, 1])


def test_ssim_is_the_formula_at_each_place():
    x, y = noise(1, 1, 13).double()[0, 0].numpy(), noise(1, 1, 13, seed=1).double()[0, 0].numpy()
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    found = []
    for i in range(3):
        for j in range(3):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            both = (weights * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            found.append(
                (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    assert ssim(noise(1, 1, 13), noise(1, 1, 13, seed=1)).item() == pytest.approx(np.mean(found))


def test_feature_distance_by_hand():
    class Two(torch.nn.Module):
        def forward(self, x):
            return x[:, :2], x[:, 2:] + 1  # values from -1 to 1

    left, right = torch.zeros(1, 3, 1, 2, dtype=torch.uint8), torch.zeros(1, 3, 1, 2, dtype=torch.uint8)
    right[0, 0, 0, 0] = 255  # the unit vectors are (-1, -1) / sqrt 2 and (1, -1) / sqrt 2 at one of two places
    right[0, 2] = left[0, 2] = 255
    assert feature_distance(Two(), left, right).item() == pytest.approx((2 / 2 + 0) / 2, rel=1e-5)
    assert feature_distance(Two(), left, left).item() == 0


@pytest.fixture
def place(tmp_path):
    write_npz(table_from_arrays(noise(5, 1, 28), name="noise"), tmp_path / "noise.npz")
    gan = ganzoo.create_model("srgan", image_size=28, channels=1, factor=2, base_channels=4, blocks=1)
    gan.save_pretrained(tmp_path / "model")
    return tmp_path


def test_a_fresh_model_is_as_good_as_bicubic_enlargement(place):
    model, data = f"local-dir:{place / 'model'}", f"downscaled,factor=2:{place / 'noise.npz'}"
    arguments = ["upscaling", model, "--data", data, "--network", "judge-mnist", "--sheet", str(place / "sheet.png")]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["pictures"], found["factor"]) == (5, 2)
    assert found["model"] == found["bicubic"]
    assert set(found["model"]) == {"psnr", "ssim", "feature_distance"}
    table = downscaled(table_from_arrays(noise(5, 1, 28)), 2)
    assert found == compare(ganzoo.load(model), table, network="judge-mnist")
    # Two columns of four pictures, three rows, two pixels between and around.
    assert Image.open(place / "sheet.png").size == (2 * (4 * 28 + 2) + 2, 3 * (28 + 2) + 2)
    assert "5 pictures of noise-x2, 2 times larger\nbicubic: psnr" in CliRunner().invoke(cli, arguments).output


def test_numbers_go_into_the_card_in_place_of_older_ones(place):
    model, data = f"local-dir:{place / 'model'}", f"downscaled,factor=2:{place / 'noise.npz'}"
    arguments = ["upscaling", model, "--data", data, "--record"]
    for further in ((), ("--network", "judge-mnist"), ()):
        result = CliRunner().invoke(cli, [*arguments, *further])
        assert result.exit_code == 0, result.output
    metrics = ganzoo.load(model).config.metrics
    assert [each["name"] for each in metrics] == ["feature distance[judge-mnist]", "PSNR", "SSIM"]
    found = compare(ganzoo.load(model), downscaled(table_from_arrays(noise(5, 1, 28)), 2))
    assert metrics[1]["value"] == metrics[1]["ceiling"] == found["bicubic"]["psnr"]
    assert f"{found['model']['ssim']:.4g}" in (place / "model" / "README.md").read_text()
    result = CliRunner().invoke(cli, ["upscaling", "pix2pix-openmoji", "--data", data, "--record"])
    assert result.exit_code == 2
    assert "--record was given for 'pix2pix-openmoji'; it takes a folder of your own" in result.output


def test_the_psnr_of_equal_pictures_is_no_number_in_json(place):
    write_npz(table_from_arrays(torch.full((2, 1, 28, 28), 7, dtype=torch.uint8)), place / "flat.npz")
    arguments = ["upscaling", f"local-dir:{place / 'model'}", "--data", f"downscaled,factor=2:{place / 'flat.npz'}"]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert json.loads(result.stdout)["model"] == {"psnr": None, "ssim": 1.0}


def test_what_does_not_fit_is_refused_in_a_sentence(place):
    gan = ganzoo.load(f"local-dir:{place / 'model'}")
    flat = table_from_arrays(noise(2, 1, 28))
    for table, message in (
        (flat, "holds no pairs of uint8 pictures"),
        (downscaled(flat, 4), r"the model makes \(1, 28, 28\) of \(1, 14, 14\), and data-x4 has"),
        (downscaled(table_from_arrays(noise(2, 1, 56)), 2), r"has \(1, 56, 56\) with \(1, 28, 28\)"),
        (table_from_arrays(noise(2, 1, 28), sources=noise(2, 1, 28)), "have 28x28 pixels and its samples 28x28"),
    ):
        with pytest.raises(InputError, match=message):
            compare(gan, table)
    with pytest.raises(InputError, match="takes a label from 0 to 9 as its condition, not a picture"):
        compare(ganzoo.load("cgan-mnist"), downscaled(flat, 2))
