"""From the results of runs to a benchmark's JSON report and its section in a Markdown page."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from entries import ROOT, Benchmark, Entry

from ganzoo import files

Real = Mapping[str, Mapping[str, float]]

HEAD = """# Published benchmarks

Each section is written by one command, which trains, measures, and can be cut short and given again at any time. A
number is the mean over seeds, with its standard error after the ±. Rows in italics are quoted from papers.
"""


def write_results(benchmark: Benchmark, folder: Path, real: Real, report: Path, page: Path) -> None:
    """Write the report and the page's section from the results that lie in a benchmark's folder.

    Args:
        benchmark: The benchmark.
        folder: Its runs.
        real: What real data scores.
        report: Where the JSON report goes.
        page: The Markdown page; its other sections stay as they are.
    """
    content = summarise(benchmark, folder, real)
    files.write_text(report, json.dumps(content, indent=1) + "\n")
    text = page.read_text(encoding="utf-8") if page.exists() else HEAD
    files.write_text(page, replace_section(text, benchmark.name, write_section(benchmark, content)))


def summarise(benchmark: Benchmark, folder: Path, real: Real) -> dict[str, Any]:
    """Gather the results of a benchmark, with the mean and the standard error of each number over seeds."""
    return {
        "benchmark": benchmark.name,
        "protocol": dict(benchmark.protocol),
        "rows": [_summarise_entry(entry, list(_results(entry, folder))) for entry in benchmark.entries],
        "real": {name: dict(numbers) for name, numbers in real.items()},
        "quoted": [{"data": row.data, "label": row.label, **row.cells} for row in benchmark.quoted],
    }


def _results(entry: Entry, folder: Path) -> Iterator[dict[str, Any]]:
    """Give the finished runs of a row that were asked for as it asks, by seed."""
    paths = [path for path in (folder / entry.name).glob("*/result.json") if path.parent.name.isdigit()]
    for path in sorted(paths, key=lambda path: int(path.parent.name)):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result.pop("asked") == entry.asked():
            yield {"seed": int(path.parent.name), **result}


def _summarise_entry(entry: Entry, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    finished = [result["numbers"] for result in results if not result["diverged"]]
    columns = {name: [numbers[name] for numbers in finished] for name in (finished[0] if finished else ())}
    return {
        "name": entry.name,
        "label": entry.label,
        "asked": entry.asked(),
        "mean": {name: statistics.fmean(values) for name, values in columns.items()},
        "standard_error": {name: standard_error(values) for name, values in columns.items()},
        "runs": list(results),
    }


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of the mean; None for a single value."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def replace_section(page: str, name: str, section: str) -> str:
    """Put a section between its two marker comments, or at the end of a page that has none; the rest stays."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    marked = f"{begin}\n\n{section.strip()}\n\n{end}"
    head, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{marked}\n"
    _, closed, tail = rest.partition(end)
    if not closed:
        raise ValueError(f"the page has {begin!r} and no {end!r} after it; put it back")
    return head + marked + tail


def write_section(benchmark: Benchmark, content: Mapping[str, Any]) -> str:
    """Return a benchmark's section: its text, the table, the settings of each row, and what it was computed with."""
    rows = {row["name"]: row for row in content["rows"] if row["runs"]}
    cells = [["", *benchmark.columns, "seeds", "minutes a run"]]
    for data in dict.fromkeys(entry.data for entry in benchmark.entries):
        for quoted in benchmark.quoted:
            if quoted.data == data:
                texts = [quoted.cells.get(column, "") for column in benchmark.columns]
                cells.append([f"*{quoted.label}*", *(f"*{text}*" if text else "" for text in texts), "", ""])
        for entry in benchmark.entries:
            if entry.data == data and entry.name in rows:
                cells.append(_entry_cells(entry, rows[entry.name], benchmark.columns))
        if data in content["real"]:
            numbers = content["real"][data]
            real = [_number(numbers.get(column), None, form) for column, form in benchmark.columns.items()]
            cells.append([f"real data ({data})", *real, "", ""])
    settings = [["", "objective", "networks", "training"]]
    settings += [_settings_cells(row) for row in rows.values()]
    parts = [f"## {benchmark.title}", benchmark.text.strip(), table_of(cells)]
    if rows:
        parts += [
            "The settings of each row, as `Trainer` takes them:",
            table_of(settings),
            _environments(rows.values()),
        ]
    else:
        parts.append("No run has finished yet.")
    return "\n\n".join(parts)


def _entry_cells(entry: Entry, row: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    diverged = sum(bool(run["diverged"]) for run in row["runs"])
    numbers = [
        entry.published[column]
        if column in entry.published
        else _number(row["mean"].get(column), row["standard_error"].get(column), form)
        for column, form in columns.items()
    ]
    seeds = f"{len(row['runs'])}" + (f" ({diverged} diverged)" if diverged else "")
    minutes = statistics.fmean(run["seconds"] for run in row["runs"]) / 60
    return [entry.label, *numbers, seeds, f"{minutes:.1f}"]


def _number(value: float | None, error: float | None, form: str) -> str:
    if value is None:
        return ""
    return f"{value:{form}}" + (f" ± {error:{form}}" if error is not None else "")


def _settings_cells(row: Mapping[str, Any]) -> list[str]:
    asked = row["asked"]
    networks = ", ".join(f"{key}={value}" for key, value in asked["model_args"].items())
    networks = f"those of `{asked['pretrained']}`" if "pretrained" in asked else f"`{asked['model']}`: {networks}"
    training = ", ".join(f"{key}={value}" for key, value in asked["settings"].items())
    return [row["label"], f"`{asked['objective']}`", networks, training]


def _environments(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what the runs were computed with, each kind once."""
    found = dict.fromkeys(
        f"{', '.join(f'{name} {number}' for name, number in run['environment']['versions'].items())}; "
        f"{run['environment']['threads']} thread(s) of {run['environment']['processor']} "
        f"({run['environment']['device']}, {run['precision']})"
        for row in rows
        for run in row["runs"]
    )
    return f"Computed with: {'; or '.join(found)}. Each run's own numbers and seconds are in the JSON report."


def table_of(cells: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * len(cells[0]), *lines[1:]])


Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def results_options(name: str, page: str = "benchmarks.md") -> tuple[Decorator, Decorator]:
    """Return the options of where a benchmark's results go.

    Args:
        name: The benchmark's name.
        page: The page in docs that its section is on.
    """
    return (
        click.option(
            "--report",
            type=click.Path(dir_okay=False, path_type=Path),
            default=ROOT / "benchmarks" / "reports" / f"{name}.json",
            help="Where the JSON report goes; by default into benchmarks/reports.",
        ),
        click.option(
            "--page",
            type=click.Path(dir_okay=False, path_type=Path),
            default=ROOT / "docs" / page,
            help=f"The Markdown page with the tables; by default docs/{page}.",
        ),
    )


def adding(*options: Decorator) -> Decorator:
    """Return a decorator that gives a command these options, in this order."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
