"""Augmentations of what the discriminator sees: one readable file each, registered here; imports nothing heavy."""

from typing import TYPE_CHECKING

from ganzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the built-in augmentations."""
    registry.augmentation(
        "ada",
        "ganzoo.augmentations.ada:AdaptiveAugmentation",
        summary="mirrors, turns, shifts, scales and recolours pictures as often as the discriminator overfits",
        paper="Karras et al. 2020, section 3 and appendix B, arXiv 2006.06676",
    )
    registry.augmentation(
        "diffaugment",
        "ganzoo.augmentations.diffaugment:DiffAugment",
        summary="recolours and shifts every picture and cuts a square out of it",
        paper="Zhao et al. 2020, section 3.2, arXiv 2006.10738",
    )
    registry.augmentation(
        "instance_noise",
        "ganzoo.augmentations.instance_noise:InstanceNoise",
        summary="normal noise that falls to zero, on samples of any shape",
        paper="Sønderby et al. 2017, arXiv 1610.04490",
    )
