"""Writing the folder that `load` takes: weights, a model card, and config.json last."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

import ganzoo
from ganzoo import card, files, weights
from ganzoo.config import LARGEST_CONFIG, ModelConfig
from ganzoo.errors import ConfigError, WeightsError
from ganzoo.models.condition import Condition, condition_of

logger = logging.getLogger("ganzoo")


def save_model(
    networks: Mapping[str, nn.Module] | nn.ModuleDict, config: ModelConfig, folder: Path, dtype: torch.dtype | None
) -> None:
    """Write networks and their config to a folder.

    Args:
        networks: The networks by name.
        config: What they are made of.
        folder: The folder; made if missing.
        dtype: What to store floating-point weights in; None: as they are.

    Raises:
        WeightsError: A network is in no registry, or its weights cannot be stored so; nothing is written.
        OutputError: The folder cannot be written.
    """
    unknown = [name for name in networks if name not in config.networks]
    if unknown:
        raise WeightsError(
            f"{' and '.join(unknown)} cannot be saved for others: plain modules are in no registry; register an "
            "architecture in a plugin, and build the model with ganzoo.create_model"
        )
    contents, saved = {}, {}
    for name, network in networks.items():
        stored, file = dtype or next(network.parameters()).dtype, f"{name}.safetensors"
        stored_name = weights.dtype_name(stored)
        contents[file] = weights.to_bytes(network.state_dict(), stored)
        digest = hashlib.sha256(contents[file]).hexdigest()
        saved[name] = replace(config.networks[name], file=file, sha256=digest, dtype=stored_name)
    described = replace(config, networks=saved)
    described.to_json(ganzoo.__version__)  # refuses what JSON cannot say while nothing is written yet
    before = _read_config(folder)
    for file, content in contents.items():
        files.write_bytes(folder / file, content)
    write_description(folder, described, condition_of(networks["generator"]))
    left = [network.file for network in before.networks.values() if network.file not in contents] if before else []
    for file in left:
        if file and (folder / file).exists():
            logger.warning(
                "%s was there before and is not of the model that is there now; remove it, or save the model again "
                "after load(..., discriminator=True)",
                folder / file,
            )


def write_description(folder: Path, config: ModelConfig, condition: Condition) -> None:
    """Write a model folder's card and config.json, which belong to the weights that are there.

    A card that says something else than the config.json there would make it say is somebody's own, and is kept.

    Args:
        folder: The folder.
        config: What the folder holds.
        condition: What its generator is conditioned on.

    Raises:
        ConfigError: The config holds what JSON cannot say; nothing is written.
        OutputError: The folder cannot be written.
    """
    text = config.to_json(ganzoo.__version__)
    described = card.model_card(config, condition, picture=(folder / card.PICTURE).exists())
    readme = folder / "README.md"
    if _is_own(readme, described, condition):
        logger.warning("%s is kept, for it is your own; 'ganzoo card %s --overwrite' writes it anew", readme, folder)
    else:
        files.write_text(readme, described)
    files.write_text(folder / "config.json", text)


def _is_own(readme: Path, described: str, condition: Condition) -> bool:
    """Tell whether a card is another than the coming one, and than the one that was made with what is there."""
    try:
        found = readme.read_bytes()
    except OSError:  # none is there, or writing it will say why not
        return False
    before = _read_config(readme.parent)
    cards = [described] + [card.model_card(before, condition, picture=it) for it in (True, False) if before is not None]
    return found not in [each.encode() for each in cards]


def _read_config(folder: Path) -> ModelConfig | None:
    try:
        return ModelConfig.from_json((folder / "config.json").read_bytes()[: LARGEST_CONFIG + 1])
    except (OSError, ConfigError):
        return None
