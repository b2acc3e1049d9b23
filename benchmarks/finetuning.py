"""Where does fine-tuning pay? Few pictures, from pretrained models and from scratch, with and without augmentation.

    python benchmarks/finetuning.py --fashion DIR

DIR holds the four idx files of Fashion-MNIST; the emoji come with the plugin ganzoo-openmoji. Two models are trained
first, each when it is needed, on what is like the few pictures and holds none of them. All rows of one seed are run
before the next seed.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from entries import ROOT, Benchmark, Entry
from finetuning_data import COPIES, EMOJI, FASHION, SAMPLES, Cases
from pages import write_results
from published import command_options, conduct, perform

from ganzoo import zoo
from ganzoo.data.render import draw, save_png
from ganzoo.data.table import HALF_BYTE
from ganzoo.training.recipes import read_recipe

NAME = "finetuning"
IMAGES, BATCH = 100_000, 32
COLUMNS = {"KID": ".3g", "precision": ".1%", "recall": ".1%", COPIES: ".1%"}
SHOWN = 16  # pictures of each row on the sheets

OBJECTIVE = "non_saturating + r1(gamma=1, every=16)"
GREY: dict[str, Any] = read_recipe("dcgan-fashion")["model"]["args"]
COLOUR = {**GREY, "base_channels": 32}
# As the recipe dcgan-fashion.
SCRATCH: dict[str, Any] = {
    "learning_rate": 1e-3,
    "learning_rate_decay": "cosine",
    "beta1": 0.0,
    "beta2": 0.99,
}
FEW: dict[str, Any] = {"images": IMAGES, "batch_size": BATCH, "ema_half_life_images": 5_000}
# As `ganzoo finetune` chooses for so few, but for budget, batches and average, which are those of the others.
FINETUNING: dict[str, Any] = {"learning_rate": 1e-3, "best_by": ""}
AUGMENT = {"augment": "diffaugment"}
FROZEN = {"sandals-20": 1, "sandals-100": 1, "faces-71": 2}  # half of the discriminator's layers, rounded down

# What is trained first: networks, and images in batches of 64.
PRETRAINING: Mapping[str, tuple[dict[str, Any], int]] = {FASHION: (GREY, 200_000), EMOJI: (COLOUR, 200_000)}

WORDS = {"sandals-20": "20 sandals", "sandals-100": "100 sandals", "faces-71": "71 faces"}
SOURCES = {"sandals-20": ("dcgan-mnist", FASHION), "sandals-100": ("dcgan-mnist", FASHION), "faces-71": (EMOJI,)}

TEXT = f"""
20 and 100 sandals of Fashion-MNIST, and 71 faces among the emoji of the plugin `ganzoo-openmoji`. The models
`{FASHION}` and `{EMOJI}` are trained by the same command,
on all that is no sandal and no face, {PRETRAINING[FASHION][1]:,} images each. All rows of a data set have the same
networks, budget and batches. Those from scratch have the training of the recipe `dcgan-fashion`; fine-tuned ones have
what `ganzoo finetune` chooses for so few pictures, but for budget and batches. Nothing was tuned for any of them.

{SAMPLES:,} samples are compared with pictures held out, 1,000 sandals of the test split and 32 faces (no variant of
which is learned from), on the features of `judge-fashion` (which names 92.8% of its test pictures) and of
`judge-openmoji` (50.0% of its 208 held-out ones, of ten groups; it has learned from 22 of the 32). KID has 100
subsets of 1,000, and of 32 for faces: compare it within a data set only. Precision and recall (k = 3) are rough with 32
faces. *Nearer to train* is the share of samples nearer to a picture that was learned from than to
any of as many held-out ones, or than to any of the 32 faces: by chance 50%, or of faces 71/103 = 69%; 100% for copies.
*Real data* are 1,000 other sandals, and the 71 faces themselves.

    python benchmarks/finetuning.py --fashion DIR
