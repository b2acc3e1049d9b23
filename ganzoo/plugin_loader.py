"""Load plugins one by one, and keep what is wrong with one from everything else."""

import importlib
import importlib.metadata
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from ganzoo import __version__, distributions, hookspecs
from ganzoo.errors import GanzooError, PluginError, RegistrationError, did_you_mean
from ganzoo.plugin_api import check_plugin_api
from ganzoo.registry import Entry, Provider, Registry, normalise

if TYPE_CHECKING:
    import click

BUILT_IN_MODULES = ("ganzoo.models", "ganzoo.losses", "ganzoo.data", "ganzoo.metrics", "ganzoo.training")
BUILT_IN_DISTRIBUTION = "torch-ganzoo"
HOOKS = ("ganzoo_register", "ganzoo_register_commands")


class GanzooPluginWarning(UserWarning):
    """A plugin failed, and is left out."""


@dataclass(frozen=True)
class PluginInfo:
    """One entry point of an installed plugin, or ganzoo itself.

    Attributes:
        provider: Its distribution, version and namespace.
        status: Whether it was loaded, was kept from loading, or failed.
        reason: Why it is not active, in one line.
        traceback: Where it failed.
        registered: The names it provides by kind; its commands are under `"command"`.
    """

    provider: Provider
    status: Literal["active", "disabled", "failed"]
    reason: str = ""
    traceback: str = field(default="", repr=False)
    registered: dict[str, list[str]] = field(default_factory=dict, hash=False)


