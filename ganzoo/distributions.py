"""What is installed: the distributions that carry plugins, the switches that name them, and requirements on them."""

import importlib.metadata
import os
import re
from contextlib import suppress

ENTRY_POINT_GROUP = "ganzoo"

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
BOUND = r"(?:[<>=!~]=|[<>]) ?[A-Za-z0-9][A-Za-z0-9.+_-]*(?:\.\*)?"
# A name, extras and version bounds. PEP 508's URLs and markers are left out on purpose: a user is shown this to run it.
REQUIREMENT = re.compile(rf"({NAME})(?:\[{NAME}(?:, ?{NAME})*\])?(?: ?{BOUND}(?:, ?{BOUND})*)?")
LONGEST_REQUIREMENT = 200  # characters


def canonical(distribution: str) -> str:
    """Return a distribution's name as names are compared: lower case, with `-` for any run of `-`, `_` and `.`."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def with_plugins() -> list[importlib.metadata.Distribution]:
    """Return the installed distributions that have entry points for ganzoo, sorted by canonical name.

    `importlib.metadata.entry_points` is not used: it raises for all when one distribution's file is malformed.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        # What has no readable name or text cannot be told to be a plugin at all.
        with suppress(Exception):
            if f"[{ENTRY_POINT_GROUP}]" in (distribution.read_text("entry_points.txt") or ""):
                # The first on the path is the one that an import finds.
                found.setdefault(canonical(distribution.name), distribution)
    return [found[name] for name in sorted(found)]


def version_of(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def why_disabled(distribution: str) -> str:
    """Return which switch keeps a distribution's plugins from loading, or an empty string."""
    allowed = os.environ.get("GANZOO_PLUGINS")
    if allowed is not None and canonical(distribution) not in names_in(allowed):
        return "not in GANZOO_PLUGINS"
    if canonical(distribution) in names_in(os.environ.get("GANZOO_DISABLE_PLUGINS", "")):
        return "in GANZOO_DISABLE_PLUGINS"
    return ""


def names_in(switch: str) -> set[str]:
    """Return the canonical names in a comma-separated list."""
    return {canonical(name.strip()) for name in switch.split(",") if name.strip()}


def is_requirement(text: str, distribution: str) -> bool:
    """Tell whether `text` is a plain requirement on `distribution`, fit to be shown in a command line.

    Args:
        text: For example `"ganzoo-sound>=0.2,<1"`.
        distribution: The only distribution that it may name.
    """
    match = REQUIREMENT.fullmatch(text) if len(text) <= LONGEST_REQUIREMENT else None
    return match is not None and canonical(match[1]) == canonical(distribution)


def is_older(version: str, other: str) -> bool:
    """Tell whether `version` comes before `other`, by their release numbers alone."""
    return release(version) < release(other)


def release(version: str) -> list[int]:
    """Return a version's release numbers without trailing zeros: `[1, 2]` for `"1.2.0rc1"`."""
    match = re.match(r"\d+(\.\d+)*", version, re.ASCII)
    numbers = [int(number) for number in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers
