"""A run's folder: its config, its log, its lock, and the places of what else it holds."""

import errno
import fcntl
import json
import re
import shutil
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import tomli_w

from ganzoo import files
from ganzoo.errors import OutputError, RunError

TEMPORARY = re.compile(r".+\.tmp-(\d+)-[0-9a-f]+", re.ASCII)  # as checkpoints and ganzoo.files name what is unfinished
GLANCE = 0.2  # seconds; one who only looks whether a run is locked is gone by then


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

    @property
    def best(self) -> Path:
        """The best model so far, as `load` takes it, where the run has `best_by`."""
        return self.path / "best"

    def sample_file(self, images: int) -> Path:
        """Return where the picture of samples after so many images goes."""
        return self.path / "samples" / f"{images:09d}.png"

    def check_free(self) -> None:
        """Refuse a folder that holds a run; what a start that was cut short left behind is none.

        Raises:
            RunError: There is a config, or a checkpoint of later than the start.
        """
        if self.config_file.exists() or any(
            int(path.name) for path in self.checkpoints.glob("*[0-9]") if path.name.isdigit()
        ):
            raise RunError(
                f"{str(self.path)!r} holds a run already; go on with 'ganzoo resume {self.path}', or choose another"
            )

    def create(self, config: Mapping[str, Any]) -> None:
        """Write the config, after the first checkpoint: a folder with a config can be resumed.

        Raises:
            OutputError: The folder cannot be written.
        """
        files.write_text(self.config_file, tomli_w.dumps(dict(config)))

    def sweep(self) -> None:
        """Remove what a process that is gone left half-written, anywhere in the folder."""
        for path in list(self.path.rglob("*.tmp-*")):
            match = TEMPORARY.fullmatch(path.name)
            if match and not files.is_alive(int(match[1])):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def read_config(self) -> dict[str, Any]:
        """Read the run's config.

        Raises:
            RunError: The folder holds no run, or its config cannot be read.
        """
        try:
            return tomllib.loads(self.config_file.read_text(encoding="utf-8"))
        except OSError as error:
            lacks = "no readable config.toml in it"
            if not self.path.is_dir():
                lacks = "no such folder; 'ganzoo runs' lists the runs in the folder runs"
            raise RunError(f"{str(self.path)!r} holds no run: there is {lacks}") from error
        except ValueError as error:
            raise RunError(
                f"{str(self.config_file)!r} cannot be read: {error}; undo the change, or start a new run"
            ) from error

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
            if not _acquire(lock, fcntl.LOCK_EX, GLANCE):
                raise RunError(f"another process trains in {str(self.path)!r}; wait for it or choose another folder")
            yield

    def is_locked(self) -> bool:
        """Tell whether a process trains in this folder; false too where that cannot be found out.

        A shared lock is asked for and given back at once. It never takes a trainer's, and a trainer that starts at this
        very moment waits for it.
        """
        try:
            with (self.path / ".lock").open("rb") as lock:
                return not _acquire(lock, fcntl.LOCK_SH, 0.0)
        except OSError:
            return False

    def log(self, values: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl, whole or not at all.

        Raises:
            OSError: The disk refuses.
        """
        line = (json.dumps(values) + "\n").encode()
        with self.metrics_file.open("ab", buffering=0) as file:
            end = file.tell()
            if file.write(line) < len(line):
                file.truncate(end)
                raise OSError(errno.ENOSPC, "the disk is full", str(self.metrics_file))

    def cut_log(self, images: int) -> None:
        """Drop the lines of metrics.jsonl after so many images, which will be written again, and broken ones."""
        if self.metrics_file.exists():
            lines = self.metrics_file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            files.write_text(self.metrics_file, "".join(line for line in lines if _is_until(line, images)))


def _acquire(file: IO[Any], kind: int, seconds: float) -> bool:
    """Try for so long to lock a file until it is closed; tell whether that worked."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(GLANCE / 10)
        else:
            return True


def _is_until(line: str, images: int) -> bool:
    """Tell whether a line of metrics.jsonl is whole, and of no later than so many images."""
    try:
        return line.endswith("\n") and bool(json.loads(line)["images"] <= images)
    except (ValueError, TypeError, KeyError):
        return False


def next_free(parent: Path, name: str) -> Path:
    """Return `parent/name-N` for the smallest N from 1 that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
