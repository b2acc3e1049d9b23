"""The contract between architectures and everything that uses them.

An architecture file holds a config dataclass, its networks, a function that fits the config to data, and one
`Architecture` that names the three. Networks derive from `Generator` and `Discriminator`, which declare the attributes
that sampling and training rely on; a plain `nn.Module` with the same attributes does as well.

Loading builds a network on the meta device, where tensors have shapes but no values, and gives it the saved parameters
and buffers. A constructor that needs values (`.item()`), or makes tensors that are not saved (plain attributes in lists
and dicts at most, buffers with `persistent=False`), is run again on the CPU. The config's checks must bound the sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganzoo.errors import InputError


@dataclass(frozen=True)
class Condition:
    """What one network is conditioned on: nothing, or a class label.

    Attributes:
        kind: `"none"`, or `"label"` for labels of shape (N,), int64.
        num_classes: The number of classes; labels lie in [0, num_classes). 0 unless kind is `"label"`.
    """

    kind: Literal["none", "label"] = "none"
    num_classes: int = 0

    @classmethod
    def label(cls, num_classes: int) -> "Condition":
        """Return the condition on one of `num_classes` labels, or none for 0 classes."""
        return cls("label", num_classes) if num_classes else cls()

    def check(self, condition: Tensor | None, n: int) -> None:
        """Refuse a condition that the network cannot take.

        Args:
            condition: What a caller gave: labels of shape (n,), int64, or None.
            n: The number of samples it is for.

        Raises:
            InputError: The condition is missing, not declared, or of the wrong shape, dtype or range.
        """
        if self.kind == "none":
            if condition is not None:
                raise InputError("this model is unconditional and takes no labels; leave labels out")
            return
        if condition is None:
            raise InputError(f"this model needs a label from 0 to {self.num_classes - 1} for each sample; pass labels")
        if condition.shape != (n,) or condition.dtype != torch.int64:
            raise InputError(
                f"labels have shape {tuple(condition.shape)} and dtype {condition.dtype}; "
                f"expected ({n},) and torch.int64, one label for each sample"
            )
        low, high = (int(condition.min()), int(condition.max())) if n else (0, 0)
        if low < 0 or high >= self.num_classes:
            raise InputError(f"labels range from {low} to {high}; this model knows 0 to {self.num_classes - 1}")


class Generator(nn.Module):
    """Latents to samples: `forward(latent, condition) -> samples`.

    `latent` has shape (N, latent_dim); the samples have shape (N, *sample_shape) and lie in [-1, 1].

    Attributes:
        latent_dim: The length of a latent.
        sample_shape: The shape of one sample.
        condition: What `forward` expects as its second argument.
    """

    latent_dim: int
    sample_shape: tuple[int, ...]
    condition: Condition = Condition()

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to samples (N, *sample_shape) in [-1, 1]."""
        raise NotImplementedError


class Discriminator(nn.Module):
    """Samples to logits, high on real: `forward(sample, condition) -> logits`, never through a sigmoid.

    Logits have shape (N,), or (N, 1, h, w) for patches.

    Attributes:
        sample_shape: The shape of one sample.
        condition: What `forward` expects as its second argument.
    """

    sample_shape: tuple[int, ...]
    condition: Condition = Condition()

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the hidden feature tensors of samples (N, *sample_shape), shallow to deep."""
        raise NotImplementedError

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map samples (N, *sample_shape) to logits (N,), or (N, 1, h, w) for patches."""
        raise NotImplementedError


@dataclass(frozen=True)
class Architecture:
    """A registered architecture: how its networks are built, and how it is fitted to data.

    Attributes:
        config_class: A frozen keyword-only dataclass of plain values; its `__post_init__` checks ranges.
        networks: For each network, what builds it from a config, with fresh weights.
        arguments_for: Gives the config arguments that fit samples of a shape and a number of classes (0: unlabelled).
    """

    config_class: type[Any]
    networks: Mapping[str, Callable[[Any], nn.Module]]
    arguments_for: Callable[[tuple[int, ...], int], dict[str, Any]] = field(repr=False)


def condition_of(network: nn.Module) -> Condition:
    """Return what a network declares to be conditioned on; nothing for a plain module."""
    declared = getattr(network, "condition", None)
    return declared if isinstance(declared, Condition) else Condition()


def call(network: nn.Module, value: Tensor, condition: Tensor | None) -> Tensor:
    """Call a network, with the condition only if it declares one."""
    result: Tensor = network(value) if condition_of(network).kind == "none" else network(value, condition)
    return result
