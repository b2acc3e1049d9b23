"""A model as the subject of an evaluation: its samples as they would be saved, and an untrained generator's."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from tqdm import tqdm

from ganzoo import zoo
from ganzoo.data.table import Table
from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.metrics.features import BATCH_SIZE
from ganzoo.randomness import hash_seed


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        model: The model, drawn from in eval mode and without truncation.
        data: What its samples shall be like.
        samples: How many are drawn.
        seed: Their seed.
    """

    model: GAN
    data: Table
    samples: int
    seed: int

    @cached_property
    def drawn(self) -> Tensor:
        """The model's samples (samples, *sample_shape) in the data's own units and dtype.

        Raises:
            InputError: They have another shape than the data's, or fewer than 1 is wanted.
        """
        return draw(self.model, self.samples, seed=self.seed, data=self.data)

    @cached_property
    def untrained(self) -> "Subject | None":
        """The same with fresh weights, which are the same every time; None for plain modules."""
        network = self.model.config.networks.get("generator")
        if network is None:
            return None
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(hash_seed("untrained"))
            architecture = zoo.find_architecture(network, "an untrained generator")
            generator = zoo.build_network(architecture, "generator", network.args, network.architecture)
        return replace(self, model=GAN({"generator": generator}, config=self.model.config).eval())

    @property
    def labels(self) -> Tensor | None:
        """The class (samples,) that each sample was asked to be of, i % classes; None for an unconditional model."""
        classes = self.model.condition.num_classes
        return torch.arange(self.samples) % classes if classes else None

    @property
    def architecture(self) -> str:
        """The generator's architecture, or the class of a plain module."""
        return architecture_name(self.model)


def architecture_name(model: GAN) -> str:
    """Return the generator's architecture, or the class of a plain module."""
    network = model.config.networks.get("generator")
    return type(model.generator).__name__ if network is None else network.architecture


def draw(model: GAN, samples: int, *, seed: int, data: Table) -> Tensor:
    """Draw samples, and bring each batch to the data's own units at once, so that pictures take a byte a value.

    Args:
        model: The model.
        samples: How many.
        seed: The seed.
        data: What the samples shall be like.

    Returns:
        (samples, *sample_shape) in the data's dtype; uint8 is rounded as `GAN.to_data` does.

    Raises:
        InputError: The model's samples have another shape than the data's, or fewer than 1 is wanted.
    """
    if model.sample_shape != data.sample_shape:
        raise InputError(
            f"the model makes samples of shape {model.sample_shape}, but {data.name} has {data.sample_shape}; "
            "evaluate a model on data like that which it was trained on"
        )
    vectors = data.vectors if model.condition.kind == "vector" else None
    condition = None if vectors is None else vectors[torch.arange(samples) % len(vectors)]
    chunks = model.iter_samples(samples, seed=seed, condition=condition, batch_size=BATCH_SIZE)
    drawn = torch.empty(samples, *data.sample_shape, dtype=data.samples.dtype)
    start = 0
    with tqdm(total=samples, desc="sampling", unit=" samples", leave=None, disable=None) as progress:
        for chunk in chunks:
            drawn[start : start + len(chunk)] = data.to_data(chunk)
            start += len(chunk)
            progress.update(len(chunk))
    return drawn