class PluginLoader:
    """The plugins of a process, loaded when they are first asked for."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget every plugin, so that the next use loads anew what is installed then."""
        self._manager = pluggy.PluginManager("ganzoo")
        self._built_ins: Registry | None = None
        self._loaded = False
        self._infos: dict[Provider, PluginInfo] = {}
        self._plugins: dict[Provider, Any] = {}
        self._entries: list[Entry] = []
        self._warnings: list[str] = []

    def built_ins(self) -> Registry:
        """Return what ganzoo itself provides; reads no third-party entry point."""
        with self._lock:
            if self._built_ins is None:
                self._manager = new_manager()
                registry = Registry(Provider(BUILT_IN_DISTRIBUTION, __version__))
                for module in BUILT_IN_MODULES:
                    self._register(importlib.import_module(module), module, registry)
                self._built_ins = registry
            return self._built_ins

    def third_party(self) -> list[Entry]:
        """Return what plugins provide, in the order in which they are loaded.

        Raises:
            PluginError: A plugin failed, and plugins are strict.
        """
        self.built_ins()
        with self._lock:
            if not self._loaded:
                # Set first: a plugin that looks a name up while it is loaded finds those that were loaded before it.
                self._loaded = True
                try:
                    self._load_all()
                except BaseException:
                    self.reset()
                    raise
                self._warn()
            return self._entries

    def infos(self) -> list[PluginInfo]:
        """Return ganzoo itself, then every installed plugin in loading order."""
        self.third_party()
        built_ins = self.built_ins()
        own = PluginInfo(built_ins.provider, "active", registered=names_by_kind(built_ins.entries))
        return [own, *self._infos.values()]

    def register_commands(self, cli: "click.Group", reserved: Collection[str] = ()) -> None:
        """Add the plugins' commands to a command line, each plugin's all or none.

        Args:
            cli: Where to add them.
            reserved: Names that plugins cannot take, besides those of `cli`'s commands.

        Raises:
            PluginError: A plugin failed, and plugins are strict.
        """
        import click

        self.third_party()
        for provider, plugin in self._plugins.items():
            with self._isolated(provider):
                staging = click.Group()
                self._own_hook("ganzoo_register_commands", plugin)(cli=staging)
                taken = [name for name in staging.commands if name in reserved or name in cli.commands]
                if taken:
                    raise RegistrationError(f"the command {taken[0]!r} exists already; give the plugin's another name")
                for name, command in staging.commands.items():
                    cli.add_command(command, name)
                if staging.commands:
                    self._infos[provider].registered["command"] = sorted(staging.commands)
        self._warn()

    def _load_all(self) -> None:
        enabled: list[tuple[Provider, importlib.metadata.EntryPoint]] = []
        for distribution in distributions.with_plugins():
            provider = Provider(distribution.name, distribution.version)
            with self._isolated(provider):
                points = distribution.entry_points.select(group=distributions.ENTRY_POINT_GROUP)
                reason = distributions.why_disabled(provider.distribution)
                for point in sorted(points, key=lambda point: point.name):
                    named = replace(provider, namespace=point.name)
                    self._infos[named] = PluginInfo(named, "disabled" if reason else "active", reason)
                    if not reason:
                        enabled.append((named, point))
        for provider, point in enabled:
            claimants = [str(other) for other, rival in enabled if normalise(rival.name) == normalise(point.name)]
            with self._isolated(provider):
                if len(claimants) > 1:
                    raise RegistrationError(
                        f"{' and '.join(claimants)} both claim the namespace {point.name!r}; uninstall or disable one"
                    )
                self._load(provider, point)

    def _load(self, provider: Provider, point: importlib.metadata.EntryPoint) -> None:
        staging = Registry(provider)
        plugin = point.load()
        check_plugin_api(plugin, provider.distribution)
        self._register(plugin, f"{provider.distribution}:{point.name}", staging)
        self._plugins[provider] = plugin
        self._entries += staging.entries
        self._infos[provider] = PluginInfo(provider, "active", registered=names_by_kind(staging.entries))

    def _register(self, plugin: Any, name: str, staging: Registry) -> None:
        """Run a plugin's register hook; if that fails, leave the manager as it was."""
        # Two entry points may name one object, which pluggy would refuse.
        known = self._manager.get_name(plugin) is not None
        try:
            if not known:
                self._manager.register(plugin, name)
            self._check_hooks(plugin)
            self._own_hook("ganzoo_register", plugin)(registry=staging)
        except BaseException:
            if not known and self._manager.get_name(plugin) is not None:
                self._manager.unregister(plugin)
            raise

    def _check_hooks(self, plugin: Any) -> None:
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            unknown = [hook.name for hook in self._manager.get_hookcallers(plugin) or [] if not hook.has_spec()]
            raise PluginError(
                f"ganzoo has no hook {unknown[0]!r}{did_you_mean(unknown[0], HOOKS) or ';'} "
                f"Its hooks are {' and '.join(HOOKS)}."
            ) from error
        if not self._manager.get_hookcallers(plugin):
            raise PluginError(f"{plugin!r} implements no hook; mark its functions with @hookimpl of ganzoo.hookspecs")

    def _own_hook(self, name: str, plugin: Any) -> pluggy.HookCaller:
        others = [other for _, other in self._manager.list_name_plugin() if other is not plugin]
        return self._manager.subset_hook_caller(name, others)

    @contextmanager
    def _isolated(self, provider: Provider) -> Iterator[None]:
        """Run a plugin's code: what it prints goes to stderr, and its failure is remembered, or raised if strict."""
        try:
            with redirect_stdout(sys.stderr):
                yield
        except (Exception, SystemExit) as error:
            message = " ".join(str(error).split())
            reason = message if isinstance(error, GanzooError) else f"{type(error).__name__}: {message}"
            known = self._infos.get(provider, PluginInfo(provider, "failed"))
            self._infos[provider] = replace(known, status="failed", reason=reason, traceback=traceback.format_exc())
            if os.environ.get("GANZOO_STRICT_PLUGINS") == "1":
                raise PluginError(f"the plugin {provider} failed: {reason}") from error
            self._warnings.append(
                f"the plugin {provider} failed and is left out: {reason} (GANZOO_STRICT_PLUGINS=1 raises it instead)"
            )

    def _warn(self) -> None:
        # Once all are loaded: where warnings are errors, this raises.
        while self._warnings:
            warnings.warn(self._warnings.pop(0), GanzooPluginWarning, stacklevel=2)


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows ganzoo's hooks and, if a switch says so, prints every call on stderr."""
    manager = pluggy.PluginManager("ganzoo")
    manager.add_hookspecs(hookspecs)
    if os.environ.get("GANZOO_TRACE_PLUGINS") == "1":
        manager.trace.root.setwriter(lambda text: print(text, end="", file=sys.stderr))
        manager.enable_tracing()
    return manager


def names_by_kind(entries: list[Entry]) -> dict[str, list[str]]:
    """Return the sorted short names of `entries`, by kind."""
    kinds = {entry.kind: None for entry in entries}
    return {kind: sorted(entry.name for entry in entries if entry.kind == kind) for kind in kinds}
