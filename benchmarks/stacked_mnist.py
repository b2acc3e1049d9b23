"""Stacked MNIST: how many of 1,000 modes does a generator find? (Lin et al. 2018, arXiv 1712.04086).

    python benchmarks/stacked_mnist.py --data DIR

DIR holds the four idx files of MNIST. A picture is three random digits as red, green and blue, its mode the three
digits that a classifier of MNIST sees in them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from entries import Benchmark, Entry, Quoted
from published import command_options, conduct
from torch import Tensor

from ganzoo.data.loading import open_data
from ganzoo.data.table import Table
from ganzoo.gan import GAN
from ganzoo.metrics.cache import cached
from ganzoo.metrics.drawing import draw
from ganzoo.metrics.judge import load_judge
from ganzoo.randomness import generator

NAME = "stacked-mnist"
CHANNELS, DIGITS = 3, 10
MODES = DIGITS**CHANNELS
PICTURES, SAMPLES, IMAGES = 128_000, 26_000, 500_000
JUDGE = "judge-mnist"

DCGAN: dict[str, Any] = {"latent_dim": 100, "base_channels": 64, "discriminator_normalization": "batch"}
# As the recipe dcgan-mnist: hidden layers that see the whole picture, no normalization in the discriminator.
HIDDEN = {**DCGAN, "discriminator_normalization": "none", "generator_hidden": 64, "discriminator_hidden": 64}

AS_IN_THE_PAPER = {"learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "ema_half_life_images": 0}
AS_THE_RECIPE = {
    "learning_rate": 1e-3,
    "learning_rate_decay": "cosine",
    "beta1": 0.0,
    "beta2": 0.99,
    "ema_half_life_images": 10_000,
}

# By the row's name: label, objective, networks, training.
ROWS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "dcgan": ("DCGAN", "non_saturating", DCGAN, AS_IN_THE_PAPER),
    "dcgan_averaged": (
        "DCGAN, moving average",
        "non_saturating",
        DCGAN,
        {**AS_IN_THE_PAPER, "ema_half_life_images": 10_000},
    ),
    "r1": ("with r1", "non_saturating + r1(gamma=1, every=16)", HIDDEN, AS_THE_RECIPE),
    "relativistic_r1_r2": (
        "relativistic with r1 and r2",
        "relativistic + r1(gamma=1, every=16) + r2(gamma=1, every=16)",
        HIDDEN,
        AS_THE_RECIPE,
    ),
}

QUOTED = tuple(
    Quoted(data="stacked", label=f"{label} (in Lin et al. 2018)", cells={"modes": modes, "KL": divergence})
    for label, modes, divergence in (
        ("DCGAN", "99", "3.40"),
        ("Unrolled GAN", "48.7", ""),
        ("VEEGAN", "150", ""),
        ("PacDCGAN2", "1000", "0.06"),
    )
)

TEXT = """
A picture is three random digits of MNIST as red, green and blue; its mode is the three digits that `judge-mnist`
(99.5 % accurate; [metrics.md](metrics.md)) sees in its channels, so there are 1,000. The table has the number of modes
among {samples:,} samples, and the divergence KL(samples || data) of the distribution over modes, in nats; the data's is
counted from the labels of the {pictures:,} training pictures, which are drawn once from MNIST's training split. *Real
data* is as many pictures from the test split, which the judge has not seen: the divergence of a finite sample is not 0.

The networks are `dcgan` with {channels} base channels at 28x28, so that the judge sees digits at their own size. They
are trained on {images:,} images in batches of 64. *DCGAN* has batch norm in both networks, the non-saturating loss and
Adam as Radford et al. 2015, and is measured on its raw weights; the row below it differs in that alone. The others have
the hidden layers and the training of the recipe `dcgan-mnist`, where nothing in the discriminator sees a batch as a
whole, and are measured on the moving average of the generator's weights too. Quoted rows have other networks, other
classifiers and other budgets.

    python benchmarks/stacked_mnist.py --data DIR
"""


def stack(digits: Table, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Stack random digits to coloured pictures.

    Args:
        digits: Grey pictures (N, 1, H, W) with the labels 0 to 9.
        count: How many pictures.
        seed: Of the choice.

    Returns:
        Pictures (count, 3, H, W) and their modes (count,), the labels read as a number of three digits.
    """
    rows = torch.randint(len(digits), (count, CHANNELS), generator=generator(seed, NAME))
    if digits.labels is None:
        raise click.ClickException(f"{digits.name} has no labels; give the folder of MNIST's four idx files")
    return digits.samples[:, 0][rows], mode_numbers(digits.labels[rows])


