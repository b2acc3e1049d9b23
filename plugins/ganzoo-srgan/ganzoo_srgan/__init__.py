"""A ganzoo plugin: super-resolution by SRGAN, and a perceptual term for any paired model; it imports neither here."""

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    import click

    from ganzoo.registry import Registry

GANZOO_PLUGIN_API = 1

PAPER = "Ledig et al. 2017, arXiv 1609.04802"


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the architecture, the term and the models."""
    registry.architecture(
        "srgan",
        "ganzoo_srgan.srgan:SRGAN",
        summary="makes pictures 2 or 4 times larger: residual blocks and pixel shuffle",
        paper=PAPER,
    )
    registry.loss(
        "perceptual",
        "ganzoo_srgan.perceptual:Perceptual",
        summary="mean square between the features that a frozen network has of sample and target",
        paper="Johnson, Alahi, Li 2016, arXiv 1603.08155",
    )
    for factor, size in ((2, "32x32"), (4, "16x16")):
        registry.pretrained(
            f"srgan-openmoji-x{factor}",
            f"ganzoo_srgan:pretrained/srgan-openmoji-x{factor}",
            summary=f"emoji in colour, {factor} times larger: from {size} to 64x64, or from any size",
            architecture="srgan",
            data="OpenMoji",
        )


@hookimpl
def ganzoo_register_commands(cli: "click.Group") -> None:
    """Add `ganzoo upscaling`."""
    from ganzoo_srgan.command import upscaling

    cli.add_command(upscaling)
