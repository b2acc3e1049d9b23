"""Checks of arguments that several terms share."""

import math

from torch import Tensor

from ganzoo.errors import ConfigError, ObjectiveError


def check_penalty(owner: str, name: str, strength: float, every: int) -> None:
    """Check a penalty's strength and interval.

    Args:
        owner: The penalty's name.
        name: What it calls its strength.
        strength: What the penalty is multiplied by.
        every: The number of steps from one computation to the next.

    Raises:
        ConfigError: The strength is negative or not finite, or the interval is less than one step.
    """
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
        given = "none was given" if target is None else f"one of shape {tuple(target.shape)} was given"
        raise ObjectiveError(
            f"{owner} compares each fake with its target, and {given} for fakes of shape {tuple(fake.shape)}; use "
            "paired data"
        )
    return target
