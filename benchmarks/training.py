"""What the trainer costs, and what it gains: ganzoo beside a bare optimized loop and beside the loop of tutorials.

    python benchmarks/training.py

All run in one process, in turns of a few steps each. The trainer is the whole `Trainer.fit`: its training step tells
when a turn ends, and the other loops take theirs before the next step begins. Peak memory is measured in separate
processes.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import torch
from loops import CASES, Bare, Case, Tutorial
from pages import table_of
from ratios import options, ratio, rotated, shown, verdict, write

NAME = "training"
STEPS_OF_RUN, STEPS_A_LINE = 10_000, 100  # of the run that is timed the beginning of: a hundred lines in its log
WARM, MEMORY_STEPS, PEAKS = 3, 8, 3
MEMORY_BAR = 1.03

TEXT = """
## Speed of training

The same networks, data, batch and steps, side by side in one process: {rounds} rounds in which each loop has its turn
of a few steps. A number is the median of the rounds' ratios, with the smallest and the largest in brackets.

*Bare* is a loop written by hand for speed, without a framework: fakes used twice, the discriminator frozen in the
generator's step, channels_last, bfloat16 autocast around forwards, fused Adam, a table of uint8 pictures, a moving
average of the weights. ganzoo does the same, and also checks every loss, gradient and statistic for values that are not
finite, seeds every draw by its step, and makes its log (a line and {sampled} samples each {line} steps). *Tutorial* is
the loop of pytorch/examples, and for pairs of junyanz' pix2pix: always float32, ordinary memory layout, Adam as it is
by default, `.item()` on every loss, a `DataLoader` with two workers over PIL images. `benchmarks/loops.py` has both.

On mlp the checks weigh most: of 5.4 ms a step the gradients' norm takes 0.24 ms, which must be known before the
optimizer moves a weight. Three things were tried against it: norms of all tensors in one call, seeding without the
note of the stack that `torch.manual_seed` takes, and samples of the log from the network itself, no folded copy.

    python benchmarks/training.py
"""


def fit(case: Case, precision: str, steps: int, begin: Callable[[int], None]) -> None:
    """Train with ganzoo, and say before each step how many were taken; an exception from there ends the training."""
    from ganzoo.losses.parsing import parse
    from ganzoo.training.settings import Settings
    from ganzoo.training.step import AdversarialStep
    from ganzoo.training.trainer import Trainer

    settings: dict[str, Any] = {
        "images": steps * case.batch,
        "log_every_images": STEPS_A_LINE * case.batch,
        "batch_size": case.batch,
        "precision": precision,
    }

    class Announced(AdversarialStep):
        def begin(self, index: int) -> None:
            begin(index)
            super().begin(index)

    gan = case.gan()
    step = Announced(gan, parse(case.objective), Settings(**settings).resolved())
    Trainer(gan, case.objective, case.table(), step=step, progress=False, **settings).fit()


class AllRounds(Exception):  # noqa: N818 - no error
    """Ends the training when everything is timed."""


def time_steps(case: Case, precision: str, others: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, Any]:
    """Time the trainer and other loops in turns.

    Args:
        case: What is trained.
        precision: The trainer's.
        others: A step of each other loop, by name.
        rounds: How many turns each has.

    Returns:
        Seconds a step in each turn, by loop.
    """
    times: dict[str, list[float]] = {name: [] for name in ("ganzoo", *others)}
    began = 0.0

    def take_turns(names: list[str]) -> None:
        for name in names:
            start = time.perf_counter()
            for _ in range(case.steps):
                others[name]()
            times[name].append((time.perf_counter() - start) / case.steps)

    def begin(index: int) -> None:
        nonlocal began
        taken = index - WARM
        if taken < 0 or taken % case.steps:
            return
        if taken:
            times["ganzoo"].append((time.perf_counter() - began) / case.steps)
            # What is left of this round, and what comes before the trainer in the next.
            take_turns(before_and_after(number := taken // case.steps - 1)[1])
            if number + 1 == rounds:
                raise AllRounds
        take_turns(before_and_after(taken // case.steps)[0])
        began = time.perf_counter()

    def before_and_after(number: int) -> tuple[list[str], list[str]]:
        order = rotated(list(times), number)
        place = order.index("ganzoo")
        return order[:place], order[place + 1 :]

    for step in others.values():
        for _ in range(WARM):
            step()
    try:
        fit(case, precision, STEPS_OF_RUN, begin)
    except AllRounds:
        return times
    raise AssertionError("the run was shorter than the rounds")


def peak(loop: str, name: str, precision: str) -> int:
    """Return the peak resident memory of a process that trains for a few steps, in bytes."""
    command = [sys.executable, __file__, "--peak-of", loop, name, precision, "--threads", str(torch.get_num_threads())]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(loop: str, name: str, precision: str) -> None:
    """Train for a few steps, and print this process's peak resident memory in bytes."""
    case = CASES[name]
    if loop == "ganzoo":
        fit(case, precision, MEMORY_STEPS, lambda index: None)
    else:
        bare = Bare(case, precision)
        for _ in range(MEMORY_STEPS):
            bare.step()
    click.echo(peak_of_this_process())


