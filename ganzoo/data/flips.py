"""Random mirrors and shifts of pictures, the same for a sample and the picture it is made from."""

from dataclasses import replace

import torch
from torch import Tensor

from ganzoo.data.table import Batch, Table
from ganzoo.errors import ConfigError, InputError
from ganzoo.shares import draw


def check_flips(table: Table, flip: bool, shift: int) -> None:
    """Refuse what `flip_and_shift` could not do with a table's batches.

    Args:
        table: The data.
        flip: Whether samples are to be mirrored.
        shift: By up to how many pixels samples are to be shifted; 0 for none.

    Raises:
        ConfigError: The samples are no pictures, the shift is no whole number from 0 to below half of a side, or
            sources are of another size than samples.
    """
    if isinstance(shift, bool) or not isinstance(shift, int) or shift < 0:
        raise ConfigError(f"shift is {shift!r}; it takes a whole number of pixels, 0 for none")
    if not flip and not shift:
        return
    shape = table.sample_shape
    if len(shape) != 3:
        raise ConfigError(
            f"{table.name} has samples of shape {shape}, and only pictures (C, H, W) can be mirrored or shifted; "
            "leave out flip and shift"
        )
    if 2 * shift >= min(shape[1:]):
        raise ConfigError(
            f"shift is {shift}, and the pictures of {table.name} have {shape[1]}x{shape[2]} pixels (height x width); "
            "it takes less than half of the shorter side"
        )
    if shift and table.sources is not None and tuple(table.sources.shape[2:]) != shape[1:]:
        height, width = table.sources.shape[2:]
        raise ConfigError(
            f"shift is {shift}, but the sources of {table.name} have {height}x{width} pixels (height x width) and its "
            f"samples {shape[1]}x{shape[2]}; leave out shift, or give both one size"
        )


def flip_and_shift(batch: Batch, *, flip: bool, shift: int, rng: torch.Generator) -> Batch:
    """Mirror and shift each sample of a batch at random, and its source and target along with it.

    A mirror turns left and right with probability one half. A shift pads each side by `shift` pixels with the values
    at the edge, and cuts a picture of the old size out at a random place.

    Args:
        batch: Pictures (N, C, H, W); a condition of four dimensions is a picture too, any other is left alone.
        flip: Whether to mirror.
        shift: By up to how many pixels to shift, both ways; 0 for not at all.
        rng: A generator on the CPU; nothing is drawn from it for what is not asked.

    Returns:
        A batch of the same shapes, dtypes, devices and memory formats.

    Raises:
        InputError: The samples are no pictures, or a shift is asked of pictures of different sizes.
    """
    if not flip and not shift:
        return batch
    if batch.sample.ndim != 4:
        raise InputError(
            f"a batch has shape {tuple(batch.sample.shape)}; only pictures (N, C, H, W) can be mirrored or shifted"
        )
    count = len(batch.sample)
    mirrored, offsets = torch.zeros(count, dtype=torch.bool), torch.zeros(2, count).long()
    if flip:
        mirrored = draw(lambda n: torch.rand(n, generator=rng) < 0.5, count)
    if shift:
        offsets = draw(lambda n: torch.randint(-shift, shift + 1, (2, n), generator=rng), count, dim=1)

    def moved(pictures: Tensor) -> Tensor:
        if shift and pictures.shape[2:] != batch.sample.shape[2:]:
            raise InputError(
                f"pictures of {tuple(pictures.shape[2:])} and {tuple(batch.sample.shape[2:])} pixels cannot be shifted "
                "together; leave out shift, or give both one size"
            )
        return _moved(pictures, mirrored, offsets)

    sample = moved(batch.sample)
    condition, target = batch.condition, batch.target
    if condition is not None and condition.ndim == 4:
        condition = moved(condition)
    if target is not None:
        target = sample if target is batch.sample else moved(target)
    return replace(batch, sample=sample, condition=condition, target=target)


def _moved(pictures: Tensor, mirrored: Tensor, offsets: Tensor) -> Tensor:
    """Look each pixel up where it comes from: beyond an edge, at the edge.

    Args:
        pictures: (N, C, H, W).
        mirrored: (N,) bool, on the CPU.
        offsets: (2, N) int64, on the CPU: how far down and right each picture is cut out.
    """
    height, width = pictures.shape[2:]
    down, right = offsets.unsqueeze(2)
    rows = (torch.arange(height) + down).clamp(0, height - 1)  # (N, H)
    columns = (torch.arange(width) + right).clamp(0, width - 1)  # (N, W)
    columns = torch.where(mirrored.unsqueeze(1), width - 1 - columns, columns)
    places = (torch.arange(len(pictures))[:, None, None], rows[:, :, None], columns[:, None, :])
    number, row, column = (place.to(pictures.device) for place in places)
    found = pictures[number, :, row, column]  # (N, H, W, C)
    return torch.empty_like(pictures).copy_(found.permute(0, 3, 1, 2))
