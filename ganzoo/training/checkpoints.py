"""Checkpoints: everything needed to continue a run bit for bit, whole or not at all.

    checkpoints/000060000/   state.safetensors, state.json, MANIFEST.json (size and sha256 of the two, written last)
    checkpoints/latest       the name of the newest one

A checkpoint's folder is written beside its place under a temporary name, flushed, and renamed. Older ones are removed
only after that, and two that verify are always kept.
"""

import json
import logging
import os
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
from ganzoo.training.manifest import PARTS, checkpoint_names, manifest_of, verify

logger = logging.getLogger("ganzoo")

SCHEMA = 1


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
            keep: How many that verify to keep, at least 2.
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
            DivergenceError: A tensor or number is not finite; nothing is written.
            OutputError: The disk refuses; older checkpoints are as they were.
        """
        name = f"{images:09d}"
        target = self.folder / name
        temporary = self.folder / f"{name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            temporary.mkdir(parents=True)
            try:
                weights.save_tensors(temporary / PARTS[0], tensors)
                text = json.dumps({"schema": SCHEMA, **state}, indent=2, allow_nan=False)
            except ValueError as error:  # WeightsError is one
                raise DivergenceError(f"no checkpoint was written at step {state.get('step')}: {error}") from error
            files.write_text(temporary / PARTS[1], text + "\n")
            files.write_bytes(temporary / "MANIFEST.json", manifest_of(temporary))
            if target.exists():  # left by an earlier life of this run that got as far
                shutil.rmtree(target)
            temporary.rename(target)
            files.flush_folder(self.folder)
            self.point_to(images)
        except OSError as error:  # OutputError is one
            reason = error if isinstance(error, OutputError) else error.strerror or error
            raise OutputError(f"cannot write the checkpoint {str(target)!r}: {reason}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._prune(images)

    def point_to(self, images: int) -> None:
        """Let `latest` name a checkpoint, unless it does.

        Raises:
            OutputError: The disk refuses.
        """
        latest, content = self.folder / "latest", f"{images:09d}\n"
        if not latest.is_file() or latest.read_bytes() != content.encode():
            files.write_text(latest, content)

    def _prune(self, images: int) -> None:
        """Remove what is older than the newest `keep` that verify, up to the one of so many images."""
        verified, names = 0, [name for name in self.names() if int(name) <= images]
        if len(names) <= self.keep:
            return
        for name in reversed(names):
            if verified < self.keep:
                verified += self._verifies(name)
            else:
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def _verifies(self, name: str) -> bool:
        try:
            verify(self.folder / name)
        except (OSError, CheckpointError):
            return False
        return True

    def names(self) -> list[str]:
        """Return the names of all checkpoints, oldest first, whether they verify or not."""
        return checkpoint_names(self.folder)

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
            verify(folder)
            state = read_json_object((folder / PARTS[1]).read_bytes(), PARTS[1])
            if state.get("schema") != SCHEMA:
                raise CheckpointError(f"it has schema {state.get('schema')!r}, and this version reads {SCHEMA}")
            if state.get("images") != int(name):
                raise CheckpointError(f"it is of {state.get('images')!r} images")
            return Checkpoint(weights.read_tensors(folder / PARTS[0]), state)
        except (OSError, ConfigError, WeightsError) as error:
            raise CheckpointError(str(error)) from error
