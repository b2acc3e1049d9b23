"""Six objectives on MNIST with one network and one budget, beside the ranking of Lucic et al. 2018 (arXiv 1711.10337).

    python benchmarks/losses_on_mnist.py --data DIR

DIR holds the four idx files of MNIST. All objectives of one seed are run before the next seed, so that what is there
at any time is a fair comparison.
"""

from pathlib import Path
from typing import Any

import click
from entries import Benchmark, Entry
from published import command_options, conduct

from ganzoo.data.loading import open_data
from ganzoo.data.table import Table
from ganzoo.gan import GAN
from ganzoo.metrics.drawing import draw
from ganzoo.metrics.extractors import load_extractors
from ganzoo.metrics.pictures import Bench
from ganzoo.metrics.reference import open_reference, split_parts

NAME = "losses-on-mnist"
IMAGES, SAMPLES = 600_000, 10_000
JUDGES = ("judge-mnist", "judge-mnist-b")
LUCIC = "Lucic 2018: best FID"

NETWORKS: dict[str, Any] = {"latent_dim": 64, "base_channels": 32, "discriminator_normalization": "layer"}
SPECTRAL = {**NETWORKS, "discriminator_normalization": "spectral"}

MOMENTUM = {"learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999}
NO_MOMENTUM = {"learning_rate": 2e-4, "beta1": 0.0, "beta2": 0.9}  # as Gulrajani et al. 2017 use with their penalty

# By the row's name: label, objective, networks, optimizer, and the best FID of the study's wide search.
ROWS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], str]] = {
    "minimax": ("minimax", "minimax", NETWORKS, MOMENTUM, "9.8"),
    "non_saturating": ("non-saturating", "non_saturating", NETWORKS, MOMENTUM, "6.8"),
    "least_squares": ("least squares", "least_squares", NETWORKS, MOMENTUM, "7.8"),
    "wasserstein_gp": (
        "Wasserstein with gradient penalty",
        "wasserstein + gradient_penalty(weight=10)",
        NETWORKS,
        NO_MOMENTUM,
        "20.3",
    ),
    "hinge_spectral": ("hinge with spectral norm", "hinge", SPECTRAL, MOMENTUM, "not in it"),
    "relativistic_r1_r2": (
        "relativistic with r1 and r2",
        "relativistic + r1(gamma=1) + r2(gamma=1)",
        NETWORKS,
        NO_MOMENTUM,
        "not in it",
    ),
}

TEXT = """
One network, `dcgan` at 28x28 with {channels} base channels and a latent of 64, with layer norm in the discriminator
(spectral norm for `hinge`), {images:,} images in batches of 64, one step of the discriminator for each of the
generator. Adam has a learning rate of 2e-4 throughout, with beta1 0.5, or, with a gradient penalty, beta1 0. Nothing
was tuned for any of the objectives. Those with a gradient penalty are given one step of the discriminator like all
others, and not the five of their paper: the budget is equal in images and updates, not in seconds.

A number is the Fréchet distance of a judge's features, of {samples:,} samples to the 10,000 test pictures (lower is
better); [metrics.md](metrics.md) has the judges and the protocol. Beside it stands the best Inception-FID that
[Lucic et al. 2018](https://arxiv.org/abs/1711.10337) found for the objective in a wide search on MNIST: another
network, another number, to be compared in rank only. Theirs without a row here: Wasserstein with clipped weights 6.7,
DRAGAN 7.6.

    python benchmarks/losses_on_mnist.py --data DIR
"""


class Judges:
    """Both judges with MNIST's test pictures, which they look at once."""

    def __init__(self, data: Path) -> None:
        reference = open_reference(data)
        parts = split_parts(reference, SAMPLES)
        extractors = load_extractors(JUDGES, reference.test)
        self.benches = {
            f"FCD, {extractor.name}": Bench(extractor, reference, parts, ("frechet",)) for extractor in extractors
        }
        self.labels = [extractor.label for extractor in extractors]
        self.floor = parts.floor

    def measure(self, gan: GAN, table: Table) -> dict[str, float]:
        """Return the distance of a model's samples on each judge's features."""
        pictures = draw(gan, SAMPLES, seed=0, data=table)
        return {column: bench.measure(pictures, None)["frechet"] for column, bench in self.benches.items()}

    def measure_real(self) -> dict[str, dict[str, float]]:
        """Return the distance of training pictures."""
        floor = {column: bench.measure_floor(labelled=False)["frechet"] for column, bench in self.benches.items()}
        return {"mnist": floor}


def entries(images: int) -> list[Entry]:
    """Return one row for each objective."""
    return [
        Entry(
            name=name,
            label=label,
            data="mnist",
            model="dcgan",
            objective=objective,
            model_args=networks,
            settings={"images": images, "batch_size": 64, "discriminator_steps": 1, **optimizer},
            published={LUCIC: best},
        )
        for name, (label, objective, networks, optimizer, best) in ROWS.items()
    ]


def benchmark(data: Path, images: int = IMAGES) -> Benchmark:
    """Return the benchmark on a folder of MNIST's idx files at a budget of so many images."""
    judges = Judges(data)
    columns = dict.fromkeys(judges.benches, ".2f") | {LUCIC: ""}
    return Benchmark(
        name=NAME,
        title="Six losses on MNIST: which is best?",
        text=TEXT.format(channels=NETWORKS["base_channels"], images=images, samples=SAMPLES),
        columns=columns,
        entries=entries(images),
        open_data=lambda _: open_data(data),
        measure=judges.measure,
        real=judges.measure_real,
        quoted=(),
        protocol={
            "images": images,
            "samples": SAMPLES,
            "samples_seed": 0,
            "features": judges.labels,
            "reference": "the 10,000 pictures of the test split",
            "real": judges.floor,
            "weights": "moving average, half-life 10,000 images",
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
@command_options(NAME, seeds=3)
def main(data: Path, images: int, **options: Any) -> None:
    """Run the benchmark."""
    conduct(benchmark(data, images), **options)


if __name__ == "__main__":
    main()
