"""What a run says of itself, and the watch over values that are not finite."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ganzoo.errors import DivergenceError
from ganzoo.training.settings import Settings

REMEDIES = "try a smaller learning_rate, a penalty such as + r1(gamma=1), or precision='fp32'"


class Monitor:
    """Collects a step's losses, logits and gradient norms as tensors, and reads them when a line is due.

    Attributes:
        values: Scalars of the latest step, by name.
        earlier_seconds: How long earlier lives of the run trained.
    """

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}
        self.earlier_seconds = 0.0
        self._images = 0
        self._began = self._since = time.monotonic()

    def start(self, images: int) -> None:
        """Begin to measure time and speed at so many images."""
        self._images, self._began = images, time.monotonic()
        self._since = self._began

    @property
    def seconds(self) -> float:
        """How long the run has trained, in all its lives."""
        return self.earlier_seconds + time.monotonic() - self._began

    def skip(self, seconds: float) -> None:
        """Leave out of the speed what took so long and was no training, such as an evaluation."""
        self._since += seconds

    def line(self, images: int, step: int, statistics: Mapping[str, Tensor]) -> dict[str, Any]:
        """Read the collected values, and the speed since the last line.

        Args:
            images: How many images the discriminator has been shown as real.
            step: How many steps were taken.
            statistics: What the step noted: scalars, and `real_logits` and `fake_logits`, which give D(x) and D(G(z)).

        Returns:
            What goes into metrics.jsonl: plain numbers by name.
        """
        now = time.monotonic()
        speed = (images - self._images) / max(now - self._since, 1e-9)
        self._images, self._since = images, now
        scores: dict[str, float] = {}
        for side, sign in (("real", 1), ("fake", -1)):
            if (logits := statistics.get(f"{side}_logits")) is not None:
                scores[f"{side}_score"] = float(logits.sigmoid().mean())  # D(x) and D(G(z))
                scores[f"{side}_accuracy"] = float((logits * sign > 0).float().mean())
        values = {name: float(value) for name, value in self.values.items()}
        noted = {name: float(value) for name, value in statistics.items() if value.dim() == 0}
        return {"images": images, "step": step, **values, **scores, **noted, "images_per_second": round(speed, 1)}


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the Euclidean norm of all gradients together, a scalar."""
    return total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])


def total_norm(tensors: list[Tensor]) -> Tensor:
    """Return the Euclidean norm of all tensors together, a scalar, bit for bit as `torch.nn.utils.get_total_norm`.

    Which takes as long to look at the tensors as they take to be summed, where networks are small.
    """
    if len({(tensor.device, tensor.dtype, tensor.layout) for tensor in tensors}) != 1 or tensors[0].is_sparse:
        return torch.nn.utils.get_total_norm(tensors)
    with torch.no_grad():
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
    return norm


def check_finite(
    step: int, role: str, loss: Tensor, norm: Tensor, statistics: list[Tensor], networks: Mapping[str, nn.Module]
) -> None:
    """Stop training whose loss, gradient or statistics are not finite.

    Args:
        step: How many steps were taken before this one.
        role: Which player's loss it is.
        loss: The loss, a scalar.
        norm: The norm of its gradient, a scalar.
        statistics: Buffers, which a network in train mode may fill without using them.
        networks: Where to look for the tensor at fault: all of them, since one's fault shows in another's loss.

    Raises:
        DivergenceError: The message names step, tensor and what to try.
    """
    watched = loss.detach() + norm
    if statistics:
        watched = watched + total_norm(statistics)
    if not math.isfinite(watched.item()):
        scalar = "gradient norm" if bool(loss.isfinite()) else "loss"
        culprit = first_not_finite(networks) or f"the {role}'s {scalar}"
        raise DivergenceError(f"training diverged at step {step + 1}: {culprit} is not finite; {REMEDIES}")


def check_networks(step: int, networks: Mapping[str, nn.Module]) -> None:
    """Refuse networks that the last update has spoiled, which no later loss would show.

    Raises:
        DivergenceError: The message names step, tensor and what to try.
    """
    if culprit := first_not_finite(networks):
        raise DivergenceError(f"training diverged by step {step}: {culprit} is not finite; {REMEDIES}")


def first_not_finite(networks: Mapping[str, nn.Module]) -> str:
    """Name the first weight, statistic or gradient that is not finite; an empty string if there is none."""
    for name, network in networks.items():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                return f"{name}.{key}"
    for name, network in networks.items():
        for key, parameter in network.named_parameters():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return f"the gradient of {name}.{key}"
    return ""


def progress_bar(settings: Settings, images: int, *, is_shown: bool) -> "tqdm[Any]":
    """Return a progress bar for a run that has shown so many images, which is silent unless on a terminal."""
    return tqdm(
        total=settings.steps * settings.images_per_step,
        initial=images,
        unit=" images",
        unit_scale=True,
        disable=None if is_shown else True,  # None: silent unless on a terminal
        dynamic_ncols=True,
    )
