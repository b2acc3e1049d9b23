"""`ganzoo evaluate`: what a model's samples are worth."""

from dataclasses import replace
from pathlib import Path

import click

from ganzoo.cli.endings import FileEnding
from ganzoo.errors import InputError


@click.command(short_help="Measure a model's samples against real data.")
@click.argument("model")
@click.option("--data", required=True, help="As --data of `ganzoo train` takes it.")
@click.option(
    "--features",
    multiple=True,
    metavar="NAME",
    help="What looks at pictures, such as judge-mnist; may be repeated.  [default: the data's judges]",
)
@click.option("--samples", type=click.IntRange(1), help="How many to draw.  [default: 10000 pictures, 2500 points]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The samples' seed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--out", type=FileEnding(".json"), help="Write the JSON to this file too.")
@click.option("--record", is_flag=True, help="Write the numbers into the card of MODEL, a local-dir:PATH.")
def evaluate(
    model: str,
    data: str,
    features: tuple[str, ...],
    samples: int | None,
    seed: int,
    as_json: bool,
    out: Path | None,
    record: bool,
) -> None:
    """Measure the samples of MODEL against real data.

    MODEL is a name that `ganzoo list` shows, hf-hub:ORG/NAME or local-dir:PATH.

    Each number stands between a floor (real data in the model's place) and a ceiling (an untrained generator).

    Example: ganzoo evaluate mlp-mnist --data mnist-test

    With --json, prints an object with the keys model, data, measurements (an array of objects with the keys name,
    value, floor, ceiling, deviation, better, detail and protocol), class_shares and notes.
    """
    from ganzoo import files, saving, zoo
    from ganzoo.config import LARGEST_CONFIG
    from ganzoo.metrics.evaluation import evaluate as measure
    from ganzoo.sources import parse_source

    if record and parse_source(model).kind != "folder":
        raise InputError(f"--record was given for {model!r}; it takes a folder of your own, as local-dir:PATH")
    report = measure(model, data, features=features or None, samples=samples, seed=seed)
    if out is not None:
        files.write_text(out, report.to_json())
    if record:
        files_there = zoo.locate(model)
        measured = report.to_dict()["measurements"]
        described = replace(zoo.read_config(files_there), metrics=list(measured))
        folder = files_there.path("config.json", largest=LARGEST_CONFIG).parent
        saving.write_description(folder, described, zoo.load(model).condition)
    click.echo(report.to_json() if as_json else str(report), nl=not as_json)
