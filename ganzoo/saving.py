"""Writing the folder that `load` takes: weights, a model card, and config.json last."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

import ganzoo
from ganzoo import card, files, weights
from ganzoo.config import ModelConfig
from ganzoo.errors import WeightsError


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
        WeightsError: A network is in no registry, or its weights are not finite.
        OutputError: The folder cannot be written.
    """
    unknown = [name for name in networks if name not in config.networks]
    if unknown:
        raise WeightsError(
            f"{' and '.join(unknown)} cannot be saved for others: plain modules are in no registry; register an "
            "architecture in a plugin, and build the model with ganzoo.create_model"
        )
    saved = {}
    for name, network in networks.items():
        stored = dtype or next(network.parameters()).dtype
        file = f"{name}.safetensors"
        digest = weights.save_tensors(folder / file, network.state_dict(), stored)
        saved[name] = replace(config.networks[name], file=file, sha256=digest, dtype=weights.dtype_name(stored))
    described = replace(config, networks=saved)
    files.write_text(folder / "README.md", card.model_card(described))
    files.write_text(folder / "config.json", described.to_json(ganzoo.__version__))