def peak_of_this_process() -> int:
    """Return the peak resident memory in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where a child's ru_maxrss begins at its parent's
        lines = status.read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Measure one case in both precisions."""
    case, found = CASES[name], {}
    for precision in ("bf16", "fp32"):
        click.echo(f"{NAME}: {name}, {precision}", err=True)
        others = {"bare": Bare(case, precision).step, "tutorial": Tutorial(case).step}
        times = time_steps(case, precision, others, rounds)
        found[precision] = {
            "seconds_a_step": times,
            "over_bare": ratio(times, "ganzoo", "bare"),
            "speed_of_tutorial": ratio(times, "tutorial", "ganzoo"),
        }
    # A peak differs by some percent from process to process, with what the allocator happens to keep.
    loops = ("bare", "ganzoo") * PEAKS
    peaks = [(loop, peak(loop, name, "bf16")) for loop in loops]
    found["bf16"]["peak_bytes"] = {loop: [size for each, size in peaks if each == loop] for loop in loops}
    return found


def section(found: Mapping[str, Mapping[str, Any]], rounds: int) -> str:
    """Return the section of the page."""
    from ganzoo.training.health import BATCH

    speed = [["", "precision", "seconds a step, over bare", "", "speed, over tutorial", ""]]
    memory = [["", "precision", "peak of the bare loop", "ganzoo's", "times", ""]]
    for name, measured in found.items():
        case = CASES[name]
        for precision, numbers in measured.items():
            bare, tutorial = numbers["over_bare"], numbers["speed_of_tutorial"]
            least = case.least if precision == "bf16" else None
            speed.append(
                [
                    case.label,
                    precision,
                    shown(bare, 3),
                    verdict(bare["median"], case.most, at_most=True),
                    shown(tutorial),
                    verdict(tutorial["median"], least),
                ]
            )
            if "peak_bytes" not in numbers:
                continue
            peaks = {loop: statistics.median(sizes) for loop, sizes in numbers["peak_bytes"].items()}
            times = peaks["ganzoo"] / peaks["bare"]
            sizes = [f"{peaks[loop] / 1e6:.0f} MB" for loop in ("bare", "ganzoo")]
            memory.append([case.label, precision, *sizes, f"{times:.3f}", verdict(times, MEMORY_BAR, at_most=True)])
    text = TEXT.format(rounds=rounds, sampled=BATCH, line=STEPS_A_LINE).strip()
    return (
        f"{text}\n\n{table_of(speed)}\n\n"
        f"Peak resident memory of a process that only trains, for {MEMORY_STEPS} steps; the median of {PEAKS}:\n\n"
        f"{table_of(memory)}"
    )


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(CASES)), help="Measure this alone.")
@click.option("--peak-of", nargs=3, hidden=True)
@options(NAME)
def main(
    only: tuple[str, ...],
    peak_of: tuple[str, str, str] | None,
    threads: int | None,
    rounds: int,
    report: Path,
    page: Path,
) -> None:
    """Measure, and write the report and the page's section."""
    if threads:
        torch.set_num_threads(threads)
    if peak_of:
        print_peak(*peak_of)
        return
    began = time.perf_counter()
    found = {name: measure(name, rounds) for name in only or CASES}
    click.echo(f"{NAME}: {time.perf_counter() - began:.0f} s", err=True)
    write(NAME, {"rounds": rounds, "cases": found}, section(found, rounds), report, page)


if __name__ == "__main__":
    main()