"""


CAPTIONS = {
    "sandals-20": "20 sandals of Fashion-MNIST (MIT, Zalando SE)",
    "sandals-100": "100 sandals of Fashion-MNIST (MIT, Zalando SE)",
    "faces-71": "71 faces of OpenMoji 17 (CC BY-SA 4.0, https://openmoji.org)",
}
MADE_FROM = "Samples of models made from them; the rows of `dcgan-mnist` also from MNIST (CC BY-SA 3.0)."


def entries(images: int) -> list[Entry]:
    """Return the rows at a budget of so many images."""
    found = []
    for data, words in WORDS.items():
        few = {**FEW, "images": images}
        for name, label, extra in (("scratch", "from scratch", {}), ("augment", "from scratch, diffaugment", AUGMENT)):
            found.append(
                Entry(
                    name=f"{data}-{name}",
                    label=f"{words}, {label}",
                    data=data,
                    model="dcgan",
                    objective=OBJECTIVE,
                    model_args=COLOUR if data.startswith("faces") else GREY,
                    settings={**few, **SCRATCH, **extra},
                )
            )
        for source in SOURCES[data]:
            found.append(
                Entry(
                    name=f"{data}-{source}",
                    label=f"{words}, `{source}` fine-tuned, diffaugment",
                    data=data,
                    model="dcgan",
                    objective=OBJECTIVE,
                    model_args={},
                    settings={**few, **FINETUNING, **AUGMENT, "freeze_discriminator_layers": FROZEN[data]},
                    pretrained=source,
                )
            )
    return found


def benchmark(cases: Cases, runs: Path, images: int = IMAGES, sheets: Sequence[Path] = ()) -> Benchmark:
    """Return the benchmark at a budget of so many images, with sheets that `draw_sheets` drew shown on the page.

    What is trained first goes into a folder beside the benchmark's runs.
    """
    return Benchmark(
        name=NAME,
        title="Where it pays",
        text=TEXT + show(sheets),
        columns=COLUMNS,
        entries=entries(images),
        open_data=lambda name: cases.cases[name].few,
        measure=lambda gan, table: cases.cases[table.name].measure(gan),
        real=lambda: {name: case.measure_real() for name, case in cases.cases.items()},
        quoted=(),
        protocol={
            "images": images,
            "pretraining_images": {name: budget for name, (_, budget) in PRETRAINING.items()},
            "samples": SAMPLES,
            "samples_seed": 0,
            "features": {name: case.extractor.label for name, case in cases.cases.items()},
            "weights": "moving average, half-life 5,000 images",
        },
        find_pretrained=partial(pretrain, cases, runs / NAME),
    )


def pretrain(cases: Cases, folder: Path, name: str) -> str | Path:
    """Return a model to fine-tune: a bundled one by its name, or one trained here, unless it has been."""
    if name not in PRETRAINING:
        return name
    networks, images = PRETRAINING[name]
    entry = Entry(
        name=name,
        label=name,
        data=name,
        model="dcgan",
        objective=OBJECTIVE,
        model_args=networks,
        settings={"images": images, "batch_size": 64, **SCRATCH},
    )
    first = Benchmark(
        name=name,
        title=name,
        text="",
        columns={},
        entries=[entry],
        open_data=lambda name: cases.others[name],
        measure=lambda gan, table: {},
        real=dict,
        quoted=(),
        protocol={},
    )
    if diverged := perform(first, entry, 0, folder)["diverged"]:
        raise click.ClickException(f"{name} diverged ({diverged}), so nothing can be fine-tuned from it")
    return folder / name / "0" / "model"


def draw_sheets(cases: Cases, folder: Path, pictures: Path) -> list[Path]:
    """Draw, for each data set, pictures to learn from, then samples of each row's seed 0, each in a row.

    Returns:
        The pictures' files, of the data sets of which some row has been trained.
    """
    drawn = []
    for data, case in cases.cases.items():
        rows = [case.few.normalise(case.few.samples[:SHOWN])]
        for entry in entries(IMAGES):
            model = folder / entry.name / "0" / "model"
            if entry.data == data and model.is_dir():
                rows.append(zoo.load(model).sample(SHOWN, seed=0))
        if len(rows) > 1:
            drawn.append(pictures / f"{NAME}-{data}.png")
            save_png(draw(torch.cat(rows), scale=HALF_BYTE, offset=HALF_BYTE, columns=SHOWN), drawn[-1])
    return drawn


def show(sheets: Sequence[Path]) -> str:
    """Return the lines of the page that show the sheets."""
    shown = []
    for sheet in sheets:
        caption = CAPTIONS[sheet.stem.removeprefix(f"{NAME}-")]
        shown += [
            f"\n![samples of each row]({sheet.parent.name}/{sheet.name})\n",
            f"*In the first row {SHOWN} of the {caption}; below, the first samples of",
            "seed 0 of each row of the table that was trained, in its order.*",
        ]
    return "\n".join([*shown, "", MADE_FROM] if shown else [])


@click.command(help=__doc__)
@click.option(
    "--fashion",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of Fashion-MNIST's four idx files.",
)
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "docs" / "pictures",
    help="Where pictures of the samples go; by default docs/pictures.",
)
@click.option("--images", type=click.IntRange(1), default=IMAGES, show_default=True, help="The budget of each run.")
@command_options(NAME, seeds=3, page="finetuning.md")
def main(fashion: Path, pictures: Path, images: int, **options: Any) -> None:
    """Run the benchmark."""
    cases, runs = Cases(fashion), options["runs"]
    conduct(benchmark(cases, runs, images), **options)
    whole = benchmark(cases, runs, images, draw_sheets(cases, runs / NAME, pictures))
    write_results(whole, runs / NAME, whole.real(), options["report"], options["page"])


if __name__ == "__main__":
    main()
