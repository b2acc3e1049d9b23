"""The one trainer: it alone does backward, optimizer steps, averaging and files."""

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ganzoo import randomness
from ganzoo.config import build_config
from ganzoo.data.flips import check_flips, flip_and_shift
from ganzoo.data.loading import Data, open_data
from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import read_objective
from ganzoo.losses.term import Term
from ganzoo.models.architecture import weights_coming
from ganzoo.shares import cut, sharing
from ganzoo.training import resuming
from ganzoo.training.batch_norm import synchronizing
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.description import describe_model, describe_run
from ganzoo.training.distributed import Processes
from ganzoo.training.ema import ExponentialMovingAverage
from ganzoo.training.fitting import check_arguments, check_features, check_fit, create_gan
from ganzoo.training.health import BATCH, Health
from ganzoo.training.interrupts import Interrupts
from ganzoo.training.monitor import Monitor, check_networks
from ganzoo.training.optimizers import decay_factor
from ganzoo.training.order import DataOrder
from ganzoo.training.player import Player
from ganzoo.training.precision import as_double, compiling
from ganzoo.training.probe import Probe
from ganzoo.training.recorder import Recorder
from ganzoo.training.run import RunFolder
from ganzoo.training.settings import Settings
from ganzoo.training.step import AdversarialStep, TrainingStep, train_mode

logger = logging.getLogger("ganzoo")

CHANNELS_LAST_FROM = 16  # in smaller batches of pictures the ordinary memory format is as fast or faster


