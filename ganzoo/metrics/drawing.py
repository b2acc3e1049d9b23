"""Draw a model's samples as they would be saved, and build the untrained generator beside it."""

import torch
from torch import Tensor
from tqdm import tqdm

from ganzoo import zoo
from ganzoo.data.table import Table
from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.metrics.features import BATCH_SIZE
from ganzoo.randomness import hash_seed


def draw(model: GAN, samples: int, *, seed: int, data: Table, description: str = "sampling") -> Tensor:
    """Draw samples in the data's own units: pictures as uint8, so that memory grows by a byte a pixel.

    Args:
        model: Drawn from in eval mode, without truncation; sample i of a conditional model has label i % classes.
        samples: How many.
        seed: The seed.
        data: What the samples shall be like.
        description: What the progress bar on stderr says.

    Returns:
        (samples, *sample_shape) in the data's dtype.

    Raises:
        InputError: The model's samples have another shape than the data's.
    """
    if model.sample_shape != data.sample_shape:
        raise InputError(
            f"the model makes samples of shape {model.sample_shape}, but {data.name} has {data.sample_shape}; "
            "evaluate a model on data like that which it was trained on"
        )
    drawn = torch.empty(samples, *data.sample_shape, dtype=data.samples.dtype)
    start = 0
    with tqdm(total=samples, desc=description, unit="sample", leave=False) as progress:
        for chunk in model.iter_samples(samples, seed=seed, batch_size=BATCH_SIZE):
            drawn[start : start + len(chunk)] = data.to_data(chunk)
            start += len(chunk)
            progress.update(len(chunk))
    return drawn


def untrained(model: GAN) -> GAN | None:
    """Build a model like this one with fresh weights, the same every time; None for plain modules.

    Raises:
        UnknownNameError: The architecture's plugin is no longer there.
    """
    network = model.config.networks.get("generator")
    if network is None:
        return None
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(hash_seed("untrained"))
        return zoo.create_model(network.architecture, **network.args)
