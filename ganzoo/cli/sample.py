"""`ganzoo sample`: pictures from a trained generator."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.endings import FileEnding
from ganzoo.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.gan import GAN
    from ganzoo.inference import Precision

LARGEST = 2**63 - 1  # that a label can be
# Names of classes that any file system takes as a folder's.
FOLDER = re.compile(r"\w(?:[\w .+-]{0,62}\w)?")


@click.command(short_help="Draw samples of a model as one picture, or one file each.")
@click.argument("model")
@click.option("--out", type=FileEnding(".png"), help="Write one PNG with all samples.")
@click.option(
    "--each",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one PNG a sample in this folder, of a model with labels in a folder for each class.",
)
@click.option("-n", "--number", type=click.IntRange(1), help="How many samples.  [default: 64, or 10000 points]")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Sample i depends on (seed, i) alone."
)
@click.option("--labels", help="Classes of a conditional model, by number or name; several with commas, used in turn.")
@click.option("--per-class", type=click.IntRange(1), help="So many samples of each class, instead of --number.")
@click.option("--truncation", type=float, help="Cut latents off at this: less variety, more typical samples.")
@click.option("--columns", type=click.IntRange(1), help="Columns of the grid.")
@click.option(
    "--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True, help="bf16 is faster."
)
def sample(
    model: str,
    out: Path | None,
    each: Path | None,
    number: int | None,
    seed: int,
    labels: str | None,
    per_class: int | None,
    truncation: float | None,
    columns: int | None,
    precision: "Precision",
) -> None:
    """Draw samples of MODEL: a name that `ganzoo list` shows, hf-hub:ORG/NAME, or local-dir:PATH.

    Example: ganzoo sample mlp-mnist --out digits.png
    """
    if (out is None) == (each is None):
        raise InputError(
            "samples need one place to go; give --out FILE for one picture, or --each DIR for one PNG a sample"
        )

    from ganzoo import zoo
    from ganzoo.gan import GRID, HISTOGRAM

    if number is not None and per_class is not None:
        raise InputError("--number and --per-class were both given; give one of them")
    gan = zoo.load(model)
    count = number or (HISTOGRAM if len(gan.sample_shape) == 1 else GRID)
    chosen = choose_labels(gan, labels, per_class, count)
    count = count if chosen is None else len(chosen)
    if out is not None:
        from ganzoo.data.render import save_png

        columns = columns or per_class  # a row for each class
        picture = gan.draw(count, seed=seed, labels=chosen, truncation=truncation, columns=columns, precision=precision)
        save_png(picture, out)
        click.echo(f"wrote {count} samples to {out}")
    elif each is not None:
        write_each(gan, each, count, seed, chosen, truncation, precision)
        click.echo(f"wrote {count} files to {each}")
        if others := sum(1 for _ in each.rglob("*.png")) - count:
            click.echo(f"{others} other PNG files were in {each} already, and are still", err=True)


def choose_labels(gan: "GAN", labels: str | None, per_class: int | None, number: int) -> "Tensor | None":
    """Return a label for each sample as the options ask for it, or None to leave it to the model.

    Raises:
        InputError: The options contradict each other or the model, or are no labels.
    """
    import torch

    if gan.condition.kind == "image":
        raise InputError("this model makes pictures from pictures; use ganzoo translate")
    if gan.condition.kind == "vector":
        raise InputError(
            f"this model needs {gan.condition} for each sample; use GAN.sample(..., condition=...) in Python"
        )
    classes = gan.condition.num_classes
    if per_class is not None:
        if labels is not None:
            raise InputError("--labels and --per-class were both given; give one of them")
        if not classes:
            raise InputError("--per-class was given, and this model is unconditional; use --number")
        return torch.arange(classes).repeat_interleave(per_class)
    if labels is None:
        return None
    names = gan.config.sampling.class_names
    listed = [read_label(label.strip(), labels, names) for label in labels.split(",")]
    if not all(-LARGEST <= label <= LARGEST for label in listed):
        raise InputError(f"--labels is {labels[:100]!r}; it takes whole numbers up to {LARGEST}, such as 3 or 0,1,2")
    return torch.tensor(listed)[torch.arange(number) % len(listed)]


def read_label(label: str, labels: str, names: Sequence[str]) -> int:
    """Return the number of a class that is given by its number or its name, in capitals or not; a number wins.

    Args:
        label: The class.
        labels: All that was given, for the message.
        names: The model's class names, in order; none for a model that has none.

    Raises:
        InputError: It is neither, or names two classes.
    """
    try:
        return int(label)
    except ValueError:
        alike = [i for i, name in enumerate(names) if name == label] or [
            i for i, name in enumerate(names) if name.casefold() == label.casefold()
        ]
        if len(alike) == 1:
            return alike[0]
    # Names that are but numbers say nothing that the numbers do not.
    told = [name for name in names if not name.isdecimal()]
    shown = ", ".join(told[:20]) + (" and others" if len(told) > 20 else "")
    raise InputError(
        f"--labels is {labels!r}{did_you_mean(label, told)}; it takes whole numbers with commas, such as 3 or 0,1,2"
        + (f", or this model's class names: {shown}" if told else "")
    )


def write_each(
    gan: "GAN",
    folder: Path,
    count: int,
    seed: int,
    labels: "Tensor | None",
    truncation: float | None,
    precision: "Precision",
) -> None:
    """Write one PNG a sample, in bounded memory, named by the sample's number.

    Samples of classes go into folders by class, as `open_pictures` and torchvision's `ImageFolder` read them.

    Raises:
        InputError: The samples are no pictures.
        OutputError: The folder cannot be written.
    """
    import torch
    from tqdm import tqdm

    from ganzoo.data.render import picture, save_png

    digits, classes = len(str(count - 1)), class_folders(gan)
    if labels is None and classes:
        labels = torch.arange(count) % len(classes)  # as the model does without labels
    with tqdm(total=count, unit=" samples", disable=None) as bar:
        index = 0
        chunks = gan.iter_samples(count, seed=seed, labels=labels, truncation=truncation, precision=precision)
        for chunk in chunks:
            for each in chunk:
                place = folder if labels is None else folder / classes[int(labels[index])]
                save_png(picture(each), place / f"{index:0{digits}d}.png")
                index += 1
            bar.update(len(chunk))


def class_folders(gan: "GAN") -> list[str]:
    """Return a folder for each class, named as the class; numbered where names are not fit for folders, or missing."""
    from ganzoo.data.layout import SPLITS

    classes, names = gan.condition.num_classes, list(gan.config.sampling.class_names)
    are_folders = all(FOLDER.fullmatch(name) for name in names) and len(set(names) & set(SPLITS)) < 2
    if are_folders and len({name.casefold() for name in names}) == classes:
        return names
    return [f"{number:0{len(str(classes - 1))}d}" for number in range(classes)]
