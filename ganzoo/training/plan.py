"""What a run would be and would take, before it starts: parameters, memory and time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganzoo.errors import InputError
from ganzoo.training.quantities import duration, memory
from ganzoo.training.trial import Trial, size_of, state_of, try_steps

if TYPE_CHECKING:
    from ganzoo.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """One network.

    Attributes:
        name: Such as `"generator"`.
        architecture: Its architecture's name; empty for a plain module.
        parameters: How many numbers its parameters hold.
        trained: How many of them are trained; the others are frozen.
    """

    name: str
    architecture: str
    parameters: int
    trained: int


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What training holds at most at a time, in bytes, beside Python and torch themselves.

    Attributes:
        weights: Parameters and buffers of all networks; counted.
        averages: The averaged copies; counted.
        optimizers: What the optimizers keep; counted after a step.
        gradients: Those of the player with most, since one learns at a time; counted.
        activations: The rest of what a step holds at its peak: activations, temporary tensors and the batch; measured
            in one step, in which all penalties are due. On a card this is what the allocator gave out. On the processor
            it is the tensors that operations return, so a lower bound: an operation's scratch space and what the
            allocator keeps come on top, and a process grew by 1.4 to 1.7 times as much where both were measured.
        data: The data set, which stays in main memory; counted.
    """

    weights: int
    averages: int
    optimizers: int
    gradients: int
    activations: int
    data: int

    @property
    def total(self) -> int:
        """All of it but the data."""
        return self.weights + self.averages + self.optimizers + self.gradients + self.activations


