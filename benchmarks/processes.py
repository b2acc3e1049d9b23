"""Two processes with one thread each against one process with two threads, side by side.

    python benchmarks/processes.py

Both train `dcgan` at 32x32 with 64 base channels through the whole trainer, and take turns: while one takes its steps,
the other waits. The first round of each warms up and is not counted. Run it on a machine that does nothing else.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from entries import ROOT, describe_environment
from pages import replace_section

from ganzoo import files

NAME = "processes"
BAR = 0.9  # the least speed that two processes shall have, as a part of one process's with as many threads
# By name: how many processes, and threads in each.
SETUPS = {"one process, two threads": (1, 2), "two processes, one thread each": (2, 1)}
ONE, TWO = SETUPS
RARELY = 10**9  # images
WAIT = 1e-3  # seconds between two looks at a file

TEXT = """
One step of `dcgan` at 32x32, {base_channels} base channels, a batch of {batch_size}, `non_saturating`, random pictures
in memory: one process with two threads, and two processes (gloo, on one machine) with one thread and half the batch
each. They take turns within one run: {rounds} rounds of {steps} steps each, after one round to warm up. The ratio is
that of a round's speed to the speed of the other's round beside it; the median, and in brackets the lowest and the
highest.

    python benchmarks/processes.py
"""


def worker(folder: Path, precision: str, base_channels: int, batch_size: int, rounds: int, steps: int) -> None:
    """Train, and wait before each round until it is this setup's turn; process 0 notes how long the round before took.

    Args:
        folder: Where this setup finds its turns and leaves its times.
        precision: What to compute in.
        base_channels: The width of the networks.
        batch_size: The whole batch.
        rounds: How many rounds.
        steps: How many steps a round has.
    """
    import torch

    from ganzoo.data.arrays import table_from_arrays
    from ganzoo.training.trainer import Trainer

    pictures = torch.randint(
        0, 256, (10 * batch_size, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    trainer = Trainer(
        "dcgan",
        "non_saturating",
        table_from_arrays(pictures),
        images=(rounds * steps + 1) * batch_size,  # one more, so that no round has the end of the run in it
        batch_size=batch_size,
        model_args={"base_channels": base_channels},
        precision=precision,
        device="cpu",
        log_every_images=RARELY,
        sample_every_images=RARELY,
        checkpoint_every_images=RARELY,
        process_timeout_seconds=3600,  # rounds of the other setup are waited for
        progress=False,
    )
    began, begin = 0.0, trainer.step.begin

    def turn(index: int) -> None:
        nonlocal began
        if index % steps == 0:
            _leave_time(folder, trainer.processes.number, index // steps - 1, began)
            while index < rounds * steps and not (folder / f"go-{index // steps}").exists():
                time.sleep(WAIT)
            began = time.monotonic()
        begin(index)

    trainer.step.begin = turn  # type: ignore[method-assign]
    trainer.fit()


def _leave_time(folder: Path, number: int, turn: int, began: float) -> None:
    if number == 0 and turn >= 0:
        files.write_text(folder / f"seconds-{turn}", str(time.monotonic() - began))


def start(setup: str, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the workers of a setup."""
    processes, threads = SETUPS[setup]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--"]
    command = [sys.executable, *(launcher if processes > 1 else ()), str(Path(__file__).resolve())]
    return subprocess.Popen([*command, "--worker", str(folder), *arguments], env=environment)


def measure(precision: str, base_channels: int, batch_size: int, rounds: int, steps: int) -> dict[str, list[float]]:
    """Return the seconds of each counted round, by setup.

    Raises:
        click.ClickException: A worker ended too early.
    """
    seconds: dict[str, list[float]] = {setup: [] for setup in SETUPS}
    counts = ["--base-channels", base_channels, "--batch-size", batch_size, "--rounds", rounds, "--steps", steps]
    with tempfile.TemporaryDirectory() as name:
        folders = {setup: Path(name) / str(number) for number, setup in enumerate(SETUPS)}
        started = {
            setup: start(setup, folder, "--precision", precision, *map(str, counts))
            for setup, folder in folders.items()
        }
        try:
            for turn in range(rounds + 1):
                for setup in SETUPS if turn % 2 else reversed(SETUPS):
                    files.write_text(folders[setup] / f"go-{turn}", "")
                    seconds[setup].append(_await(folders[setup] / f"seconds-{turn}", started[setup]))
            for process in started.values():
                process.wait()
        finally:
            for process in started.values():
                process.terminate()
    return {setup: values[1:] for setup, values in seconds.items()}


