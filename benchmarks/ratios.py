"""What the benchmarks of speed share: times side by side, and from their ratios to a report and a page."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from entries import describe_environment
from pages import HEAD, adding, replace_section, results_options

from ganzoo import files

Times = Mapping[str, Sequence[float]]  # seconds of each round, by what was timed


def interleave(what: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time several things in turn, so that whatever else the machine does meets all of them.

    Each round begins with the next one, so that none is always the one after a certain other.

    Args:
        what: Functions by name; each is called once before, untimed.
        rounds: How often each is timed.

    Returns:
        The seconds of each round by name.
    """
    for function in what.values():
        function()
    names = list(what)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in rotated(names, number):
            began = time.perf_counter()
            what[name]()
            times[name].append(time.perf_counter() - began)
    return times


def rotated(names: Sequence[str], number: int) -> list[str]:
    """Return the order of a round."""
    first = number % len(names)
    return [*names[first:], *names[:first]]


def ratio(times: Times, above: str, below: str) -> dict[str, float]:
    """Return the median, the smallest and the largest of the ratios of two times in the same round."""
    ratios = [a / b for a, b in zip(times[above], times[below], strict=True)]
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def shown(found: Mapping[str, float], digits: int = 2) -> str:
    """Return a ratio as a table has it: its median, and its spread."""
    return f"{found['median']:.{digits}f} ({found['least']:.{digits}f} to {found['most']:.{digits}f})"


def verdict(value: float, bar: float | None, *, at_most: bool = False) -> str:
    """Return what a table says of a bar."""
    if bar is None:
        return ""
    is_met = value <= bar if at_most else value >= bar
    return f"{'at most' if at_most else 'at least'} {bar:g}: {'met' if is_met else '**missed**'}"


def options(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator that gives a benchmark of speed its options."""
    return adding(
        click.option("--threads", type=click.IntRange(1), help="Processor threads.  [default: torch's own choice]"),
        click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Rounds of each timing."),
        *results_options(name),
    )


def write(name: str, content: Mapping[str, Any], section: str, report: Path, page: Path) -> None:
    """Write a report, and its section on the page."""
    environment = describe_environment("cpu")
    full = {"benchmark": name, "environment": environment, **content}
    files.write_text(report, json.dumps(full, indent=1) + "\n")
    versions = ", ".join(f"{key} {value}" for key, value in environment["versions"].items())
    computed = f"Computed with: {versions}; {torch.get_num_threads()} thread(s) of {environment['processor']}."
    text = page.read_text(encoding="utf-8") if page.exists() else HEAD
    files.write_text(page, replace_section(text, name, f"{section.strip()}\n\n{computed}"))
    click.echo(f"the report is in {report}, the tables in {page}")
