"""What translated pictures are worth: how far from their targets, and whether as sharp as real ones."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ganzoo.data.table import Table
from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.metrics.features import BATCH_SIZE

LEVELS = 255  # errors are told in parts of the whole range from black to white


def translations(model: GAN, data: Table, samples: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Translate the data's first sources, without noise, and quantise the results as they would be saved.

    Args:
        model: An image-conditioned model.
        data: Paired pictures.
        samples: How many; at most all.

    Yields:
        Sources, translations and targets of a batch, each uint8 (N, C, H, W).

    Raises:
        InputError: The data has no pairs of uint8 pictures, or they do not fit the model.
    """
    if data.sources is None or not data.paired or data.samples.dtype != torch.uint8:
        raise InputError(
            f"{data.name} holds no pairs of uint8 pictures; give paired data such as 'pairs:DIR' to this model"
        )
    if model.sample_shape != data.sample_shape:
        raise InputError(
            f"the model makes samples of shape {model.sample_shape}, but {data.name} has {data.sample_shape}; "
            "evaluate a model on data like that which it was trained on"
        )
    for rows in torch.split(torch.arange(min(samples, len(data))), BATCH_SIZE):
        batch = data.batch(rows)
        if batch.condition is None:
            raise InputError(f"{data.name} holds no pairs")
        yield data.sources[rows], data.to_data(model.translate(batch.condition)), data.samples[rows]


def measure_pairs(model: GAN, data: Table, samples: int) -> dict[str, float]:
    """Measure translations against their targets.

    Args:
        model: An image-conditioned model.
        data: Paired pictures.
        samples: How many to translate; at most all.

    Returns:
        By name: `absolute_error`, the mean over all values, as a part of the range from black to white;
        `error_over_copying`, that over the error of the source itself, where source and target have one size; and
        `gradient_ratio`, the mean gradient magnitude over the targets' own (below 1: blurred), unless those are flat.

    Raises:
        InputError: As `translations`.
    """
    error = copying = own = real = 0.0
    count, is_comparable = 0, True
    for source, translated, target in translations(model, data, samples):
        error += float((translated.float() - target.float()).abs().sum())
        own += float(gradient_magnitude(translated).sum())
        real += float(gradient_magnitude(target).sum())
        is_comparable = source.shape[2:] == target.shape[2:] and source.shape[1] in (1, target.shape[1])
        if is_comparable:
            copying += float((source.float().expand_as(target) - target.float()).abs().sum())
        count += target.numel()
    values = {"absolute_error": error / count / LEVELS}
    values |= {"gradient_ratio": own / real} if real else {}
    return values | ({"error_over_copying": error / copying} if is_comparable and copying else {})


def gradient_magnitude(pictures: Tensor) -> Tensor:
    """Return each picture's mean gradient magnitude: (N, C, H, W), uint8 -> (N,).

    The gradient at a pixel is that of forward differences, its magnitude the Euclidean norm over both directions.
    """
    values = pictures.float()
    across = values[:, :, :-1, 1:] - values[:, :, :-1, :-1]
    down = values[:, :, 1:, :-1] - values[:, :, :-1, :-1]
    return torch.sqrt(across.square() + down.square()).flatten(1).mean(1)
