"""Trains `judge-openmoji`: `python train_judge.py` (about 10 minutes on one thread of a processor).

Learns the groups of the training part, is measured on the held-out part, and writes weights and description into the
package. With --validate it trains without every tenth group of variants of the training part, is measured on these, and
writes nothing: that is what its settings were chosen on.
"""

import math
import time
from pathlib import Path

import click
import torch
from ganzoo_openmoji.data import LICENSE, grouped
from ganzoo_openmoji.judge import FEATURES, Network
from torch import Tensor, nn
from torch.nn import functional

from ganzoo.data.table import Table
from ganzoo.metrics.judge import Description, save_judge

PATH = Path(__file__).parent / "ganzoo_openmoji" / "judges" / "judge-openmoji.safetensors"
RECIPE = {
    "seed": 0,
    "epochs": 60,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "flip": True,
    "shift": 6,  # pixels each way
    "scale": 0.15,  # larger or smaller by up to this share
    "turn": 15,  # degrees each way
    "ink": 0.3,  # each colour channel's distance from white is reduced by up to this share
}


def train(table: Table, epochs: int, seed: int) -> Network:
    """Return a judge trained on labelled pictures (3, 64, 64), its weights rounded to what float16 can hold."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    judge = Network().to(memory_format=torch.channels_last)
    batch_size, rate = int(RECIPE["batch_size"]), float(RECIPE["learning_rate"])
    optimizer = torch.optim.AdamW(judge.parameters(), lr=rate, weight_decay=float(RECIPE["weight_decay"]))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * (len(table) // batch_size))
    loss_function = nn.CrossEntropyLoss(label_smoothing=float(RECIPE["label_smoothing"]))
    for epoch in range(epochs):
        started, total = time.perf_counter(), 0.0
        batches = torch.randperm(len(table), generator=rng).split(batch_size)[: len(table) // batch_size]
        for index in batches:
            pictures = augmented(table.samples[index], rng)
            with torch.autocast("cpu", torch.bfloat16):
                logits = judge(pictures)[1]
            loss = loss_function(logits.float(), table.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        seconds = time.perf_counter() - started
        click.echo(f"epoch {epoch + 1}/{epochs}: {seconds:.0f} s, loss {total / len(batches):.4f}", err=True)
    return judge.half().float().eval()


def augmented(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Move, mirror, scale, turn and tint each picture in its own way, on white.

    Args:
        pictures: (N, 3, H, W) uint8.
        rng: Draws what is done.

    Returns:
        (N, 3, H, W) float32, from 0 to 255.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(len(pictures), *shape, generator=rng) * 2 - 1

    turn = uniform() * math.radians(RECIPE["turn"])
    scale = 1 + uniform() * RECIPE["scale"]
    mirror = torch.where(uniform() < 0, -1.0, 1.0)
    across, down = uniform(), uniform()
    reach = 2 * RECIPE["shift"] / pictures.shape[-1]  # grids go from -1 to 1
    rows = (
        torch.stack([mirror * scale * turn.cos(), -scale * turn.sin(), across * reach], 1),
        torch.stack([mirror * scale * turn.sin(), scale * turn.cos(), down * reach], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    ink = 255 - pictures.float()  # so that what comes in from outside is white
    moved = functional.grid_sample(ink, grid, align_corners=False)
    strength = 1 - RECIPE["ink"] * torch.rand(len(pictures), 3, 1, 1, generator=rng)
    return 255 - moved * strength


def accuracy(judge: Network, table: Table) -> float:
    """Return the share of labelled pictures whose group the judge names."""
    with torch.inference_mode():
        guesses = torch.cat([judge(chunk)[1].argmax(1) for chunk in table.samples.split(250)])
    return float((guesses == table.labels).double().mean())


@click.command(help=__doc__)
@click.option("--validate", is_flag=True, help="Measure on a tenth of the training part, and write nothing.")
@click.option("--epochs", type=click.IntRange(1), default=RECIPE["epochs"], show_default=True)
@click.option("--seed", type=int, default=RECIPE["seed"], show_default=True)
def main(validate: bool, epochs: int, seed: int) -> None:
    """Train, measure and write the judge."""
    torch.set_num_threads(1)  # so that sums are made in one order, however many cores there are
    table, test = (grouped("validating"), grouped("validation")) if validate else (grouped("train"), grouped("test"))
    judge = train(table, epochs, seed)
    described = Description(
        input_shape=(3, 64, 64),
        features=FEATURES,
        class_names=table.class_names,
        accuracy=round(accuracy(judge, test), 4),
        guessing=round(int(test.labels.bincount().max()) / len(test), 4),
        data="OpenMoji 17.0.0, 64x64",
        license=LICENSE,
        recipe=RECIPE | {"epochs": epochs, "seed": seed},
    )
    click.echo(f"{described.accuracy:.2%} of {len(test)} groups named; guessing gets {described.guessing:.2%}")
    if not validate:
        save_judge(PATH, judge, described)
        click.echo(f"wrote {PATH}, {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
