"""Train a bundled judge: `python -m ganzoo.metrics.train_judge NAME --data FOLDER --out FILE`.

A few minutes on one processor core, and the same weights again on the same kind of processor.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import torch
from torch import Tensor, nn

from ganzoo.data.loading import open_data
from ganzoo.data.table import Table
from ganzoo.errors import DataError, GanzooError
from ganzoo.metrics.judge import Description, save_judge
from ganzoo.metrics.networks import CLASSES, FEATURES, SIZE, Judge
from ganzoo.metrics.recipes import RECIPES, Recipe, find_recipe
from ganzoo.randomness import generator, hash_seed

EVALUATION_BATCH = 500


def train(recipe: Recipe, data: Table) -> Judge:
    """Train a judge from scratch.

    Args:
        recipe: How.
        data: Labelled pictures (1, 28, 28), uint8; in any order.

    Returns:
        The judge, in eval mode, its weights rounded to what float16 can hold.
    """
    torch.manual_seed(hash_seed(recipe.seed, "weights"))
    judge = recipe.network().to(memory_format=torch.channels_last)
    steps = recipe.epochs * (len(data) // recipe.batch_size)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps)
    loss_function = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    for epoch in range(recipe.epochs):
        started = time.perf_counter()
        for pictures, labels in _batches(recipe, data, epoch):
            with torch.autocast("cpu", torch.bfloat16):
                logits = judge(pictures)[1]
            loss = loss_function(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        click.echo(
            f"epoch {epoch + 1}/{recipe.epochs}: {time.perf_counter() - started:.0f} s, loss {loss:.4f}", err=True
        )
    return judge.half().float().eval()


def accuracy(judge: Judge, data: Table) -> float:
    """Return the share of a table's pictures whose class the judge names, in [0, 1].

    Args:
        judge: The judge, in eval mode.
        data: Labelled pictures (1, 28, 28), uint8.
    """
    if data.labels is None:
        raise DataError(f"{data.name} has no labels; accuracy takes labelled pictures")
    with torch.inference_mode():
        guesses = torch.cat([judge(chunk)[1].argmax(1) for chunk in torch.split(data.samples, EVALUATION_BATCH)])
    return float((guesses == data.labels).double().mean())


def shifted(pictures: Tensor, reach: int, rng: torch.Generator) -> Tensor:
    """Move each picture by its own whole number of pixels, up to `reach` each way, with zeros coming in.

    Args:
        pictures: (N, 1, H, W).
        reach: The longest move.
        rng: Draws the moves.

    Returns:
        The same shape and dtype.
    """
    padded = nn.functional.pad(pictures, [reach] * 4)
    height, width = pictures.shape[2:]
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, 1, 2 reach + 1, 2 reach + 1, H, W)
    down, right = torch.randint(0, 2 * reach + 1, (2, len(pictures)), generator=rng)
    return windows[torch.arange(len(pictures)), :, down, right]


def flipped(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror each picture left to right with probability one half.

    Args:
        pictures: (N, 1, H, W).
        rng: Draws which.

    Returns:
        The same shape and dtype.
    """
    chosen = torch.rand(len(pictures), 1, 1, 1, generator=rng) < 0.5
    return torch.where(chosen, pictures.flip(3), pictures)


def _batches(recipe: Recipe, data: Table, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the epoch's whole batches: augmented pictures (B, 1, 28, 28), uint8, and labels (B,)."""
    rng = generator(recipe.seed, epoch)
    order = torch.randperm(len(data), generator=rng)
    assert data.labels is not None  # noqa: S101
    for index in torch.split(order, recipe.batch_size)[: len(data) // recipe.batch_size]:
        pictures = shifted(data.samples[index], recipe.shift, rng)
        yield (flipped(pictures, rng) if recipe.flip else pictures), data.labels[index]


def describe(recipe: Recipe, judge: Judge, test: Table) -> Description:
    """Return what is known of a judge.

    Args:
        recipe: How it was trained.
        judge: The judge, with the weights as they will be saved.
        test: The labelled pictures that it was not trained on.
    """
    if test.labels is None:
        raise DataError(f"{test.name} has no labels; a judge is measured on labelled pictures")
    settings = asdict(recipe)
    return Description(
        input_shape=(1, SIZE, SIZE),
        features=FEATURES,
        class_names=test.class_names,
        accuracy=round(accuracy(judge, test), 4),
        guessing=round(int(test.labels.bincount().max()) / len(test), 4),
        data=settings.pop("data"),
        license=settings.pop("license"),
        recipe=settings | {"network": recipe.network.__name__},
    )


@click.command()
@click.argument("name", type=click.Choice(list(RECIPES)))
@click.option("--data", required=True, help="The folder of the data set's idx files.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The safetensors file.")
def main(name: str, data: str, out: Path) -> None:
    """Train the judge NAME on the training split, measure it on the test split, and write it."""
    recipe = find_recipe(name)
    torch.set_num_threads(1)  # so that sums are made in one order, however many cores there are
    try:
        table, test = open_data(data, split="train"), open_data(data, split="test")
        for each in (table, test):
            if each.labels is None or each.sample_shape != (1, SIZE, SIZE) or each.num_classes != CLASSES:
                raise DataError(
                    f"{data!r} is no {recipe.data}; a judge takes labelled grey pictures of 28x28, in 10 classes"
                )
        judge = train(recipe, table)
        described = describe(recipe, judge, test)
        if described.accuracy < recipe.expected_accuracy:
            reached = f"{name} reached {described.accuracy:.2%}, below {recipe.expected_accuracy:.2%}"
            raise DataError(f"{reached}; nothing was written")
        save_judge(out, judge, described)
    except GanzooError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name}: {described.accuracy:.2%} on the test split, {out.stat().st_size} bytes at {out}")


if __name__ == "__main__":
    main()
