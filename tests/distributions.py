"""Installs plugin distributions for tests: real modules with real metadata in a folder on `sys.path`."""

import importlib
import os
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

import ganzoo
from ganzoo import plugins

SWITCHES = ("GANZOO_PLUGINS", "GANZOO_DISABLE_PLUGINS", "GANZOO_STRICT_PLUGINS", "GANZOO_TRACE_PLUGINS")

GOOD = """
    from ganzoo.hookspecs import hookimpl

    class Loss:
        pass

    @hookimpl
    def ganzoo_register(registry):
        registry.loss("good-loss", __name__ + ":Loss", summary="a loss that works")
"""

# A module's source, and what must be said about it.
BROKEN = {
    "raises": ("raise RuntimeError('boom while importing')", "RuntimeError: boom while importing"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "syntax": ("def :", "SyntaxError"),
    "misspells": (
        """
        from ganzoo.hookspecs import hookimpl

        @hookimpl
        def ganzoo_registr(registry): ...
        """,
        "ganzoo has no hook 'ganzoo_registr'; did you mean 'ganzoo_register'",
    ),
    "signature": (
        """
        from ganzoo.hookspecs import hookimpl

        @hookimpl
        def ganzoo_register(registry, colour): ...
        """,
        "colour",
    ),
    "unmarked": ("def ganzoo_register(registry): ...", "implements no hook"),
    "half": (
        """
        from ganzoo.hookspecs import hookimpl

        @hookimpl
        def ganzoo_register(registry):
            registry.loss("half-loss", "half:Loss", summary="registered before the failure")
            raise KeyError("halfway")
        """,
        "halfway",
    ),
    "bad_name": (
        """
        from ganzoo.hookspecs import hookimpl

        @hookimpl
        def ganzoo_register(registry):
            registry.loss("no good", "bad_name:Loss", summary="")
        """,
        "'no good'",
    ),
}


class Site:
    """A folder on `sys.path` into which a test installs plugin distributions.

    Args:
        folder: Where to install them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, source: str = GOOD, *, version: str = "1.0", points: str | None = None) -> str:
        """Install a distribution with one module, and return the module's name.

        Args:
            distribution: Its name; the module's is the same with underscores.
            source: The module's source.
            version: Its version.
            points: Lines of its `[ganzoo]` entry points; by default the module's name, for the module.
        """
        module = distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source))
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[ganzoo]\n{points or f'{module} = {module}'}\n")
        importlib.invalidate_caches()
        plugins.reset()
        return module

    def forget_modules(self) -> None:
        """Drop what was imported from this folder."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[name]


def link(package: Path, site: Path) -> None:
    """Install a package as `pip install -e` would, without pip: its metadata goes to a folder, its code stays.

    Args:
        package: The folder with its pyproject.toml.
        site: A folder that is on the path of processes which shall find it, as the package itself must be.
    """
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["ganzoo"].items())
    (info / "entry_points.txt").write_text(f"[ganzoo]\n{points}")


def environment(*path: Path) -> dict[str, str]:
    """Return the environment of a process that finds this ganzoo and what is in further folders, with no switch set."""
    root = Path(ganzoo.__file__).parent.parent
    kept = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, [*path, root]))}


def info_of(distribution: str) -> plugins.PluginInfo:
    """Return the one plugin of a distribution, as listed."""
    (info,) = [info for info in plugins.list_plugins() if info.provider.distribution == distribution]
    return info


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty site folder, with ganzoo's switches unset and its plugins forgotten before and after."""
    for switch in SWITCHES:
        monkeypatch.delenv(switch, raising=False)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    plugins.reset()
    made = Site(folder)
    yield made
    made.forget_modules()
    plugins.reset()
