"""What is written of a run, and when: log, pictures, evaluations, checkpoints and the finished model."""

import time
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from ganzoo.training import resuming
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.evaluating import Evaluator
from ganzoo.training.health import BATCH, Health
from ganzoo.training.monitor import check_networks
from ganzoo.training.probe import Probe
from ganzoo.training.recorder import Recorder
from ganzoo.training.run import RunFolder
from ganzoo.training.step import train_mode

if TYPE_CHECKING:
    from ganzoo.training.trainer import Trainer


class Journal:
    """Keeps a trainer's records at their intervals; of several processes, process 0 alone does.

    Attributes:
        probe: The fixed samples.
        evaluator: What measures the model, or None where nobody asked.
    """

    def __init__(self, trainer: "Trainer") -> None:
        """Bind a trainer that has its data, networks, run folder and callbacks.

        Raises:
            InputError: `best_by` does not fit the data, or needs a run's folder.
            MissingExtraError: An evaluation needs a package that is not installed.
        """
        self._trainer, settings = trainer, trainer.settings
        self.probe = Probe(trainer.table, trainer.gan.condition)
        self._health = Health(trainer.table)
        self._recorder = Recorder(trainer.run, settings.keep_checkpoints, trainer.callbacks)
        is_evaluated = settings.evaluate_every_images and not trainer.processes.number
        self.evaluator = (
            Evaluator(settings, trainer.table, trainer.gan, self._recorder, self.probe) if is_evaluated else None
        )
        self._saved_images = -1

    def open(self, run: RunFolder, *, is_resumed: bool) -> None:
        """Make a run's folder ready to be written, and leave out what came after the state to go on from.

        Raises:
            RunError: There is a run already.
        """
        run.sweep()
        if is_resumed:
            self._saved_images = self._trainer.images
            run.cut_log(self._saved_images)
            CheckpointStore(run.checkpoints, self._trainer.settings.keep_checkpoints).point_to(self._saved_images)
            return
        run.check_free()
        run.cut_log(-1)  # of a start that was cut short

    def begin(self, *, is_resumed: bool) -> None:
        """Look at the networks before the first step, and make the run's folder one that can be resumed."""
        trainer = self._trainer
        if is_resumed:
            if self.evaluator:
                self.evaluator.mend(trainer.result(), trainer.images)
            return
        self._evaluate()  # the first of all: what cannot be evaluated shows while there is nothing to resume
        self.save()
        if trainer.run:
            trainer.run.create(trainer.config())
        self._draw()

    def record(self, bar: "tqdm[Any]") -> None:
        """Tell the callbacks of a step, and write what is due after it.

        Args:
            bar: The progress bar, which shows the latest losses.

        Raises:
            CallbackError: A callback failed.
            DivergenceError: A tensor is not finite.
        """
        trainer, settings = self._trainer, self._trainer.settings
        if trainer.processes.number:
            if self._is_due(settings.checkpoint_every_images):
                self._check()
            return
        for call in trainer.callbacks.on_step:
            call(trainer.images)
        if self._is_due(settings.log_every_images):
            line = trainer.monitor.line(trainer.images, trainer.index, trainer.step.statistics)
            line["spread"] = self._health.relative_spread(self.probe.samples(trainer.result(), BATCH, settings.seed))
            self._health.watch(line)
            bar.set_postfix(D=f"{line['discriminator_loss']:.3f}", G=f"{line['generator_loss']:.3f}", refresh=False)
            self._recorder.log(line)
        if self._is_due(settings.sample_every_images):
            self._draw()
        if self.evaluator and self._is_due(settings.evaluate_every_images):
            self._evaluate()
        if trainer.index % settings.interval(settings.checkpoint_every_images) == 0:
            self.checkpoint()
        if trainer.callbacks.count:  # one may have put the networks of `result()`, which learn on, into eval mode
            for network in trainer.gan.networks.values():
                train_mode(network)

    def finish(self, *, is_complete: bool) -> None:
        """Write the last checkpoint and, of a complete run of networks that others can build, the model.

        Raises:
            DivergenceError: A tensor is not finite.
            OutputError: The disk refuses.
        """
        self._check()
        self.save()
        gan = self._trainer.gan
        if is_complete and self._trainer.run and all(name in gan.config.networks for name in gan.networks):
            result = self._trainer.result()
            dtype = getattr(torch, self._trainer.settings.weights_dtype)
            self._recorder.publish(result, self.probe.picture(result, seed=0), dtype)

    def checkpoint(self) -> None:
        """Write a checkpoint, unless this very state is on disk; a disk that refuses does not end training."""
        trainer = self._trainer
        if trainer.run is None or self._saved_images == trainer.images:
            return
        tensors, state = resuming.pack(trainer)
        self._recorder.checkpoint(trainer.images, tensors, state)
        if self._recorder.unsaved is None:
            self._saved_images = trainer.images

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            OutputError: The disk refuses.
        """
        self.checkpoint()
        if self._recorder.unsaved:
            raise self._recorder.unsaved

    def _check(self) -> None:
        check_networks(self._trainer.index, dict(self._trainer.result().networks.items()))

    def _draw(self) -> None:
        trainer = self._trainer
        if trainer.run or trainer.callbacks.on_sample:  # else nobody would see it
            self._recorder.draw(self.probe.picture(trainer.result(), trainer.settings.seed), trainer.images)

    def _evaluate(self) -> None:
        if self.evaluator:
            trainer, began = self._trainer, time.monotonic()
            self.evaluator.evaluate(trainer.result(), trainer.images, trainer.index, self.checkpoint)
            trainer.monitor.skip(time.monotonic() - began)

    def _is_due(self, every_images: int) -> bool:
        return self._trainer.settings.is_due(every_images, self._trainer.index)
