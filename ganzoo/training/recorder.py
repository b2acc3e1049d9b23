"""What a run writes while it trains, and whom it tells.

When the disk refuses, that is a warning, and another try later.
"""

import gc
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.card import PICTURE
from ganzoo.data.render import save_png
from ganzoo.errors import OutputError
from ganzoo.files import replacing_folder
from ganzoo.gan import GAN
from ganzoo.training.calling import Callbacks
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.run import RunFolder

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger("ganzoo")


class Recorder:
    """Writes a run's log, pictures and checkpoints, or nothing where there is no run folder, and tells the callbacks.

    Attributes:
        run: The run's folder, or None.
        unsaved: Why the latest state is not on disk, or None if it is.
    """

    def __init__(self, run: RunFolder | None, keep_checkpoints: int, callbacks: Callbacks) -> None:
        """Bind a run's folder, how many checkpoints to keep in it, and the callbacks."""
        self.run = run
        self.unsaved: OutputError | None = None
        self._keep = keep_checkpoints
        self._callbacks = callbacks

    def log(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        self._attempt(lambda run: run.log(line))
        for call in self._callbacks.on_log:
            call(line["images"], line)

    def evaluation(self, images: int, step: int, numbers: Mapping[str, float]) -> None:
        """Append the numbers of an evaluation to metrics.jsonl, as a line of their own."""
        self._attempt(lambda run: run.log({"images": images, "step": step, **numbers}))
        for call in self._callbacks.on_evaluate:
            call(images, numbers)

    def draw(self, picture: "Image.Image | None", images: int) -> None:
        """Write the picture of the fixed samples after so many images, if there is one."""
        if picture is not None:
            self._attempt(lambda run: save_png(picture, run.sample_file(images)))
            for call in self._callbacks.on_sample:
                call(images, picture)

    def publish(self, gan: GAN, picture: "Image.Image | None", dtype: torch.dtype) -> None:
        """Write the finished model, with a picture of its samples if there is one.

        Raises:
            OutputError: The disk refuses.
        """
        if self.run is not None:
            _write(self.run.model, gan, picture, dtype)

    def keep(self, gan: GAN, picture: "Image.Image | None", dtype: torch.dtype) -> bool:
        """Put a model in the place of the best one so far, whole or not at all, and tell whether that worked."""

        def write(run: RunFolder) -> None:
            with replacing_folder(run.best) as folder:
                _write(folder, gan, picture, dtype)

        return self._attempt(write) is None

    def checkpoint(self, images: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write a checkpoint; `unsaved` tells whether that worked.

        Raises:
            DivergenceError: A tensor is not finite.
        """
        self.unsaved = self._attempt(
            lambda run: CheckpointStore(run.checkpoints, self._keep).save(images, tensors, state)
        )
        # Serialising leaves reference cycles (ctypes pointers, JSON encoders), which pile up until a full collection.
        gc.collect(1)
        if self.run is not None and self.unsaved is None:
            for call in self._callbacks.on_checkpoint:
                call(images, self.run.checkpoints / f"{images:09d}")

    def _attempt(self, write: Callable[[RunFolder], None]) -> OutputError | None:
        if self.run is None:
            return None
        try:
            write(self.run)
        except OSError as error:  # OutputError is one
            logger.warning("%s; training goes on and will try again", error)
            return error if isinstance(error, OutputError) else OutputError(f"cannot write in {self.run.path}: {error}")
        return None


def _write(folder: Path, gan: GAN, picture: "Image.Image | None", dtype: torch.dtype) -> None:
    if picture is not None:
        save_png(picture, folder / PICTURE)
    gan.save_pretrained(folder, dtype=dtype)
