"""A super-resolution model beside bicubic enlargement, on pairs of pictures."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.data.render import beside
from ganzoo.data.render import draw as draw_samples
from ganzoo.data.table import Table
from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo_srgan.evaluation import WINDOW, feature_distance, psnr, ssim
from ganzoo_srgan.frozen import frozen_network
from ganzoo_srgan.srgan import enlarged

if TYPE_CHECKING:
    from PIL import Image

BATCH = 64


def compare(gan: GAN, table: Table, *, network: str | None = None, levels: int = 2) -> dict[str, Any]:
    """Measure what a model makes of the small pictures of pairs, beside bicubic enlargement.

    Args:
        gan: A super-resolution model.
        table: Pairs of uint8 pictures, sources being smaller.
        network: A judge or a backbone of timm's for `feature_distance`; None leaves that out.
        levels: How many of its levels, from the finest.

    Returns:
        `pictures`, how many there are; `factor`; and `bicubic` and `model`, each with the means of `psnr`, `ssim` and
        `feature_distance`.

    Raises:
        InputError: Model and pairs do not fit.
        UnknownNameError: There is no such network.
        ObjectiveError: The network cannot look at the pictures, or has fewer levels.
    """
    factor = check_pairs(gan, table)
    looking = None
    if network is not None:
        channels, height, width = table.sample_shape
        looking = frozen_network(network, levels - 1, (channels, height, width), torch.device("cpu"))

    def measured(pictures: Tensor, targets: Tensor) -> dict[str, Tensor]:
        values = {"psnr": psnr(pictures, targets), "ssim": ssim(pictures, targets)}
        if looking is not None:
            values["feature_distance"] = feature_distance(lambda x: looking(x)[:levels], pictures, targets)
        return values

    found: dict[str, list[dict[str, Tensor]]] = {"bicubic": [], "model": []}
    for _, bicubic, own, targets in enlargements(gan, table, torch.arange(len(table))):
        found["bicubic"].append(measured(bicubic, targets))
        found["model"].append(measured(own, targets))
    means = {
        name: {key: float(torch.cat([each[key] for each in parts]).mean()) for key in parts[0]}
        for name, parts in found.items()
    }
    return {"pictures": len(table), "factor": factor, **means}


def finite(found: dict[str, Any]) -> dict[str, Any]:
    """Return what `compare` returned with None for what is not finite: the PSNR of pictures that are equal."""
    return {
        name: {key: value if math.isfinite(value) else None for key, value in part.items()}
        if isinstance(part, dict)
        else part
        for name, part in found.items()
    }


def check_pairs(gan: GAN, table: Table) -> int:
    """Return by how much the samples of pairs are larger than their sources.

    Raises:
        InputError: The pairs are no such pictures, or do not fit the model.
    """
    if gan.condition.kind != "image":
        raise InputError(f"this model takes {gan.condition} as its condition, not a picture; use ganzoo evaluate")
    if table.sources is None or table.samples.dtype != torch.uint8:
        raise InputError(f"{table.name} holds no pairs of uint8 pictures; give such as 'downscaled,factor=2:DIR'")
    channels, height, width = table.sample_shape
    factor = height // table.sources.shape[2]
    if tuple(table.sources.shape[1:]) != (channels, height / factor, width / factor) or factor < 2:
        sizes = [f"{pictures.shape[3]}x{pictures.shape[2]}" for pictures in (table.sources, table.samples)]
        raise InputError(
            f"the sources of {table.name} have {sizes[0]} pixels and its samples {sizes[1]}; they take the same "
            "channels, and sources that are smaller by a whole number"
        )
    if (gan.condition.shape, gan.sample_shape) != (tuple(table.sources.shape[1:]), table.sample_shape):
        raise InputError(
            f"the model makes {gan.sample_shape} of {gan.condition.shape}, and {table.name} has {table.sample_shape} "
            f"with {tuple(table.sources.shape[1:])}; give pairs like those that it was trained on"
        )
    if min(height, width) < WINDOW:
        raise InputError(f"SSIM needs pictures of at least {WINDOW} pixels a side, and these have {height}x{width}")
    return factor


def enlargements(gan: GAN, table: Table, rows: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Enlarge the small pictures of some rows.

    Args:
        gan: The model.
        table: Pairs.
        rows: (N,) int64.

    Yields:
        Small pictures, the same bicubically enlarged, as the model makes them, and the real ones, each uint8.
    """
    for part in torch.split(rows, BATCH):
        small = table.batch(part).condition
        if small is None or table.sources is None:
            raise InputError(f"{table.name} holds no pairs")
        factor = table.sample_shape[1] // small.shape[2]
        yield (
            table.sources[part],
            table.to_data(enlarged(small, factor)),
            table.to_data(gan.translate(small)),
            table.samples[part],
        )


def draw(gan: GAN, table: Table, *, rows: int, columns: int) -> "Image.Image":
    """Draw small, bicubic, the model's and real pictures side by side, of rows that are evenly spread over the data.

    Args:
        gan: The model.
        table: Pairs.
        rows: How many pictures.
        columns: How many of them stand beside each other.

    Raises:
        InputError: As `compare`.
    """
    check_pairs(gan, table)
    chosen = torch.linspace(0, len(table) - 1, min(rows, len(table))).long()
    parts = list(enlargements(gan, table, chosen))
    sides = [table.normalise(torch.cat(side)) for side in zip(*parts, strict=True)]
    return draw_samples(beside(sides), scale=table.scale, offset=table.offset, columns=columns)
