"""The one trainer: it alone does backward, optimizer steps, averaging and files."""

import itertools
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

import ganzoo
from ganzoo import randomness, zoo
from ganzoo.config import SamplingConfig, build_config
from ganzoo.data.loading import Data, open_data
from ganzoo.data.table import Batch
from ganzoo.errors import ConfigError, InputError, ObjectiveError, OutputError
from ganzoo.gan import GAN, condition_of
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import parse
from ganzoo.losses.term import Term
from ganzoo.training import resuming
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.ema import ExponentialMovingAverage
from ganzoo.training.interrupts import Interrupts
from ganzoo.training.monitor import Monitor, check_finite, gradient_norm
from ganzoo.training.optimizers import create_optimizer, decay_factor
from ganzoo.training.run import RunFolder
from ganzoo.training.settings import Settings
from ganzoo.training.step import AdversarialStep, TrainingStep, train_mode

logger = logging.getLogger("ganzoo")

GRID = 64  # how many fixed samples a run draws
CHANNELS_LAST_FROM = 16  # below this batch size the other memory format is faster


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
        model_args: Mapping[str, Any] | None = None,
        conditional: bool = False,
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
            split: Which part of a folder of idx files.
            model_args: Settings of the architecture, where `model` is a name.
            conditional: Condition the networks on the data's labels, where `model` is a name.
            step: What a step computes; by default the two-player step.
            progress: Show a progress bar on a terminal.
            notes: What else config.toml and the model card shall say: `recipe`, `license`.
            settings: Everything else in `ganzoo.training.settings.Settings`, such as `batch_size` and `learning_rate`.

        Raises:
            ConfigError: A setting is unknown or out of range.
            DataError: The data cannot be read or does not fit the model.
            ObjectiveError: The objective cannot be read, or does not go with the model.
        """
        self.settings = build_config(Settings, {"images": images, **settings}, "training").resolved()
        self.table = open_data(data, split=split)
        self.split = split
        self.objective = _read_objective(objective)
        self.gan = self._create(model, model_args or {}, conditional) if isinstance(model, str) else model
        self._check_fit()
        self.objective.check(self.gan.discriminator)
        self.notes = dict(notes or {})
        self.run = None if run is None else RunFolder(Path(run).expanduser())
        self._progress = progress
        self._index = 0  # the next step's number
        self._memory_format = self._move_networks()
        self.step: TrainingStep = step or AdversarialStep(self.gan, self.objective, self.settings)
        self._roles = {
            role: {name: network for name, network in self.gan.networks.items() if name.startswith(role)}
            for role in ("discriminator", "generator")
        }
        self._learned = {role: list(_learnable(networks)) for role, networks in self._roles.items()}
        rates = {
            "discriminator": self.settings.discriminator_learning_rate,
            "generator": self.settings.learning_rate,
        }
        self._rates = rates
        self._optimizers = {
            role: create_optimizer(self._learned[role], self.settings, rates[role]) for role in self._roles
        }
        self._averages = {
            name: ExponentialMovingAverage(
                network,
                batch_images=self.settings.images_per_step,
                half_life_images=self.settings.ema_half_life_images,
            )
            for name, network in self._roles["generator"].items()
        }
        self._monitor = Monitor()
        self._interrupts = Interrupts()
        self._unsaved: OutputError | None = None

    def _create(self, name: str, arguments: Mapping[str, Any], conditional: bool) -> GAN:
        if conditional and not self.table.num_classes:
            raise InputError(
                f"a conditional model was asked for, and {self.table.name} has no labels; give labelled data"
            )
        classes = self.table.num_classes if conditional else 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(randomness.hash_seed(self.settings.seed, "weights"))
            return zoo.create_model_for(name, self.table.sample_shape, classes, **arguments)

    def _check_fit(self) -> None:
        """Refuse data of another shape than the model's, and labels it cannot take."""
        if self.gan.sample_shape != self.table.sample_shape:
            raise ConfigError(
                f"the model makes samples of shape {self.gan.sample_shape}, and {self.table.name} has "
                f"{self.table.sample_shape}; build the model for this shape"
            )
        for name, network in self.gan.networks.items():
            condition = condition_of(network)
            if condition.kind == "label" and condition.num_classes != self.table.num_classes:
                raise ObjectiveError(
                    f"the {name} is conditioned on {condition.num_classes} classes, and {self.table.name} has "
                    f"{self.table.num_classes}; give data with as many classes or a model for these"
                )

    def _move_networks(self) -> torch.memory_format:
        pictures = len(self.gan.sample_shape) == 3 and self.settings.batch_size >= CHANNELS_LAST_FROM
        memory_format = torch.channels_last if pictures else torch.contiguous_format
        self.gan.to(device=self.settings.device, dtype=torch.float32, memory_format=memory_format)
        return memory_format

    @property
    def images(self) -> int:
        """How many images the discriminator has been shown as real."""
        return self._index * self.settings.images_per_step

    def fit(self) -> GAN:
        """Train to the end of the budget.

        The first SIGINT, SIGTERM or SIGUSR1 ends training after the step at hand, with a checkpoint; the second at once.

        Returns:
            The trained GAN in eval mode: averaged generator, discriminator as it is.

        Raises:
            DivergenceError: A loss, gradient or weight is not finite.
            RunError: The run's folder holds a run already, or another process trains in it.
            OutputError: The last state could not be saved.
            KeyboardInterrupt: After SIGINT, once the checkpoint is written.
            SystemExit: Likewise after SIGTERM (code 143) and SIGUSR1 (code 0).
        """
        with ExitStack() as stack:
            if self.run:
                stack.enter_context(self.run.locked())
                self._open_run(self.run)
            stack.enter_context(self._interrupts.listening())
            bar = stack.enter_context(self._bar())
            for network in self.gan.networks.values():
                train_mode(network)
            self._monitor.start(self.images)
            while self._index < self.settings.steps and self._interrupts.received is None:
                self._train_step()
                bar.update(self.settings.images_per_step)
                self._after_step(bar)
            if self._interrupts.received is None:
                self._unsaved = None
                self._finish()
        if self._interrupts.received is not None:
            self._leave()
        return self.result()

    def _bar(self) -> "tqdm[Any]":
        return tqdm(
            total=self.settings.steps * self.settings.images_per_step,
            initial=self.images,
            unit=" images",
            unit_scale=True,
            disable=None if self._progress else True,  # None: silent unless on a terminal
            dynamic_ncols=True,
        )

    def _train_step(self) -> None:
        torch.manual_seed(randomness.hash_seed(self.settings.seed, self._index, "global"))  # dropout draws from it
        self.step.begin(self._index)
        factor = decay_factor(self.settings.learning_rate_decay, self._index / self.settings.steps)
        for number in range(self.settings.discriminator_steps):
            batch = self._batch(self._index * self.settings.discriminator_steps + number)
            losses = self.step.discriminator_losses(batch)
            self._update("discriminator", losses, self.settings.discriminator_weight, factor)
        with frozen(self._learned["discriminator"]):
            self._update("generator", self.step.generator_losses(batch), 1.0, factor)
        for average in self._averages.values():
            average.update()
        self._index += 1

    def _update(self, role: str, losses: Mapping[str, Tensor], weight: float, factor: float) -> None:
        """Do one player's backward pass and optimizer step."""
        loss = (
            torch.stack([*losses.values()]).sum() * weight if len(losses) > 1 else next(iter(losses.values())) * weight
        )
        loss.backward()  # type: ignore[no-untyped-call]
        norm = gradient_norm(self._learned[role])
        if self.settings.device == "cpu" or self._is_due(self.settings.log_every_images, ahead=1):
            check_finite(self._index, role, loss, norm, self._roles[role])
        optimizer = self._optimizers[role]
        for group in optimizer.param_groups:
            group["lr"] = self._rates[role] * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self._monitor.values |= {f"{role}_loss": loss.detach(), f"{role}_gradient_norm": norm}

    def _batch(self, number: int) -> Batch:
        index = resuming.batch_index(len(self.table), self.settings.batch_size, number, self.settings.seed)
        return self.table.batch(index, device=self.settings.device, memory_format=self._memory_format)

    def _is_due(self, every_images: int, ahead: int = 0) -> bool:
        done = self._index + ahead
        return done % self.settings.interval(every_images) == 0 or done == self.settings.steps

    def _after_step(self, bar: "tqdm[Any]") -> None:
        if self._is_due(self.settings.log_every_images):
            self._monitor.note_logits(self.step.statistics)
            line = self._monitor.line(self.images, self._index)
            bar.set_postfix(D=f"{line['discriminator_loss']:.3f}", G=f"{line['generator_loss']:.3f}", refresh=False)
            self._try_to_write(lambda run: run.log(line))
        if self._is_due(self.settings.sample_every_images):
            self._try_to_write(self._draw_samples)
        if self._is_due(self.settings.checkpoint_every_images):
            self._save_checkpoint()

    def _try_to_write(self, write: Any) -> bool:
        """Write in the run's folder; a disk that refuses is warned about and does not end training."""
        if self.run is None:
            return True
        try:
            write(self.run)
        except OSError as error:
            logger.warning("%s; training goes on, and will try again", error)
            self._unsaved = error if isinstance(error, OutputError) else OutputError(f"cannot write: {error}")
            return False
        return True

    def _draw_samples(self, run: RunFolder) -> None:
        from ganzoo.data.render import draw, save_png

        sampling = self._sampling()
        samples = self.result().sample(GRID, seed=self.settings.seed)
        save_png(draw(samples, scale=sampling.scale, offset=sampling.offset), run.sample_file(self.images))

    def _save_checkpoint(self) -> bool:
        def write(run: RunFolder) -> None:
            tensors, state = resuming.pack(self._index, self.gan, self._averages, self._optimizers, self.step)
            store = CheckpointStore(run.checkpoints, self.settings.keep_checkpoints)
            store.save(self.images, tensors, state | {"images": self.images, "config": self.config()})

        saved = self._try_to_write(write)
        if saved:
            self._unsaved = None
        return saved

    def _open_run(self, run: RunFolder) -> None:
        CheckpointStore(run.checkpoints, self.settings.keep_checkpoints).sweep()
        if self._index == 0 and not CheckpointStore(run.checkpoints, 2).names():
            run.create(self.config())
            for network in self.gan.networks.values():
                train_mode(network)
            if not self._save_checkpoint() and self._unsaved:
                raise self._unsaved
            self._draw_samples(run)
        elif self._index == 0:
            run.create(self.config())  # refuses: there is a run here already
        else:
            run.cut_log(self.images)

    def _finish(self) -> None:
        """Write the finished model; if the last state cannot be saved, say so at the end."""
        self._save_checkpoint()
        if self.run and self._is_registered_model():
            self._try_to_write(
                lambda run: self.result().save_pretrained(run.model, dtype=getattr(torch, self.settings.weights_dtype))
            )
        if self._unsaved:
            raise self._unsaved

    def _leave(self) -> None:
        if self.run:
            saved = self._save_checkpoint()
            if not saved and self._unsaved:
                raise self._unsaved
            logger.warning("stopped at %d images; go on with: ganzoo resume %s", self.images, self.run.path)
        self._interrupts.leave()

    def _is_registered_model(self) -> bool:
        return all(name in self.gan.config.networks for name in self.gan.networks)

    def _sampling(self) -> SamplingConfig:
        return SamplingConfig(
            sample_shape=self.table.sample_shape,
            scale=self.table.scale,
            offset=self.table.offset,
            data_dtype="uint8" if self.table.samples.dtype == torch.uint8 else "float32",
            class_names=self.table.class_names if self.gan.condition.kind == "label" else (),
        )

    def result(self) -> GAN:
        """Return the GAN as it would be published now: averaged generators, other networks as they are (shared)."""
        networks = dict(self.gan.networks.items()) | {name: average.network for name, average in self._averages.items()}
        training = {
            "recipe": self.notes.get("recipe"),
            "objective": str(self.objective),
            "data": self.table.name,
            "data_samples": len(self.table),
            "images_shown": self.images,
            **{key: value for key, value in self.settings.to_dict().items() if not key.endswith("_every_images")},
        }
        license_ = self.notes.get("license") or ({"data": self.table.license} if self.table.license else {})
        config = replace(
            self.gan.config,
            sampling=self._sampling(),
            training={key: value for key, value in training.items() if value is not None},
            license=dict(license_),
        )
        published = GAN(config=config, latent_dim=self.gan.latent_dim, **networks)
        published.generator.eval()
        return published

    def config(self) -> dict[str, Any]:
        """Return everything that was asked for, resolved, as config.toml holds it."""
        network = self.gan.config.networks.get("generator")
        model = {"architecture": network.architecture, "args": network.args} if network else {"python": True}
        data = {"source": self.table.source, "split": self.split, "name": self.table.name, "samples": len(self.table)}
        return {
            "ganzoo": ganzoo.__version__,
            "objective": str(self.objective),
            "model": model,
            "data": {key: value for key, value in data.items() if value is not None}
            | {"fingerprint": self.table.fingerprint()},
            "training": self.settings.to_dict(),
            **self.notes,
        }

    @classmethod
    def resume(
        cls,
        run: str | os.PathLike[str],
        *,
        data: Data | None = None,
        objective: Objective | Term | str | None = None,
        model: GAN | None = None,
        step: TrainingStep | None = None,
        progress: bool = True,
    ) -> "Trainer":
        """Prepare to go on with a run, bit for bit, from its newest checkpoint that verifies.

        Args:
            run: The run's folder.
            data: The data, where the run's came from Python.
            objective: The objective, where the run's has terms that are not registered.
            model: A GAN of the same networks, where the run's were plain modules.
            step: The training step, where the run had its own.
            progress: Show a progress bar on a terminal.

        Raises:
            RunError: The folder holds no run, or what it was trained with has changed; the message names what.
            CheckpointError: No checkpoint verifies.
        """
        folder = RunFolder(Path(run).expanduser())
        config = folder.read_config()
        asked = resuming.read_run_config(config, folder.path, data, objective, model)
        trainer = cls(run=folder.path, step=step, progress=progress, **asked)
        checkpoint = CheckpointStore(folder.checkpoints, trainer.settings.keep_checkpoints).load_newest()
        resuming.compare(checkpoint.state, trainer.config(), folder.path)
        trainer._index = resuming.unpack(checkpoint, trainer.gan, trainer._averages, trainer._optimizers, trainer.step)
        return trainer


def _read_objective(objective: Objective | Term | str) -> Objective:
    if isinstance(objective, str):
        return parse(objective)
    if isinstance(objective, Term):
        return Objective.of(objective)
    if not isinstance(objective, Objective):
        raise ObjectiveError(
            f"the objective is a {type(objective).__name__}; it takes text such as 'non_saturating', or terms added up"
        )
    return objective


def _learnable(networks: Mapping[str, nn.Module]) -> Iterator[nn.Parameter]:
    every = itertools.chain.from_iterable(network.parameters() for network in networks.values())
    return (parameter for parameter in every if parameter.requires_grad)


@contextmanager
def frozen(parameters: list[nn.Parameter]) -> Iterator[None]:
    """Compute no gradients for these parameters: the other player learns."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
