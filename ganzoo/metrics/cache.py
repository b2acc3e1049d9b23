"""Numbers that need computing once: what real data scores, and what an untrained generator does.

They lie as small JSON files in the cache's folder.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ganzoo import files
from ganzoo.config import read_json_object
from ganzoo.errors import ConfigError, OutputError


def cached(key: Mapping[str, object], compute: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return numbers from the cache, or compute and keep them.

    Args:
        key: Everything that the numbers depend on, as JSON can hold it.
        compute: Gives the numbers by name, where they are not cached or what is cached is damaged.
    """
    text = json.dumps(key, sort_keys=True)
    try:
        path = files.cache_folder() / "metrics" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
    except OutputError:  # no home for it to be in
        return compute()
    numbers = _read(path, text)
    if numbers is None:
        numbers = compute()
        # A cache that cannot be written costs time and nothing else.
        with suppress(OutputError):
            files.write_text(path, json.dumps({"key": text, "numbers": numbers}, indent=2) + "\n")
    return numbers


def _read(path: Path, text: str) -> dict[str, float] | None:
    """Return a file's numbers, or None if it is missing, damaged or of another key."""
    try:
        content = read_json_object(path.read_bytes(), str(path))
    except (OSError, ConfigError):
        return None
    numbers = content.get("numbers")
    if content.get("key") != text or not isinstance(numbers, dict):
        return None
    if not all(type(value) in (int, float) and math.isfinite(value) for value in numbers.values()):
        return None
    return {name: float(value) for name, value in numbers.items()}
