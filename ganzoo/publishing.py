"""Putting models on the Hugging Face Hub: one from wherever it is, or all that ganzoo comes with."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ganzoo import plugins, published, zoo
from ganzoo.card import PICTURE
from ganzoo.config import LARGEST_CONFIG
from ganzoo.errors import WeightsError
from ganzoo.gan import GAN
from ganzoo.hub.pushing import Pushed, Target, describe, push_folder
from ganzoo.loading import plan_network
from ganzoo.registry import Published

LARGEST_EXTRA = 2**25  # bytes of a card or a picture


def push(source: str, target: Target) -> Pushed:
    """Push a model, byte for byte, after loading it, so that nothing is published that cannot be loaded.

    Args:
        source: What `load` takes.
        target: Where to push it.

    Raises:
        SourceError, ConfigError, WeightsError, MissingPluginError: As `load`.
        HubError: As `GAN.push_to_hub`.
    """
    with tempfile.TemporaryDirectory(prefix="ganzoo-push-") as made:
        describe(Path(made), _copy(source, Path(made)))
        return push_folder(Path(made), target)


def publish_zoo(
    organization: str,
    target: Target,
    *,
    path: Path = published.PATH,
    report: Callable[[str], object] = lambda line: None,
) -> dict[str, Published]:
    """Push every bundled model as ORGANIZATION/NAME, and write down where each is after each push.

    Running it again pushes what changed, and goes on where it stopped.

    Args:
        organization: Whose repositories they shall be.
        target: How to push; its repository is replaced.
        path: The file to write down in.
        report: Is given a line for each model.

    Raises:
        OutputError: The file cannot be written; nothing is pushed.
        HubError: A push failed; those before it are written down.
    """
    places = published.read_published(path)
    published.write_published(places, path)  # where that cannot be, nothing is pushed
    for entry in plugins.entries("pretrained", provider="torch-ganzoo"):
        done = push(entry.full_name, replace(target, repo_id=f"{organization}/{entry.name}"))
        loaded = {name: digest for name, digest in done.sha256.items() if name.endswith((".json", ".safetensors"))}
        places[entry.name] = Published(f"{organization}/{entry.name}", done.commit, loaded)
        published.write_published(places, path)
        report(f"{entry.name}: {done.url}")
    return places


def _copy(source: str, folder: Path) -> GAN:
    """Copy a model's files to a folder, and return the model, loaded from there."""
    there = zoo.locate(source)
    config = zoo.read_config(there)
    shutil.copyfile(there.path("config.json", largest=LARGEST_CONFIG), folder / "config.json")
    for planned in [plan_network(name, network, source) for name, network in config.networks.items()]:
        try:
            shutil.copyfile(planned.fetch(there), folder / planned.network.file)
        except FileNotFoundError as error:
            raise WeightsError(
                f"{source} has no {planned.network.file}, which its config.json names; give a folder that "
                "save_pretrained wrote"
            ) from error
    for name in (PICTURE, "README.md"):
        if there.size(name):
            shutil.copyfile(there.path(name, largest=LARGEST_EXTRA), folder / name)
    return zoo.load(folder, discriminator="discriminator" in config.networks)
