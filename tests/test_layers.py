"""Imports run downward only: a module may import what stands on its own line of `LAYERS` or below."""

import ast
from pathlib import Path

import pytest

import ganzoo

ROOT = Path(ganzoo.__file__).parent

# From the top. A package's name stands for all that is in it.
LAYERS = [
    "cli app",
    "testing training metrics latent",
    "publishing",
    "zoo",
    "loading",
    "building",
    "gan hub sources saving card",
    "translating",
    "sampling",
    "inference",
    "models losses augmentations data",
    "weights config calls",
    "plugins plugin_loader published",
    "registry hookspecs distributions plugin_api",
    "errors files randomness shares",
]
HEIGHT = {name: -depth for depth, names in enumerate(LAYERS) for name in names.split()}
EXEMPT = {"ganzoo", "ganzoo.__main__"}


def modules() -> dict[str, Path]:
    """Return the package's source files by module name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = ["ganzoo", *path.relative_to(ROOT).with_suffix("").parts]
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(tree: ast.AST, module: str, is_package: bool) -> set[str]:
    """Return the full names of what a module imports from ganzoo anywhere in it, `ganzoo.load` used by name as well."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                package = parts[: len(parts) - node.level + is_package]
                base = ".".join([*package, *filter(None, [base])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ganzoo":
            names.add(f"ganzoo.{ganzoo._MODULE_OF.get(node.attr, 'ganzoo').removeprefix('ganzoo.')}")
    return {name for name in names if name.startswith("ganzoo.")} - {"ganzoo.ganzoo"}


def height(name: str) -> int | None:
    """Return how high a module stands; None for what the bare package itself holds, such as its version."""
    part = name.split(".")[1]
    if part in HEIGHT:
        return HEIGHT[part]
    home = ganzoo._MODULE_OF.get(part)
    return height(home) if home else None


def upward(source: str, module: str, is_package: bool = False) -> list[str]:
    """Return what a module imports from above itself."""
    own = height(module)
    assert own is not None
    found = imports(ast.parse(source), module, is_package)
    return sorted(name for name in found if (above := height(name)) is not None and above > own)


@pytest.mark.parametrize("module", sorted(set(MODULES) - EXEMPT))
def test_imports_run_downward(module):
    path = MODULES[module]
    assert module.split(".")[1] in HEIGHT, f"{module} has no place in LAYERS; give it one"
    assert upward(path.read_text(), module, path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import ganzoo.gan", ["ganzoo.gan"]),
        ("from ganzoo import zoo, errors", ["ganzoo.zoo"]),
        ("from ganzoo import load", ["ganzoo.load"]),
        ("from ganzoo.training.trainer import Trainer", ["ganzoo.training.trainer.Trainer"]),
        ("def f():\n    from ganzoo import gan as g", ["ganzoo.gan"]),
        ("if TYPE_CHECKING:\n    from ganzoo.cli import cli", ["ganzoo.cli.cli"]),
        ("import ganzoo\nganzoo.load('x')", ["ganzoo.zoo"]),
        ("import ganzoo\nprint(ganzoo.__version__)", []),
        ("from ganzoo import __version__, plugins, weights", []),
        ("from ..cli import cli", ["ganzoo.cli.cli"]),
        ("from .table import Table\nfrom . import toy", []),
        ("import ganzoo_elsewhere, torch", []),
    ],
)
def test_what_points_upward_is_found(source, found):
    assert upward(source, "ganzoo.data.table") == found


def test_every_name_in_the_table_is_there_once():
    names = " ".join(LAYERS).split()
    assert len(names) == len(set(names))
