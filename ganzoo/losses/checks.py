"""Checks of arguments that several terms share."""

import math
from numbers import Real

from torch import Tensor

from ganzoo.errors import ConfigError, ObjectiveError, given


def check_numbers(owner: str, **values: object) -> None:
    """Refuse a term's argument that is no number.

    Args:
        owner: The term's name.
        values: Its arguments by name.

    Raises:
        ConfigError: One is text, true or false, or anything else that is no number.
    """
    for name, value in values.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise ConfigError(f"{owner}: {name} is {given(value)}; it takes a number")


def check_penalty(owner: str, name: str, strength: float, every: int) -> None:
    """Check a penalty's strength and interval.

    Args:
        owner: The penalty's name.
        name: What it calls its strength.
        strength: What the penalty is multiplied by.
        every: The number of steps from one computation to the next.

    Raises:
        ConfigError: The strength is no number, negative or not finite, or the interval is no whole number from 1.
    """
    check_numbers(owner, **{name: strength})
    if type(every) is not int:
        raise ConfigError(f"{owner}: every is {given(every)}; it takes a whole number of steps from 1, such as 16")
    if not (0 <= strength < math.inf and every >= 1):
        raise ConfigError(f"{owner}: {name} is {strength} and every is {every}; it takes {name} >= 0 and every >= 1")


def check_target(owner: str, fake: Tensor, target: Tensor | None) -> Tensor:
    """Return what the fakes should be.

    Args:
        owner: The name of the term that compares.
        fake: Generated samples (N, *sample_shape).
        target: What each should be, of the same shape, or None.

    Raises:
        ObjectiveError: There is no target, or one of another shape, which would broadcast.
    """
    if target is None or target.shape != fake.shape:
        found = "none was given" if target is None else f"one of shape {tuple(target.shape)} was given"
        raise ObjectiveError(
            f"{owner} compares each fake with its target, and {found} for fakes of shape {tuple(fake.shape)}; use "
            "paired data"
        )
    return target
