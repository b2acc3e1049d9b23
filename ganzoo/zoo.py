"""The zoo's front door: load, create and list by name."""

import os
from collections.abc import Mapping
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo import plugins
from ganzoo.building import (
    architecture_of,
    build_network,
    create_loss,
    create_model,
    create_model_for,
    create_objective,
    find_architecture,
)
from ganzoo.errors import ConfigError, GanzooError, SourceError, WeightsError
from ganzoo.files import is_folder

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ganzoo.config import ModelConfig, NetworkConfig
    from ganzoo.gan import GAN
    from ganzoo.registry import Kind

__all__ = [
    "architecture_of",
    "build_network",
    "create_loss",
    "create_model",
    "create_model_for",
    "create_objective",
    "find_architecture",
    "list_architectures",
    "list_datasets",
    "list_losses",
    "list_pretrained",
    "load",
    "locate",
    "read_config",
]


def load(
    source: str | os.PathLike[str],
    *,
    discriminator: bool = False,
    device: "torch.device | str" = "cpu",
    dtype: "torch.dtype | None" = None,
) -> "GAN":
    """Load a pretrained model, in eval mode.

    Args:
        source: A registered model's name such as `"dcgan-mnist"`, `"plugin/name"`, `"local-dir:PATH"`, or a path.
        discriminator: Load the discriminator too, for scoring and fine-tuning.
        device: Where to put the networks.
        dtype: The dtype of the weights in memory; float32 by default, however they are stored.

    Raises:
        SourceError: The source means nothing, or there is no model in that folder.
        UnknownNameError: No model has this name.
        MissingPluginError: The model's architecture comes from a plugin that is not there.
        ConfigError: The model's config.json cannot be used.
        WeightsError: The weights are damaged or do not fit.
    """
    import torch

    from ganzoo.gan import GAN

    folder = locate(source)
    config = read_config(folder)
    wanted = [name for name in config.networks if discriminator or name != "discriminator"]
    if discriminator and "discriminator" not in config.networks:
        raise SourceError(f"{os.fspath(source)!r} has no discriminator; load it without discriminator=True")
    networks = {
        name: _load_network(folder, name, config.networks[name], str(source), dtype or torch.float32) for name in wanted
    }
    _check_shape(networks, config)
    return GAN(networks, config=config).to(device).eval()


def locate(source: str | os.PathLike[str]) -> Path:
    """Return the folder of a registered or local model.

    Raises:
        SourceError: The source means nothing, or the folder does not exist.
        UnknownNameError: No model has this name.
    """
    from ganzoo.sources import parse_source

    parsed = parse_source(source)
    if parsed.kind == "name":
        entry = plugins.find("pretrained", parsed.value)
        package, _, folder = str(entry.factory).partition(":")
        try:
            root = Path(str(package_files(package.partition(".")[0])))
        except (ImportError, TypeError) as error:
            raise SourceError(f"{entry.full_name!r} of {entry.provider} names no package's folder: {error}") from error
        path = root.joinpath(*package.split(".")[1:], folder)
    else:
        path = Path(parsed.value)
    if not is_folder(path):
        raise SourceError(f"there is no folder {str(path)[:200]!r}; give one that save_pretrained wrote")
    return path.expanduser()


def read_config(folder: Path) -> "ModelConfig":
    """Read a model folder's config.json.

    Raises:
        SourceError: The folder has none.
        ConfigError: It cannot be used.
    """
    from ganzoo.config import LARGEST_CONFIG, ModelConfig

    try:
        with (folder / "config.json").open("rb") as file:
            text = file.read(LARGEST_CONFIG + 1)
    except OSError as error:
        raise SourceError(
            f"{str(folder)!r} holds no readable config.json; give a folder that save_pretrained wrote"
        ) from error
    return ModelConfig.from_json(text)


def _load_network(folder: Path, name: str, network: "NetworkConfig", loading: str, dtype: "torch.dtype") -> "nn.Module":
    import torch

    from ganzoo import weights
    from ganzoo.models.architecture import weights_coming

    if not network.file:
        raise WeightsError(
            f"{loading}: config.json names no weights for the {name}; give a folder that save_pretrained wrote"
        )
    architecture = find_architecture(network, loading)
    tensors = weights.read_tensors(folder / network.file, network.sha256)

    def build(device: str) -> "nn.Module":
        with torch.random.fork_rng(devices=[]), torch.device(device), weights_coming():
            module = build_network(architecture, name, network.args, network.architecture)
        weights.assign(module, tensors, f"{loading} ({name})", dtype)
        return module

    # On the meta device nothing is allocated, so that a config cannot ask for more than its weights file holds.
    try:
        module = build("meta")
    except GanzooError:
        raise
    except Exception:  # its constructor needs values, which the meta device has none of
        return build("cpu")
    # What is not saved with the weights, its constructor fills.
    return build("cpu") if any(_holds_meta(vars(part)) for part in module.modules()) else module


def _holds_meta(value: object) -> bool:
    """Tell whether a value is a tensor on the meta device, or a container with one."""
    import torch

    if isinstance(value, Mapping | list | tuple | set):
        return any(map(_holds_meta, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, torch.Tensor) and value.is_meta


def _check_shape(networks: Mapping[str, "nn.Module"], config: "ModelConfig") -> None:
    for name, network in networks.items():
        declared = getattr(network, "sample_shape", config.sampling.sample_shape)
        if tuple(declared) != config.sampling.sample_shape:
            raise ConfigError(
                f"config.json: sample_shape is {config.sampling.sample_shape}, and the {name} is one for samples of "
                f"{tuple(declared)}; load a folder that ganzoo saved"
            )


def list_architectures(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of architectures that match a glob pattern, of one distribution if `provider` is given."""
    return _names("architecture", pattern, provider)


def list_losses(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of terms that match a glob pattern, of one distribution if `provider` is given."""
    return _names("loss", pattern, provider)


def list_pretrained(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of pretrained models that match a glob pattern, of one distribution if `provider` is given."""
    return _names("pretrained", pattern, provider)


def list_datasets(pattern: str = "*", *, provider: str | None = None) -> list[str]:
    """List the names of data sets that match a glob pattern, of one distribution if `provider` is given."""
    return _names("dataset", pattern, provider)


def _names(kind: "Kind", pattern: str, provider: str | None) -> list[str]:
    return [entry.full_name for entry in plugins.entries(kind, pattern, provider)]
