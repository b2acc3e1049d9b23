"""The share of a batch that this process has, where several processes train together.

Each process computes with its slice of every batch. What is drawn for a batch is drawn for the whole of it, and what is
averaged over a batch is averaged over the whole of it, so that the numbers do not depend on how many share the work.
Outside `sharing`, and so in a single process, the share is everything and these functions cost nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """Which part of each batch this process has.

    Attributes:
        number: This process, from 0.
        count: How many processes there are.
    """

    number: int = 0
    count: int = 1


EVERYTHING = Share()
_share = ContextVar("share", default=EVERYTHING)


@contextmanager
def sharing(share: Share) -> Iterator[None]:
    """Let the functions of this module be about a share; its processes must be a process group of torch.distributed.

    Args:
        share: The share of this process.
    """
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


def cut(whole: Tensor, dim: int = 0) -> Tensor:
    """Return this process's rows of a whole batch: (N, ...) -> (N / processes, ...).

    Args:
        whole: Something of every sample, the same in all processes.
        dim: The dimension that counts samples.
    """
    share = _share.get()
    if share.count == 1:
        return whole
    rows = whole.shape[dim] // share.count
    return whole.narrow(dim, share.number * rows, rows)


def draw(make: Callable[[int], Tensor], samples: int, dim: int = 0) -> Tensor:
    """Draw something for each sample of this process, as its part of a draw for the whole batch.

    Args:
        make: Draws for so many samples, such as `lambda n: torch.rand(n, generator=rng)`.
        samples: How many samples this process has.
        dim: The dimension of the draw that counts samples.

    Returns:
        What was drawn for the samples of this process.
    """
    return cut(make(samples * _share.get().count), dim)


def gather(part: Tensor, *, is_shared: bool = False) -> Tensor:
    """Return what all processes have, one after the other: (n, ...) -> (n * processes, ...), differentiably.

    The gradient is that of the mean over processes of what each minimises, times the number of processes: the trainer
    averages gradients over processes afterwards.

    Args:
        part: This process's rows, of the same shape in all processes.
        is_shared: All processes compute the same from what is gathered, so that its gradient is known to each.
    """
    share = _share.get()
    if share.count == 1:
        return part
    gathered: Tensor = _Gather.apply(part, share, is_shared)
    return gathered


def batch_mean(values: Tensor) -> Tensor:
    """Return the mean over the whole batch, differentiably: (n, ...) -> (...), in float32 or finer.

    Args:
        values: One value a sample of this process.
    """
    # Two means that are close would be equal in bfloat16.
    mean = values.mean(0, dtype=torch.promote_types(values.dtype, torch.float32))
    return mean if _share.get().count == 1 else gather(mean.unsqueeze(0)).mean(0)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, share: Share, is_shared: bool) -> Tensor:
        ctx.share, ctx.is_shared = share, is_shared
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(share.count)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows = len(gradient) // ctx.share.count
        start = ctx.share.number * rows
        if ctx.is_shared:
            return gradient[start : start + rows] * ctx.share.count, None, None
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient[start : start + rows], None, None
