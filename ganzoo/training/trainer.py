"""The one trainer: it alone does backward, optimizer steps, averaging and files."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganzoo import randomness
from ganzoo.building import check_settings
from ganzoo.config import build_config
from ganzoo.data.flips import check_flips
from ganzoo.data.loading import Data, open_data
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import read_objective
from ganzoo.losses.term import Term
from ganzoo.models.architecture import weights_coming
from ganzoo.shares import sharing
from ganzoo.training import resuming
from ganzoo.training.augmenting import check_augments
from ganzoo.training.batch_norm import synchronizing
from ganzoo.training.batches import Batches
from ganzoo.training.callbacks import Callback
from ganzoo.training.calling import Callbacks
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.description import describe_model, describe_run
from ganzoo.training.distributed import Processes
from ganzoo.training.ema import ExponentialMovingAverage
from ganzoo.training.fitting import check_arguments, check_fit, check_terms, fit_gan, step_for
from ganzoo.training.freezing import freeze_lower_layers
from ganzoo.training.interrupts import Interrupts
from ganzoo.training.journal import Journal
from ganzoo.training.monitor import Monitor, progress_bar
from ganzoo.training.plan import Plan, plan_run
from ganzoo.training.player import Player
from ganzoo.training.precision import compiling
from ganzoo.training.run import RunFolder
from ganzoo.training.schedules import Schedule
from ganzoo.training.settings import Settings
from ganzoo.training.step import AdversarialStep, TrainingStep, train_mode

if TYPE_CHECKING:
    from ganzoo.training.finetuning import FinetuningPlan

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
        callbacks: Sequence[Callback | str] = (),
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
            step: What a step computes; by default what the generator's architecture brings, or the two-player step.
            callbacks: What to call while training: names such as `"tensorboard"`, and `ganzoo.Callback` objects.
            progress: Show a progress bar on a terminal.
            notes: What else config.toml and the model card shall say: `recipe`, `license`, `finetuning`.
            settings: Everything else in `ganzoo.training.settings.Settings`, such as `batch_size` and `learning_rate`.

        Raises:
            ConfigError: A setting or an argument of a callback is unknown or out of range, or data and model have
                different shapes.
            DataError: The data cannot be read.
            InputError: A condition is asked for or needed, and the data has none; or `conditional` or settings are
                given with a GAN that is built already; or `best_by` does not fit the data, or needs a run's folder.
            MissingExtraError: A callback or an evaluation needs a package that is not installed.
            UnknownNameError: No architecture, callback, data set or number has a name that was given.
            ObjectiveError: The objective cannot be read, or does not go with model and data.
            ProcessesError: The other processes that `torchrun` tells of did not come.
        """
        check_arguments(model, model_args, conditional, run)
        check_settings("notes", notes, "{'license': {'data': 'CC0-1.0'}}")
        asked = build_config(Settings, {"images": images, **settings}, "training")
        self.settings = asked.resolved()
        self.chosen = self.settings.differing(asked)
        self.processes = Processes.join(self.settings)
        self.table = open_data(data, split=split, value_range=value_range)
        self.split = split
        self.objective = read_objective(objective)
        self._is_named = isinstance(model, str)
        others = {"discriminator": discriminator, "discriminator_args": discriminator_args}
        self.gan = fit_gan(model, self.table, model_args, others, conditional=conditional, seed=self.settings.seed)
        check_fit(self.gan, self.table, has_own_step=step is not None)
        freeze_lower_layers(dict(self.gan.networks.items()), self.settings.freeze_discriminator_layers)
        check_flips(self.table, self.settings.flip, self.settings.shift)
        for name, network in self.gan.networks.items():
            if name.startswith("discriminator"):
                self.objective.check(network, paired=self.gan.condition.kind == "image" and self.table.paired)
        check_terms(self.gan, self.objective, self.table)
        self.notes = dict(notes or {})
        # Process 0 alone writes.
        self.run = None if run is None or self.processes.number else RunFolder(Path(run).expanduser())
        pictures = len(self.gan.sample_shape) == 3 and self.settings.batch_size >= CHANNELS_LAST_FROM
        memory_format = torch.channels_last if pictures else torch.contiguous_format
        self.gan.to(self.settings.device).to(memory_format=memory_format)
        if self.settings.precision == "fp64":
            self.gan.double()
        self.processes.share_weights(dict(self.gan.networks.items()))
        self.step: TrainingStep = step or step_for(self.gan, self.objective, self.settings)
        check_augments(self.step, self.settings)
        self._own_step = "" if step is None or type(step) is AdversarialStep else type(step).__qualname__
        rate, other_rate = self.settings.learning_rate, self.settings.discriminator_learning_rate
        everyone = dict(self.gan.networks.items())
        self.discriminator = Player("discriminator", everyone, self.settings, other_rate, self.processes)
        self.generator = Player("generator", everyone, self.settings, rate, self.processes)
        batch, half_life = self.settings.images_per_step, self.settings.ema_half_life_images
        self.averages = {
            name: ExponentialMovingAverage(network, batch_images=batch, half_life_images=half_life)
            for name, network in self.generator.networks.items()
        }
        self._batches = Batches(self.table, self.settings, memory_format)
        self.monitor = Monitor()
        self._schedule = Schedule(self.settings)
        self.callbacks = Callbacks(callbacks, is_active=not self.processes.number)
        self.journal = Journal(self)
        self._interrupts = Interrupts()
        self._progress = progress and not self.processes.number
        self._is_resumed = False
        self.finetuning: FinetuningPlan | None = None  # of a run that `from_pretrained` prepared
        self.index = 0  # how many steps were taken: the number of the next one

    @property
    def images(self) -> int:
        """How many images the discriminator has been shown as real."""
        return self.index * self.settings.images_per_step

    def fit(self) -> GAN:
        """Train to the end of the budget.

        The first SIGINT, SIGTERM or SIGUSR1 ends training after the step at hand, with a checkpoint; a second at once.

        Returns:
            The trained GAN in eval mode: averaged generator, discriminator as it is.

        Raises:
            CallbackError: A callback failed; the message names it.
            DivergenceError: A loss, gradient, weight or statistic is not finite.
            InputError: The samples are too few to evaluate; this shows before the first step.
            RunError: The run's folder holds a run already, or another process trains in it.
            OutputError: The last state could not be saved.
            ProcessesError: Another of the processes that train together failed or is gone.
            KeyboardInterrupt: After SIGINT, once the checkpoint is written.
            SystemExit: Likewise after SIGTERM (code 143) and SIGUSR1 (code 0).
        """
        with ExitStack() as stack:
            stack.enter_context(self._interrupts.listening())
            stack.enter_context(self.processes.translating())
            with self.processes.holding():
                if self.run:
                    stack.enter_context(self.run.locked())
                    self.journal.open(self.run, is_resumed=self._is_resumed)
            self.processes.agree(None)  # a refusal in one is a refusal in all, before any of them writes
            self.processes.check_same(lambda: {**self.config(), "number of steps": self.index})
            bar = stack.enter_context(progress_bar(self.settings, self.images, is_shown=self._progress))
            cards = [self.gan.device] if self.gan.device.type == "cuda" else []
            stack.enter_context(torch.random.fork_rng(cards))  # each step seeds the global generators
            with self.processes.holding():
                stack.enter_context(self.callbacks.running(self))
                self.journal.begin(is_resumed=self._is_resumed)
            networks = list(self.gan.networks.values())
            for network in networks:
                train_mode(network)
            stack.enter_context(sharing(self.processes.share))
            stack.enter_context(synchronizing(networks, is_asked=self.settings.synchronize_batch_norm))
            stack.enter_context(compiling(networks, is_asked=self.settings.compile))
            self.monitor.start(self.images)
            while not self._is_stopped() and self.index < self.settings.steps and not self._has_plateaued():
                self._train_step()
                bar.update(self.settings.images_per_step)
                with self.processes.holding():
                    self.journal.record(bar)
            with self.processes.holding():
                self.journal.finish(is_complete=self._interrupts.received is None)
            self._is_stopped()  # nobody leaves before all files are written
            if self._interrupts.received is not None:
                if self.run:
                    logger.warning("stopped at %d images; go on with: ganzoo resume %s", self.images, self.run.path)
                self._interrupts.leave()
        return self.result().eval()

    def _is_stopped(self) -> bool:
        """Tell whether a signal was received, by any process, and end all of them if one failed."""
        # Process 0 may have evaluated the model meanwhile, for longer than a process may otherwise be silent.
        every = self.settings.evaluate_every_images
        is_patient = every > 0 and self.settings.is_due(every, self.index)
        agreed = self.processes.agree(self._interrupts.received, is_patient=is_patient)
        if agreed is not None:  # else one that was received since counts for the next step
            self._interrupts.received = agreed
        return agreed is not None

    def _has_plateaued(self) -> bool:
        """Tell whether the number of `best_by` has not improved for too long; a function of weights' past alone."""
        settings = self.settings
        if not settings.patience_images or not settings.is_due(settings.evaluate_every_images, self.index):
            return False
        evaluator = self.journal.evaluator  # process 0's
        return self.processes.agree_that(evaluator is not None and evaluator.has_plateaued(self.images))

    def _train_step(self) -> None:
        settings, index = self.settings, self.index
        # Dropout draws from it. torch.manual_seed would spend 0.2 ms on noting the stack for devices it has not met.
        every_generator = torch.default_generator if settings.device == "cpu" else torch
        shared = [self.processes.number] if self.processes.number else []
        every_generator.manual_seed(randomness.hash_seed(settings.seed, index, "global", *shared))
        self.step.begin(index)
        decay = self._schedule.factor(index)
        check = settings.device == "cpu" or settings.is_due(settings.log_every_images, index + 1)
        for number in range(settings.discriminator_steps):
            batch = self._batches.batch(index, number)
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
        self.index += 1

    def plan(self) -> Plan:
        """Say what the run would be and take: its settings, parameters, memory and time.

        A few steps are taken on copies of the networks, for five seconds or a little more. The trainer, its networks
        and every random generator stay as they are, and nothing is written.

        Raises:
            InputError: The networks or the step cannot be copied.
            DivergenceError: Already these steps gave values that are not finite.
            RunError: The run's folder holds a run already.
        """
        return plan_run(self)

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
        own = {"step": self._own_step} if self._own_step else {}
        return describe_run(
            self.gan,
            self.objective,
            self.table,
            self.settings,
            {**self.notes, **own, **self.callbacks.describe()},
            split=self.split,
            fingerprint=self._fingerprint,
            is_named=self._is_named,
        )

    @cached_property
    def _fingerprint(self) -> str:
        return self.table.fingerprint()

    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike[str], data: Data, *, progress: bool = True, **arguments: Any
    ) -> "Trainer":
        """Prepare to fine-tune a pretrained model: generator and average start as published, the discriminator too.

        What is not given is chosen for the data, and said before training starts, with what each network keeps and
        what of it is new; `trainer.finetuning` has all of it.

        Args:
            source: A pretrained model, as `ganzoo.load` takes it.
            data: What `open_data` takes. Pictures in a folder or archive are brought to the model's size, unless the
                text asks for another.
            progress: Print the plan, and show a progress bar on a terminal.
            arguments: Those of `ganzoo.training.finetuning.prepare`: `run`, `images`, `objective`, `conditional` and
                other arguments of `Trainer`, and any setting.

        Raises:
            GanzooError: As `ganzoo.load` and `Trainer`; and where model and data do not go together, in one sentence.
        """
        from ganzoo.training.finetuning import prepare

        prepared = prepare(source, data, **arguments)
        trainer = cls(progress=progress, **prepared.arguments)
        trainer._is_named = True  # the names and settings of its architectures build the same networks again
        trainer.finetuning = prepared.plan
        if progress and not trainer.processes.number:
            print(prepared.plan, file=sys.stderr)
        return trainer

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
        callbacks: Sequence[Callback | str] | None = None,
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
            callbacks: What to call in place of what the run named; None for the same, which needs those that came from
                Python to be given again. They change no result, so any will do.
            progress: Show a progress bar on a terminal.

        Raises:
            RunError: The folder holds no run, or what it was trained with has changed; the message names what.
            CheckpointError: No checkpoint verifies.
        """
        folder = RunFolder(Path(run).expanduser())
        asked, given = folder.read_config(), {"data": data, "objective": objective, "model": model, "step": step}
        arguments = resuming.arguments(asked, folder.path, **given, callbacks=callbacks)
        with weights_coming():
            trainer = cls(run=folder.path, progress=progress, value_range=value_range, **arguments)
        checkpoint = CheckpointStore(folder.checkpoints, trainer.settings.keep_checkpoints).load_newest()
        resuming.check_unchanged(checkpoint.state, asked, trainer.config(), folder.path, trainer.processes.count)
        trainer.index = resuming.unpack(checkpoint, trainer)
        trainer._is_resumed = True
        return trainer
