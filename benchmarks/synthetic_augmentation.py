"""Do a GAN's pictures help a classifier that has few real ones? (Compare Frid-Adar et al. 2018, arXiv 1803.01229).

    python benchmarks/synthetic_augmentation.py --mnist DIR --fashion DIR

Each DIR holds the four idx files of a data set; one of them will do. A classifier has 20 pictures a class; GANs are
trained on the same pictures alone, and what they draw is added. All rows of one seed are run before the next seed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import synthetic_page
import torch
from entries import ROOT, describe_environment
from pages import replace_section
from published import claim, command_options
from synthetic_pictures import (
    BATCH,
    DRAWN,
    LEARNING_RATE,
    NAME,
    PER_CLASS,
    SHIFT,
    STEPS,
    WEIGHT_DECAY,
    Data,
    describe_pictures,
    draw_from,
    train_classifier,
)

from ganzoo import files, zoo
from ganzoo.data.loading import open_data
from ganzoo.data.render import draw, save_png
from ganzoo.data.table import HALF_BYTE, Table
from ganzoo.gan import GAN
from ganzoo.metrics.train_judge import accuracy
from ganzoo.training.trainer import Trainer

IMAGES, FINETUNING_IMAGES = 150_000, 40_000

OBJECTIVE = "non_saturating + r1(gamma=1, every=16)"
# As the recipe cgan-mnist, at half of its width.
NETWORKS: dict[str, Any] = {
    "latent_dim": 64,
    "base_channels": 32,
    "generator_hidden": 64,
    "discriminator_hidden": 64,
    "discriminator_normalization": "none",
    "generator_conditioning": "one_hot",
    "conditioning": "concat",
}
TRAINING: dict[str, Any] = {
    "images": IMAGES,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "learning_rate_decay": "cosine",
    "beta1": 0.0,
    "beta2": 0.99,
    "ema_half_life_images": 5_000,
}
# As `ganzoo finetune` chooses for so few, but for the budget and the batches.
FINETUNING: dict[str, Any] = {
    "images": FINETUNING_IMAGES,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "ema_half_life_images": 4_000,
    "augment": "diffaugment",
    "best_by": "",
}

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
SHOWN = 2  # pictures of each class on the sheet

PROTOCOL = {
    "per_class": PER_CLASS,
    "drawn": DRAWN,
    "steps": STEPS,
    "batch": BATCH,
    "shift": SHIFT,
    "images": IMAGES,
    "finetuning_images": FINETUNING_IMAGES,
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """Where the pictures come from that are added to the real ones.

    Attributes:
        name: Of its results' folder.
        label: What the row is called.
        settings: Of the training of a `cgan` on the real pictures; None where none is trained so.
        pretrained: By the data set, the model that is fine-tuned, or drawn from as it is where there are no settings.
    """

    name: str
    label: str
    settings: Mapping[str, Any] | None = None
    pretrained: Mapping[str, str] | None = None

    def asked(self, data: Data, few: Table) -> dict[str, Any]:
        """Return everything but the seed that decides a result, as JSON holds it."""
        return {
            "data": data.name,
            "few": few.fingerprint(),
            "test": data.test.fingerprint(),
            "per_class": PER_CLASS,
            "drawn": DRAWN,
            "objective": OBJECTIVE,
            "networks": NETWORKS,
            "settings": None if self.settings is None else dict(self.settings),
            "pretrained": (self.pretrained or {}).get(data.name, ""),
            "classifier": [STEPS, BATCH, SHIFT, LEARNING_RATE, WEIGHT_DECAY],
        }


ROWS = (
    Row(name="real", label="real pictures alone"),
    Row(name="cgan", label="and those of a cgan", settings=TRAINING),
    Row(
        name="diffaugment",
        label="and those of a cgan with diffaugment",
        settings={**TRAINING, "augment": "diffaugment"},
    ),
    Row(
        name="finetuned",
        label="and those of a model of the other data set, fine-tuned",
        settings=FINETUNING,
        pretrained={"mnist": "cgan-fashion", "fashion": "cgan-mnist"},
    ),
    Row(
        name="published",
        label="and those of a model that has seen all 60,000",
        pretrained={"mnist": "cgan-mnist", "fashion": "cgan-fashion"},
    ),
)


def train_gan(row: Row, data: Data, few: Table, run: Path, seed: int) -> GAN | None:
    """Return the model that pictures are drawn from; None for none. A run that was cut short is gone on with."""
    pretrained = (row.pretrained or {}).get(data.name)
    if row.settings is None:
        return None if pretrained is None else zoo.load(pretrained)
    if (run / "config.toml").exists():
        return Trainer.resume(run, data=few).fit()
    if pretrained is not None:
        trainer = Trainer.from_pretrained(pretrained, few, run=run, callbacks=(), seed=seed, **row.settings)
    else:
        options = {"model_args": NETWORKS, "conditional": True, "run": run, "seed": seed}
        trainer = Trainer("cgan", OBJECTIVE, few, **options, **row.settings)
    return trainer.fit()


def perform(row: Row, data: Data, seed: int, folder: Path) -> dict[str, Any]:
    """Train the GAN and both classifiers of one row and seed, or return what that gave before."""
    place = folder / data.name / row.name / str(seed)
    few = data.few(seed)
    asked = json.loads(json.dumps(row.asked(data, few)))
    claim(place, asked)
    if (place / "result.json").exists():
        result: dict[str, Any] = json.loads((place / "result.json").read_text(encoding="utf-8"))
        return result
    click.echo(f"{NAME}: {data.name}, {row.name}, seed {seed}, in {place}", err=True)
    gan = train_gan(row, data, few, place / "run", seed)
    drawn = None if gan is None else draw_from(gan, few, seed)
    numbers = {
        column: accuracy(train_classifier(few, drawn, shift=shift, seed=seed), data.test)
        for column, shift in (("accuracy", 0), ("accuracy, shifts", SHIFT))
    }
    if drawn is not None:
        numbers |= describe_pictures(drawn, few, data)
    result = {"asked": asked, "seed": seed, "numbers": numbers, "environment": describe_environment("cpu")}
    files.write_text(place / "result.json", json.dumps(result, indent=1) + "\n")
    return result


def read_results(datasets: Sequence[Data], seeds: int, folder: Path) -> synthetic_page.Results:
    """Return the results that are there, by data set and row, in the order of their seeds."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for data in datasets:
        for row in ROWS:
            paths = [folder / data.name / row.name / str(seed) / "result.json" for seed in range(seeds)]
            results = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
            found.setdefault(data.name, {})[row.name] = results
    return found