def mode_numbers(digits: Tensor) -> Tensor:
    """Read digits (N, 3) as numbers (N,) from 0 to 999, the first channel's digit first."""
    places = torch.tensor([DIGITS**place for place in reversed(range(CHANNELS))])
    return (digits * places).sum(1)


def classify(pictures: Tensor, look: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mode (N,) of coloured pictures (N, 3, H, W).

    Args:
        pictures: The pictures, uint8.
        look: Maps grey pictures (M, 1, H, W) to logits (M, 10).
    """
    return mode_numbers(torch.stack([look(channel).argmax(1) for channel in torch.split(pictures, 1, dim=1)], dim=1))


def mode_shares(modes: Tensor) -> Tensor:
    """Return the share (1000,) of each mode among modes (N,)."""
    return modes.bincount(minlength=MODES).double() / len(modes)


def measure_modes(modes: Tensor, real_shares: Tensor) -> dict[str, float]:
    """Count modes, and compare how often each is found.

    Args:
        modes: (N,) of samples.
        real_shares: (1000,) of the data, adding up to 1.

    Returns:
        `modes`, the number of different ones, and `KL`, sum p log(p / q) over the samples' shares p and the data's q:
        0 where both are equal, log 1000 for a single mode of equally frequent ones, infinite where samples are of a
        mode that the data lacks.
    """
    shares = mode_shares(modes)
    divergence = torch.special.xlogy(shares, shares) - torch.special.xlogy(shares, real_shares)
    return {"modes": float((shares > 0).sum()), "KL": float(divergence.sum())}


class Stacks:
    """The data, made once, and what samples are compared with."""

    def __init__(self, data: Path) -> None:
        self.train, self.test = open_data(data, split="train"), open_data(data, split="test")
        self.judge = load_judge(JUDGE)
        pictures, modes = stack(self.train, PICTURES, seed=0)
        self.table = Table(pictures, name=NAME, license=self.train.license)
        self.shares = mode_shares(modes)

    def look(self, pictures: Tensor) -> Tensor:
        """Return the judge's logits (N, 10)."""
        logits = self.judge.observe(pictures).logits
        assert logits is not None, "a judge names classes"
        return logits

    def measure(self, gan: GAN, table: Table) -> dict[str, float]:
        """Measure the modes of a model's samples."""
        return measure_modes(classify(draw(gan, SAMPLES, seed=0, data=table), self.look), self.shares)

    def measure_real(self) -> dict[str, dict[str, float]]:
        """Measure the modes of as many stacks of test pictures, once on a machine."""

        def compute() -> dict[str, float]:
            pictures, _ = stack(self.test, SAMPLES, seed=1)
            return measure_modes(classify(pictures, self.look), self.shares)

        key = {"benchmark": NAME, "version": 1, "judge": self.judge.sha256, "samples": SAMPLES, "pictures": PICTURES}
        key |= {"train": self.train.fingerprint(), "test": self.test.fingerprint()}
        return {"stacked": cached(key, compute)}


def entries(images: int) -> list[Entry]:
    """Return the rows at a budget of so many images."""
    return [
        Entry(
            name=name,
            label=label,
            data="stacked",
            model="dcgan",
            objective=objective,
            model_args=networks,
            settings={"images": images, "batch_size": 64, **training},
        )
        for name, (label, objective, networks, training) in ROWS.items()
    ]


def benchmark(data: Path, images: int = IMAGES) -> Benchmark:
    """Return the benchmark on a folder of MNIST's idx files at a budget of so many images."""
    stacks = Stacks(data)
    return Benchmark(
        name=NAME,
        title="Stacked MNIST: how many of 1,000 modes are found?",
        text=TEXT.format(samples=SAMPLES, pictures=PICTURES, images=images, channels=DCGAN["base_channels"]),
        columns={"modes": ".0f", "KL": ".3f"},
        entries=entries(images),
        open_data=lambda _: stacks.table,
        measure=stacks.measure,
        real=stacks.measure_real,
        quoted=QUOTED,
        protocol={
            "images": images,
            "pictures": PICTURES,
            "samples": SAMPLES,
            "samples_seed": 0,
            "judge": stacks.judge.label,
            "judge_sha256": stacks.judge.sha256,
            "data": stacks.table.fingerprint(),
        },
    )


@click.command(help=__doc__)
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of MNIST's four idx files.",
)
@click.option("--images", type=click.IntRange(1), default=IMAGES, show_default=True, help="The budget of each run.")
@command_options(NAME, seeds=1)
def main(data: Path, images: int, **options: Any) -> None:
    """Run the benchmark."""
    conduct(benchmark(data, images), **options)


if __name__ == "__main__":
    main()