def _await(path: Path, process: subprocess.Popen[bytes]) -> float:
    while not path.exists():
        if process.poll() not in (None, 0):
            raise click.ClickException(f"a worker ended with {process.returncode}; its message stands above")
        time.sleep(WAIT)
    return float(path.read_text())


def summarise(seconds: Mapping[str, Sequence[float]], steps: int) -> dict[str, Any]:
    """Return the milliseconds of a step by setup, and the speed of two processes as a part of one's."""
    ratios = [one / two for one, two in zip(seconds[ONE], seconds[TWO], strict=True)]
    return {
        "milliseconds_a_step": {setup: statistics.median(values) / steps * 1e3 for setup, values in seconds.items()},
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "reaches_the_bar": statistics.median(ratios) >= BAR,
        "seconds": {setup: list(values) for setup, values in seconds.items()},
    }


def write_section(report: Mapping[str, Any]) -> str:
    """Return the section of the page."""
    lines = [
        "## Two processes against two threads",
        TEXT.format(**report["protocol"]).strip(),
        f"| precision | {ONE}, ms a step | {TWO}, ms a step | speed of two processes over one | bar |\n"
        "| --- | --- | --- | --- | --- |\n"
        + "\n".join(
            f"| {precision} | {row['milliseconds_a_step'][ONE]:.1f} | {row['milliseconds_a_step'][TWO]:.1f} "
            f"| {row['ratio']:.2f} ({row['ratio_range'][0]:.2f} to {row['ratio_range'][1]:.2f}) "
            f"| {BAR}, {'reached' if row['reaches_the_bar'] else 'missed'} |"
            for precision, row in report["rows"].items()
        ),
        "Computed with: {versions}; {processor} ({capability}); {date}, {commit}.".format(
            **report["environment"]
            | {"versions": ", ".join(" ".join(pair) for pair in report["environment"]["versions"].items())}
        ),
    ]
    return "\n\n".join(lines)


@click.command()
@click.option("--precision", "precisions", multiple=True, default=("fp32", "bf16"), show_default=True)
@click.option("--base-channels", default=64, show_default=True)
@click.option("--batch-size", default=64, show_default=True)
@click.option("--rounds", default=7, show_default=True, help="Counted rounds of each.")
@click.option("--steps", default=20, show_default=True, help="Steps a round.")
@click.option("--report", type=click.Path(path_type=Path), default=ROOT / "benchmarks" / "reports" / f"{NAME}.json")
@click.option("--page", type=click.Path(path_type=Path), default=ROOT / "docs" / "benchmarks.md")
@click.option("--worker", "folder", type=click.Path(path_type=Path), hidden=True)
def main(
    precisions: tuple[str, ...],
    base_channels: int,
    batch_size: int,
    rounds: int,
    steps: int,
    report: Path,
    page: Path,
    folder: Path | None,
) -> None:
    """Measure, and write the report and the page's section."""
    if folder is not None:
        worker(folder, precisions[0], base_channels, batch_size, rounds + 1, steps)
        return
    protocol = {"base_channels": base_channels, "batch_size": batch_size, "rounds": rounds, "steps": steps, "bar": BAR}
    rows = {
        precision: summarise(measure(precision, base_channels, batch_size, rounds, steps), steps)
        for precision in precisions
    }
    content = {"benchmark": NAME, "protocol": protocol, "rows": rows, "environment": describe_environment("cpu")}
    files.write_text(report, json.dumps(content, indent=1) + "\n")
    files.write_text(page, replace_section(page.read_text(encoding="utf-8"), NAME, write_section(content)))
    for precision, row in rows.items():
        click.echo(f"{precision}: {row['ratio']:.2f} of the speed of {ONE} (bar {BAR})")


if __name__ == "__main__":
    main()
