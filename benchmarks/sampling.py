"""How fast samples are drawn, beside the generator called as it is; and how soon a cold process has the first one.

python benchmarks/sampling.py
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from pages import table_of
from ratios import Times, interleave, options, ratio, shown, verdict, write

from ganzoo import zoo
from ganzoo.gan import CHUNK, GAN

NAME, MODEL = "sampling", "dcgan-mnist"
PICTURES, SINGLE = 10_000, 500  # how many are drawn in a round, and how many one at a time
BARS = {"fp32": 1.4, "bf16": 2.5}
SINGLE_BAR = 1.3
LIST_BAR, FIRST_BAR = 0.2, 0.5  # seconds
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "first picture": ["-c", f"import ganzoo; ganzoo.load('{MODEL}').sample(1, seed=0)"],
    "ganzoo list": ["-m", "ganzoo", "list"],
}

TEXT = """
## Speed of sampling

`{model}`, {pictures:,} pictures ({single} where they are drawn one at a time), side by side in one process, {rounds}
rounds. A number is how many times the speed of *plain* it is: the median of the rounds' ratios, with the smallest and
the largest in brackets. Plain is the generator itself in eval mode, under `torch.no_grad()`, on latents drawn all at
once. `GAN.sample` calls a copy with folded batch norm, in channels_last, draws each latent from a seed of its own, and
looks at each call whether the weights are still the same.

Four things were tried for bfloat16: batch norm folded, weights cast once, the last layer as a matrix product, and that
product's sum in strides, which took 10,000 pictures from 402 to 384 ms, but single ones from 1.59 to 1.00 times plain,
and so was left. Of the 402 ms 215 are one convolution at 600 GFLOP/s, and 39 the seeds of single samples.

    python benchmarks/sampling.py
"""

START = """
Start-up, a new process each time, {rounds} rounds; seconds. The second row is what the first picture takes beyond
`import torch` in the same round.
"""


def plain(gan: GAN, n: int, size: int) -> torch.Tensor:
    """Draw n samples as one would without ganzoo."""
    latents = torch.randn(n, gan.latent_dim)
    with torch.no_grad():
        return torch.cat([gan.generator(part) for part in latents.split(size)])


def one_call_each(gan: GAN, n: int, precision: Any) -> None:
    """Draw n samples, each by a call of its own."""
    for seed in range(n):
        gan.sample(1, seed=seed, precision=precision)


def measure(rounds: int) -> dict[str, dict[str, Times]]:
    """Time plain and ours at several batch sizes, and call by call."""
    gan = zoo.load(MODEL)
    found: dict[str, Any] = {}
    for size in (1, 64, CHUNK):
        click.echo(f"{NAME}: batches of {size}", err=True)
        n = SINGLE if size == 1 else PICTURES
        timed: dict[str, Callable[[], object]] = {"plain": lambda n=n, size=size: plain(gan, n, size)}
        for precision in BARS:
            timed[precision] = lambda n=n, size=size, p=precision: gan.sample(n, seed=0, batch_size=size, precision=p)
        if size == 1:
            for precision in BARS:
                timed[f"{precision}, calls"] = lambda p=precision: one_call_each(gan, SINGLE, p)
        found[str(size)] = {"pictures": n, "seconds": interleave(timed, rounds)}
    return found


def start_up(rounds: int) -> dict[str, list[float]]:
    """Time new processes."""
    click.echo(f"{NAME}: start-up", err=True)

    def run(arguments: list[str]) -> None:
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)

    return interleave({name: lambda a=arguments: run(a) for name, arguments in COMMANDS.items()}, rounds)


def errors() -> dict[str, float]:
    """Return the mean difference of a picture's values from plain's, by precision; they lie in [-1, 1]."""
    from ganzoo import randomness

    gan = zoo.load(MODEL)
    with torch.no_grad():
        expected = gan.generator(randomness.latents(0, CHUNK, gan.latent_dim, seed=0))
    return {p: float((gan.sample(CHUNK, seed=0, precision=p) - expected).abs().mean()) for p in BARS}  # type: ignore[arg-type]


def section(found: dict[str, Any], starts: Times, differences: dict[str, float], rounds: int) -> str:
    """Return the section of the page."""
    rows = [["pictures at a time", "fp32", "", "bf16", "", "plain: pictures a second"]]
    for size, measured in found.items():
        times = measured["seconds"]
        second = f"{measured['pictures'] / statistics.median(times['plain']):,.0f}"
        row = [f"{size}{' (the default)' if size == str(CHUNK) else ''}"]
        for precision, bar in BARS.items():
            speed = ratio(times, "plain", precision)
            asked = (SINGLE_BAR if precision == "fp32" else None) if size == "1" else bar
            row += [shown(speed), verdict(speed["median"], asked)]
        rows.append([*row, second])
        if "fp32, calls" in times:
            row = ["1, each by a call of its own"]
            for precision in BARS:
                row += [shown(ratio(times, "plain", f"{precision}, calls")), ""]
            rows.append([*row, second])
    pairs = zip(starts["first picture"], starts["import torch"], strict=True)
    beyond = [first - alone for first, alone in pairs]
    seconds = [["", "seconds", ""]]
    for name, values, bar in (("`ganzoo list`", starts["ganzoo list"], LIST_BAR), ("first picture", beyond, FIRST_BAR)):
        summary = {"median": statistics.median(values), "least": min(values), "most": max(values)}
        seconds.append([name, shown(summary), verdict(summary["median"], bar, at_most=True)])
    text = TEXT.format(model=MODEL, pictures=PICTURES, single=SINGLE, rounds=rounds).strip()
    difference = ", ".join(f"{value:.1g} in {precision}" for precision, value in differences.items())
    return (
        f"{text}\n\n{table_of(rows)}\n\nValues lie in [-1, 1]; they differ from plain's by {difference} on average.\n\n"
        f"{START.format(rounds=rounds).strip()}\n\n{table_of(seconds)}"
    )


@click.command()
@options(NAME)
def main(threads: int | None, rounds: int, report: Path, page: Path) -> None:
    """Measure, and write the report and the page's section."""
    if threads:
        torch.set_num_threads(threads)
    began = time.perf_counter()
    found, starts, differences = measure(rounds), start_up(rounds), errors()
    click.echo(f"{NAME}: {time.perf_counter() - began:.0f} s", err=True)
    content = {"rounds": rounds, "model": MODEL, "batches": found, "start_up": starts, "mean_difference": differences}
    write(NAME, content, section(found, starts, differences, rounds), report, page)


if __name__ == "__main__":
    main()
