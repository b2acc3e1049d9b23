"""What a network is conditioned on: nothing, a class label, a vector, or an image."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.errors import InputError

ConditionKind = Literal["none", "label", "vector", "image"]

# Floating-point images may leave [-1, 1] by rounding.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Condition:
    """What one network is conditioned on.

    Attributes:
        kind: `"none"`; `"label"` for labels (N,), int64; `"vector"` for (N, K), floating point; `"image"` for
            (N, C, H, W), floating point in [-1, 1].
        num_classes: The number of classes; labels lie in [0, num_classes). 0 unless kind is `"label"`.
        shape: The shape of one vector (K,) or image (C, H, W); empty for the other kinds.
    """

    kind: ConditionKind = "none"
    num_classes: int = 0
    shape: tuple[int, ...] = ()

    @classmethod
    def label(cls, num_classes: int) -> "Condition":
        """Return the condition on one of `num_classes` labels, or none for 0 classes."""
        return cls("label", num_classes) if num_classes else cls()

    @classmethod
    def vector(cls, size: int) -> "Condition":
        """Return the condition on a vector of `size` numbers, or none for 0."""
        return cls("vector", shape=(size,)) if size else cls()

    @classmethod
    def image(cls, shape: tuple[int, int, int]) -> "Condition":
        """Return the condition on an image (channels, height, width), or none for 0 channels."""
        return cls("image", shape=shape) if shape[0] else cls()

    def __str__(self) -> str:
        """Return words for a message, such as `a label from 0 to 9`."""
        size = "x".join(map(str, self.shape))
        return {
            "none": "nothing",
            "label": f"a label from 0 to {self.num_classes - 1}",
            "vector": f"a vector of {size} numbers",
            "image": f"an image of {size}",
        }[self.kind]

    def check(self, condition: Tensor | None, n: int, *, any_size: bool = False) -> None:
        """Refuse a condition that the network cannot take.

        Args:
            condition: What a caller gave, or None.
            n: The number of samples it is for.
            any_size: Whether the network takes images of other heights and widths too.

        Raises:
            InputError: The condition is missing, not declared, or of the wrong kind, shape, dtype or range.
        """
        if self.kind == "none":
            if condition is not None:
                raise InputError("this model is unconditional and takes no labels and no condition; leave them out")
            return
        what = {"label": "labels", "vector": "the condition", "image": "the condition"}[self.kind]
        if condition is None:
            argument = {"label": "labels", "vector": "condition", "image": "the images"}[self.kind]
            raise InputError(f"this model needs {self} for each sample; pass {argument}")
        expected = (n, *self.shape)
        if any_size and self.kind == "image" and condition.dim() == 4 and 0 not in condition.shape[2:]:
            expected = (n, self.shape[0], *condition.shape[2:])
        fitting = condition.dtype == torch.int64 if self.kind == "label" else condition.is_floating_point()
        if tuple(condition.shape) != expected or not fitting:
            verb = "have" if self.kind == "label" else "has"
            dtype = "torch.int64" if self.kind == "label" else "a floating-point dtype"
            raise InputError(
                f"{what} {verb} shape {tuple(condition.shape)} and dtype {condition.dtype}; "
                f"expected {expected} and {dtype}, {self} for each sample"
            )
        if not condition.numel():
            return
        low, high = (end.item() for end in condition.aminmax())  # NaN spreads to both
        if self.kind == "label" and (low < 0 or high >= self.num_classes):
            raise InputError(f"labels range from {low} to {high}; this model knows 0 to {self.num_classes - 1}")
        if not math.isfinite(low + high):
            raise InputError("the condition holds values that are not finite; give finite ones")
        if self.kind == "image" and not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):
            raise InputError(
                f"the condition's values range from {low:g} to {high:g}; images lie in [-1, 1], so scale them"
            )


def condition_of(network: nn.Module) -> Condition:
    """Return what a network declares to be conditioned on; nothing for a plain module."""
    declared = getattr(network, "condition", None)
    return declared if isinstance(declared, Condition) else Condition()


def takes_any_size(network: nn.Module) -> bool:
    """Tell whether a generator makes samples of images of any size; see `ganzoo.models.architecture.Generator`."""
    return getattr(network, "takes_any_size", False) is True and condition_of(network).kind == "image"


def as_rows(condition: Tensor, declared: Condition, dtype: torch.dtype) -> Tensor:
    """Return labels (N,) as one-hot rows (N, num_classes), and vectors (N, K) as they are, in a floating dtype."""
    return (F.one_hot(condition, declared.num_classes) if declared.kind == "label" else condition).to(dtype)
