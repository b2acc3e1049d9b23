"""From a model's files, which may be a stranger's, to its config and its networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.building import build_network, find_architecture
from ganzoo.errors import ConfigError, GanzooError, SourceError, WeightsError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ganzoo.config import ModelConfig, NetworkConfig
    from ganzoo.sources import ModelFiles

LARGEST_WEIGHTS = 2**34  # bytes, of a network that cannot be measured before it is built


def read_config(files: "ModelFiles") -> "ModelConfig":
    """Read a model's config.json.

    Raises:
        SourceError: The folder has none.
        ConfigError: It cannot be used.
        HubError: It cannot be fetched.
    """
    from ganzoo.config import LARGEST_CONFIG, ModelConfig

    path = files.path("config.json", largest=LARGEST_CONFIG)
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_CONFIG + 1)
    except OSError as error:
        raise SourceError(
            f"{str(path.parent)!r} holds no readable config.json; give a folder that save_pretrained wrote"
        ) from error
    return ModelConfig.from_json(text)


def load_network(
    files: "ModelFiles", name: str, network: "NetworkConfig", loading: str, dtype: "torch.dtype"
) -> "nn.Module":
    """Build a network and give it the weights in its file.

    Args:
        files: The model's files.
        name: Which of its networks.
        network: That network's part of config.json.
        loading: What is being loaded, for messages.
        dtype: What floating-point weights are converted to.

    Raises:
        MissingPluginError, UnknownNameError: There is no such architecture here.
        ConfigError: The architecture refuses its arguments.
        WeightsError: The weights are damaged or do not fit.
        HubError: They cannot be fetched.
    """
    from ganzoo import weights

    path, module = fetch_weights(files, name, network, loading)
    tensors = weights.read_tensors(path, network.sha256)
    if module is not None:
        weights.assign(module, tensors, f"{loading} ({name})", dtype)
    if module is None or any(_holds_meta(vars(part)) for part in module.modules()):
        module = _build(name, network, loading, "cpu")  # what is not saved with the weights, its constructor fills
        weights.assign(module, tensors, f"{loading} ({name})", dtype)
    return module


def fetch_weights(
    files: "ModelFiles", name: str, network: "NetworkConfig", loading: str
) -> "tuple[Path, nn.Module | None]":
    """Return the path of a network's weights, fetched if need be, and the network on the meta device.

    On the meta device nothing is allocated, so that a config cannot ask for more than its weights file holds, nor a
    file be fetched or read that has more than the network takes. A network that cannot be built there is None.

    Args:
        files: The model's files.
        name: Which of its networks.
        network: That network's part of config.json.
        loading: What is being loaded, for messages.

    Raises:
        MissingPluginError, UnknownNameError: There is no such architecture here.
        ConfigError: The architecture refuses its arguments.
        WeightsError: config.json names no weights, or they are larger than the network.
        HubError: They cannot be fetched, or are larger than the network.
    """
    from ganzoo import weights

    if not network.file:
        raise WeightsError(
            f"{loading}: config.json names no weights for the {name}; give a folder that save_pretrained wrote"
        )
    module, largest = None, LARGEST_WEIGHTS
    try:
        module = _build(name, network, loading, "meta")
        largest = weights.largest_file(module)
    except GanzooError:
        raise
    except Exception:  # its constructor needs values, which the meta device has none of
        module = None
    return files.path(network.file, largest=largest, sha256=network.sha256), module


def _build(name: str, network: "NetworkConfig", loading: str, device: str) -> "nn.Module":
    import torch

    from ganzoo.models.architecture import weights_coming

    architecture = find_architecture(network, loading)
    with torch.random.fork_rng(devices=[]), torch.device(device), weights_coming():
        return build_network(architecture, name, network.args, network.architecture)


def _holds_meta(value: object) -> bool:
    """Tell whether a value is a tensor on the meta device, or a container with one."""
    import torch

    if isinstance(value, Mapping | list | tuple | set):
        return any(map(_holds_meta, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, torch.Tensor) and value.is_meta


def check_shape(networks: Mapping[str, "nn.Module"], config: "ModelConfig") -> None:
    """Refuse networks that are for samples of another shape than config.json says.

    Raises:
        ConfigError: One is.
    """
    for name, network in networks.items():
        declared = getattr(network, "sample_shape", config.sampling.sample_shape)
        if tuple(declared) != config.sampling.sample_shape:
            raise ConfigError(
                f"config.json: sample_shape is {config.sampling.sample_shape}, and the {name} is one for samples of "
                f"{tuple(declared)}; load a folder that ganzoo saved"
            )
