"""Large tables: pixels in a file of the cache, mapped into memory, so that they need not fit in it.

A file's name is a hash of all that its content depends on. It is written beside its place and renamed, its own hash
stands in a JSON file that is written after it, and both are checked when they are used again; so processes may share
the cache, and may be killed at any moment.
"""

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from ganzoo import files
from ganzoo.errors import ConfigError, DataError, InputError

DEFAULT_BUDGET = 4 * 2**30

_ABANDONED = 24 * 3600  # seconds

_TEMPORARY = re.compile(r"\..+\.tmp-(\d+)-[0-9a-f]+", re.ASCII)


def memory_budget() -> int:
    """Return how many bytes a table may take in memory: `$GANZOO_TABLE_MEMORY`, or 4 GiB.

    Raises:
        InputError: The variable holds no whole number.
    """
    text = os.environ.get("GANZOO_TABLE_MEMORY", str(DEFAULT_BUDGET))
    if not text.isdecimal():
        raise InputError(f"GANZOO_TABLE_MEMORY is {text!r}; it takes a whole number of bytes, such as 4294967296")
    return int(text)


def filled(
    shape: tuple[int, ...], key: Mapping[str, Any], fill: Callable[[Tensor], tuple[int, dict[str, Any]]]
) -> tuple[Tensor, dict[str, Any]]:
    """Make a table's samples: in memory, or beyond the budget in a file of the cache, if they are not there already.

    Args:
        shape: (N, ...), the most there can be.
        key: Everything that the samples depend on, as JSON can hold it.
        fill: Puts samples into a uint8 tensor of that shape, and returns how many there are, at the beginning of it,
            and what else is to be known of them, as JSON can hold it.

    Returns:
        The samples, uint8 of that shape but for N, and what else `fill` returned.

    Raises:
        DataError: The cache has no room, or cannot be written.
    """
    if math.prod(shape) <= memory_budget():
        samples = torch.empty(shape, dtype=torch.uint8)
        count, facts = fill(samples)
        return samples[:count], facts
    text = json.dumps([dict(key), list(shape)], sort_keys=True)
    path = files.cache_folder() / "tables" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.bin"
    facts_file = path.with_suffix(".json")
    known = _known(path, facts_file)
    if known is None:
        try:
            _sweep(path.parent)
            return _make(path, facts_file, shape, fill)
        except OSError as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            raise DataError(
                f"the pictures take {math.prod(shape):,} bytes, more than the {memory_budget():,} that "
                f"GANZOO_TABLE_MEMORY allows in memory, and {str(path.parent)!r} cannot take them: "
                f"{cause.strerror or cause}; name another place as GANZOO_CACHE, or make the pictures smaller"
            ) from error
    count, facts = known
    return _mapped(path, (count, *shape[1:])), facts


def _make(
    path: Path, facts_file: Path, shape: tuple[int, ...], fill: Callable[[Tensor], tuple[int, dict[str, Any]]]
) -> tuple[Tensor, dict[str, Any]]:
    digest = None
    with suppress(_NotKeptError), files.writing(path) as temporary:
        with temporary.open("wb") as file:
            _reserve(file, math.prod(shape))
        memory = np.memmap(temporary, np.uint8, "r+", shape=shape)
        count, facts = fill(torch.from_numpy(memory))
        memory.flush()
        del memory
        os.truncate(temporary, count * math.prod(shape[1:]))
        # Mapped under its own name, because another process may put its file under the shared one at any time.
        samples = _mapped(temporary, (count, *shape[1:]))
        if facts.get("passing") or not count:
            raise _NotKeptError
        digest = files.sha256(temporary)
    if digest is not None:
        files.write_text(facts_file, json.dumps({"sha256": digest, "count": count, "facts": facts}))
    return samples, facts


def _reserve(file: IO[bytes], size: int) -> None:
    """Make a file so long, with room for it where that can be had."""
    if hasattr(os, "posix_fallocate"):
        # A disk that is full while mapped memory is written ends the process.
        os.posix_fallocate(file.fileno(), 0, size)
    else:  # macOS
        file.truncate(size)


class _NotKeptError(Exception):
    """What was made is for this process alone."""


def _known(path: Path, facts_file: Path) -> tuple[int, dict[str, Any]] | None:
    """Return how many samples a file holds and what else is known of them, or None if it is missing or damaged."""
    from ganzoo.config import read_json_object

    try:
        content = read_json_object(facts_file.read_bytes(), str(facts_file))
        if content["sha256"] != files.sha256(path):
            return None
        return int(content["count"]), dict(content["facts"])
    except (OSError, ConfigError, KeyError, TypeError, ValueError):
        return None


def _mapped(path: Path, shape: tuple[int, ...]) -> Tensor:
    if not math.prod(shape):  # nothing cannot be mapped
        return torch.empty(shape, dtype=torch.uint8)
    # Copied where it is written, though nobody should: torch takes no memory that may not be.
    return torch.from_numpy(np.memmap(path, np.uint8, "c", shape=shape))


def _sweep(folder: Path) -> None:
    """Remove what processes that are gone left half-written.

    Another machine or container may share the folder, and its processes' numbers say nothing here; so what is younger
    than a day stays.
    """
    for path in folder.glob(".*.tmp-*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or int(match[1]) == os.getpid() or files.is_alive(int(match[1])):
            continue
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
