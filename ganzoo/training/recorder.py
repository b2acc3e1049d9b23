"""What a run writes while it trains, and what happens when the disk refuses: a warning, and another try later."""

import gc
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.card import PICTURE
from ganzoo.data.render import save_png
from ganzoo.errors import OutputError
from ganzoo.gan import GAN
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.run import RunFolder

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger("ganzoo")


class Recorder:
    """Writes a run's log, pictures and checkpoints, or nothing where there is no run folder.

    Attributes:
        run: The run's folder, or None.
        unsaved: Why the latest state is not on disk, or None if it is.
    """

    def __init__(self, run: RunFolder | None, keep_checkpoints: int) -> None:
        """Bind a run's folder, and how many checkpoints to keep in it."""
        self.run = run
        self.unsaved: OutputError | None = None
        self._keep = keep_checkpoints

    def log(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        self._attempt(lambda run: run.log(line))

    def draw(self, picture: "Image.Image | None", images: int) -> None:
        """Write the picture of the fixed samples after so many images, if there is one."""
        if picture is not None:
            self._attempt(lambda run: save_png(picture, run.sample_file(images)))

    def publish(self, gan: GAN, picture: "Image.Image | None", dtype: torch.dtype) -> None:
        """Write the finished model, with a picture of its samples if there is one.

        Raises:
            OutputError: The disk refuses.
        """
        if self.run is None:
            return
        if picture is not None:
            save_png(picture, self.run.model / PICTURE)
        gan.save_pretrained(self.run.model, dtype=dtype)

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

    def _attempt(self, write: Callable[[RunFolder], None]) -> OutputError | None:
        if self.run is None:
            return None
        try:
            write(self.run)
        except OSError as error:  # OutputError is one
            logger.warning("%s; training goes on and will try again", error)
            return error if isinstance(error, OutputError) else OutputError(f"cannot write in {self.run.path}: {error}")
        return None
