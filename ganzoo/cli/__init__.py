"""The `ganzoo` command: each subcommand's module is imported when the command is first needed.

A built-in command runs without loading a plugin; an unknown command, and `ganzoo --help`, ask the plugins for theirs.
"""

import importlib
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

import click

from ganzoo import __version__, plugins
from ganzoo.cli.refusals import let_process_0_speak
from ganzoo.errors import GanzooError, HubWarning, did_you_mean

COMMANDS = {
    "card": "ganzoo.cli.hub:card",
    "data": "ganzoo.cli.data:data",
    "evaluate": "ganzoo.cli.evaluate:evaluate",
    "finetune": "ganzoo.cli.finetune:finetune",
    "info": "ganzoo.cli.info:info",
    "list": "ganzoo.cli.listing:list_entries",
    "new-plugin": "ganzoo.cli.new_plugin:new_plugin",
    "plugins": "ganzoo.cli.listing:list_plugins",
    "progress": "ganzoo.cli.progress:progress",
    "publish-zoo": "ganzoo.cli.hub:publish_zoo",
    "push": "ganzoo.cli.hub:push",
    "resume": "ganzoo.cli.train:resume",
    "runs": "ganzoo.cli.runs:runs",
    "sample": "ganzoo.cli.sample:sample",
    "train": "ganzoo.cli.train:train",
    "translate": "ganzoo.cli.translate:translate",
}


class Program(click.Group):
    """A group whose own commands are imported, and whose plugins' commands are loaded, when they are needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands, plugins' included.

        Args:
            context: The running program's context.
        """
        with reporting(context):
            self._load_plugin_commands(context)
        return sorted({*COMMANDS, *self.commands})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command, or None if there is none of this name; ganzoo's own come first.

        Args:
            context: The running program's context.
            name: What the user typed.
        """
        if name in COMMANDS:
            module, _, attribute = COMMANDS[name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        self._load_plugin_commands(context)
        return self.commands.get(name)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name, and what is left of them.

        Args:
            context: The running program's context.
            arguments: The command's name and its arguments.

        Raises:
            click.UsageError: There is no such command.
        """
        name = arguments[0]
        if self.get_command(context, name) is None and not context.resilient_parsing:
            near = did_you_mean(name, self.list_commands(context)) or "."
            context.fail(f"ganzoo has no command {name!r}{near} `ganzoo --help` lists them all.")
        return super().resolve_command(context, arguments)

    def invoke(self, context: click.Context) -> Any:
        """Run the command that was asked for.

        Args:
            context: The running program's context.

        Raises:
            click.exceptions.Exit: The command raised a GanzooError, whose message is now printed and whose exit code
                this holds, or was interrupted.
        """
        with reporting(context):
            result = super().invoke(context)
            # A reader that went away must show while click still handles it, not at the interpreter's exit.
            click.echo(nl=False)
            return result

    def _load_plugin_commands(self, context: click.Context) -> None:
        if not context.meta.get("ganzoo.plugin_commands"):
            context.meta["ganzoo.plugin_commands"] = True
            # In one process the program may run again, with other plugins.
            self.commands.clear()
            plugins.register_commands(self, reserved=COMMANDS)


@contextmanager
def reporting(context: click.Context) -> Iterator[None]:
    """Show a GanzooError as its message, with the traceback under --debug, and let Ctrl-C exit with 130."""
    try:
        yield
    except GanzooError as error:
        let_process_0_speak(context, error)
        if context.find_root().params.get("debug"):
            traceback.print_exc()
        click.ClickException(str(error)).show()
        raise click.exceptions.Exit(error.exit_code) from error
    except click.ClickException as error:  # which click shows
        let_process_0_speak(context, error)
        raise
    except (KeyboardInterrupt, click.Abort) as error:
        raise click.exceptions.Exit(130) from error


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ganzoo")
@click.option("--debug", is_flag=True, is_eager=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Train generative adversarial networks, and load and sample trained ones."""


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning about a plugin or the Hub as one line, and any other as Python does."""
    if issubclass(category, plugins.GanzooPluginWarning | HubWarning):
        click.echo(f"Warning: {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), err=True, nl=False)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Args:
        arguments: What follows `ganzoo`; the process's own by default.

    Raises:
        SystemExit: Always, with 0 for success, 2 for what the user can put right, and 130 for Ctrl-C.
    """
    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        try:
            cli.main(arguments, prog_name="ganzoo")
        except KeyboardInterrupt as error:
            raise SystemExit(130) from error
        except SystemExit as leaving:
            # A second Ctrl-C on the way out reaches click itself, which would exit with 1.
            if isinstance(leaving.__context__, click.Abort):
                raise SystemExit(130) from leaving
            raise