@dataclass(frozen=True, kw_only=True)
class TimePlan:
    """How long the run would take from here, from steps timed after some to warm up.

    Attributes:
        steps: How many steps are left.
        timed: How many steps were timed.
        seconds_per_step: Their mean, where kinds of steps count as often as they come.
        seconds: For all steps left, and the samples of its log and pictures; not for writing checkpoints
            or for evaluations.
        low: The same if all steps took as long as the fastest tenth of those timed.
        high: The same if all steps took as long as the slowest tenth.
    """

    steps: int
    timed: int
    seconds_per_step: float
    seconds: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run before it starts; `str(plan)` is what `ganzoo train --dry-run` prints.

    Attributes:
        run: The folder that the run would be written to, or None.
        objective: The objective as text.
        data: The data's name, size and shape, in words.
        condition: What the generator is conditioned on, in words.
        settings: Every setting, resolved.
        chosen: The names of the settings that were left to the program, such as `precision="auto"`.
        images: How many images were shown already; 0 unless the run is resumed.
        images_per_step: How many images a step shows.
        epochs: How often the budget shows each sample.
        networks: The networks.
        memory: The memory it takes.
        time: The time it takes.
    """

    run: Path | None
    objective: str
    data: str
    condition: str
    settings: Mapping[str, Any]
    chosen: tuple[str, ...]
    images: int
    images_per_step: int
    epochs: float
    networks: tuple[NetworkPlan, ...]
    memory: MemoryPlan
    time: TimePlan

    def __str__(self) -> str:
        return "\n\n".join(f"{title}\n{_table(rows)}" for title, rows in self._sections().items())

    def _sections(self) -> dict[str, list[tuple[str, ...]]]:
        per_second = self.images_per_step / self.time.seconds_per_step
        low, high = duration(self.time.low), duration(self.time.high)
        left_out = "writing checkpoints" + (" and evaluations" if self.settings["evaluate_every_images"] else "")
        return {
            "plan": [
                ("objective", self.objective),
                ("data", self.data),
                ("condition", self.condition),
                ("budget", f"{self.settings['images']:,} images: {self.epochs:.3g} times all samples"),
                *([("shown already", f"{self.images:,} images")] if self.images else []),
                ("run", f"{self.run}; nothing is written now" if self.run else "none; nothing is written"),
            ],
            "networks": [
                (
                    network.name,
                    f"{network.parameters:,} parameters"
                    + (f", {network.trained:,} of them trained" if network.trained < network.parameters else ""),
                    network.architecture or "plain module",
                )
                for network in self.networks
            ],
            "settings": [
                (name, _as_text(value), "chosen here" if name in self.chosen else "")
                for name, value in self.settings.items()
                if name != "images"
            ],
            "memory": [
                ("weights", memory(self.memory.weights)),
                ("averages", memory(self.memory.averages)),
                ("optimizers", memory(self.memory.optimizers)),
                ("gradients", memory(self.memory.gradients), "of one player at a time"),
                ("activations", memory(self.memory.activations), "and temporary tensors, measured in one step"),
                ("together", memory(self.memory.total), "of tensors, beside Python and torch"),
                ("data", memory(self.memory.data), "in main memory"),
            ],
            "time": [
                ("steps", f"{self.time.steps:,} of {self.images_per_step:,} images"),
                ("each", f"{1000 * self.time.seconds_per_step:.3g} ms, {per_second:,.0f} images/s"),
                ("together", f"{duration(self.time.seconds)}, without {left_out}"),
                ("between", f"{low} and {high}, by the fastest and slowest tenth of {self.time.timed} timed steps"),
            ],
        }


def plan_run(trainer: "Trainer") -> Plan:
    """Take a few steps on copies of a trainer's networks, and say what the run would take; see `Trainer.plan`."""
    if trainer.processes.count > 1:
        raise InputError(
            f"a run was to be planned by {trainer.processes.count} processes; plan it in one, without torchrun, with "
            "batch_size as large as the share of one of them"
        )
    if trainer.run and trainer.images == 0:
        trainer.run.check_free()
    settings, table = trainer.settings, trainer.table
    players = (trainer.discriminator, trainer.generator)
    trial = try_steps(trainer)
    configs, learned = trainer.gan.config.networks, {id(p) for player in players for p in player.parameters}
    networks = tuple(
        NetworkPlan(
            name=name,
            architecture=configs[name].architecture if name in configs else "",
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            trained=sum(parameter.numel() for parameter in network.parameters() if id(parameter) in learned),
        )
        for name, network in trainer.gan.networks.items()
    )
    gradients = max(size_of(player.parameters) for player in players)
    held = (table.samples, table.labels, table.vectors, table.sources)
    return Plan(
        run=trainer.run.path if trainer.run else None,
        objective=str(trainer.objective),
        data=f"{table.name}: {len(table):,} samples of shape {'x'.join(map(str, table.sample_shape))}",
        condition=str(trainer.gan.condition),
        settings=settings.to_dict(),
        chosen=trainer.chosen,
        images=trainer.images,
        images_per_step=settings.images_per_step,
        epochs=settings.images / len(table),
        networks=networks,
        memory=MemoryPlan(
            weights=sum(size_of(state_of(network)) for network in trainer.gan.networks.values()),
            averages=sum(size_of(state_of(average.network)) for average in trainer.averages.values()),
            optimizers=trial.optimizer_bytes,
            gradients=gradients,
            activations=max(0, trial.peak_bytes - gradients),
            data=size_of(part for part in held if part is not None),
        ),
        time=_time_plan(trainer, trial),
    )


def _time_plan(trainer: "Trainer", trial: Trial) -> TimePlan:
    settings, done = trainer.settings, trainer.images // trainer.settings.images_per_step
    steps = max(0, settings.steps - done)

    def average(of: Any) -> float:
        return float(sum(share * of(times) for share, times in trial.kinds))

    lines = steps / settings.interval(settings.log_every_images)
    pictures = steps / settings.interval(settings.sample_every_images)
    besides = lines * trial.line_seconds + pictures * trial.picture_seconds
    each = average(np.mean)
    return TimePlan(
        steps=steps,
        timed=sum(len(times) for _, times in trial.kinds),
        seconds_per_step=each,
        seconds=steps * each + besides,
        low=steps * average(lambda times: np.percentile(times, 10)) + besides,
        high=steps * average(lambda times: np.percentile(times, 90)) + besides,
    )


def _as_text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as lines with aligned columns, indented by two."""
    widths = [max((len(row[k]) for row in rows if len(row) > k + 1), default=0) for k in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows]
    return "\n".join(f"  {line}".rstrip() for line in lines)
