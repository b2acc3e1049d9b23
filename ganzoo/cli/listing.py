"""`ganzoo list` and `ganzoo plugins`: what there is and who provides it."""

import json
from dataclasses import asdict
from typing import Any

import click

from ganzoo import plugins
from ganzoo.errors import UnknownNameError
from ganzoo.plugins import PluginInfo
from ganzoo.registry import KINDS, Entry, Kind

TITLES: dict[Kind, str] = {
    "architecture": "Architectures",
    "loss": "Losses",
    "pretrained": "Pretrained models",
    "dataset": "Data sets",
    "augmentation": "Augmentations",
    "judge": "Judges",
    "callback": "Callbacks",
}


@click.command("list", short_help="List architectures, losses, pretrained models and data sets.")
@click.argument("pattern", default="*")
@click.option("--kind", type=click.Choice(KINDS), help="List one kind only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_entries(pattern: str, kind: Kind | None, as_json: bool) -> None:
    """List what can be named: architectures, losses, pretrained models, data sets and what else plugins provide.

    PATTERN is a glob for names, such as "dc*" or "my_plugin/*".

    With --json, prints an array of objects with the keys kind, name, full_name, summary, paper, distribution, version,
    namespace (null for ganzoo's own) and info (an object; a pretrained model's has architecture and data, and a
    judge's has data).
    """
    kinds = KINDS if kind is None else (kind,)
    found = [entry for each in kinds for entry in plugins.entries(each, pattern)]
    if not found and pattern != "*":
        raise nothing_matches(pattern, kinds)
    if as_json:
        click.echo(json.dumps([entry_as_json(entry) for entry in found], indent=2))
        return
    tables = [entry_table(each, [entry for entry in found if entry.kind == each]) for each in kinds]
    click.echo("\n\n".join(table for table in tables if table) or f"There is no {kind} yet.")


@click.command("plugins", short_help="List plugins, what they provide and whether they work.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_plugins(as_json: bool) -> None:
    """List the installed plugins: version, status (active, disabled or failed, and why) and what each provides.

    With --json, prints an array of objects with the keys distribution, version, namespace (null for ganzoo's own),
    status, reason, and registered (an object: kind to names).
    """
    # Lets plugins add their commands, so that these are listed too.
    context = click.get_current_context().find_root()
    if isinstance(context.command, click.Group):
        context.command.list_commands(context)
    infos = plugins.list_plugins()
    if as_json:
        click.echo(json.dumps([plugin_as_json(info) for info in infos], indent=2))
    else:
        click.echo(plugin_table(infos))


def nothing_matches(pattern: str, kinds: tuple[Kind, ...]) -> UnknownNameError:
    """Make the error for a pattern that no name matches."""
    known = [entry for kind in kinds for entry in plugins.entries(kind)]
    return plugins.unknown_name(f"nothing matches {pattern!r}", pattern, known, "ganzoo list")


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as `ganzoo list --json` shows it."""
    return {
        "kind": entry.kind,
        "name": entry.name,
        "full_name": entry.full_name,
        "summary": entry.summary,
        "paper": entry.paper,
        **asdict(entry.provider),
        "info": dict(entry.info),
    }


def plugin_as_json(info: PluginInfo) -> dict[str, Any]:
    """Return a plugin as `ganzoo plugins --json` shows it."""
    return {
        **asdict(info.provider),
        "status": info.status,
        "reason": info.reason,
        "registered": info.registered,
    }


def entry_table(kind: Kind, entries: list[Entry]) -> str:
    """Return a titled table of entries of one kind, or an empty string."""
    if not entries:
        return ""
    details = list(dict.fromkeys(key for entry in entries for key in entry.info))
    header = ["name", "summary", *details, "provider"]
    rows = [
        [entry.full_name, entry.summary, *(entry.info.get(key, "") for key in details), str(entry.provider)]
        for entry in entries
    ]
    return f"{TITLES[kind]}\n{aligned([header, *rows])}"


def plugin_table(infos: list[PluginInfo]) -> str:
    """Return a table of plugins, with what each provides, or why it does not, below its line."""
    heads = aligned(
        [
            ["plugin", "version", "namespace", "status"],
            *([p.distribution, p.version, p.namespace or "", info.status] for info in infos for p in [info.provider]),
        ]
    ).splitlines()
    lines = heads[:1]
    for head, info in zip(heads[1:], infos, strict=True):
        lines.append(head)
        if info.reason:
            lines.append(f"    {info.reason}")
        lines += [f"    {kind}: {', '.join(names)}" for kind, names in info.registered.items()]
    return "\n".join(lines)


def aligned(rows: list[list[str]]) -> str:
    """Return rows as lines with aligned columns, indented by two."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
