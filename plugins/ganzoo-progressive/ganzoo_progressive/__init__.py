"""A ganzoo plugin: progressive growing of GANs, and a model that draws emoji."""

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    import click

    from ganzoo.registry import Registry

GANZOO_PLUGIN_API = 1


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the architecture and the model."""
    registry.architecture(
        "progressive",
        "ganzoo_progressive.networks:PROGRESSIVE",
        summary="grows from 4x4 pixels to full size while it trains",
        paper="Karras, Aila, Laine, Lehtinen 2018, arXiv 1710.10196",
    )
    registry.pretrained(
        "progressive-openmoji",
        "ganzoo_progressive:pretrained/progressive-openmoji",
        summary="emoji from nothing, 32x32",
        architecture="progressive",
        data="OpenMoji",
    )


@hookimpl
def ganzoo_register_commands(cli: "click.Group") -> None:
    """Add the command that measures pictures without a classifier."""
    from ganzoo_progressive.commands import patches

    cli.add_command(patches)
