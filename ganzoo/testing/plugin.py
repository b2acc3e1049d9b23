"""What must be true of a plugin as a package, besides what it registers."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch

from ganzoo import distributions, plugins, zoo
from ganzoo.errors import ConformanceError, GanzooError
from ganzoo.registry import KINDS, Entry
from ganzoo.testing.checks import Check, make_checks, require

HEAVY = ("torch", "torchvision", "timm", "numpy", "PIL", "safetensors", "huggingface_hub")
LIST_ALL = f"""
import sys
from ganzoo import plugins
plugins.list_plugins()
print(*sorted({set(HEAVY)!r} & set(sys.modules)))
"""


def of_plugin(distribution: str, settings: Mapping[str, Any]) -> tuple[list[Check], list[Entry]]:
    """Return the checks of a distribution itself, and what it registers.

    Args:
        distribution: Its name.
        settings: Settings, each of which some architecture of it must have.
    """
    same = distributions.canonical(distribution)
    entries = [
        entry
        for kind in KINDS
        for entry in plugins.entries(kind)
        if distributions.canonical(entry.provider.distribution) == same
    ]

    def known_settings(_: str) -> None:
        """Each setting that is given is one of some architecture."""
        known = {name for entry in entries if entry.kind == "architecture" for name in _settings(entry)}
        for name in settings:
            require(name in known, f"none of its architectures has the setting {name!r}; leave it out")

    checks = make_checks(distribution, distribution, [status, light_import, known_settings])
    for entry in entries:
        if entry.kind == "pretrained":
            checks += make_checks(entry.full_name, entry, [pretrained_model if entry.factory else published_model])
        elif entry.kind not in ("architecture", "loss", "judge"):
            checks += make_checks(entry.full_name, entry, [factory])
    return checks, entries


def status(distribution: str) -> None:
    """It is installed, active, and registers something."""
    same = distributions.canonical(distribution)
    infos = [info for info in plugins.list_plugins() if distributions.canonical(info.provider.distribution) == same]
    if not infos:
        version = distributions.version_of(distribution)
        found = "is not installed" if version is None else f"{version} has no entry point in the group 'ganzoo'"
        raise ConformanceError(f"{distribution} {found}; install it first: pip install -e .")
    for info in infos:
        require(info.status == "active", f"it is {info.status}: {info.reason}\n{info.traceback}".strip())
        require(bool(info.registered), f"its entry point {info.provider.namespace!r} registers nothing")


def light_import(distribution: str) -> None:
    """Listing what it registers imports nothing heavy, so that the command line stays fast."""
    environment = os.environ | {"GANZOO_PLUGINS": distribution, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", LIST_ALL], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    require(done.returncode == 0, f"listing it in a process of its own fails: {done.stderr.strip()[-1000:]}")
    require(
        not done.stdout.split(),
        f"listing it imports {', '.join(done.stdout.split())}; register with 'package.module:attribute', and import "
        "what is heavy in that module",
    )


def pretrained_model(entry: Entry) -> None:
    """A pretrained model loads, says under which licence its weights are, and samples what it says."""
    gan = zoo.load(entry.full_name)
    license = gan.config.license.get("weights")
    require(bool(license), "its config.json names no licence of the weights; train it with notes={'license': ...}")
    shape = gan.condition.shape
    condition = {"vector": torch.zeros(2, *shape), "image": torch.zeros(2, *shape)}.get(gan.condition.kind)
    samples = gan.sample(2, seed=0, condition=condition)
    require(
        samples.shape == (2, *gan.sample_shape) and bool(samples.isfinite().all()),
        f"its samples have shape {tuple(samples.shape)} for {gan.sample_shape}, or are not finite",
    )


def published_model(entry: Entry) -> None:
    """A pretrained model that is on the Hub alone, which is not asked: its registration names an architecture."""
    plugins.find("architecture", entry.info["architecture"])


def factory(entry: Entry) -> None:
    """What it registers can be imported and called."""
    require(callable(entry.load()), f"the {entry.kind} is no function and no class")


def _settings(entry: Entry) -> list[str]:
    return [field.name for field in fields(zoo.architecture_of(entry).config_class) if field.init]


def settings_for(entry: Entry, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the settings that an architecture has."""
    try:
        known = _settings(entry) if settings else []
    except GanzooError:  # it cannot be imported, which its own checks report
        known = []
    return {name: value for name, value in settings.items() if name in known}
