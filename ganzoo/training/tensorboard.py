"""The callback that writes for TensorBoard: the lines of the log, evaluations, and pictures of the fixed samples."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganzoo.errors import InputError, MissingExtraError
from ganzoo.training.callbacks import Callback

if TYPE_CHECKING:
    from PIL import Image

    from ganzoo.gan import GAN
    from ganzoo.training.trainer import Trainer


class TensorBoard(Callback):
    """Writes what `tensorboard --logdir RUN` shows, with images as the step.

    Scalars are `training/NAME` for each number of the log and `evaluation/NAME` for each of an evaluation; the pictures
    are `samples`. A resumed run leaves no point twice and none of a time that was given up: what was written after its
    checkpoint is hidden from TensorBoard. Likewise a new run hides what an earlier one wrote in the same folder.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        """Name the folder for event files.

        Args:
            directory: The folder; None for `tensorboard` in the run's folder.

        Raises:
            MissingExtraError: TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                'the callback tensorboard needs TensorBoard; run: pip install "torch-ganzoo[tensorboard]"'
            ) from error
        self.directory = None if directory is None else Path(directory).expanduser()
        self._writer_class: Any = SummaryWriter
        self._writer: Any = None
        self._is_resumed = False

    def on_start(self, trainer: "Trainer") -> None:
        """Open a new event file, and hide what older ones hold of later than now."""
        if self.directory is None and trainer.run is None:
            raise InputError("this run has no folder to write in; give run=... or TensorBoard(directory=...)")
        folder = self.directory or (trainer.run.path / "tensorboard" if trainer.run else Path())
        _wait_for_a_later_name(folder)
        first = trainer.images + 1 if self._is_resumed else 0
        self._is_resumed = True
        self._writer = self._writer_class(os.fspath(folder), purge_step=first)

    def on_log(self, images: int, line: Mapping[str, Any]) -> None:
        """Write a line of the log."""
        self._write("training", images, {key: value for key, value in line.items() if key not in ("images", "step")})

    def on_evaluate(self, images: int, numbers: Mapping[str, float]) -> None:
        """Write the numbers of an evaluation."""
        self._write("evaluation", images, numbers)

    def on_sample(self, images: int, picture: "Image.Image") -> None:
        """Write the picture of the fixed samples."""
        self._writer.add_image("samples", np.asarray(picture.convert("RGB")), images, dataformats="HWC")
        self._writer.flush()

    def on_end(self, gan: "GAN | None") -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

    def state_dict(self) -> dict[str, Any]:
        """Return that an event file was begun."""
        return {"is_begun": self._is_resumed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Note that an earlier life of the run has written some points, which stay."""
        self._is_resumed = bool(state["is_begun"])

    def _write(self, group: str, images: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(f"{group}/{name}", value, images)
        # What precedes a checkpoint is then on disk when it is: a killed run loses none of it.
        self._writer.flush()


def _wait_for_a_later_name(folder: Path) -> None:
    """Let the second pass in which an earlier life began its event file.

    TensorBoard reads event files in the order of their names, in which only the second is sure to rise.
    """
    now = time.time()
    if any(folder.glob(f"events.out.tfevents.{int(now)}.*")):
        time.sleep(1.01 - now % 1)
