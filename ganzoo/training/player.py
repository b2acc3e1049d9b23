"""One side of the game: its networks, what of them it learns, and its optimizer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from ganzoo.training.monitor import check_finite, gradient_norm
from ganzoo.training.optimizers import create_optimizer
from ganzoo.training.settings import Settings


class Player:
    """The discriminators or the generators of a GAN, as the trainer moves them.

    Attributes:
        role: `"discriminator"` or `"generator"`.
        networks: The networks whose names begin with the role.
        parameters: What is learned: the parameters that were not frozen when training began.
        optimizer: What moves them.
        parts: The latest value of each of its losses by name; one that is not due keeps its last.
    """

    def __init__(self, role: str, networks: Mapping[str, nn.Module], settings: Settings, learning_rate: float) -> None:
        """Take the networks of a role out of all networks, and make their optimizer.

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

        Raises:
            DivergenceError: The loss, the gradient or a statistic is not finite; no weight is changed then.
        """
        first, *others = losses.values()
        loss = sum(others, start=first)
        loss = loss if weight == 1.0 else loss * weight
        loss.backward()  # type: ignore[no-untyped-call]
        norm = gradient_norm(self.parameters)
        if check:
            check_finite(step, self.role, loss, norm, self._statistics, self._everyone)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * decay
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.parts |= {name: value.detach() for name, value in losses.items()}
        parts = {f"{self.role}_{name}": value for name, value in self.parts.items()} if len(self.parts) > 1 else {}
        return {**parts, f"{self.role}_loss": loss.detach(), f"{self.role}_gradient_norm": norm}

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
