"""Optimizers by name: torch's own, fused, for the common four, and timm's for any other."""

from collections.abc import Iterable
from inspect import signature
from typing import Any

import torch
from torch import nn

from ganzoo.errors import ConfigError, did_you_mean
from ganzoo.training.settings import Settings

# Of timm's: one needs second derivatives, the other keeps lists and its own randomness, which no checkpoint holds.
UNSUITABLE = ("adahessian", "kron*")


def create_optimizer(
    parameters: Iterable[nn.Parameter], settings: Settings, learning_rate: float
) -> torch.optim.Optimizer:
    """Build the optimizer that the settings name.

    Args:
        parameters: The parameters to learn.
        settings: Its `optimizer` is used, and `beta1` and `beta2` where the optimizer takes two betas; for torch's sgd
            `beta1` is the momentum.
        learning_rate: The learning rate of these parameters.

    Raises:
        ConfigError: Neither torch nor timm has an optimizer of this name that works here, or it has no use for a beta
            that is not the default.
    """
    learned = list(parameters)
    if not learned:
        raise ConfigError("a network has no parameters to learn; unfreeze some with requires_grad_()")
    betas = (settings.beta1, settings.beta2)
    name = settings.optimizer.lower()
    if name == "adam":
        return torch.optim.Adam(learned, lr=learning_rate, betas=betas, fused=True)
    if name == "adamw":
        return torch.optim.AdamW(learned, lr=learning_rate, betas=betas, fused=True)
    if name == "sgd":
        _check_unused(settings, "beta2")
        return torch.optim.SGD(learned, lr=learning_rate, momentum=settings.beta1, fused=True)
    if name == "rmsprop":
        _check_unused(settings, "beta1", "beta2")
        return torch.optim.RMSprop(learned, lr=learning_rate)

    from timm.optim import create_optimizer_v2, get_optimizer_class, list_optimizers

    known = [str(each) for each in list_optimizers(exclude_filters=list(UNSUITABLE))]
    if name not in known:
        raise ConfigError(
            f"there is no optimizer {settings.optimizer!r}{did_you_mean(name, known)}; it takes adam, adamw, sgd, "
            "rmsprop, or one that timm.optim.list_optimizers() names"
        )
    try:
        usual = getattr(signature(get_optimizer_class(name)).parameters.get("betas"), "default", None)
        further: dict[str, Any] = {"betas": betas} if isinstance(usual, tuple) and len(usual) == 2 else {}
        optimizer: torch.optim.Optimizer = create_optimizer_v2(
            learned, opt=name, lr=learning_rate, weight_decay=0.0, **further
        )
    except (AssertionError, ImportError, RuntimeError, ValueError) as error:  # such as those that need a CUDA card
        raise ConfigError(f"the optimizer {settings.optimizer!r} cannot be used here: {error}; try adam") from error
    if not further:
        _check_unused(settings, "beta1", "beta2")
    return optimizer


def _check_unused(settings: Settings, *names: str) -> None:
    """Refuse values for settings that the optimizer has no use for."""
    for name in names:
        if (value := getattr(settings, name)) != getattr(Settings, name):
            raise ConfigError(
                f"training: {name} is {value}, and the optimizer {settings.optimizer!r} has no use for it; "
                "leave it out, or use adam"
            )
