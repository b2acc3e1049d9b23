"""Reading metrics.jsonl, also while it is written; loads no torch."""

import json
from pathlib import Path
from typing import Any

TAIL = 65_536  # bytes, many times the length of a line


def read_log(path: Path, *, last_only: bool = False) -> list[dict[str, Any]]:
    """Read a run's metrics.jsonl; a line that is broken, or not whole yet, is left out.

    Args:
        path: The file; one that is not there has no lines.
        last_only: Read the newest lines alone, however long the file is.

    Returns:
        The lines in the order of their `images`, which are whole numbers. Several lines of the same images, such as one
        of losses and one of an evaluation, are one here, in which the last value of each name counts. A value can be
        NaN or infinite.
    """
    try:
        with path.open("rb") as file:
            if last_only:
                file.seek(max(0, path.stat().st_size - TAIL))
            content = file.read()
    except OSError:
        return []
    lines: dict[int, dict[str, Any]] = {}
    for line in content.splitlines(keepends=True):
        try:
            values = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            continue
        if isinstance(values, dict) and isinstance(values.get("images"), int):
            lines.setdefault(values["images"], {}).update(values)
    return [lines[images] for images in sorted(lines)]
