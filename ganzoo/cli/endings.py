"""A file to write, whose name's ending must say what is written."""

from pathlib import Path
from typing import Any

import click


class FileEnding(click.Path):
    """An option's type: the path of a file to write, with one ending, in capitals or not."""

    def __init__(self, ending: str) -> None:
        """Describe the path.

        Args:
            ending: What it must end with, such as `".png"`.
        """
        super().__init__(dir_okay=False, path_type=Path)
        self.ending = ending

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Args:
            value: What the user typed.
            param: The option it is for.
            ctx: The running command's context.

        Raises:
            click.BadParameter: It has another ending, or is a folder.
        """
        path: Any = super().convert(value, param, ctx)  # a Path, because of path_type
        if path.suffix.lower() != self.ending:
            example = path.with_suffix(self.ending) if path.name else f"out{self.ending}"
            self.fail(f"{str(path)!r} does not end with {self.ending}; give such as '{example}'.", param, ctx)
        return path
