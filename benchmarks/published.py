"""What the published benchmarks share: runs that can be cut short at any time, and the command that does them.

Every run is a folder RUNS/ENTRY/SEED of a `Trainer`. Beside the trainer's own files lie `asked.json`, what the run was
asked for, and, once it has been measured, `result.json`, which is never computed again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from entries import Benchmark, Entry, describe_environment
from pages import adding, results_options, write_results

from ganzoo import files
from ganzoo.errors import DivergenceError
from ganzoo.training.trainer import Trainer


def command_options(
    name: str, *, seeds: int, page: str = "benchmarks.md"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator that gives a benchmark's command the options that all of them have.

    Args:
        name: The benchmark's name.
        seeds: How many seeds by default.
        page: The page in docs that its section is on.
    """
    return adding(
        click.option(
            "--runs",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("runs") / "benchmarks",
            show_default=True,
            help=f"Where the runs go: into {name}/ROW/SEED in it.",
        ),
        click.option("--seeds", type=click.IntRange(1), default=seeds, show_default=True, help="Seeds, from 0."),
        click.option("--only", multiple=True, metavar="ROW", help="Run this row alone; may be given several times."),
        click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Processor threads."),
        *results_options(name, page),
    )


def conduct(
    benchmark: Benchmark, *, runs: Path, seeds: int, only: Sequence[str], threads: int, report: Path, page: Path
) -> None:
    """Do all runs, one seed of every row before the next seed of any, and write report and table after each.

    Args:
        benchmark: The benchmark.
        runs: The folder in which the benchmark has a folder of its name.
        seeds: How many seeds, from 0.
        only: Names of rows to run; none for all. The table holds whatever rows have been run.
        threads: How many threads to compute with.
        report: Where the JSON report goes.
        page: The Markdown page that holds the section.

    Raises:
        ClickException: No row has one of the names, or a folder holds a run of another budget.
    """
    names = [entry.name for entry in benchmark.entries]
    if unknown := sorted(set(only) - set(names)):
        raise click.ClickException(f"there is no row {', '.join(unknown)}; use {', '.join(names)}")
    torch.set_num_threads(threads)
    folder, real = runs / benchmark.name, benchmark.real()
    restore(benchmark, report, folder)
    write_results(benchmark, folder, real, report, page)
    for seed in range(seeds):
        for entry in benchmark.entries:
            if not only or entry.name in only:
                perform(benchmark, entry, seed, folder)
                write_results(benchmark, folder, real, report, page)
    click.echo(f"the report is in {report}, the table in {page}")


def restore(benchmark: Benchmark, report: Path, folder: Path) -> None:
    """Put back the results that an earlier report holds, so that a fresh clone does not compute them again.

    Args:
        benchmark: The benchmark.
        report: The JSON report, if there is one; rows that were asked for otherwise are left out.
        folder: The benchmark's runs.
    """
    rows = {row["name"]: row for row in _read(report).get("rows", [])}
    for entry in benchmark.entries:
        row = rows.get(entry.name, {"asked": None})
        for result in row["runs"] if row["asked"] == entry.asked() else ():
            run = folder / entry.name / str(result["seed"])
            if not run.exists():
                content = {"asked": entry.asked(), **{key: value for key, value in result.items() if key != "seed"}}
                files.write_text(run / "asked.json", json.dumps(entry.asked(), indent=1) + "\n")
                files.write_text(run / "result.json", json.dumps(content, indent=1) + "\n")


def claim(run: Path, asked: Mapping[str, Any]) -> None:
    """Write down what a run is asked for, unless that stands in its folder already.

    Args:
        run: The run's folder.
        asked: Everything but the seed that decides a result, as JSON holds it.

    Raises:
        ClickException: The folder holds a run that was asked for otherwise, or does not say what for.
    """
    earlier = _read(run / "asked.json")
    if not earlier and any((run / name).exists() for name in ("result.json", "config.toml", "run")):
        raise click.ClickException(f"the run in {run} does not say what it was asked for; choose other --runs")
    if earlier not in ({}, asked):
        keys = sorted(key for key in {*asked, *earlier} if asked.get(key) != earlier.get(key))
        raise click.ClickException(
            f"the run in {run} was asked for with other {' and '.join(keys)}; choose other --runs"
        )
    if not earlier:
        files.write_text(run / "asked.json", json.dumps(asked, indent=1) + "\n")


def perform(benchmark: Benchmark, entry: Entry, seed: int, folder: Path) -> dict[str, Any]:
    """Train and measure one run, or go on with it, or return what it gave before.

    Args:
        benchmark: The benchmark.
        entry: The row.
        seed: The seed of weights, order and latents.
        folder: The benchmark's runs.

    Returns:
        What was asked, the numbers (none if training diverged), the seconds of training and the environment.

    Raises:
        ClickException: The folder holds a run that was asked for otherwise, such as one of another budget.
    """
    run, asked = folder / entry.name / str(seed), entry.asked()
    claim(run, asked)
    if result := _read(run / "result.json"):
        return result
    click.echo(f"{benchmark.name}: {entry.name}, seed {seed}, in {run}", err=True)
    table = benchmark.open_data(entry.data)
    if (run / "config.toml").exists():
        trainer = Trainer.resume(run, data=table)
    elif entry.pretrained:
        trainer = Trainer.from_pretrained(
            benchmark.find_pretrained(entry.pretrained),
            table,
            objective=entry.objective,
            run=run,
            callbacks=(),
            **entry.settings,
            seed=seed,
        )
    else:
        trainer = Trainer(
            entry.model,
            entry.objective,
            table,
            run=run,
            model_args=entry.model_args,
            **entry.settings,
            seed=seed,
        )
    numbers, diverged = {}, ""
    try:
        numbers = dict(benchmark.measure(trainer.fit(), table))
    except DivergenceError as error:  # a result as well: it would end so again
        diverged = str(error)
    result = {
        "asked": asked,
        "numbers": numbers,
        "diverged": diverged,
        "images": trainer.images,
        "seconds": round(trainer.monitor.seconds, 1),
        "precision": trainer.settings.precision,
        "environment": describe_environment(trainer.settings.device),
    }
    files.write_text(run / "result.json", json.dumps(result, indent=1) + "\n")
    return result


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one stands for no such file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content
