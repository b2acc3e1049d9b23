"""A few training steps on copies of a trainer's networks, to measure what a run takes; they leave no trace."""

import copy
import math
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganzoo.errors import InputError
from ganzoo.training.health import BATCH
from ganzoo.training.precision import compiling
from ganzoo.training.schedules import Schedule
from ganzoo.training.step import train_mode

if TYPE_CHECKING:
    from ganzoo.training.trainer import Trainer

WARM_UP, LEAST, MOST = 2, 3, 30  # steps of each kind: before measuring, and measured
LONGEST_CYCLE = 100_000  # steps after which all penalties are due again, if it is to be gone through
SECONDS = 5.0  # for measuring, unless the fewest steps take longer

# What training changes; all else of a trainer may be shared with its copy.
MOVING = ("gan", "step", "objective", "discriminator", "generator", "averages", "monitor", "_batches")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was measured.

    Attributes:
        kinds: For each kind of step, how often it comes (these add up to 1) and how long each measured one took, in
            seconds. With penalties that are not due in every step there are several kinds.
        line_seconds: How long the samples for a line of the log take.
        picture_seconds: How long a picture of the fixed samples takes.
        peak_bytes: The most memory that a step holds at a time beside weights, averages and optimizers, where all
            penalties are due: gradients, activations and temporary tensors.
        optimizer_bytes: What the optimizers keep after a step.
    """

    kinds: tuple[tuple[float, tuple[float, ...]], ...]
    line_seconds: float
    picture_seconds: float
    peak_bytes: int
    optimizer_bytes: int


def try_steps(trainer: "Trainer", *, seconds: float | None = None) -> Trial:
    """Take steps of every kind with a copy of a trainer, on the data's real batches, and measure them.

    Weights, averages, optimizers, counters and random generators of the trainer stay as they are, and nothing is
    written.

    Args:
        trainer: The trainer.
        seconds: How long to measure, unless three steps of each kind take longer; by default five.

    Raises:
        InputError: The networks or the step cannot be copied.
        DivergenceError: Already these steps gave values that are not finite.
    """
    copied = _copy(trainer)
    cards = [trainer.gan.device] if trainer.gan.device.type == "cuda" else []
    networks = list(copied.gan.networks.values())
    # Each step seeds the global generators.
    with torch.random.fork_rng(cards), compiling(networks, is_asked=copied.settings.compile):
        for network in networks:
            train_mode(network)
        periods = [term.every for term, _ in copied.objective.penalties]
        # The last ones of the run, because networks may grow while they train: no step takes longer than these.
        late = _last_cycle(periods, copied.settings.steps)
        kinds = {late + index: share for index, share in _kinds_of_steps(periods).items()}
        times: dict[int, list[float]] = {index: [] for index in kinds}
        for index in list(kinds) * WARM_UP:
            _step(copied, index)
        peak = _peak_of(lambda: _step(copied, late), copied.gan.device)
        end = time.monotonic() + (SECONDS if seconds is None else seconds)
        for number in range(MOST):
            if number >= LEAST and time.monotonic() >= end:
                break
            for index, found in times.items():
                found.append(_timed(lambda index=index: _step(copied, index), copied.gan.device))  # type: ignore[misc]
        result, seed = copied.result(), copied.settings.seed
        line = _timed(lambda: copied.journal.probe.samples(result, BATCH, seed), copied.gan.device)
        picture = _timed(lambda: copied.journal.probe.picture(result, seed), copied.gan.device)
    return Trial(
        kinds=tuple((share, tuple(times[index])) for index, share in kinds.items()),
        line_seconds=line,
        picture_seconds=picture,
        peak_bytes=peak,
        optimizer_bytes=sum(_optimizer_bytes(player.optimizer) for player in (copied.discriminator, copied.generator)),
    )


def size_of(tensors: Iterable[Tensor]) -> int:
    """Return how many bytes tensors hold together."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def state_of(network: nn.Module) -> list[Tensor]:
    """Return a network's parameters and buffers."""
    return [*network.parameters(), *network.buffers()]


class _AtTheStart(Schedule):
    """A schedule that stays where a run begins, such as at the foot of its warm-up."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def factor(self, index: int) -> float:
        """Return the factor, whatever the step."""
        return self._factor


def _copy(trainer: "Trainer") -> "Trainer":
    """Return a trainer whose steps change nothing of the given one's, over the same data, that writes nothing."""
    memo = {id(trainer.table): trainer.table}
    try:
        moving = copy.deepcopy({name: getattr(trainer, name) for name in MOVING}, memo)
    except (RuntimeError, TypeError, copy.Error) as error:  # such as a network that keeps tensors of a graph
        raise InputError(
            f"no step can be tried, because networks, objective or step cannot be copied ({error}); plan a fresh "
            "trainer of networks that keep nothing but weights"
        ) from error
    copied = copy.copy(trainer)
    for name, value in moving.items():
        setattr(copied, name, value)
    copied.run = None
    copied._schedule = _AtTheStart(trainer._schedule.factor(trainer.index))  # a step beyond the budget has no rate
    return copied


def _kinds_of_steps(every: Iterable[int]) -> dict[int, float]:
    """Return the first step of each kind, where kinds differ in the penalties that are due, and its share of all."""
    periods = sorted(set(every))
    cycle = min(math.lcm(*periods), LONGEST_CYCLE)
    kinds: dict[tuple[bool, ...], list[int]] = {}
    for index in range(cycle):
        kinds.setdefault(tuple(index % period == 0 for period in periods), []).append(index)
    return {indices[0]: len(indices) / cycle for indices in kinds.values()}


def _last_cycle(every: Iterable[int], steps: int) -> int:
    """Return where the last whole cycle of penalties begins in a run of so many steps; 0 if none is whole."""
    cycle = math.lcm(*every)
    return 0 if cycle > LONGEST_CYCLE else max(0, steps // cycle - 1) * cycle


def _step(trainer: "Trainer", index: int) -> None:
    trainer.index = index
    trainer._train_step()


def _timed(act: Callable[[], Any], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    act()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_of(act: Callable[[], Any], device: torch.device) -> int:
    """Return the most bytes that are held at a time while something runs, beyond those held before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        act()
        return int(torch.cuda.max_memory_allocated(device) - before)
    live = _LiveTensors()
    with live:
        act()
    return live.peak


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the memory of tensors made while it is entered, as long as each lives.

    A card counts its allocations itself. For the processor this counts the results of every operation, forward and
    backward; what an operation takes for itself and gives back at its end is not seen.
    """

    peak: int

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._living: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                storage = leaf.untyped_storage()
                if storage._cdata not in given and storage._cdata not in self._living:
                    self._add(storage)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def gone(_: object) -> None:
            self._now -= size
            del self._living[key]

        self._living[key] = weakref.ref(storage, gone)
        self._now += size
        self.peak = max(self.peak, self._now)


def _optimizer_bytes(optimizer: torch.optim.Optimizer) -> int:
    return size_of(value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor))
