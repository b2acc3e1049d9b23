"""One side of the game: its networks, what of them it learns, and its optimizer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganzoo.training.distributed import Processes
from ganzoo.training.monitor import check_finite, gradient_norm
from ganzoo.training.optimizers import create_optimizer
from ganzoo.training.precision import LEAST_SCALE, create_scaler
from ganzoo.training.settings import Settings


class Player:
    """The discriminators or the generators of a GAN, as the trainer moves them.

    Attributes:
        role: `"discriminator"` or `"generator"`.
        networks: The networks whose names begin with the role.
        parameters: What is learned: the parameters that were not frozen when training began.
        optimizer: What moves them.
        parts: The latest value of each of its losses by name; one that is not due keeps its last.
        scaler: What scales the loss in float16; None in other precisions.
    """

    def __init__(
        self,
        role: str,
        networks: Mapping[str, nn.Module],
        settings: Settings,
        learning_rate: float,
        processes: Processes | None = None,
    ) -> None:
        """Take the networks of a role out of all networks, and make their optimizer.

        Args:
            role: `"discriminator"` or `"generator"`.
            networks: All networks, by name.
            settings: The settings of the run, resolved.
            learning_rate: The learning rate.
            processes: Who averages gradients; None for this process alone.

        Raises:
            ConfigError: Nothing is left to learn, or there is no such optimizer.
        """
        self.role = role
        self._everyone = dict(networks)
        self.networks = {name: network for name, network in networks.items() if name.startswith(role)}
        self.parameters = [
            parameter
            for network in self.networks.values()
            for parameter in network.parameters()
            if parameter.requires_grad
        ]
        self._statistics = [
            buffer for network in self.networks.values() for buffer in network.buffers() if buffer.is_floating_point()
        ]
        self.learning_rate = learning_rate
        self.parts: dict[str, Tensor] = {}
        self.optimizer = create_optimizer(self.parameters, settings, learning_rate)
        self.scaler = create_scaler(settings.precision, self.parameters[0].device)
        self._processes = processes or Processes()

    def update(
        self, losses: Mapping[str, Tensor], step: int, *, weight: float = 1.0, decay: float = 1.0, check: bool = True
    ) -> dict[str, Tensor]:
        """Do one backward pass and one optimizer step.

        Args:
            losses: Scalars that add up to what the player minimises.
            step: How many steps were taken before this one, for messages.
            weight: What the sum is multiplied by.
            decay: What the learning rate is multiplied by.
            check: Read the loss and the gradient's norm, which makes the processor wait for a GPU.

        Returns:
            The loss, its parts (before `weight`) where it has several, and the gradient's norm, by name, as tensors.
            The norm is 0 where float16 overflowed, and the weights stayed as they were.

        Raises:
            DivergenceError: The loss, the gradient or a statistic is not finite; no weight is changed then.
        """
        first, *others = losses.values()
        loss = sum(others, start=first)
        loss = loss if weight == 1.0 else loss * weight
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
        loss, losses = self._averaged(loss.detach(), {name: value.detach() for name, value in losses.items()})
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        norm = gradient_norm(self.parameters)
        if check:
            tolerated = norm if self.scaler is None else self._norm_within_float16(norm, self.scaler)
            check_finite(step, self.role, loss, tolerated, self._statistics, self._everyone)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * decay
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)  # leaves the weights alone where the gradient is not finite
            self.scaler.update()
            norm = norm.nan_to_num(0.0, 0.0)
        self.optimizer.zero_grad(set_to_none=True)
        self.parts |= losses
        parts = {f"{self.role}_{name}": value for name, value in self.parts.items()} if len(self.parts) > 1 else {}
        return {**parts, f"{self.role}_loss": loss, f"{self.role}_gradient_norm": norm}

    def _averaged(self, loss: Tensor, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Average gradients, statistics and losses over the processes, so that all hold the same."""
        if self._processes.count > 1:
            loss, losses = loss.clone(), {name: value.clone() for name, value in losses.items()}
            gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
            self._processes.average([*gradients, *self._statistics, loss, *losses.values()])
        return loss, losses

    def _norm_within_float16(self, norm: Tensor, scaler: torch.amp.GradScaler) -> Tensor:
        """Return a finite norm for a gradient that only the scale of the loss has made overflow."""
        return norm if scaler.get_scale() < LEAST_SCALE else norm.nan_to_num(0.0, 0.0)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Compute no gradients for this player's parameters, while the other learns."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.parameters:
                parameter.requires_grad_(True)
