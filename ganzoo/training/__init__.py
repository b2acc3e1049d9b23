"""Training: one shared trainer that composes any architecture with any objective; this registers built-in callbacks."""

from typing import TYPE_CHECKING

from ganzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the built-in callbacks."""
    registry.callback(
        "tensorboard",
        "ganzoo.training.tensorboard:TensorBoard",
        summary="writes the log, evaluations and pictures for TensorBoard (extra: tensorboard)",
    )
    registry.callback(
        "memorisation",
        "ganzoo.training.memorising:Memorisation",
        summary="reports at the end whether samples repeat training pictures",
    )
