"""One table for all data: samples in their own units, and the affine map that takes them to [-1, 1]."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.errors import DataError, InputError

# Half of 0..255: the scale and the offset of uint8 pictures.
HALF_BYTE = 127.5

# Float32 rounding may push a value at the end of its range this far (in normalised units) beyond it.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training step gets.

    Attributes:
        sample: `(N, *sample_shape)` float32 in [-1, 1].
        condition: What each sample is conditioned on: labels `(N,)` int64, or None.
        target: What a paired model shall produce; None for unpaired data.
    """

    sample: Tensor
    condition: Tensor | None = None
    target: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A data set, decoded once and kept in memory in the data's own units.

    Attributes:
        samples: `(N, *sample_shape)`, uint8 or float32, on the CPU.
        labels: `(N,)` int64 in `0 .. num_classes - 1`, or None.
        class_names: One name a class; empty when unlabelled.
        scale: Half the width of the data's range; `(data - offset) / scale` lies in [-1, 1].
        offset: The middle of the data's range.
        name: What the data is called in messages and model cards.
        license: The licence of the data, where known.
        source: The text from which `open_data` opens the table again; None for data that only Python holds.

    Raises:
        DataError: A shape, dtype or value is not as above.
    """

    samples: Tensor
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    scale: float = HALF_BYTE
    offset: float = HALF_BYTE
    name: str = "data"
    license: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        _check_samples(self)
        _check_labels(self)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample, such as `(1, 28, 28)` or `(2,)`."""
        return tuple(self.samples.shape[1:])

    @property
    def num_classes(self) -> int:
        """How many classes there are; 0 when unlabelled."""
        return len(self.class_names)

    def batch(
        self, index: Tensor, *, device: torch.device | str = "cpu", memory_format: torch.memory_format | None = None
    ) -> Batch:
        """Gather rows, move them, and normalise them there.

        Args:
            index: `(B,)` int64 row numbers on the CPU; any order, repeats allowed.
            device: Where the batch shall be.
            memory_format: Such as `torch.channels_last`; has an effect on samples `(C, H, W)` only.

        Returns:
            A batch of B samples, float32 in [-1, 1], with the labels (if any) as the condition.
        """
        # Moved before it is normalised: uint8 is a quarter of the bytes of float32.
        gathered = self.samples.index_select(0, index).to(device)
        labels = None if self.labels is None else self.labels.index_select(0, index).to(device)
        if memory_format is not None and gathered.ndim == 4:
            gathered = gathered.contiguous(memory_format=memory_format)
        return Batch(self.normalise(gathered), labels)

    def normalise(self, samples: Tensor) -> Tensor:
        """Take samples from the data's own units to [-1, 1].

        Args:
            samples: Any shape, uint8 or float, in the data's own units; left as they are.

        Returns:
            The same shape and device, float32.
        """
        # `copy=True`, so that working in place never writes into the table.
        return samples.to(torch.float32, copy=True).sub_(self.offset).div_(self.scale)

    def to_data(self, samples: Tensor) -> Tensor:
        """Take samples from [-1, 1] to the data's own units and dtype; see the function `to_data`."""
        return to_data(samples, self.scale, self.offset, self.samples.dtype)

    def fingerprint(self) -> str:
        """Return a SHA-256 (64 hex digits) of everything training can see, so that other data is noticed."""
        digest = hashlib.sha256(repr((self.scale, self.offset)).encode())
        for part in (self.samples, self.labels):
            if part is not None:
                digest.update(repr((part.dtype, tuple(part.shape))).encode())
                digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()


def to_data(samples: Tensor, scale: float, offset: float, dtype: torch.dtype) -> Tensor:
    """Take samples from [-1, 1] to the data's own units, `samples * scale + offset`.

    Args:
        samples: Any shape, float.
        scale: Half the width of the data's range.
        offset: The middle of the data's range.
        dtype: `torch.uint8` rounds half to even and clamps to 0..255; a float dtype does neither.

    Returns:
        The same shape and device, of `dtype`.

    Raises:
        InputError: `dtype` is neither uint8 nor a float.
    """
    data = samples.to(torch.float32) * scale + offset
    if dtype == torch.uint8:
        return data.round_().clamp_(0, 255).to(torch.uint8)
    if dtype.is_floating_point:
        return data.to(dtype)
    raise InputError(f"samples cannot be given as {dtype}; use torch.uint8 or a float dtype")


def scale_and_offset(low: float, high: float) -> tuple[float, float]:
    """Return the `scale` and `offset` that take the range `[low, high]` to [-1, 1]."""
    return (high - low) / 2, (high + low) / 2


def _check_samples(table: Table) -> None:
    samples = table.samples
    if samples.dtype not in (torch.uint8, torch.float32):
        raise DataError(f"samples are {samples.dtype}; a table holds torch.uint8 or torch.float32, so convert them")
    if samples.ndim < 2 or samples.numel() == 0:
        raise DataError(f"samples have shape {tuple(samples.shape)}; give at least one sample, as (N, *sample_shape)")
    if not 0 < table.scale < float("inf"):
        raise DataError(f"scale is {table.scale}; it is half the width of the data's range, so give a positive number")
    # aminmax propagates NaN, so one pass finds values that are not finite too.
    low, high = (float(end) for end in samples.aminmax())
    reach = table.scale * (1 + _ROUNDING)
    if not (table.offset - reach <= low and high <= table.offset + reach):
        raise DataError(
            f"samples lie in [{low:g}, {high:g}], but their stated range is "
            f"[{table.offset - table.scale:g}, {table.offset + table.scale:g}]; "
            "state a range that holds every sample, and leave out values that are not finite"
        )


def _check_labels(table: Table) -> None:
    labels = table.labels
    if labels is None:
        if table.class_names:
            raise DataError(f"{len(table.class_names)} class names but no labels; give both or neither")
        return
    if labels.dtype != torch.int64 or labels.shape != (len(table.samples),):
        raise DataError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; "
            f"give one int64 label a sample, of shape ({len(table.samples)},)"
        )
    low, high = (int(end) for end in labels.aminmax())
    if low < 0 or high >= len(table.class_names):
        raise DataError(
            f"labels lie in {low}..{high}, but there are {len(table.class_names)} class names; "
            "count classes from 0 and name each of them"
        )
