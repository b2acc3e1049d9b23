"""What a generator learns under augmentation: the data as it is, and not what was done to it."""

import pytest
import torch
from small import RARELY

from ganzoo import Trainer
from ganzoo.data.arrays import table_from_arrays

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")]

SIDE, HALF = 8, 4


def halves(n=2000):
    """Return pictures whose left half is red and whose right half is dark, each of some brightness."""
    rng = torch.Generator().manual_seed(0)
    pictures = torch.full((n, 3, SIDE, SIDE), -0.6)
    pictures[:, 0, :, :HALF] = torch.rand(n, 1, 1, generator=rng) * 0.4 + 0.5
    pictures[:, :, :, HALF:] = torch.rand(n, 1, 1, 1, generator=rng) * 0.3 - 0.8
    pictures += 0.05 * torch.randn(pictures.shape, generator=rng)
    return table_from_arrays(pictures.clamp(-1, 1), value_range=(-1, 1))


def samples(augment):
    """Train on these pictures, and return the mean colours (1000, 3) of each sample's left and right half."""
    run = Trainer(
        "mlp",
        "non_saturating + r1(0.1)",
        halves(),
        images=IMAGES,
        batch_size=64,
        learning_rate=1e-3,
        ema_half_life_images=2000,
        precision="fp32",
        device="cpu",
        model_args={"latent_dim": 8, "generator_widths": [64, 64], "discriminator_widths": [128, 64]},
        augment=augment,
        log_every_images=RARELY,
        sample_every_images=RARELY,
        checkpoint_every_images=RARELY,
        progress=False,
    )
    made = run.fit().sample(1000, seed=0)
    return made[..., :HALF].mean((2, 3)), made[..., HALF:].mean((2, 3))


IMAGES = 20_000


@pytest.mark.parametrize("augment", ["", "diffaugment", "ada(p=0.3, rise=0)", "instance_noise(0.5)"])
def test_samples_keep_the_datas_orientation_and_colours(augment):
    left, right = samples(augment)
    assert ((left[:, 0] - right[:, 0]) > 0.5).float().mean() > 0.99  # red is on the left
    assert left.mean(0).tolist() == pytest.approx([0.7, -0.6, -0.6], abs=0.15)
    assert right.mean(0).tolist() == pytest.approx([-0.65] * 3, abs=0.15)


def test_a_leak_is_noticed():
    """With every picture mirrored, turned and inverted half of the time, nothing tells which way the data was."""
    left, right = samples("ada(p=1, rise=0)")
    assert ((left[:, 0] - right[:, 0]) > 0.5).float().mean() < 0.9
