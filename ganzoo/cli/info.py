"""`ganzoo info`: what is known about a model, an architecture or a loss."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ganzoo import plugins
from ganzoo.errors import UnknownNameError
from ganzoo.registry import Kind

if TYPE_CHECKING:
    from dataclasses import Field

    from ganzoo.registry import Entry
    from ganzoo.sources import ModelFiles

DESCRIBED: tuple[Kind, ...] = ("pretrained", "architecture", "loss", "dataset", "judge", "callback")


@click.command(short_help="Show all about a model, an architecture or a loss.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(name: str, as_json: bool) -> None:
    """Show what NAME is: a pretrained model, an architecture, a loss, a data set, a judge or a callback.

    A model may also be on the Hugging Face Hub, hf-hub:ORG/NAME, or in a folder, local-dir:PATH.
    """
    facts = describe(name)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        click.echo(format_fact(key, value))


def describe(name: str) -> dict[str, Any]:
    """Return what is known of a name.

    Raises:
        UnknownNameError: Nothing has this name.
        SourceError: There is no such folder.
    """
    if ":" in name or "@" in name:
        return describe_model(name, {"name": name})
    for kind in DESCRIBED:
        try:
            entry = plugins.find(kind, name)
        except UnknownNameError:
            continue
        facts = {"name": entry.full_name, "kind": kind, "summary": entry.summary, "provider": str(entry.provider)}
        if entry.paper:
            facts["paper"] = entry.paper
        if kind == "pretrained":
            return describe_model(name, facts)
        if kind == "judge":
            from ganzoo.metrics.judge import describe_judge

            return facts | asdict(describe_judge(entry))
        return facts | ({"settings": settings_of(entry)} if kind in ("architecture", "loss") else {})
    known = [entry for kind in DESCRIBED for entry in plugins.entries(kind)]
    raise plugins.unknown_name(f"nothing is named {name!r}", name, known, "ganzoo list")


def settings_of(entry: "Entry") -> dict[str, Any]:
    """Return the settings of an architecture or a loss with their defaults.

    Raises:
        PluginError: It cannot be imported.
        ConfigError: It is registered as an architecture, but is none.
        ObjectiveError: It is registered as a loss, but is none.
    """
    from dataclasses import fields

    from ganzoo.losses.parsing import term_class
    from ganzoo.zoo import architecture_of

    config_class = term_class(entry) if entry.kind == "loss" else architecture_of(entry).config_class
    return {field.name: _default(field) for field in fields(config_class) if field.init}


def _default(field: "Field[Any]") -> Any:
    from dataclasses import MISSING

    if field.default_factory is not MISSING:
        return field.default_factory()
    return "required" if field.default is MISSING else field.default


def describe_model(source: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a model's config.json and files say."""
    from ganzoo import zoo

    files = zoo.locate(source)
    config = zoo.read_config(files)
    for name, network in config.networks.items():
        facts[name] = {
            "architecture": network.architecture,
            "bytes": _bytes(files, network.file) if network.file else 0,
            "dtype": network.dtype,
            "sha256": network.sha256,
            **({"provider": network.provider} if network.provider else {}),
        }
    facts["settings"] = config.networks["generator"].args if "generator" in config.networks else {}
    facts["samples"] = {"shape": list(config.sampling.sample_shape), "class_names": list(config.sampling.class_names)}
    facts["license"] = config.license
    facts["training"] = config.training
    facts["metrics"] = config.metrics
    return facts


def _bytes(files: "ModelFiles", file: str) -> int | None:
    from ganzoo.errors import HubUnreachableError

    try:
        return files.size(file)
    except HubUnreachableError:  # such as offline, of a file that was never loaded
        return None


def format_fact(key: str, value: Any, indent: str = "") -> str:
    """Return a fact as indented lines; metrics as a table, with how they were measured said once."""
    if key == "metrics" and isinstance(value, list) and value:
        from ganzoo.card import metrics_table

        return "\n".join([f"{indent}{key}:", *(f"{indent}  {line}".rstrip() for line in metrics_table(value))])
    if isinstance(value, dict) and value:
        return "\n".join([f"{indent}{key}:", *(format_fact(k, v, indent + "  ") for k, v in value.items())])
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n".join([f"{indent}{key}:", *(format_fact("-", item, indent + "  ") for item in value)])
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{indent}{key}: {text}"
