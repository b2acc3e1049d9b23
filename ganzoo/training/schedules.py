"""The learning rate over a run: what it is multiplied by after so many images.

`none`, `linear` and `cosine` without warm-up are three formulas; everything else is timm's, in images for epochs. Each
is a function of how far the run is, so that a checkpoint holds nothing of it. timm's `plateau` waits for a metric to
stop improving, which the losses of a game say nothing of, and is left out.
"""

from typing import TYPE_CHECKING, Any

import torch

from ganzoo.errors import ConfigError

if TYPE_CHECKING:
    from ganzoo.training.settings import Settings

# What timm calls those of ours that have a warm-up: a step that never comes, and a polynomial of degree 1.
TIMM_NAMES = {"none": "step", "linear": "poly"}

# Settings that some schedules use and the others would ignore.
USED_BY = {
    "learning_rate_decay_images": ("step", "wsd"),
    "learning_rate_decay_rate": ("step", "multistep", "poly"),
    "learning_rate_milestones": ("multistep",),
}


class Schedule:
    """What the learning rates of both players are multiplied by, at each step of a run."""

    def __init__(self, settings: "Settings") -> None:
        """Prepare the schedule that the settings name.

        Raises:
            ConfigError: The timm that is installed has no such schedule, or refuses its numbers.
        """
        self._kind, self._steps = settings.learning_rate_decay, settings.steps
        self._images_per_step = settings.images_per_step
        is_own = self._kind in ("none", "linear", "cosine") and not settings.learning_rate_warmup_images
        self._timm = None if is_own else _timm_scheduler(settings)

    def factor(self, index: int) -> float:
        """Return the factor for a step, in [0, 1].

        Args:
            index: How many steps were taken before it.
        """
        if self._timm is None:
            return decay_factor(self._kind, index / self._steps)
        self._timm.step(index * self._images_per_step)
        return float(self._timm.optimizer.param_groups[0]["lr"])


def _timm_scheduler(settings: "Settings") -> Any:
    """Return timm's scheduler of a learning rate of 1, whose epochs are images."""
    from timm.scheduler import create_scheduler_v2

    kind = settings.learning_rate_decay
    rates = {"none": 1.0, "linear": 1.0}
    further: dict[str, Any] = {}
    if settings.learning_rate_decay_images or kind in TIMM_NAMES:
        further["decay_epochs"] = settings.learning_rate_decay_images or settings.images
    try:
        scheduler, _ = create_scheduler_v2(
            torch.optim.SGD([torch.zeros(1)], lr=1.0),
            sched=TIMM_NAMES.get(kind, kind),
            num_epochs=settings.steps * settings.images_per_step,
            decay_milestones=list(settings.learning_rate_milestones),
            decay_rate=rates.get(kind, settings.learning_rate_decay_rate),
            warmup_epochs=settings.learning_rate_warmup_images,
            warmup_lr=0.0,
            **further,
        )
    except (AssertionError, TypeError, ValueError) as error:
        raise ConfigError(f"training: learning_rate_decay {kind!r} cannot be used: {error}; try cosine") from error
    if scheduler is None:  # what older versions answer to a name they do not know
        raise ConfigError(f"training: the timm that is installed has no schedule {kind!r}; upgrade it, or try cosine")
    return scheduler


def decay_factor(kind: str, progress: float) -> float:
    """Return what the learning rate is multiplied by after a part of the budget.

    Args:
        kind: `"none"`, `"linear"` or `"cosine"`.
        progress: The part of the budget used up, in [0, 1].
    """
    if kind == "linear":
        return 1.0 - progress
    if kind == "cosine":
        return 0.5 * (1.0 + float(torch.cos(torch.tensor(torch.pi * progress))))
    return 1.0


def check_schedule(settings: "Settings") -> None:
    """Refuse settings of a learning-rate schedule that contradict each other.

    Raises:
        ConfigError: One is out of range, is needed and missing, or is of no use to the schedule.
    """
    kind, milestones = settings.learning_rate_decay, settings.learning_rate_milestones
    for name, kinds in USED_BY.items():
        value = getattr(settings, name)
        if kind not in kinds and value != getattr(type(settings), name):
            raise ConfigError(
                f"training: {name} is {value}, and learning_rate_decay {kind!r} has no use for it; leave it out, or "
                f"use {' or '.join(kinds)}"
            )
    if kind == "step" and not settings.learning_rate_decay_images:
        raise ConfigError(
            "training: learning_rate_decay is 'step', which takes learning_rate_decay_images, the images from one "
            "step down to the next"
        )
    if list(milestones) != sorted(set(milestones)) or any(milestone < 1 for milestone in milestones):
        raise ConfigError(f"training: learning_rate_milestones is {milestones}; it takes rising numbers of images")
    if kind == "multistep" and not milestones:
        raise ConfigError(
            "training: learning_rate_decay is 'multistep', which takes learning_rate_milestones, such as [100000]"
        )
    if not settings.learning_rate_decay_rate > 0:
        raise ConfigError(
            f"training: learning_rate_decay_rate is {settings.learning_rate_decay_rate}; it takes a number above 0"
        )
    if kind in ("step", "multistep") and settings.learning_rate_decay_rate > 1:
        raise ConfigError(
            f"training: learning_rate_decay_rate is {settings.learning_rate_decay_rate}, with which the learning rate "
            f"would rise at each step; learning_rate_decay {kind!r} takes a number above 0, up to 1"
        )
    if settings.learning_rate_warmup_images >= settings.images:
        raise ConfigError(
            f"training: learning_rate_warmup_images is {settings.learning_rate_warmup_images}, and the budget is "
            f"{settings.images} images; it takes fewer"
        )
