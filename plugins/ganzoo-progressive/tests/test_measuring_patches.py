"""The measurements against what is known of them."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from ganzoo_progressive.measuring import measure
from ganzoo_progressive.sliced_wasserstein import (
    blurred,
    laplacian_pyramid,
    patches,
    sliced_wasserstein,
    standardized,
)

import ganzoo
from ganzoo.cli import cli
from ganzoo.data.table import Table
from ganzoo.errors import InputError


def random(n, *shape, seed=0):
    return torch.randint(0, 256, (n, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_a_set_is_no_distance_from_itself_in_any_order():
    pictures = random(64, 3, 32, 32)
    found = sliced_wasserstein(pictures, pictures.flip(0))
    assert list(found) == [32, 16]
    # The places of the patches are drawn anew, so it is not 0.
    assert max(found.values()) < sliced_wasserstein(pictures, random(64, 3, 32, 32, seed=1))[32] * 1.5


def test_what_is_lost_shows_at_the_level_that_has_it():
    noise = random(64, 1, 64, 64).float()
    same = sliced_wasserstein(noise, random(64, 1, 64, 64, seed=1).float())
    blocks = noise[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    found = sliced_wasserstein(blocks, random(64, 1, 64, 64, seed=1).float())
    assert found[64] > 3 * same[64]
    assert found[16] < 2 * same[16]


def test_the_distance_of_shifted_and_scaled_patches_is_0():
    """Patches are standardized by channel, so that a set's brightness and contrast do not count."""
    pictures = random(32, 3, 16, 16).float()
    first, second = (
        standardized(patches(each, torch.Generator().manual_seed(0))) for each in (pictures, pictures * 3 + 7)
    )
    assert torch.allclose(first, second, atol=1e-4)
    channels = first.view(-1, 3, 49)
    assert torch.allclose(channels.mean((0, 2)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(channels.square().mean((0, 2)), torch.ones(3), atol=1e-4)


def test_the_pyramid_of_a_plane_is_the_plane_at_its_coarsest():
    finest, coarsest = laplacian_pyramid(torch.full((1, 2, 32, 32), 7.0))
    assert coarsest.shape == (1, 2, 16, 16)
    assert torch.allclose(coarsest, torch.full_like(coarsest, 7.0))
    assert torch.allclose(finest[:, :, 2:-2, 2:-2], torch.zeros(1, 2, 28, 28), atol=1e-5)


def test_the_pyramid_adds_up_to_the_picture():
    picture = torch.rand(2, 3, 64, 64)
    *details, current = laplacian_pyramid(picture)
    for detail in reversed(details):
        spread = torch.zeros_like(detail)
        spread[:, :, ::2, ::2] = current * 4
        current = blurred(spread) + detail
    assert torch.allclose(current, picture, atol=1e-5)


def test_patches_are_cut_out_of_the_pictures_in_order():
    pictures = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 16, 16)
    taken = patches(pictures, torch.Generator().manual_seed(0))
    assert taken.shape == (3 * 128, 2, 7, 7)
    assert torch.equal(taken.amin((1, 2, 3)), torch.arange(3.0).repeat_interleave(128))
    assert torch.equal(taken.amax((1, 2, 3)), taken.amin((1, 2, 3)))


@pytest.mark.parametrize("shape", [(4, 3, 16, 16), (5, 3, 32, 32), (4, 1, 32, 32)])
def test_sets_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match="equally many"):
        sliced_wasserstein(random(4, 3, 32, 32), torch.zeros(shape))
    with pytest.raises(InputError, match="at least 16"):
        sliced_wasserstein(random(4, 3, 8, 8), random(4, 3, 8, 8))


@pytest.fixture
def gan():
    torch.manual_seed(0)
    return ganzoo.create_model("progressive", image_size=16, base_channels=4, max_channels=8, latent_dim=4)


def test_a_model_that_copies_shows(gan):
    train, held_out = Table(random(40, 3, 16, 16)), Table(random(8, 3, 16, 16, seed=1))
    found = {row["name"]: row for row in measure(gan, train, held_out)}
    assert list(found) == ["SWD 16", "SWD mean", "to training, median", "to training, nearest 5 %"]
    median = found["to training, median"]
    # Independent uniform pixels differ by 1 / sqrt(6) of the range; the nearest of 40 a little less.
    assert median["floor"] == pytest.approx(6**-0.5, rel=0.1)

    gan.sample = lambda n, seed: train.normalise(train.samples[torch.arange(n) % 40])
    copied = {row["name"]: row for row in measure(gan, train, held_out)}
    assert copied["to training, median"]["value"] == pytest.approx(0, abs=1e-3)
    assert copied["SWD mean"]["value"] < found["SWD mean"]["value"]


def test_data_that_does_not_fit_is_refused(gan):
    with pytest.raises(InputError, match="5 times"):
        measure(gan, Table(random(20, 3, 16, 16)), Table(random(8, 3, 16, 16)))
    with pytest.raises(InputError, match="shape"):
        measure(gan, Table(random(40, 1, 16, 16)), Table(random(8, 1, 16, 16)))


def test_the_command_records_what_it_prints(gan, tmp_path):
    gan.save_pretrained(tmp_path / "model", dtype=torch.float16)
    weights = (tmp_path / "model" / "generator.safetensors").read_bytes()
    for name, n in (("train", 40), ("held", 8)):
        np.savez(tmp_path / f"{name}.npz", samples=random(n, 3, 16, 16).numpy())
    given = ["patches", f"local-dir:{tmp_path / 'model'}", "--train", str(tmp_path / "train.npz")]
    done = CliRunner().invoke(cli, [*given, "--held-out", str(tmp_path / "held.npz"), "--record"])
    assert done.exit_code == 0, done.output
    recorded = ganzoo.load(tmp_path / "model", discriminator=True).config.metrics
    assert [line.split("  ")[0] for line in done.output.splitlines()] == [row["name"] for row in recorded]
    assert (tmp_path / "model" / "generator.safetensors").read_bytes() == weights
    assert "SWD mean" in (tmp_path / "model" / "README.md").read_text()


def test_recording_takes_a_folder():
    done = CliRunner().invoke(cli, ["patches", "mlp-ring", "--train", "ring", "--held-out", "ring", "--record"])
    assert done.exit_code != 0
    assert "local-dir:PATH" in done.output
