"""Batch norm that normalizes by the whole batch, where several processes share it.

torch.nn.SyncBatchNorm does so on GPUs only. This is written in differentiable parts, and so runs on every device.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo.shares import gather


@contextmanager
def synchronizing(networks: Iterable[nn.Module], *, is_asked: bool) -> Iterator[None]:
    """Let the batch norm of networks, while it learns, see the whole batch.

    Args:
        networks: The networks.
        is_asked: Whether to do so at all.
    """
    norms = [module for network in networks for module in network.modules() if isinstance(module, _BatchNorm)]
    changed = norms if is_asked else []
    for norm in changed:
        norm.forward = MethodType(_forward, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in changed:
            del norm.forward


def _forward(norm: _BatchNorm, samples: Tensor) -> Tensor:
    """Normalize (N, C, ...) by mean and variance over all processes; in eval mode as ever."""
    if not norm.training:
        ordinary: Tensor = type(norm).forward(norm, samples)
        return ordinary
    norm._check_input_dim(samples)  # type: ignore[no-untyped-call]
    dims = [dim for dim in range(samples.ndim) if dim != 1]
    # Statistics of bfloat16 or float16 samples are computed in float32, as torch does.
    values = samples.to(torch.promote_types(samples.dtype, torch.float32))
    # The variance of the whole is the mean of the parts' plus the variance of their means; parts are of one size.
    variances, means = torch.var_mean(values, dims, correction=0)  # (C,)
    everyone = gather(torch.stack([means, variances]).unsqueeze(0))  # (processes, 2, C)
    mean = everyone[:, 0].mean(0)
    variance = everyone[:, 1].mean(0) + everyone[:, 0].var(0, correction=0)
    if norm.track_running_stats:
        _move(norm, mean.detach(), variance.detach(), len(everyone) * values.numel() // values.shape[1])
    shape = [1, -1] + [1] * (samples.ndim - 2)
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    normalized = (values - mean.view(shape)) * scale.view(shape)
    if norm.bias is not None:
        normalized = normalized + norm.bias.view(shape)
    return normalized.to(samples.dtype)


@torch.no_grad()
def _move(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Move running statistics, if there are any, towards those of a batch of so many values a channel."""
    running_mean, running_var, batches = norm.running_mean, norm.running_var, norm.num_batches_tracked
    if running_mean is not None and running_var is not None and batches is not None:
        batches.add_(1)
        part = 1.0 / float(batches) if norm.momentum is None else norm.momentum
        running_mean.lerp_(mean.to(running_mean.dtype), part)
        running_var.lerp_((variance * (count / max(count - 1, 1))).to(running_var.dtype), part)
