"""Every error a user can meet.

Each is a `GanzooError`, and its message is one sentence or two: what happened, the value received, what is accepted,
and what to do next. The command line prints the message alone and leaves with `exit_code`; `--debug` adds the
traceback.
"""

import difflib
import re
from collections.abc import Iterable


class GanzooError(Exception):
    """The base of every error ganzoo raises on purpose."""

    exit_code = 2


class UnknownNameError(GanzooError, LookupError):
    """No architecture, loss, model or data set is registered under a name."""


class AmbiguousNameError(GanzooError, LookupError):
    """Two plugins registered one short name, so only the full names can be used."""


class RegistrationError(GanzooError, ValueError):
    """A plugin registered something that cannot be: a bad name, or one name twice."""


class PluginError(GanzooError):
    """A plugin could not be loaded (raised only where plugins are strict)."""


class ConformanceError(GanzooError, AssertionError):
    """An architecture, a loss or a plugin does not keep its contract, as `ganzoo.testing` has found."""


class MissingPluginError(GanzooError):
    """A model names an architecture of a plugin that is absent, disabled, failed or too old."""


class ConfigError(GanzooError, TypeError):
    """A setting is unknown, of the wrong type, or out of range."""


class ObjectiveError(GanzooError, ValueError):
    """An objective cannot be read, or its parts cannot go together or with this model."""


class SourceError(GanzooError, ValueError):
    """The string given to `load` names nothing that can be loaded."""


class WeightsError(GanzooError, ValueError):
    """A weights file is damaged, or does not fit the network it is for."""


class InputError(GanzooError, ValueError):
    """An argument has the wrong shape, dtype or range."""


class DataError(GanzooError, ValueError):
    """Training data cannot be read or cannot be used."""


class OutputError(GanzooError, OSError):
    """A file or folder cannot be written."""


class CheckpointError(GanzooError):
    """No checkpoint of a run can be used."""


class RunError(GanzooError):
    """A run's folder is in use, or is not what was expected."""


class CallbackError(GanzooError, RuntimeError):
    """A callback failed, and training ended with it."""


class DivergenceError(GanzooError, ArithmeticError):
    """Training produced a value that is not finite."""

    exit_code = 3


class ProcessesError(GanzooError, RuntimeError):
    """Another of the processes that train together failed, is gone, or did not come.

    Attributes:
        failed: The number of the process that failed and says why itself; None where none does.
    """

    exit_code = 4
    failed: int | None = None


class HubError(GanzooError):
    """The Hugging Face Hub did not do what was asked of it."""


class HubNotFoundError(HubError, LookupError):
    """There is no such repository, revision or file on the Hub, or none that this user may see."""


class HubAccessError(HubError):
    """The Hub refuses this user: no token or a wrong one, a gated or disabled repository, no right to write."""


class HubUnreachableError(HubError):
    """The Hub cannot be reached, is down, asks to wait, or took too long, and the cache does not have the file."""


class HubIntegrityError(HubError):
    """What the Hub sent is not what it or the model's config.json says it is."""


class HubConflictError(HubError):
    """Somebody else changed the repository during a push."""


class MissingExtraError(GanzooError, ImportError):
    """A package that only an extra installs is absent."""


class ModeCollapseWarning(UserWarning):
    """A generator's samples have become nearly alike."""


class HubWarning(UserWarning):
    """The Hub gave no answer, and a copy from the cache is used."""


class DiscriminatorWonWarning(UserWarning):
    """A discriminator is so sure that the generator learns nothing from it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x' or 'y'?"` for the nearest of `known`, or an empty string.

    Where nothing is spelt nearly alike, that is what begins with these letters word by word: `lr` for `learning_rate`.

    Args:
        name: What was received.
        known: What would have been accepted.
    """
    choices = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    near = near or [choice for choice in choices if len(name) > 1 and _initials(choice) == name.lower()][:3]
    return "; did you mean " + " or ".join(repr(match) for match in near) + "?" if near else ""


def _initials(name: str) -> str:
    return "".join(word[:1] for word in re.split(r"[\W_]+", name)).lower()


def given(value: object) -> str:
    """Return a value of the wrong type as messages show it, such as `'3.5' (float)`."""
    return f"{str(value)[:100]!r} ({type(value).__name__})"


def printable(text: str) -> str:
    """Return a stranger's text as one line that moves no terminal: blanks for breaks, a mark for other controls."""
    return "".join(
        each if each.isprintable() else " " if each.isspace() else "\N{REPLACEMENT CHARACTER}" for each in text
    )
