"""The hooks a plugin may implement, with pluggy, under the project name `ganzoo`.

A plugin is an importable object, usually a module, that an entry point in the group `ganzoo` names; the entry point's
name is the plugin's namespace. Hooks are called by keyword, and neither these functions nor a plugin's give a default.
"""

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from ganzoo.registry import Registry

hookspec = pluggy.HookspecMarker("ganzoo")
hookimpl = pluggy.HookimplMarker("ganzoo")


@hookspec
def ganzoo_register(registry: "Registry") -> None:
    """Register architectures, losses, pretrained models, data sets, augmentations, judges and callbacks.

    All are listed and found by name. A callback runs only where a run asks for it. Nothing in ganzoo uses registered
    augmentations yet.

    Args:
        registry: What this plugin provides is added to it; other plugins have their own.

    Example:
        Give factories as strings, so that registering imports nothing heavy::

            from ganzoo.hookspecs import hookimpl

            @hookimpl
            def ganzoo_register(registry):
                registry.loss("softplus", "ganzoo_extras.softplus:Softplus", summary="A softer hinge")
    """


@hookspec
def ganzoo_register_commands(cli: "click.Group") -> None:
    """Add commands to the `ganzoo` command line.

    Args:
        cli: A click group; its commands appear beside ganzoo's own, whose names they cannot take.

    Example:
        Import what is heavy inside the command, so that `ganzoo --help` stays fast::

            import click
            from ganzoo.hookspecs import hookimpl

            @hookimpl
            def ganzoo_register_commands(cli):
                @cli.command()
                @click.argument("model")
                def montage(model):
                    '''Draw a montage of MODEL's samples.'''
    """
