"""Number formats: what networks compute in, how gradients survive float16, and when networks are compiled."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.data.table import Batch
from ganzoo.errors import ConfigError

LEAST_SCALE = 1.0  # of a loss in float16; gradients that overflow below it are not float16's fault

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def weight_dtype(precision: str) -> torch.dtype:
    """Return the dtype of weights in training, which is also that of data, losses and averages."""
    return torch.float64 if precision == "fp64" else torch.float32


def autocasting(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context of a forward pass: autocast for bf16 and fp16, nothing for fp32 and fp64."""
    dtype = _AUTOCAST.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def as_double(batch: Batch) -> Batch:
    """Return a batch in float64; labels stay whole numbers."""

    def double(values: Tensor | None) -> Tensor | None:
        return values.double() if values is not None and values.is_floating_point() else values

    sample = batch.sample.double()
    target = sample if batch.target is batch.sample else double(batch.target)
    return replace(batch, sample=sample, condition=double(batch.condition), target=target)


def create_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler | None:
    """Return what keeps small gradients above float16's smallest number; None for the other precisions."""
    return torch.amp.GradScaler(device.type) if precision == "fp16" else None


@contextmanager
def compiling(networks: Iterable[nn.Module], *, is_asked: bool) -> Iterator[None]:
    """Run the forward passes of networks through torch.compile; their names and weights stay as they are.

    Args:
        networks: The networks.
        is_asked: Whether to do so at all.

    Raises:
        ConfigError: They cannot be compiled here, such as without a C++ compiler.
    """
    compiled = list(networks) if is_asked else []
    for network in compiled:
        network.compile()
    try:
        yield
    except Exception as error:
        if not (compiled and type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))):
            raise
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"torch.compile cannot compile these networks here ({reason}); leave out compile") from error
    finally:
        for network in compiled:
            network._compiled_call_impl = None


def uncompiled(*, is_asked: bool) -> AbstractContextManager[Any]:
    """Return the context of a pass that is differentiated twice, which torch.compile does not support."""
    return torch.compiler.set_stance("force_eager") if is_asked else nullcontext()
