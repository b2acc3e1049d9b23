"""Many processes that train one GAN, each with its share of every batch, through torch.distributed.

`torchrun` starts them and says through the environment who is who. All of them hold the same weights and take the same
steps. After a backward pass gradients, running statistics and losses are averaged over the processes, as one buffer.
Process 0 alone writes files, shows progress and speaks. At the start of a step they agree on whether to go on, so that
a signal or a failure in one of them ends all of them at the same step.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from signal import Signals
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganzoo import shares
from ganzoo.errors import ConfigError, GanzooError, ProcessesError, RunError
from ganzoo.training.settings import Settings

logger = logging.getLogger("ganzoo")

FAILURE = 1 << 10  # above every signal's number
PATIENCE = timedelta(hours=12)  # for process 0 to evaluate the model


class Processes:
    """The processes of a run; a single one, unless torchrun or another process group says otherwise.

    Attributes:
        number: This process, from 0.
        count: How many there are.
    """

    def __init__(self, number: int = 0, count: int = 1, *, timeout: timedelta | None = None) -> None:
        """Describe processes that have joined already; `join` makes them do so.

        Args:
            number: This process.
            count: How many there are.
            timeout: How long one waits for another.
        """
        self.number, self.count = number, count
        self._failure: GanzooError | None = None
        # Decisions are taken on the processor, where reading a number does not make it wait for a GPU.
        self._decisions: Any = None  # the process group; None for the usual one
        self._patient: Any = None  # likewise, for decisions that may be long in coming
        if count > 1:
            if "gloo" not in dist.get_backend_config():
                self._decisions = dist.new_group(backend="gloo", timeout=timeout)
            self._patient = dist.new_group(backend="gloo", timeout=PATIENCE)

    @classmethod
    def join(cls, settings: Settings) -> "Processes":
        """Meet the other processes that the environment tells of, once for all trainers of this process.

        Args:
            settings: The settings of the run, resolved.

        Raises:
            ConfigError: The batch cannot be shared evenly, or one card was named for all processes.
            ProcessesError: The others did not come.
        """
        asked = int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE"} <= os.environ.keys() else 1
        has_joined = dist.is_available() and dist.is_initialized()
        count = dist.get_world_size() if has_joined else asked
        if count == 1:
            return cls()
        if settings.batch_size % count:
            raise ConfigError(
                f"training: batch_size is {settings.batch_size}, which {count} processes cannot share evenly; it takes "
                f"a multiple of {count}"
            )
        if settings.device not in ("cpu", "cuda"):
            raise ConfigError(
                f"training: device is {settings.device!r} for all of {count} processes; several take cpu, or cuda for "
                "one card each"
            )
        is_cuda = settings.device == "cuda"
        if is_cuda:
            _choose_card(int(os.environ.get("LOCAL_RANK", "0")))
        if not has_joined:
            try:
                dist.init_process_group(
                    "cpu:gloo,cuda:nccl" if is_cuda else "gloo",
                    timeout=timedelta(seconds=settings.process_timeout_seconds),
                )
            except (ValueError, RuntimeError) as error:
                raise ProcessesError(
                    f"the other {count - 1} of {count} processes could not be met: {error}; start them with torchrun"
                ) from error
        if dist.get_rank():
            logger.setLevel(logging.ERROR)  # warnings are alike, and process 0 gives them
        return cls(dist.get_rank(), count, timeout=timedelta(seconds=settings.process_timeout_seconds))

    @property
    def share(self) -> shares.Share:
        """The share of each batch that this process has."""
        return shares.Share(self.number, self.count)

    def share_weights(self, networks: Mapping[str, nn.Module]) -> None:
        """Give all processes the weights and buffers of process 0."""
        if self.count > 1:
            with torch.no_grad(), self.translating():
                for network in networks.values():
                    for tensor in (*network.parameters(), *network.buffers()):
                        shared = tensor.detach().contiguous()
                        dist.broadcast(shared, 0)
                        tensor.copy_(shared)

    def check_same(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        """Refuse to train where processes were asked for different things, or read different data.

        Args:
            describe: Returns what must be the same in all processes, as plain values by name; not called for one.

        Raises:
            RunError: Something is not; the message names it.
        """
        if self.count == 1:
            return
        values = describe()
        digests = [
            hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).digest()
            for value in values.values()
        ]
        own = torch.tensor([list(digest) for digest in digests], dtype=torch.uint8)
        everyone = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(everyone, own, group=self._decisions)
        for number, others in enumerate(everyone):
            differing = [name for name, same in zip(values, (others == everyone[0]).all(1), strict=True) if not same]
            if differing:
                raise RunError(
                    f"process {number} has another {' and '.join(differing)} than process 0; start all processes with "
                    "the same arguments on the same data"
                )

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over the processes, in one exchange for each dtype.

        Args:
            tensors: As many and of the same shapes in all processes; changed in place.
        """
        if self.count == 1:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            alike = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in alike])
            dist.all_reduce(flat)
            flat.div_(self.count)
            pieces = torch.split(flat, [tensor.numel() for tensor in alike])
            torch._foreach_copy_(alike, [piece.view(tensor.shape) for piece, tensor in zip(pieces, alike, strict=True)])

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep a failure of this process until all agree; a single process fails at once."""
        try:
            yield
        except GanzooError as error:
            if self.count == 1 or isinstance(error, ProcessesError):
                raise
            self._failure = self._failure or error

    def agree(self, received: Signals | None, *, is_patient: bool = False) -> Signals | None:
        """Return the signal that any process has received; all of them call this, and wait here for each other.

        Args:
            received: The signal that this process has received, if any.
            is_patient: Wait for `PATIENCE` instead of `process_timeout_seconds`; alike in all processes.

        Raises:
            GanzooError: What this process has kept.
            ProcessesError: Another process failed.
        """
        if self.count == 1:
            return received
        code = FAILURE + self.number if self._failure else int(received or 0)
        most = torch.tensor([code])
        dist.all_reduce(most, dist.ReduceOp.MAX, group=self._patient if is_patient else self._decisions)
        code = int(most)
        if self._failure:
            raise self._failure
        if code >= FAILURE:
            told = ProcessesError(f"process {code - FAILURE} failed, and the others end with it; its message says why")
            told.failed = code - FAILURE
            raise told
        return Signals(code) if code else None

    def agree_that(self, is_so: bool) -> bool:
        """Tell whether any process says so; all of them call this, and wait here for each other."""
        if self.count == 1:
            return is_so
        most = torch.tensor([int(is_so)])
        dist.all_reduce(most, dist.ReduceOp.MAX, group=self._decisions)
        return bool(most)

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Say of a failed exchange that another process is gone, instead of what the library says.

        Raises:
            ProcessesError: An exchange failed, or took too long.
        """
        try:
            yield
        except RuntimeError as error:
            is_of_exchange = isinstance(error, dist.DistError) or "gloo" in str(error).lower()
            if self.count == 1 or isinstance(error, GanzooError) or not is_of_exchange:
                raise
            raise ProcessesError(
                f"another of {self.count} processes is gone or does not answer ({str(error).splitlines()[0][:200]}); "
                "go on from the last checkpoint with ganzoo resume, started in the same way"
            ) from error


def _choose_card(number: int) -> None:
    """Let `cuda` mean the card of the same number as this process has on its machine."""
    if number >= (cards := torch.cuda.device_count()):
        raise ConfigError(
            f"training: device is 'cuda' for process {number + 1} of this machine, which has {cards} cards; start at "
            "most one process for each card"
        )
    torch.cuda.set_device(number)


def leave() -> None:
    """Take leave of the other processes, where there are any, once nothing more is to be exchanged."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
