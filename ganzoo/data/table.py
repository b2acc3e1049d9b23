"""One table for all data: samples in their own units, and the affine map that takes them to [-1, 1]."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.errors import DataError, InputError
from ganzoo.models.condition import Condition

# Half of 0..255: the scale and the offset of uint8 pictures.
HALF_BYTE = 127.5

# Float32 rounding may push a value at the end of its range this far (in normalised units) beyond it.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training step gets.

    Attributes:
        sample: `(N, *sample_shape)` float32 in [-1, 1].
        condition: What each sample is conditioned on: labels `(N,)` int64, vectors `(N, K)` float32, source pictures
            `(N, C, H, W)` float32 in [-1, 1], or None.
        target: What a model shall make of the condition, where data is paired: the sample itself; None where it is not.
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
        sources: `(N, C, H, W)`, the picture that each sample is to be made from, in the samples' dtype and range, or
            None; channels and size may differ from the samples'.
        paired: Each sample belongs to the source of its row. If not, sources are pictures of another kind, in any
            number, and nothing says what any of them shall become.
        vectors: `(N, K)` float32, what each sample is conditioned on, or None. A table has at most one of labels,
            vectors and sources.

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
    sources: Tensor | None = None
    vectors: Tensor | None = None
    paired: bool = True

    def __post_init__(self) -> None:
        given = [name for name in ("labels", "vectors", "sources") if getattr(self, name) is not None]
        if len(given) > 1:
            raise DataError(f"{' and '.join(given)} were given for the same samples; give only one of them")
        _check_samples(self)
        _check_labels(self)
        _check_vectors(self)
        _check_sources(self)

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

    @property
    def condition(self) -> Condition:
        """What a model can be conditioned on with this data."""
        if self.sources is not None:
            channels, height, width = self.sources.shape[1:]
            return Condition.image((channels, height, width))
        if self.vectors is not None:
            return Condition.vector(self.vectors.shape[1])
        return Condition.label(self.num_classes)

    def batch(
        self,
        index: Tensor,
        *,
        sources: Tensor | None = None,
        device: torch.device | str = "cpu",
        memory_format: torch.memory_format | None = None,
    ) -> Batch:
        """Gather rows, move them, and normalise them there.

        Args:
            index: `(B,)` int64 row numbers on the CPU; any order, repeats allowed.
            sources: Likewise of the sources, where these are not paired; by default they are taken in turn.
            device: Where the batch shall be.
            memory_format: Such as `torch.channels_last`; has an effect on samples `(C, H, W)` and sources only.

        Returns:
            A batch of B samples, float32 in [-1, 1], with the labels, vectors or sources (if any) as the condition;
            with paired sources, the sample is the target too.
        """

        def gathered(pictures: Tensor, index: Tensor = index) -> Tensor:
            # Moved before it is normalised: uint8 is a quarter of the bytes of float32.
            moved = pictures.index_select(0, index).to(device)
            if memory_format is not None and moved.ndim == 4:
                moved = moved.contiguous(memory_format=memory_format)
            return self.normalise(moved)

        sample = gathered(self.samples)
        if self.sources is not None and not self.paired:
            return Batch(sample, gathered(self.sources, index % len(self.sources) if sources is None else sources))
        if self.sources is not None:
            return Batch(sample, gathered(self.sources), target=sample)
        condition = self.vectors if self.labels is None else self.labels
        return Batch(sample, None if condition is None else condition.index_select(0, index).to(device))

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
        # Samples and labels go without a name: recipes hold the fingerprints of such tables.
        parts = (("", self.samples), ("", self.labels), ("vectors", self.vectors), ("sources", self.sources))
        for name, part in parts:
            if part is not None:
                digest.update(f"{name}{(part.dtype, tuple(part.shape))!r}".encode())
                digest.update(part.contiguous().numpy().data)
        if not self.paired:
            digest.update(b"unpaired")
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
        InputError: The samples are no tensor, or `dtype` is neither uint8 nor a float.
    """
    if not isinstance(samples, Tensor):
        raise InputError(f"the samples are a {type(samples).__name__}; give a tensor, such as torch.as_tensor(samples)")
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
    _check_range(table, samples, "samples")


def _check_range(table: Table, values: Tensor, what: str) -> None:
    if values.dtype == torch.uint8 and table.scale == table.offset == HALF_BYTE:
        return  # nothing can lie beyond; a table may be larger than memory
    # aminmax propagates NaN, so one pass finds values that are not finite too.
    low, high = (float(end) for end in values.aminmax())
    reach = table.scale * (1 + _ROUNDING)
    if not (table.offset - reach <= low and high <= table.offset + reach):
        raise DataError(
            f"{what} lie in [{low:g}, {high:g}], but their stated range is "
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


def _check_vectors(table: Table) -> None:
    vectors, count = table.vectors, len(table.samples)
    if vectors is None:
        return
    if vectors.dtype != torch.float32 or vectors.ndim != 2 or len(vectors) != count or not vectors.numel():
        raise DataError(
            f"vectors are {vectors.dtype} of shape {tuple(vectors.shape)}; "
            f"give one float32 vector a sample, of shape ({count}, K)"
        )
    if not vectors.isfinite().all():
        raise DataError("vectors hold values that are not finite; leave these out or replace them")


def _check_sources(table: Table) -> None:
    sources, count = table.sources, len(table.samples)
    if sources is None:
        if not table.paired:
            raise DataError("the data is said to be unpaired, and there are no sources; give sources, or paired=True")
        return
    fitting = len(sources) == count or not table.paired
    if sources.dtype != table.samples.dtype or sources.ndim != 4 or not fitting or not sources.numel():
        how = f"one picture a sample, {table.samples.dtype} like the samples, of shape ({count}, C, H, W)"
        if not table.paired:
            how = f"pictures, {table.samples.dtype} like the samples, of shape (M, C, H, W)"
        raise DataError(f"sources are {sources.dtype} of shape {tuple(sources.shape)}; give {how}")
    _check_range(table, sources, "sources")
