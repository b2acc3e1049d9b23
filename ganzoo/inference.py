"""A network's copy for inference: batch norm folded, weights laid out and cast once, and never older than the network.

An architecture whose outputs stay the same, up to rounding, when its layers are folded says so by a method `fold()` of
its class, which is called on a deep copy in eval mode (`ganzoo.models.folding` has what it needs). A network whose own
class has none is run as it is, and so is any network with hooks, with parametrized weights such as spectral norm's, or
with a `forward` set from outside.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import is_
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ganzoo.errors import InputError, given

Precision = Literal["fp32", "bf16"]

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
BLOCK = 1024  # numbers of a large weight that are added up
SMALL = 4 * BLOCK  # below, and in other dtypes than float32 and float64, numbers are compared one by one


def check_precision(precision: object) -> None:
    """Refuse what is no precision.

    Raises:
        InputError: It is none.
    """
    if precision not in get_args(Precision):
        raise InputError(f"precision is {given(precision)}; it takes 'fp32' or 'bf16'")


def has_device(device: torch.device | str) -> bool:
    """Tell whether a device, such as `"cpu"` or `"cuda:1"`, is one of this machine."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError):
        return False
    return True


@dataclass(frozen=True)
class Ready:
    """A network to call.

    Attributes:
        network: The network, or its copy.
        dtype: What its floating-point inputs are to be converted to.
        context: Gives a context to call it in.
    """

    network: nn.Module
    dtype: torch.dtype
    context: Callable[[], AbstractContextManager[Any]]


class InferenceCopies:
    """The copies of one network, one for each precision, made when they are first needed and when it has changed.

    Neither copied nor pickled with the model that holds it: a copy of the model makes its own.
    """

    def __init__(self) -> None:
        self._made: dict[Precision, tuple[_State, Ready]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "InferenceCopies":
        return InferenceCopies()

    def __reduce__(self) -> tuple[type["InferenceCopies"], tuple[()]]:
        return InferenceCopies, ()

    def find(self, network: nn.Module, precision: Precision) -> "Ready":
        """Return what computes a network's outputs, up to rounding.

        What has changed in the network since the last call is seen: modules, their attributes, and the numbers in their
        tensors; those that were changed through `.data` or NumPy if by more than rounding beside the largest of 1,024
        neighbours. A list or dictionary that a module holds, and whose content changes, is not.

        Args:
            network: The network, in any mode, which stays as it is.
            precision: `"fp32"` computes in the dtype of the weights, `"bf16"` in bfloat16.
        """
        modules = list(network.modules())
        fold = vars(type(network)).get("fold")
        if fold is None or any(map(_is_special, modules)):
            self._made.clear()
            return as_it_is(network, precision)
        state, ready = self._made.get(precision, (None, None))
        if state is None or ready is None or not state.is_still_that_of(modules):
            self._made.pop(precision, None)  # before the next is made, so that memory holds one
            state, ready = _State(modules), _folded(network, fold, precision)
            self._made[precision] = state, ready
        return ready


def _is_special(module: nn.Module) -> bool:
    """Tell whether calling a module does more than its class says."""
    attributes = vars(module)
    return any(attributes[name] for name in HOOKS) or "forward" in attributes or "parametrizations" in module._modules


def as_it_is(network: nn.Module, precision: Precision) -> Ready:
    """Return a network itself, to be called in eval mode.

    Args:
        network: The network, in any mode.
        precision: `"fp32"` computes in the dtype of the weights, `"bf16"` under autocast.
    """
    return Ready(network, next(network.parameters()).dtype, partial(_evaluating_in, network, precision))


@contextmanager
def _evaluating_in(network: nn.Module, precision: Precision) -> Iterator[None]:
    device = next(network.parameters()).device.type
    casts = torch.autocast(device, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
    with evaluating(network), casts:
        yield


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode, and each of its modules back into the mode it had."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _folded(network: nn.Module, fold: Callable[[nn.Module], None], precision: Precision) -> Ready:
    dtype = torch.bfloat16 if precision == "bf16" else next(network.parameters()).dtype
    with torch.inference_mode(False), torch.no_grad():
        folded = copy.deepcopy(network).eval().requires_grad_(False)
        fold(folded)
        folded.to(dtype)
        for module in folded.modules() if precision == "bf16" else ():
            if isinstance(module, _NormBase):
                module.float()  # statistics of few bits would cost accuracy, and gain no time
        return Ready(folded.to(memory_format=torch.channels_last), dtype, nullcontext)


class _State:
    """What a network's outputs in eval mode depend on, to be compared with what it is later."""

    def __init__(self, modules: list[nn.Module]) -> None:
        self._modules = modules
        self._attributes = list(_attributes(modules))
        self._tensors = list(_tensors(modules))
        self._addresses = [tensor.data_ptr() for tensor in self._tensors]
        self._versions = list(map(_version, self._tensors))
        # Rows of the same memory, which thereby stays taken: no later tensor can come to lie at an old one's address.
        rows = [_flat(tensor) for tensor in self._tensors]
        large = [row for row in rows if row.numel() >= SMALL and row.dtype in (torch.float32, torch.float64)]
        whole = [row.numel() // BLOCK * BLOCK for row in large]
        exact = [row for row in rows if not any(row is each for each in large)]
        exact += [row[end:] for row, end in zip(large, whole, strict=True)]
        self._exact = [[row for row in exact if row.dtype == dtype] for dtype in {row.dtype for row in exact}]
        self._blocks = [row[:end].view(-1, BLOCK) for row, end in zip(large, whole, strict=True)]
        factors = torch.rand(BLOCK, generator=torch.Generator().manual_seed(0)) + 0.5
        self._factors = [factors.to(block) for block in self._blocks]
        self._noted = self._numbers()

    def is_still_that_of(self, modules: list[nn.Module]) -> bool:
        """Tell whether these modules are the same, with the same attributes and the same numbers in their tensors."""
        return (
            _same(modules, self._modules)
            and _same(_attributes(modules), self._attributes)
            and _same(_tensors(modules), self._tensors)
            and [tensor.data_ptr() for tensor in self._tensors] == self._addresses
            and list(map(_version, self._tensors)) == self._versions
            and all(map(torch.equal, self._numbers(), self._noted))
        )

    def _numbers(self) -> list[Tensor]:
        """Return numbers that change when one in any tensor does by more than rounding.

        They are small tensors as they are, and sums of the blocks of large ones, with factors that are all different,
        so that exchanged numbers and signs show too. The versions that tensors count of themselves see every change,
        but not what is done through `.data` or NumPy.
        """
        with torch.no_grad():
            exact = [torch.cat(rows) for rows in self._exact]
            return [*exact, *(block @ each for block, each in zip(self._blocks, self._factors, strict=True))]


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _same(found: Iterable[object], noted: Sequence[object]) -> bool:
    found = list(found)
    return len(found) == len(noted) and all(map(is_, found, noted))


def _attributes(modules: Iterable[nn.Module]) -> Iterator[object]:
    for module in modules:
        yield from (value for name, value in vars(module).items() if name != "training")


def _tensors(modules: Iterable[nn.Module]) -> Iterator[Tensor]:
    for module in modules:
        for tensor in chain(module._parameters.values(), module._buffers.values()):
            if tensor is not None:
                yield tensor


def _flat(tensor: Tensor) -> Tensor:
    """Return a tensor's memory, of any layout, as one row."""
    last = sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.detach().as_strided((last + 1 if tensor.numel() else 0,), (1,))
