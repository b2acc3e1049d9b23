"""Writing the folder that `load` takes: weights, a model card, and config.json last."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

import ganzoo
from ganzoo import card, files, weights
from ganzoo.config import ModelConfig
from ganzoo.errors import WeightsError
from ganzoo.models.condition import Condition, condition_of


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
    for file, content in contents.items():
        files.write_bytes(folder / file, content)
    write_description(folder, described, condition_of(networks["generator"]))


def write_description(folder: Path, config: ModelConfig, condition: Condition) -> None:
    """Write a model folder's card and config.json, which belong to the weights that are there.

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
    files.write_text(folder / "README.md", described)
    files.write_text(folder / "config.json", text)