def draw_sheet(datasets: Sequence[Data], folder: Path, path: Path) -> None:
    """Draw seed 0's first two pictures of each class: the real ones, then those of each model that was trained."""
    rows = []
    for data in datasets:
        few = data.few(0)
        tables = [(few, PER_CLASS)]
        for row in ROWS:
            model = folder / data.name / row.name / "0" / "run" / "model"
            if model.is_dir():
                tables.append((draw_from(zoo.load(model), few, seed=0), DRAWN))
        for table, count in tables:
            rows.append(table.normalise(table.samples.unflatten(0, (-1, count))[:, :SHOWN].flatten(0, 1)))
    if rows:
        save_png(draw(torch.cat(rows), scale=HALF_BYTE, offset=HALF_BYTE, columns=len(rows[0])), path)


@click.command(help=__doc__)
@click.option("--mnist", type=click.Path(exists=True, file_okay=False, path_type=Path), help="MNIST's folder.")
@click.option(
    "--fashion", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Fashion-MNIST's folder."
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "docs" / "pictures" / f"{NAME}.png",
    help="Where the picture of what was drawn goes; by default into docs/pictures.",
)
@command_options(NAME, seeds=5, page="augmentation.md")
def main(
    mnist: Path | None,
    fashion: Path | None,
    sheet: Path,
    runs: Path,
    seeds: int,
    only: Sequence[str],
    threads: int,
    report: Path,
    page: Path,
) -> None:
    """Run the benchmark."""
    folders = {name: path for name, path in (("mnist", mnist), ("fashion", fashion)) if path is not None}
    names = [row.name for row in ROWS]
    if not folders:
        raise click.UsageError("no data was given; give --mnist DIR, --fashion DIR or both")
    if unknown := sorted(set(only) - set(names)):
        raise click.ClickException(f"there is no row {', '.join(unknown)}; use {', '.join(names)}")
    torch.set_num_threads(threads)
    datasets = [Data(name, open_data(path), open_data(path, split="test")) for name, path in folders.items()]
    for seed in range(seeds):
        for data in datasets:
            for row in ROWS:
                if not only or row.name in only:
                    perform(row, data, seed, runs / NAME)
        draw_sheet(datasets, runs / NAME, sheet)
        content = synthetic_page.summarise(
            NAME, {row.name: row.label for row in ROWS}, read_results(datasets, seeds, runs / NAME)
        )
        files.write_text(report, json.dumps(content, indent=1) + "\n")
        text = page.read_text(encoding="utf-8") if page.exists() else synthetic_page.HEAD
        files.write_text(page, replace_section(text, NAME, synthetic_page.write_section(content, PROTOCOL, sheet)))
    click.echo(f"the report is in {report}, the table in {page}, the pictures in {sheet}")


if __name__ == "__main__":
    main()
