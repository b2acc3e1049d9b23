"""`ganzoo new-plugin`: a package that holds a plugin, and whose tests pass at once."""

import datetime
import os
import re
import shutil
from importlib.resources import files as package_files
from pathlib import Path
from string import Template

import click

from ganzoo import PLUGIN_API, __version__, plugins
from ganzoo.errors import InputError, OutputError
from ganzoo.registry import normalise

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
LONGEST_NAME = 30
PREFIX = "ganzoo-"  # of every plugin's distribution, so that an index shows what it is

# Where each template goes; what is between braces is a value too.
DESTINATIONS = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/test.yml",
    "init.py": "{module}/__init__.py",
    "py.typed": "{module}/py.typed",
    "upconv.py": "{module}/upconv.py",
    "smooth_hinge.py": "{module}/smooth_hinge.py",
    "test_plugin.py": "tests/test_plugin.py",
}


@click.command("new-plugin", short_help="Write a plugin's package to begin with, whose tests pass.")
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder to make.  [default: ganzoo-NAME, in this folder]"
)
def new_plugin(name: str, out: Path | None) -> None:
    """Write a package with a plugin: one architecture, one loss, and tests that run the conformance kit.

    NAME is what the names of all that it registers begin with. The package is called ganzoo-NAME.

    Example: ganzoo new-plugin waves
    """
    values = values_for(name)
    folder = Path(values["distribution"]) if out is None else out
    write_package(folder, values)
    click.echo(f"wrote {len(DESTINATIONS)} files to {folder}; next:")
    click.echo(f'    cd {folder}\n    pip install -e ".[test]"\n    pytest')


def values_for(name: str) -> dict[str, str]:
    """Return what the templates are filled in with.

    Args:
        name: The plugin's namespace, with or without `ganzoo-` before it.

    Raises:
        InputError: It is no such name, or that of a plugin which is installed.
    """
    short = name.removeprefix(PREFIX)
    if len(short) > LONGEST_NAME or not NAME.fullmatch(short):
        raise InputError(
            f"the plugin's name is {name[:80]!r}; it takes at most {LONGEST_NAME} small letters, digits and single "
            "'-', with a letter first, such as 'waves'"
        )
    for info in plugins.list_plugins():
        if normalise(info.provider.namespace or "") == normalise(short):
            raise InputError(
                f"the plugin's name is {short!r}, which {info.provider} has, and two cannot share it; choose another"
            )
    return {
        "name": short,
        "distribution": f"{PREFIX}{short}",
        "module": normalise(f"{PREFIX}{short}"),
        "version": __version__,
        "api": str(PLUGIN_API),
        "year": str(datetime.date.today().year),
    }


def write_package(folder: Path, values: dict[str, str]) -> None:
    """Write the package, whole or not at all.

    Args:
        folder: The folder to make.
        values: What `values_for` gives.

    Raises:
        InputError: The folder exists.
        OutputError: It cannot be written.
    """
    if os.path.lexists(folder):
        raise InputError(f"{str(folder)!r} exists already; give another place with --out, or move it away")
    templates = package_files("ganzoo.cli") / "plugin_template"
    temporary = folder.with_name(f".{folder.name}.tmp-{os.getpid()}")
    try:
        for source, destination in DESTINATIONS.items():
            path = temporary / destination.format(**values)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = (templates / f"{source}.template").read_text(encoding="utf-8")
            path.write_text(Template(text).substitute(values), encoding="utf-8")
        temporary.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write {str(folder)!r}: {error.strerror or error}; choose another place") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
