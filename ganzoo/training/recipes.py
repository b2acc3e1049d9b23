"""Recipes: the full, committed setting that reproduces a pretrained model, one TOML file each.

A recipe has the sections of a run's config.toml: `objective`, `[model]`, `[data]`, `[training]`, `[license]`.
Where `[data]` names no source, it holds the `fingerprint` of the data that the licence is about.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Literal

from ganzoo import plugins
from ganzoo.config import build_config
from ganzoo.errors import ConfigError, UnknownNameError, did_you_mean
from ganzoo.training.description import HOUSEKEEPING

DEFAULT_OBJECTIVE = "non_saturating"


@dataclass(frozen=True, kw_only=True)
class _Model:
    architecture: str = ""
    args: dict[str, Any] = field(default_factory=dict)
    discriminator: str = ""
    discriminator_args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Data:
    source: str = ""
    hint: str = ""
    split: Literal["train", "test", "val"] = "train"
    conditional: bool = False
    fingerprint: str = ""


def recipe_names() -> list[str]:
    """Return the names of the bundled recipes."""
    folder = package_files("ganzoo") / "recipes"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def read_recipe(source: str) -> dict[str, Any]:
    """Read a recipe.

    Args:
        source: A bundled recipe's name, the name of a plugin's pretrained model, or the path of a TOML file.

    Raises:
        UnknownNameError: There is no such recipe or file.
        ConfigError: The file is no recipe, or a key of it is unknown or of the wrong type.
    """
    path = Path(source) if source.endswith(".toml") else _find_recipe(source)
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnknownNameError(f"there is no recipe file {str(path)!r}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"the recipe {str(path)!r} cannot be read: {error}; it takes TOML, so mend it") from error
    known = {"objective": str, "model": dict, "data": dict, "training": dict, "license": dict}
    for key, value in recipe.items():
        if key not in known or not isinstance(value, known[key]):
            raise ConfigError(
                f"the recipe {source!r} has a wrong {key!r}{did_you_mean(key, known)}; it takes {', '.join(known)}"
            )
    build_config(_Model, recipe.get("model", {}), f"the recipe {source!r}: model")
    build_config(_Data, recipe.get("data", {}), f"the recipe {source!r}: data")
    return {"name": path.stem, **recipe}


def _find_recipe(name: str) -> Path:
    """Return a recipe's file: of a bundled recipe, or `recipes/NAME.toml` in the package of a plugin's model.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name in recipe_names():
        return Path(str(package_files("ganzoo"))) / "recipes" / f"{name}.toml"
    try:
        entry = plugins.find("pretrained", name)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"there is no recipe {name!r}{did_you_mean(name, recipe_names())}; it takes one of "
            f"{', '.join(recipe_names())}, a plugin's pretrained model, or the path of a .toml file"
        ) from error
    package = str(entry.factory).partition(":")[0].partition(".")[0]
    return Path(str(package_files(package))) / "recipes" / f"{entry.name}.toml"


def data_of(recipe: Mapping[str, Any]) -> str:
    """Return the data that a recipe is for, in words."""
    data = recipe.get("data", {})
    return str(data.get("hint") or data.get("source") or f"data of fingerprint {data.get('fingerprint', '')[:12]}")


def is_for(recipe: Mapping[str, Any], source: str, fingerprint: str) -> bool | None:
    """Tell whether data is what a recipe is for; None for a recipe that says nothing of it.

    Args:
        recipe: What `read_recipe` returned.
        source: The data, as the user named it.
        fingerprint: Its fingerprint.
    """
    data = recipe.get("data", {})
    if known := data.get("fingerprint"):
        return bool(known == fingerprint)
    return bool(data["source"] == source) if data.get("source") else None


def notes_of(recipe: Mapping[str, Any], asked: Mapping[str, Any], fingerprint: str) -> dict[str, Any]:
    """Return what a run may say of its recipe: the name if it was followed, the licence if the data is the recipe's.

    Args:
        recipe: What `read_recipe` returned.
        asked: The sections of a recipe as the run has them, with what replaces the recipe's settings.
        fingerprint: The fingerprint of the run's data.
    """
    is_own = is_for(recipe, asked["data"]["source"], fingerprint)
    is_followed = is_own is not False and _decisive(recipe) == _decisive(asked)
    notes = {"recipe": recipe["name"]} if is_followed else {}
    return notes | ({"license": recipe["license"]} if is_own and "license" in recipe else {})


def _decisive(recipe: Mapping[str, Any]) -> list[Any]:
    """Return what decides a recipe's outcome, besides the data's content."""
    model, data, training = (recipe.get(section, {}) for section in ("model", "data", "training"))
    aside = HOUSEKEEPING | {"device"}
    return [
        recipe.get("objective", DEFAULT_OBJECTIVE),
        model.get("architecture"),
        model.get("args", {}),
        model.get("discriminator", ""),
        model.get("discriminator_args", {}),
        data.get("split", "train"),
        data.get("conditional", False),
        {key: value for key, value in training.items() if key not in aside},
    ]
