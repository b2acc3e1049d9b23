"""A run's folder: its config, its log, its lock, and the places of what else it holds."""

import fcntl
import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from ganzoo import files
from ganzoo.errors import OutputError, RunError


class RunFolder:
    """The folder of one run.

    Attributes:
        path: The folder itself.
    """

    def __init__(self, path: Path) -> None:
        """Name a run's folder; nothing is made yet."""
        self.path = path

    @property
    def config_file(self) -> Path:
        """Everything that was asked for, resolved; enough to start again."""
        return self.path / "config.toml"

    @property
    def metrics_file(self) -> Path:
        """One JSON object a line, one line a log interval."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The finished model, as `load` takes it."""
        return self.path / "model"

    def sample_file(self, images: int) -> Path:
        """Return where the picture of samples after so many images goes."""
        return self.path / "samples" / f"{images:09d}.png"

    def create(self, config: Mapping[str, Any]) -> None:
        """Make the folder and write its config.

        Raises:
            RunError: The folder holds a run already.
            OutputError: The folder cannot be written.
        """
        if self.config_file.exists():
            raise RunError(
                f"{str(self.path)!r} holds a run already; go on with 'ganzoo resume {self.path}', or choose another"
            )
        files.write_text(self.config_file, tomli_w.dumps(dict(config)))

    def read_config(self) -> dict[str, Any]:
        """Read the run's config.

        Raises:
            RunError: The folder holds no run, or its config cannot be read.
        """
        try:
            return tomllib.loads(self.config_file.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunError(f"{str(self.path)!r} holds no run: there is no readable config.toml in it") from error
        except ValueError as error:
            raise RunError(f"{str(self.config_file)!r} cannot be read: {error}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's writer lock.

        Raises:
            RunError: Another process trains in this folder.
            OutputError: The folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise OutputError(f"cannot write in {str(self.path)!r}: {error.strerror}; choose another folder") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"another process trains in {str(self.path)!r}; wait for it or choose another folder"
                ) from error
            yield

    def log(self, values: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        with self.metrics_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def cut_log(self, images: int) -> None:
        """Drop the lines of metrics.jsonl after so many images: they will be written again."""
        if self.metrics_file.exists():
            lines = self.metrics_file.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["images"] <= images]
            files.write_text(self.metrics_file, "".join(kept))


def next_free(parent: Path, name: str) -> Path:
    """Return `parent/name-N` for the smallest N from 1 that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
