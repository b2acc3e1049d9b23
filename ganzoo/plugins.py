"""Look up what ganzoo and the installed plugins provide.

Built-in names are answered before any third-party entry point is read. The environment variables `GANZOO_PLUGINS`
(only these distributions; empty for none), `GANZOO_DISABLE_PLUGINS` (not these), `GANZOO_STRICT_PLUGINS=1` (raise what
a plugin raises) and `GANZOO_TRACE_PLUGINS=1` (print every hook call) are read when plugins are loaded.
"""

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ganzoo import distributions
from ganzoo.errors import AmbiguousNameError, MissingPluginError, UnknownNameError, did_you_mean, printable
from ganzoo.plugin_loader import GanzooPluginWarning, PluginInfo, PluginLoader
from ganzoo.registry import KIND_WORDS, Entry, Kind, Provider, normalise

if TYPE_CHECKING:
    import click

__all__ = [
    "GanzooPluginWarning",
    "PluginInfo",
    "entries",
    "find",
    "list_plugins",
    "missing",
    "name_of",
    "provider_dict",
    "register_commands",
    "reset",
    "unknown_name",
]

_loader = PluginLoader()


def find(kind: Kind, name: str) -> Entry:
    """Return the entry registered under a name.

    Args:
        kind: What to look for.
        name: A short name, or `namespace/name`; `-` and `_` are the same.

    Raises:
        UnknownNameError: Nothing has this name.
        AmbiguousNameError: Several plugins have this short name.
        PluginError: A plugin failed to load, and plugins are strict.
    """
    built_in = _loader.built_ins().get(kind, name)
    if built_in is not None:
        return built_in
    wanted = normalise(name)
    found = [
        entry
        for entry in _loader.third_party()
        if entry.kind == kind and wanted in (normalise(entry.full_name), normalise(entry.name))
    ]
    if not found:
        raise unknown_name(
            f"no {KIND_WORDS[kind]} is named {name[:100]!r}", name, entries(kind), f"ganzoo list --kind {kind}"
        )
    first, *others = found
    # One object that a distribution registers under two namespaces is still one thing.
    if any((e.factory, e.provider.distribution) != (first.factory, first.provider.distribution) for e in others):
        choices = " or ".join(f"{entry.full_name!r} ({entry.provider})" for entry in found)
        raise AmbiguousNameError(f"several plugins have a {KIND_WORDS[kind]} {name!r}; use {choices}")
    return first


def entries(kind: Kind, pattern: str = "*", provider: str | None = None) -> list[Entry]:
    """List what is registered, sorted by full name.

    Args:
        kind: What to list.
        pattern: A glob for short or full names.
        provider: A distribution or a namespace, to list that alone.

    Raises:
        PluginError: A plugin failed to load, and plugins are strict.
    """
    known = [*_loader.built_ins().entries, *_loader.third_party()]
    return sorted(
        (entry for entry in known if entry.kind == kind and _matches(entry, pattern) and _is_of(entry, provider)),
        key=lambda entry: entry.full_name,
    )


def name_of(kind: Kind, factory: object) -> str | None:
    """Return the full name under which a class or function is registered, or None.

    Args:
        kind: What it would be registered as.
        factory: The class or function itself, not something it made.

    Raises:
        PluginError: A plugin failed to load, and plugins are strict.
    """

    def search(known: Iterable[Entry]) -> str | None:
        return next((entry.full_name for entry in known if entry.kind == kind and entry.is_made_by(factory)), None)

    return search(_loader.built_ins().entries) or search(_loader.third_party())


def list_plugins() -> list[PluginInfo]:
    """List ganzoo itself, then every installed plugin, whether active, disabled or failed.

    Raises:
        PluginError: A plugin failed to load, and plugins are strict.
    """
    return _loader.infos()


def register_commands(cli: "click.Group", reserved: Collection[str] = ()) -> None:
    """Add the plugins' commands to a command line, each plugin's all or none.

    Args:
        cli: Where to add them.
        reserved: Names that plugins cannot take, besides those of `cli`'s commands.

    Raises:
        PluginError: A plugin failed, and plugins are strict.
    """
    _loader.register_commands(cli, reserved)


def reset() -> None:
    """Forget every plugin, so that the next use loads anew what is installed then (for tests)."""
    _loader.reset()


def unknown_name(problem: str, name: str, known: Iterable[Entry], command: str) -> UnknownNameError:
    """Make the error for a name that nothing has.

    Args:
        problem: What happened, in words.
        name: What was received.
        known: What there is.
        command: The command that lists it.
    """
    names = {spelling for entry in known for spelling in (entry.name, entry.full_name)}
    message = f"{problem}{did_you_mean(name, sorted(names)) or '.'} `{command}` lists them all."
    failed = [f"{info.provider} ({info.reason})" for info in list_plugins() if info.status == "failed"]
    return UnknownNameError(f"{message} Not loaded: {', '.join(failed)}." if failed else message)


def provider_dict(entry: Entry) -> dict[str, str] | None:
    """Return what config.json keeps about who provides an entry, or None for a built-in.

    Args:
        entry: The entry that a model was built from.
    """
    if entry.provider.namespace is None:
        return None
    distribution, version = entry.provider.distribution, entry.provider.version
    # A local version, after "+", is nothing that an index has.
    return {"distribution": distribution, "version": version, "requires": f"{distribution}>={version.split('+')[0]}"}


def missing(provider: Mapping[str, Any], architecture: str, loading: str) -> MissingPluginError:
    """Make the error for a model whose architecture is a plugin's and cannot be found.

    Args:
        provider: What config.json says: the `distribution`, its `version`, and `requires`, a requirement on it.
        architecture: The architecture's name.
        loading: What was being loaded, as the user gave it.
    """
    distribution, version = str(provider.get("distribution", "")), str(provider.get("version", ""))
    requirement = str(provider.get("requires", distribution))
    if distributions.is_requirement(requirement, distribution):
        remedy = f'`pip install "{requirement}"` installs it'
    else:
        remedy = "its config.json holds no valid requirement, so no install command is shown"
    return MissingPluginError(
        f"cannot load {loading!r}: its architecture {architecture[:100]!r} is a plugin's; {remedy}. "
        f"The plugin {_state(distribution, version)}."
    )


def _state(distribution: str, wanted: str) -> str:
    """Say in what way a plugin's architecture is not there, after the words "The plugin"."""
    same, wanted = distributions.canonical(distribution), printable(wanted)[:40]
    infos = [info for info in list_plugins() if distributions.canonical(info.provider.distribution) == same]
    for info in infos:
        if info.status == "disabled":
            return f"{info.provider} is installed but disabled: it is {info.reason}"
        if info.status == "failed":
            return f"{info.provider} is installed but failed to load: {info.reason}"
    version = infos[0].provider.version if infos else distributions.version_of(distribution)
    if version is None:
        return f"{distribution[:100]!r} is not installed"
    if distributions.is_older(version, wanted):
        return f"{distribution} {version} is too old: the model was saved with {wanted}"
    return f"{distribution} {version} is installed but does not provide it (the model was saved with {wanted})"


def _matches(entry: Entry, pattern: str) -> bool:
    names = (entry.name, entry.full_name)
    return any(fnmatchcase(name, pattern) or fnmatchcase(normalise(name), normalise(pattern)) for name in names)


def _is_of(entry: Entry, provider: str | None) -> bool:
    if provider is None:
        return True
    by: Provider = entry.provider
    same_distribution = distributions.canonical(by.distribution) == distributions.canonical(provider)
    return same_distribution or (by.namespace is not None and normalise(by.namespace) == normalise(provider))
