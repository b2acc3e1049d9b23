"""Terms of an objective: one readable file each. This file only registers them, and imports nothing heavy."""

from typing import TYPE_CHECKING

from ganzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the built-in terms."""
    registry.loss(
        "minimax",
        "ganzoo.losses.minimax:Minimax",
        summary="the original game, whose generator loss saturates",
        paper="Goodfellow et al. 2014, arXiv 1406.2661",
    )
    registry.loss(
        "non_saturating",
        "ganzoo.losses.non_saturating:NonSaturating",
        summary="the original game with the generator loss that does not saturate",
        paper="Goodfellow et al. 2014, section 3, arXiv 1406.2661",
    )
    registry.loss(
        "label_smoothing",
        "ganzoo.losses.label_smoothing:LabelSmoothing",
        summary="real samples get a target below 1",
        paper="Salimans et al. 2016, section 3.4, arXiv 1606.03498",
    )
    registry.loss(
        "label_flip",
        "ganzoo.losses.label_flip:LabelFlip",
        summary="real and fake targets change places for a few samples",
        paper="Chintala et al. 2016, How to Train a GAN",
    )
    registry.loss(
        "label_noise",
        "ganzoo.losses.label_noise:LabelNoise",
        summary="real samples get a random target",
        paper="Chintala et al. 2016, How to Train a GAN",
    )
    registry.loss(
        "r1",
        "ganzoo.losses.r1:R1",
        summary="penalty on the discriminator's gradient at real samples",
        paper="Mescheder, Geiger, Nowozin 2018, arXiv 1801.04406",
    )
