"""Recipes: the full, committed setting that reproduces a pretrained model, one TOML file each.

A recipe has the sections of a run's config.toml: `objective`, `[model]`, `[data]`, `[training]`, `[license]`.
"""

import tomllib
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from ganzoo.errors import ConfigError, UnknownNameError, did_you_mean


def recipe_names() -> list[str]:
    """Return the names of the bundled recipes."""
    folder = package_files("ganzoo") / "recipes"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def read_recipe(source: str) -> dict[str, Any]:
    """Read a recipe.

    Args:
        source: A bundled recipe's name, or the path of a TOML file.

    Raises:
        UnknownNameError: There is no such recipe or file.
        ConfigError: The file is no recipe.
    """
    if source.endswith(".toml"):
        path, name = Path(source), Path(source).stem
    else:
        if source not in recipe_names():
            raise UnknownNameError(
                f"there is no recipe {source!r}{did_you_mean(source, recipe_names())}; it takes one of "
                f"{', '.join(recipe_names())}, or the path of a .toml file"
            )
        path, name = Path(str(package_files("ganzoo"))) / "recipes" / f"{source}.toml", source
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnknownNameError(f"there is no recipe file {source!r}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"the recipe {source!r} cannot be read: {error}") from error
    known = {"objective": str, "model": dict, "data": dict, "training": dict, "license": dict}
    for key, value in recipe.items():
        if key not in known or not isinstance(value, known[key]):
            raise ConfigError(
                f"the recipe {source!r} has a wrong {key!r}{did_you_mean(key, known)}; it takes {', '.join(known)}"
            )
    return {"name": name, **recipe}
