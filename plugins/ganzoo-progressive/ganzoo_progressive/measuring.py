"""What a model's pictures are worth where no classifier knows the data: their patches, and whether they are copies."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import ganzoo
from ganzoo import GAN
from ganzoo.data.table import Table
from ganzoo.errors import InputError
from ganzoo_progressive.sliced_wasserstein import sliced_wasserstein

SETS = 5  # of as many samples as there are held-out pictures


def measure(gan: GAN, train: Table, held_out: Table, *, seed: int = 0) -> list[dict[str, Any]]:
    """Hold samples against held-out pictures, between real pictures and an untrained generator.

    Five sets of as many samples as there are held-out pictures are drawn, and rounded to uint8. Of each level of the
    pyramid the distance is the mean over the sets; the floor is that of five sets of training pictures. `to training`
    is how far a picture is from the nearest training picture, the root mean square of the difference as a part of the
    range: half of the samples, or one in twenty, is nearer. Held-out pictures give its floor: where samples are far
    nearer than these, they are copies.

    Args:
        gan: The model.
        train: What it was trained on, at least five times as many pictures as are held out.
        held_out: Pictures like them that training never saw.
        seed: The samples' seed.

    Returns:
        Measurements as config.json holds them: name, value, floor, ceiling, detail and protocol.

    Raises:
        InputError: The data is not uint8 pictures of the model's shape, or too few are for training.
    """
    count = len(held_out)
    if held_out.samples.dtype != torch.uint8 or not gan.sample_shape == held_out.sample_shape == train.sample_shape:
        raise InputError(
            f"the model makes samples of shape {gan.sample_shape}, and the data has {held_out.samples.dtype} of shapes "
            f"{train.sample_shape} and {held_out.sample_shape}; give uint8 pictures of the model's shape"
        )
    if len(train) < SETS * count:
        raise InputError(
            f"{len(train)} training pictures are too few for {count} held out; give at least {SETS} times as many"
        )
    shuffled = train.samples[torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))]
    real = shuffled[: SETS * count]
    architecture = gan.config.networks["generator"]
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        untrained = ganzoo.create_model(architecture.architecture, **architecture.args)
    drawn, noise = (held_out.to_data(each.sample(SETS * count, seed=seed)) for each in (gan, untrained))
    half_life = gan.config.training.get("ema_half_life_images")
    protocol = {
        "samples": SETS * count,
        "reference": f"{count} of {held_out.name}",
        "floor": f"{SETS * count} of {train.name}",
        "ceiling": f"{SETS * count} samples of an untrained {architecture.architecture}",
        "seed": seed,
        "batch_size": 250,
        "precision": "float32",
        "quantisation": "uint8",
        "resize": "none",
        "labels": "none",
        "truncation": "none",
        "weights": f"EMA, half-life {half_life} images" if half_life else "as given",
        "versions": f"ganzoo {ganzoo.__version__}, torch {torch.__version__}",
    }

    def row(name: str, values: list[float], better: str, detail: str) -> dict[str, Any]:
        numbers = dict(zip(("value", "floor", "ceiling"), values, strict=True))
        return {"name": name, **numbers, "better": better, "detail": detail, "protocol": protocol}

    distances = [_distances(pictures, held_out.samples, seed) for pictures in (drawn, real, noise)]
    rows = [
        row(f"SWD {side}", [each[side] for each in distances], "lower", "patches of 7x7 at this side, times 1000")
        for side in distances[0]
    ]
    rows.append(row("SWD mean", [sum(each.values()) / len(each) for each in distances], "lower", "mean over the sides"))
    nearest = [_to_training(pictures, train.samples) for pictures in (drawn, held_out.samples, noise)]
    for share, name in ((0.5, "to training, median"), (0.05, "to training, nearest 5 %")):
        values = [float(each.quantile(share)) for each in nearest]
        rows.append(row(name, values, "near floor", "pixel distance to the nearest training picture; floor: held out"))
    return rows


def _distances(pictures: Tensor, reference: Tensor, seed: int) -> dict[int, float]:
    """Return the mean distance of sets of pictures at each side."""
    found = [sliced_wasserstein(part, reference, seed=seed) for part in pictures.chunk(SETS)]
    return {side: sum(each[side] for each in found) / SETS for side in found[0]}


def _to_training(pictures: Tensor, train: Tensor) -> Tensor:
    """Return each picture's distance (N,) to the nearest training picture: root mean square, as a part of the range."""
    rows, others = (each.flatten(1).float() / 255 for each in (pictures, train))
    distances = torch.cat([torch.cdist(part, others).amin(1) for part in torch.split(rows, 250)])
    return distances / math.sqrt(rows.shape[1])


def record(gan: GAN, folder: str, measurements: list[dict[str, Any]]) -> None:
    """Write measurements into the config and the card of a model's folder; its weights are stored as they were."""
    stored = getattr(torch, gan.config.networks["generator"].dtype)
    GAN(dict(gan.networks.items()), config=replace(gan.config, metrics=measurements)).save_pretrained(
        folder, dtype=stored
    )