class Trainer:
    """Trains a GAN with any objective on any data.

    Example:
        >>> gan = ganzoo.Trainer("mlp", "non_saturating", "mnist-test", images=200_000).fit()
    """

    def __init__(
        self,
        model: GAN | str,
        objective: Objective | Term | str,
        data: Data,
        *,
        images: int,
        run: str | os.PathLike[str] | None = None,
        split: str = "train",
        value_range: tuple[float, float] | None = None,
        model_args: Mapping[str, Any] | None = None,
        discriminator: str | None = None,
        discriminator_args: Mapping[str, Any] | None = None,
        conditional: bool | None = None,
        step: TrainingStep | None = None,
        progress: bool = True,
        notes: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        """Prepare a run; nothing is written before `fit`.

        Args:
            model: A GAN, or the name of an architecture, which is then fitted to the data.
            objective: The objective, as text or built in Python.
            data: What `open_data` takes: a name, a folder, arrays, a dataset.
            images: The budget: how many images the discriminator is shown as real.
            run: The folder for config, log, pictures, checkpoints and model; None writes nothing.
            split: Which part of a folder of idx files, or of pairs.
            value_range: The lowest and highest value that float samples can take, where `data` is such samples.
            model_args: Settings of the architecture, where `model` is a name.
            discriminator: The architecture of the discriminator, where `model` is a name; None for the same.
            discriminator_args: Settings of the discriminator alone, where `model` is a name.
            conditional: Condition the networks on the data's labels, vectors or paired sources, where `model` is a
                name; None does so only if the generator cannot do without.
            step: What a step computes; by default the two-player step.
            progress: Show a progress bar on a terminal.
            notes: What else config.toml and the model card shall say: `recipe`, `license`.
            settings: Everything else in `ganzoo.training.settings.Settings`, such as `batch_size` and `learning_rate`.

        Raises:
            ConfigError: A setting is unknown or out of range, or data and model have different shapes.
            DataError: The data cannot be read.
            InputError: A condition is asked for or needed, and the data has none; or `conditional` or settings are
                given with a GAN that is built already.
            ObjectiveError: The objective cannot be read, or does not go with model and data.
            ProcessesError: The other processes that `torchrun` tells of did not come.
        """
        check_arguments(model, model_args, conditional, run)
        self.settings = build_config(Settings, {"images": images, **settings}, "training").resolved()
        self.processes = Processes.join(self.settings)
        self.table = open_data(data, split=split, value_range=value_range)
        self.split = split
        self.objective = read_objective(objective)
        self._is_named = isinstance(model, str)
        if isinstance(model, str):
            arguments = dict(model_args or {})
            if discriminator is not None or discriminator_args:
                arguments |= {"discriminator": discriminator, "discriminator_args": discriminator_args}
            model = create_gan(model, self.table, arguments, conditional=conditional, seed=self.settings.seed)
        elif conditional or model_args or discriminator or discriminator_args:
            raise InputError(
                "conditional, model_args and discriminator fit a named architecture to the data; a GAN is what it is"
            )
        check_fit(model, self.table, has_own_step=step is not None)
        check_flips(self.table, self.settings.flip, self.settings.shift)
        self.gan = model
        self._probe = Probe(self.table, self.gan.condition)
        for name, network in self.gan.networks.items():
            if name.startswith("discriminator"):
                self.objective.check(network, paired=self.gan.condition.kind == "image")
        check_features(model, self.objective, self.table)
        self.notes = dict(notes or {})
        # Process 0 alone writes.
        self.run = None if run is None or self.processes.number else RunFolder(Path(run).expanduser())
        pictures = len(self.gan.sample_shape) == 3 and self.settings.batch_size >= CHANNELS_LAST_FROM
        self._memory_format = torch.channels_last if pictures else torch.contiguous_format
        self.gan.to(self.settings.device).to(memory_format=self._memory_format)
        if self.settings.precision == "fp64":
            self.gan.double()
        self.processes.share_weights(dict(self.gan.networks.items()))
        self.step: TrainingStep = step or AdversarialStep(self.gan, self.objective, self.settings)
        rate, other_rate = self.settings.learning_rate, self.settings.discriminator_learning_rate
        everyone = dict(self.gan.networks.items())
        self.discriminator = Player("discriminator", everyone, self.settings, other_rate, self.processes)
        self.generator = Player("generator", everyone, self.settings, rate, self.processes)
        self.averages = {
            name: ExponentialMovingAverage(
                network,
                batch_images=self.settings.images_per_step,
                half_life_images=self.settings.ema_half_life_images,
            )
            for name, network in self.generator.networks.items()
        }
        self._order = DataOrder(len(self.table), self.settings.batch_size, self.settings.seed)
        self.monitor = Monitor()
        self._health = Health(self.table)
        self._recorder = Recorder(self.run, self.settings.keep_checkpoints)
        self._interrupts = Interrupts()
        self._progress = progress and not self.processes.number
        self._is_resumed = False
        self._index = 0  # the number of the next step
        self._saved_index = -1

    @property
    def images(self) -> int:
        """How many images the discriminator has been shown as real."""
        return self._index * self.settings.images_per_step

    def fit(self) -> GAN:
        """Train to the end of the budget.

        The first SIGINT, SIGTERM or SIGUSR1 ends training after the step at hand, with a checkpoint; a second at once.

        Returns:
            The trained GAN in eval mode: averaged generator, discriminator as it is.

        Raises:
            DivergenceError: A loss, gradient, weight or statistic is not finite.
            RunError: The run's folder holds a run already, or another process trains in it.
            OutputError: The last state could not be saved.
            ProcessesError: Another of the processes that train together failed or is gone.
            KeyboardInterrupt: After SIGINT, once the checkpoint is written.
            SystemExit: Likewise after SIGTERM (code 143) and SIGUSR1 (code 0).
        """
        with ExitStack() as stack:
            stack.enter_context(self._interrupts.listening())
            with self.processes.holding():
                if self.run:
                    stack.enter_context(self.run.locked())
                    self._open(self.run)
            bar = stack.enter_context(self._bar())
            cards = [self.gan.device] if self.gan.device.type == "cuda" else []
            stack.enter_context(torch.random.fork_rng(cards))  # each step seeds the global generators
            networks = list(self.gan.networks.values())
            for network in networks:
                train_mode(network)
            stack.enter_context(self.processes.translating())
            stack.enter_context(sharing(self.processes.share))
            stack.enter_context(synchronizing(networks, is_asked=self.settings.synchronize_batch_norm))
            stack.enter_context(compiling(networks, is_asked=self.settings.compile))
            self.processes.check_same(lambda: {**self.config(), "number of steps": self._index})
            self.monitor.start(self.images)
            while not self._is_stopped() and self._index < self.settings.steps:
                self._train_step()
                bar.update(self.settings.images_per_step)
                with self.processes.holding():
                    self._record(bar)
            with self.processes.holding():
                self._finish()
            self.processes.agree(None)  # nobody leaves before all files are written
            if self._interrupts.received is not None:
                if self.run:
                    logger.warning("stopped at %d images; go on with: ganzoo resume %s", self.images, self.run.path)
                self._interrupts.leave()
        return self.result().eval()

    def _is_stopped(self) -> bool:
        """Tell whether a signal was received, by any process."""
        agreed = self.processes.agree(self._interrupts.received)
        if (
            agreed is not None
        ):  # else this process may have received one since it asked, and it counts for the next step
            self._interrupts.received = agreed
        return agreed is not None

    def _finish(self) -> None:
        check_networks(self._index, dict(self.result().networks.items()))
        self._save()
        is_saved_for_others = all(name in self.gan.config.networks for name in self.gan.networks)
        if self.run and is_saved_for_others and self._interrupts.received is None:
            result = self.result()
            picture = self._probe.picture(result, seed=0)
            self._recorder.publish(result, picture, getattr(torch, self.settings.weights_dtype))

    def _bar(self) -> "tqdm[Any]":
        return tqdm(
            total=self.settings.steps * self.settings.images_per_step,
            initial=self.images,
            unit=" images",
            unit_scale=True,
            disable=None if self._progress else True,  # None: silent unless on a terminal
            dynamic_ncols=True,
        )

    def _open(self, run: RunFolder) -> None:
        run.sweep()
        if self._is_resumed:
            run.cut_log(self.images)
            CheckpointStore(run.checkpoints, self.settings.keep_checkpoints).point_to(self.images)
            return
        run.check_free()
        self._save()
        run.create(self.config())
        self._draw()

    def _train_step(self) -> None:
        settings, index = self.settings, self._index
        # Dropout draws from it. torch.manual_seed would spend 0.2 ms on noting the stack for devices it has not met.
        every_generator = torch.default_generator if settings.device == "cpu" else torch
        shared = [self.processes.number] if self.processes.number else []
        every_generator.manual_seed(randomness.hash_seed(settings.seed, index, "global", *shared))
        self.step.begin(index)
        decay = decay_factor(settings.learning_rate_decay, index / settings.steps)
        check = settings.device == "cpu" or self._is_due(settings.log_every_images, index + 1)
        for number in range(settings.discriminator_steps):
            rows = self._order.batch(index * settings.discriminator_steps + number)
            batch = self.table.batch(cut(rows), device=settings.device, memory_format=self._memory_format)
            if settings.flip or settings.shift:
                rng = randomness.generator(settings.seed, index, number, "flips")
                batch = flip_and_shift(batch, flip=settings.flip, shift=settings.shift, rng=rng)
            if settings.precision == "fp64":
                batch = as_double(batch)
            losses = self.step.discriminator_losses(batch)
            self.monitor.values |= self.discriminator.update(
                losses, index, weight=settings.discriminator_weight, decay=decay, check=check
            )
            for constraint in self.objective.constraints:
                for network in self.discriminator.networks.values():
                    constraint.apply(network)
        with self.discriminator.frozen():
            losses = self.step.generator_losses(batch)
            self.monitor.values |= self.generator.update(losses, index, decay=decay, check=check)
        for average in self.averages.values():
            average.update()
        self._index += 1

    def _draw(self) -> None:
        self._recorder.draw(self._probe.picture(self.result(), self.settings.seed), self.images)

    def _is_due(self, every_images: int, index: int) -> bool:
        return index % self.settings.interval(every_images) == 0 or index == self.settings.steps

    def _record(self, bar: "tqdm[Any]") -> None:
        if self.processes.number:
            if self._is_due(self.settings.checkpoint_every_images, self._index):
                check_networks(self._index, dict(self.result().networks.items()))
            return
        if self._is_due(self.settings.log_every_images, self._index):
            line = self.monitor.line(self.images, self._index, self.step.statistics)
            line["spread"] = self._health.relative_spread(self._probe.samples(self.result(), BATCH, self.settings.seed))
            self._health.watch(line)
            bar.set_postfix(D=f"{line['discriminator_loss']:.3f}", G=f"{line['generator_loss']:.3f}", refresh=False)
            self._recorder.log(line)
        if self._is_due(self.settings.sample_every_images, self._index):
            self._draw()
        if self._index % self.settings.interval(self.settings.checkpoint_every_images) == 0:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Write a checkpoint, unless this very state is on disk; a disk that refuses does not end training."""
        if self.run is None or self._saved_index == self._index:
            return
        tensors, state = resuming.pack(self)
        self._recorder.checkpoint(self.images, tensors, state)
        if self._recorder.unsaved is None:
            self._saved_index = self._index

    def _save(self) -> None:
        """Write a checkpoint, and raise if the disk refuses."""
        self._checkpoint()
        if self._recorder.unsaved:
            raise self._recorder.unsaved

    def result(self) -> GAN:
        """Return the GAN as it would be published now: averaged generators, and the discriminators themselves."""
        networks = dict(self.gan.networks.items())
        networks |= {name: average.network for name, average in self.averages.items()}
        config = describe_model(
            self.gan,
            self.objective,
            self.table,
            self.settings,
            self.notes,
            self.images,
            self.monitor.seconds,
            self.processes.count,
        )
        return GAN(networks, config=config, latent_dim=self.gan.latent_dim)

    def config(self) -> dict[str, Any]:
        """Return everything that was asked for, resolved, as config.toml holds it."""
        own = {} if type(self.step) is AdversarialStep else {"step": type(self.step).__qualname__}
        return describe_run(
            self.gan,
            self.objective,
            self.table,
            self.settings,
            {**self.notes, **own},
            split=self.split,
            fingerprint=self._fingerprint,
            is_named=self._is_named,
        )

    @cached_property
    def _fingerprint(self) -> str:
        return self.table.fingerprint()

    @classmethod
    def resume(
        cls,
        run: str | os.PathLike[str],
        *,
        data: Data | None = None,
        value_range: tuple[float, float] | None = None,
        objective: Objective | Term | str | None = None,
        model: GAN | None = None,
        step: TrainingStep | None = None,
        progress: bool = True,
    ) -> "Trainer":
        """Prepare to go on with a run, bit for bit, from its newest checkpoint that verifies.

        Args:
            run: The run's folder.
            data: The data, where the run's came from Python.
            value_range: As it was given with such data.
            objective: The objective, where the run's has terms that are not registered.
            model: A GAN of the same networks, where the run's were plain modules or partly frozen.
            step: The training step, where the run had its own.
            progress: Show a progress bar on a terminal.

        Raises:
            RunError: The folder holds no run, or what it was trained with has changed; the message names what.
            CheckpointError: No checkpoint verifies.
        """
        folder = RunFolder(Path(run).expanduser())
        asked, given = folder.read_config(), {"data": data, "objective": objective, "model": model, "step": step}
        arguments = resuming.arguments(asked, folder.path, **given)
        with weights_coming():
            trainer = cls(run=folder.path, progress=progress, value_range=value_range, **arguments)
        checkpoint = CheckpointStore(folder.checkpoints, trainer.settings.keep_checkpoints).load_newest()
        resuming.check_unchanged(checkpoint.state, asked, trainer.config(), folder.path, trainer.processes.count)
        trainer._index = trainer._saved_index = resuming.unpack(checkpoint, trainer)
        trainer._is_resumed = True
        return trainer
