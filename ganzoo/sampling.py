"""Drawing from a generator: conditions as callers give them, and samples batch by batch."""

import operator
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo import randomness
from ganzoo.errors import InputError, given
from ganzoo.inference import InferenceCopies, Precision
from ganzoo.models.architecture import call
from ganzoo.models.condition import Condition, condition_of, takes_any_size
from ganzoo.models.noise import drawing_noise, has_noise

Array = Tensor | np.ndarray[Any, Any] | Sequence[Any]  # of numbers, as torch.as_tensor takes them
Labels = int | Array
MOST_PIXELS = 2**22  # of a picture that is translated in its own size
INTEGERS = (
    torch.int8,
    torch.int16,
    torch.int32,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)  # besides int64


def whole(what: str, value: object, low: int) -> int:
    """Return a whole number, Python's or NumPy's, as Python's.

    Raises:
        InputError: It is none, or below `low`.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{what} is {given(value)}; it takes a whole number from {low}") from None
    if number < low:
        raise InputError(f"{what} is {number}; it takes a whole number from {low}")
    return number


def as_tensor(what: str, value: object, accepted: str) -> Tensor:
    """Return numbers, lists of them or an array as a tensor.

    Raises:
        InputError: They are none.
    """
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:  # text, ragged lists, numbers beyond int64
        raise InputError(f"{what} cannot be read: {error}; give {accepted}") from error


def check_tensor(what: str, value: object) -> None:
    """Refuse what is no tensor.

    Raises:
        InputError: It is none.
    """
    if not isinstance(value, Tensor):
        raise InputError(
            f"{what}: a value of type {type(value).__name__} was given; it takes a tensor, so use torch.as_tensor"
        )


def choose_condition(declared: Condition, n: int, labels: Labels | None, condition: Array | None) -> Tensor | None:
    """Return the condition of each of n samples.

    Args:
        declared: What the generator is conditioned on.
        n: How many samples.
        labels: One label for all, or one for each; by default sample i has the label i % num_classes.
        condition: The condition itself, a tensor, an array or a list: one for all, or one for each.

    Raises:
        InputError: They do not fit what is declared, or both are given.
    """
    if labels is not None and condition is not None:
        raise InputError("labels and condition were both given; give one of them")
    if declared.kind == "label" and labels is None and condition is None:
        return torch.arange(n) % declared.num_classes
    if declared.kind in ("vector", "image") and labels is not None:
        raise InputError(f"labels were given, and this model needs {declared} for each sample; pass condition=...")
    if labels is not None:
        condition = as_tensor("labels", labels, "one whole number, or one for each sample")
    elif condition is not None:
        condition = as_tensor("the condition", condition, "a tensor, an array or a list of numbers")
    if condition is not None and declared.kind == "label" and condition.dtype in INTEGERS:
        condition = condition.long()
    if condition is not None and tuple(condition.shape) == declared.shape:
        condition = condition.expand(n, *condition.shape)  # one for all
    declared.check(condition, n)
    return condition


def stacked(images: Sequence[Tensor]) -> Tensor:
    """Return images (C, H, W) as one tensor (N, C, H, W).

    Raises:
        InputError: They are not all of one size.
    """
    if sizes := sorted({f"{each.shape[2]}x{each.shape[1]}" for each in images})[1:]:
        raise InputError(
            f"pictures of different sizes ({sizes[0]} is one) were given to translate together, and this model keeps "
            "sizes; give them one at a time"
        )
    return torch.stack(list(images)) if images else torch.empty(0)


def check_images(generator: nn.Module, images: Tensor) -> None:
    """Refuse images (N, C, H, W) that a generator cannot translate.

    Raises:
        InputError: They are not what it declares, or too large for one that takes any size.
    """
    any_size = takes_any_size(generator)
    condition_of(generator).check(images, len(images), any_size=any_size)
    if any_size and images.shape[2] * images.shape[3] > MOST_PIXELS:
        raise InputError(
            f"a picture of {images.shape[3]}x{images.shape[2]} pixels was given to translate; it takes up to "
            f"{MOST_PIXELS:,} pixels, so give a part of it, or a smaller one"
        )


def draw_chunks(
    generator: nn.Module,
    latent_dim: int,
    n: int,
    *,
    seed: int | None,
    condition: Tensor | None,
    truncation: float | None,
    size: int,
    copies: InferenceCopies,
    precision: Precision,
) -> Iterator[Tensor]:
    """Generate samples batch by batch, in eval mode, sample i from (seed, i) alone.

    All come from the weights as they are when the first batch is asked for, unless the network is run as it is.

    Args:
        generator: The network.
        latent_dim: The length of its latents; 0 for none.
        n: How many samples.
        seed: The seed of latents and noise; None for latents of 0 and no noise.
        condition: Conditions (n, ...), or None.
        truncation: Cut latents off at plus and minus this.
        size: The batch size.
        copies: The network's copies for inference.
        precision: What to compute in.

    Yields:
        Samples (at most size, *sample_shape), float32, on the CPU.
    """
    ready = copies.find(generator, precision)
    network, device = ready.network, next(generator.parameters()).device
    is_noisy = seed is not None and has_noise(network)
    for start in range(0, n, size):
        stop = min(start + size, n)
        latents = None
        if latent_dim and seed is None:
            latents = torch.zeros(stop - start, latent_dim)
        elif latent_dim and seed is not None:
            latents = randomness.latents(start, stop, latent_dim, seed=seed, truncation=truncation)
        latents = None if latents is None else latents.to(device, ready.dtype)
        chunk = None if condition is None else condition[start:stop].to(device)
        if chunk is not None and chunk.is_floating_point():
            chunk = chunk.to(ready.dtype)
        noise = drawing_noise(network, seed, start, stop) if is_noisy and seed is not None else nullcontext()
        with torch.inference_mode(), ready.context(), noise:
            samples = generate(network, latent_dim, latents, chunk)
        # In ordinary memory, outside of inference mode: the caller gets an ordinary tensor.
        yield samples.float().cpu().clone(memory_format=torch.contiguous_format)


def generate(generator: nn.Module, latent_dim: int, latents: Tensor | None, condition: Tensor | None) -> Tensor:
    """Run a generator on latents and conditions that fit it.

    Raises:
        InputError: They do not.
    """
    for what, value in (("latents", latents), ("the condition", condition)):
        if value is not None:
            check_tensor(what, value)
    if latent_dim == 0 and latents is not None:
        raise InputError(f"latents of shape {tuple(latents.shape)} were given; this model takes None")
    if latent_dim and (latents is None or latents.dim() != 2 or latents.shape[1] != latent_dim):
        shape = None if latents is None else tuple(latents.shape)
        raise InputError(f"latents have shape {shape}; this model takes (N, {latent_dim})")
    n = 0 if latents is None and condition is None else len(condition if latents is None else latents)  # type: ignore[arg-type]
    condition_of(generator).check(condition, n, any_size=takes_any_size(generator))
    return call(generator, latents, condition)
