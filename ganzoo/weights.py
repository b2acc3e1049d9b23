"""Weights in and out of safetensors: whole files, strict keys and shapes, finite values."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as serialize_tensors
from torch import Tensor, nn

from ganzoo import files
from ganzoo.config import DtypeName
from ganzoo.errors import WeightsError, printable

DTYPES: dict[torch.dtype, DtypeName] = {
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float32: "float32",
    torch.float64: "float64",
}


def dtype_name(dtype: torch.dtype) -> DtypeName:
    """Return a floating-point dtype's name as config.json has it.

    Raises:
        WeightsError: Weights cannot be stored so.
    """
    if not isinstance(dtype, torch.dtype) or dtype not in DTYPES:
        raise WeightsError(f"weights cannot be stored as {dtype!r}; it takes {', '.join(map(str, DTYPES))}")
    return DTYPES[dtype]


def save_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> str:
    """Write tensors to a safetensors file, whole or not at all.

    Args:
        path: The file.
        tensors: Tensors by name, on any device.
        dtype: The dtype to store floating-point tensors in; None keeps each as it is.

    Returns:
        The file's SHA-256, as 64 hex digits.

    Raises:
        WeightsError: A tensor is not finite, also after conversion to `dtype`.
        OutputError: The file cannot be written.
    """
    files.write_bytes(path, to_bytes(tensors, dtype))
    return files.sha256(path)


def to_bytes(tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> bytes:
    """Return the content of a safetensors file; arguments and refusals as for `save_tensors`."""
    stored: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, given in tensors.items():
        tensor = _to_store(name, given, dtype)
        # Tied weights are one tensor under several names, and the format wants each in its own memory.
        stored[name] = tensor.clone() if tensor.untyped_storage().data_ptr() in storages else tensor
        storages.add(stored[name].untyped_storage().data_ptr())
    return serialize_tensors(stored)


def _to_store(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach()
    if tensor.is_floating_point():
        tensor = tensor.to(dtype or tensor.dtype)
        if not tensor.isfinite().all():
            raise WeightsError(
                f"the tensor {name!r} holds values that are not finite in {tensor.dtype}; nothing was saved"
            )
    return tensor.cpu().contiguous()


def read_tensors(
    path: str | os.PathLike[str], sha256: str = "", largest_header: int | None = None
) -> dict[str, Tensor]:
    """Read a safetensors file.

    Args:
        path: The file.
        sha256: The digest the file must have; empty asks for none.
        largest_header: Refuse the file, before a tensor is made, if its header has more bytes; None: as safetensors.

    Returns:
        The tensors by name, on the CPU, in the dtypes of the file.

    Raises:
        WeightsError: The file is missing, damaged, has another digest or a larger header.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {str(path)!r}: {error.strerror or error}") from error
    if sha256 and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise WeightsError(
            f"the weights {str(path)!r} are damaged: their sha256 is {found[:12]}..., expected {sha256[:12]}...; "
            "fetch or install them again"
        )
    header = int.from_bytes(content[:8], "little")
    if largest_header is not None and header > largest_header:
        raise WeightsError(
            f"the weights {str(path)!r} cannot be read: their header should have {header} bytes, and this network's "
            f"takes at most {largest_header}; fetch them again, or tell their author"
        )
    try:
        return parse_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"the weights {str(path)!r} cannot be read: {printable(str(error))[:200]}") from error


def assign(module: nn.Module, tensors: Mapping[str, Tensor], what: str, dtype: torch.dtype = torch.float32) -> None:
    """Give a module exactly these tensors as parameters and buffers; it may have been built on the meta device.

    What was one parameter under several names stays one.

    Args:
        module: The network.
        tensors: Every parameter and buffer of it by name, and no other.
        what: Whose weights they are, for messages.
        dtype: What floating-point tensors are converted to.

    Raises:
        WeightsError: Tensors are missing, left over, misshapen, of the wrong kind, or not finite, also after conversion
            to `dtype`; nothing is changed.
    """
    converted = {name: tensor.to(dtype) if tensor.dtype in DTYPES else tensor for name, tensor in tensors.items()}
    expected = _check_fit(module, converted, what)
    exact = {name: t if t.dtype in DTYPES else t.to(expected[name].dtype) for name, t in converted.items()}
    before = list(module.named_parameters(remove_duplicate=False))
    module.load_state_dict(exact, strict=True, assign=True)
    tied: dict[nn.Parameter, nn.Parameter] = {}  # assigning has made a parameter for each name
    for name, parameter in before:
        owner, _, attribute = name.rpartition(".")
        part = module.get_submodule(owner)
        setattr(part, attribute, tied.setdefault(parameter, getattr(part, attribute)))


def copy_into(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Copy exactly these tensors into a module's own, which keep their dtype, device and memory format.

    Raises:
        WeightsError: As `assign`; nothing is changed.
    """
    _check_fit(module, tensors, what)
    module.load_state_dict(dict(tensors), strict=True)


def largest_file(module: nn.Module) -> int:
    """Return how many bytes a weights file for a module can have, whatever dtype it is stored in.

    Args:
        module: The network; it may be on the meta device.
    """
    content: int = sum(8 * tensor.numel() for tensor in module.state_dict().values())
    return 8 + largest_header(module) + content


def largest_header(module: nn.Module) -> int:
    """Return how many bytes the header of a module's weights file can have: each tensor's entry, and some metadata.

    A tensor takes far more memory than its entry in the header, so this bounds what a file of many empty ones takes.

    Args:
        module: The network; it may be on the meta device.
    """
    return 2**16 + sum(len(json.dumps(name)) + 256 for name in module.state_dict())


def _check_fit(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Return the module's own tensors by name, after refusing any others than these."""
    expected: dict[str, Tensor] = module.state_dict()
    problems = [f"missing {name!r}" for name in expected if name not in tensors]
    for name, tensor in tensors.items():
        if name not in expected:
            problems.append(f"unexpected {name[:100]!r}")
        elif tensor.shape != expected[name].shape:
            problems.append(f"{name!r} has shape {tuple(tensor.shape)} instead of {tuple(expected[name].shape)}")
        elif (tensor.dtype in DTYPES) != (expected[name].dtype in DTYPES):
            problems.append(f"{name!r} has dtype {tensor.dtype} instead of {expected[name].dtype}")
        elif tensor.dtype in DTYPES and not tensor.isfinite().all():
            problems.append(f"{name!r} holds values that are not finite")
    if problems:
        more = f", and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise WeightsError(f"the weights of {what} do not fit its architecture: {', '.join(problems[:10])}{more}")
    return expected
