"""`ganzoo runs`: what was trained here, what is training, and how it goes."""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli.listing import aligned
from ganzoo.errors import InputError

if TYPE_CHECKING:
    from ganzoo.training.status import RunStatus

HEADER = ["run", "state", "architecture", "objective", "data", "images", "", "D loss", "G loss", "D(x)", "D(G(z))"]
HEADER += ["images/s", "last wrote"]
LONGEST = 36  # characters of an objective in the table


@click.command(short_help="List runs: running, stopped, finished or damaged, and their last figures.")
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default="runs")
@click.option("--verify", is_flag=True, help="Compare the newest checkpoint of each run with its checksums too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def runs(folder: Path, verify: bool, as_json: bool) -> None:
    """List the runs in DIR (runs by default) at any depth; trainers at work do not notice.

    A run is running (a process trains in it), finished, stopped (`ganzoo resume` goes on with it) or damaged. Losses,
    mean D(x) and D(G(z)) and speed are those of the last line of its log.

    With --json, prints an array of objects with the keys path, state, reason, architecture, objective, data, images,
    budget, figures (an object: the last discriminator_loss, generator_loss, real_score, fake_score and
    images_per_second; null for one that is not finite), updated (seconds since 1970) and model (null before the end).
    """
    from ganzoo.training.status import find_runs, run_status

    if not folder.is_dir():
        raise InputError(f"there is no folder {str(folder)!r} to look for runs in; give the one that holds them")
    found = [run_status(path, contents=verify) for path in find_runs(folder)]
    if as_json:
        click.echo(json.dumps([status_as_json(status) for status in found], indent=2))
    elif found:
        click.echo(run_table(found, folder, time.time()))
    else:
        click.echo(f"There is no run in {str(folder)!r} yet; `ganzoo train` makes one.")


def status_as_json(status: "RunStatus") -> dict[str, Any]:
    """Return a run as `ganzoo runs --json` shows it."""
    figures = {name: value if math.isfinite(value) else None for name, value in status.figures.items()}
    paths = {"path": str(status.path), "model": str(status.model) if status.model else None}
    return asdict(status) | paths | {"figures": figures}


def run_table(found: "list[RunStatus]", folder: Path, now: float) -> str:
    """Return a table of runs, with what is wrong with one below its line.

    Args:
        found: The runs.
        folder: Where they were looked for; names are relative to it.
        now: The time, in seconds since 1970.
    """
    heads = aligned([HEADER, *(_row(status, folder, now) for status in found)]).splitlines()
    lines = heads[:1]
    for head, status in zip(heads[1:], found, strict=True):
        lines.append(head)
        if status.reason:
            lines.append(f"    {status.reason}")
    return "\n".join(lines)


def _row(status: "RunStatus", folder: Path, now: float) -> list[str]:
    name = status.path.relative_to(folder).as_posix() if status.path != folder else status.path.as_posix()
    objective = status.objective if len(status.objective) <= LONGEST else status.objective[: LONGEST - 3] + "..."
    budget = f"{status.images:,}" + (f" of {status.budget:,}" if status.budget else "")
    share = f"{min(100, 100 * status.images // status.budget)}%" if status.budget else ""
    *scores, speed = (
        status.figures.get(key)
        for key in ("discriminator_loss", "generator_loss", "real_score", "fake_score", "images_per_second")
    )
    from ganzoo.training.quantities import duration

    return [
        *(name, status.state, status.architecture, objective, status.data, budget, share),
        *("" if value is None else f"{value:.3g}" for value in scores),
        "" if speed is None else f"{speed:.0f}",
        "" if status.updated is None else f"{duration(max(0.0, now - status.updated))} ago",
    ]
