"""What the kit is made of: single checks with a subject, each of which passes or raises `ConformanceError`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from ganzoo.errors import ConformanceError


@dataclass(frozen=True)
class Check:
    """One thing that must be true of one subject; call it to find out.

    Attributes:
        name: What is checked, in a few words.
        subject: The full name of what it is checked of.
        examine: Raises `ConformanceError` if it is not true.
    """

    name: str
    subject: str
    examine: Callable[[], None]

    def __str__(self) -> str:
        """Return the subject and what is checked, as a test's name."""
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        """Run the check; torch's global generator is seeded for it, and as before afterwards.

        Raises:
            ConformanceError: The check fails, or the subject raises anything in it.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            try:
                self.examine()
            except ConformanceError as error:
                raise ConformanceError(f"{self.subject}: {error}") from error.__cause__
            except Exception as error:
                raise ConformanceError(
                    f"{self.subject}: the check {self.name!r} met a {type(error).__name__}: {error}"
                ) from error


def make_checks(subject: str, examined: Any, functions: Iterable[Callable[[Any], None]]) -> list[Check]:
    """Bind functions to what they examine, each named by its function.

    Args:
        subject: The full name of what is examined.
        examined: What each function is given.
        functions: What must be true, each raising `ConformanceError` if it is not.
    """

    def bound(function: Callable[[Any], None]) -> Callable[[], None]:
        return lambda: function(examined)

    return [Check(function.__name__.replace("_", " "), subject, bound(function)) for function in functions]


def run_all(checks: Iterable[Check]) -> None:
    """Run checks in order.

    Raises:
        ConformanceError: The first that fails.
    """
    for check in checks:
        check()


def require(is_true: bool, otherwise: str) -> None:
    """Raise a sentence unless something is true.

    Raises:
        ConformanceError: It is not.
    """
    if not is_true:
        raise ConformanceError(otherwise)
