"""Checkpoints: everything needed to continue a run bit for bit, whole or not at all.

    checkpoints/000060000/   state.safetensors, state.json, MANIFEST.json (size and sha256 of the two, written last)
    checkpoints/latest       the name of the newest one

A checkpoint's folder is written beside its place under a temporary name, flushed, and renamed. Older ones are removed
only after that, and two are always kept.
"""

import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo import files, weights
from ganzoo.config import read_json_object
from ganzoo.errors import CheckpointError, ConfigError, DivergenceError, OutputError, WeightsError

logger = logging.getLogger("ganzoo")

SCHEMA = 1
NAME = re.compile(r"\d{9,}")
TEMPORARY = re.compile(r"\d{9,}\.tmp-(\d+)-[0-9a-f]+")
PARTS = ("state.safetensors", "state.json")


@dataclass(frozen=True)
class Checkpoint:
    """What was read back.

    Attributes:
        tensors: Networks, averages and optimizer states, by name.
        state: Counters, versions and the run's config.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run."""

    def __init__(self, folder: Path, keep: int) -> None:
        """Open a store.

        Args:
            folder: The run's `checkpoints` folder.
            keep: How many to keep, at least 2.
        """
        self.folder = folder
        self.keep = max(2, keep)

    def save(self, images: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write a checkpoint, then remove the oldest beyond `keep`.

        Args:
            images: How many images the discriminator has been shown; names the checkpoint.
            tensors: Tensors by name.
            state: Plain values.

        Raises:
            DivergenceError: A tensor is not finite; nothing is written.
            OutputError: The disk refuses; older checkpoints are as they were.
        """
        name = f"{images:09d}"
        target = self.folder / name
        temporary = self.folder / f"{name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            temporary.mkdir(parents=True)
            try:
                weights.save_tensors(temporary / PARTS[0], tensors)
            except WeightsError as error:
                raise DivergenceError(f"no checkpoint was written: {error}") from error
            files.write_text(temporary / PARTS[1], json.dumps({"schema": SCHEMA, **state}, indent=2) + "\n")
            files.write_text(temporary / "MANIFEST.json", json.dumps(_manifest(temporary), indent=2) + "\n")
            if target.exists():  # left by an earlier life of this run that got as far
                shutil.rmtree(target)
            temporary.rename(target)
            files.flush_folder(self.folder)
            files.write_text(self.folder / "latest", name + "\n")
        except OSError as error:  # OutputError is one
            reason = error if isinstance(error, OutputError) else error.strerror or error
            raise OutputError(f"cannot write the checkpoint {str(target)!r}: {reason}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        for old in self.names()[: -self.keep]:
            shutil.rmtree(self.folder / old, ignore_errors=True)

    def names(self) -> list[str]:
        """Return the names of all checkpoints, oldest first, whether they verify or not."""
        if not self.folder.is_dir():
            return []
        return sorted((path.name for path in self.folder.iterdir() if NAME.fullmatch(path.name)), key=int)

    def load_newest(self) -> Checkpoint:
        """Read the newest checkpoint that verifies, saying which newer ones do not.

        Raises:
            CheckpointError: There is none, or none verifies.
        """
        names = self.names()
        for name in reversed(names):
            try:
                return self._load(name)
            except CheckpointError as error:
                logger.warning("checkpoint %s cannot be used (%s); trying the one before", name, error)
        found = f"none of {len(names)} checkpoints verifies" if names else "there is no checkpoint"
        raise CheckpointError(f"{found} in {str(self.folder)!r}; start the run anew in another folder")

    def _load(self, name: str) -> Checkpoint:
        folder = self.folder / name
        try:
            manifest = read_json_object((folder / "MANIFEST.json").read_bytes(), "MANIFEST.json")
            if manifest != _manifest(folder):
                raise CheckpointError("its files are not those of its manifest")
            state = read_json_object((folder / PARTS[1]).read_bytes(), PARTS[1])
            if state.get("schema") != SCHEMA:
                raise CheckpointError(f"it has schema {state.get('schema')!r}, and this version reads {SCHEMA}")
            return Checkpoint(weights.read_tensors(folder / PARTS[0]), state)
        except (OSError, ConfigError, WeightsError) as error:
            raise CheckpointError(str(error)) from error

    def sweep(self) -> None:
        """Remove what a process that is gone left half-written."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            match = TEMPORARY.fullmatch(path.name)
            if match and not _is_alive(int(match[1])):
                shutil.rmtree(path, ignore_errors=True)


def _manifest(folder: Path) -> dict[str, Any]:
    return {part: {"size": (folder / part).stat().st_size, "sha256": files.sha256(folder / part)} for part in PARTS}


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()
