"""What a checkpoint's folder must hold to be used; reading this loads no torch."""

import json
import re
from pathlib import Path

from ganzoo import files
from ganzoo.errors import CheckpointError

NAME = re.compile(r"\d{9,}", re.ASCII)
PARTS = ("state.safetensors", "state.json")


def checkpoint_names(folder: Path) -> list[str]:
    """Return the names of all checkpoints in a run's `checkpoints` folder, oldest first, whether they verify or not."""
    if not folder.is_dir():
        return []
    return sorted((path.name for path in folder.iterdir() if NAME.fullmatch(path.name)), key=int)


def manifest_of(folder: Path) -> bytes:
    """Return what MANIFEST.json says of a folder's files, byte for byte: the size and SHA-256 of each."""
    parts = {part: {"size": (folder / part).stat().st_size, "sha256": files.sha256(folder / part)} for part in PARTS}
    return (json.dumps(parts, indent=2) + "\n").encode()


def verify(folder: Path) -> None:
    """Compare a checkpoint's files with its manifest, byte for byte.

    Raises:
        CheckpointError: They differ.
        OSError: A file is not there, or cannot be read.
    """
    expected, file = manifest_of(folder), folder / "MANIFEST.json"
    if file.stat().st_size != len(expected) or file.read_bytes() != expected:
        raise CheckpointError("its files are not those of its manifest")


def has_sizes(folder: Path) -> bool:
    """Tell whether a checkpoint's files have the sizes of its manifest: quick, and blind to changed bytes."""
    try:
        manifest = json.loads((folder / "MANIFEST.json").read_bytes())
        return all((folder / part).stat().st_size == manifest[part]["size"] for part in PARTS)
    except (OSError, ValueError, TypeError, KeyError):
        return False
