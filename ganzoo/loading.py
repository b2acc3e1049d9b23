"""From a model's files, which may be a stranger's, to its config and its networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganzoo.building import build_network, find_architecture
from ganzoo.errors import ConfigError, GanzooError, SourceError, WeightsError

if TYPE_CHECKING:
    from pathlib import Path

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
    from ganzoo.sources import hint_of_run

    path = files.path("config.json", largest=LARGEST_CONFIG)
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_CONFIG + 1)
    except OSError as error:
        raise SourceError(
            hint_of_run(path.parent)
            or f"{str(path.parent)!r} holds no readable config.json; give a folder that save_pretrained wrote"
        ) from error
    try:
        return ModelConfig.from_json(text)
    except ConfigError as error:
        raise ConfigError(f"{error} (in {str(path)!r})") from error


@dataclass(frozen=True)
class PlannedNetwork:
    """A network that can be built, and what its weights file can be at most; nothing of it is fetched or allocated yet.

    Attributes:
        name: Which of the model's networks it is.
        network: Its part of config.json.
        loading: What is being loaded, for messages.
        build: Builds it on a device.
        module: The network on the meta device; None if its constructor needs values, which the meta device has none of.
        largest: How many bytes its weights file can have.
    """

    name: str
    network: "NetworkConfig"
    loading: str
    build: Callable[[str], "nn.Module"]
    module: "nn.Module | None"
    largest: int

    def fetch(self, files: "ModelFiles") -> "Path":
        """Return the path of its weights file, fetched if need be.

        Args:
            files: The model's files.

        Raises:
            WeightsError: There is no such file, or it is larger than the network.
            HubError: It cannot be fetched, or is larger than the network.
        """
        return files.path(self.network.file, largest=self.largest, sha256=self.network.sha256)

    def load(self, files: "ModelFiles", dtype: "torch.dtype") -> "nn.Module":
        """Return the network with the weights in its file.

        Args:
            files: The model's files.
            dtype: What floating-point weights are converted to.

        Raises:
            ConfigError: The architecture refuses its arguments.
            WeightsError: The weights are damaged or do not fit.
            HubError: They cannot be fetched.
        """
        from ganzoo import weights

        module, what = self.module, f"{self.loading} ({self.name})"
        largest_header = None if module is None else weights.largest_header(module)
        tensors = weights.read_tensors(self.fetch(files), self.network.sha256, largest_header)
        if module is not None:
            weights.assign(module, tensors, what, dtype)
        if module is None or any(_holds_meta(vars(part)) for part in module.modules()):
            module = self.build("cpu")  # what is not saved with the weights, its constructor fills
            weights.assign(module, tensors, what, dtype)
        return module


def plan_network(name: str, network: "NetworkConfig", loading: str) -> PlannedNetwork:
    """Look up a network's architecture, and measure the network.

    Args:
        name: Which of the model's networks.
        network: That network's part of config.json.
        loading: What is being loaded, for messages.

    Raises:
        MissingPluginError, UnknownNameError: There is no such architecture here.
        ConfigError: The architecture refuses its arguments.
        WeightsError: config.json names no weights for it.
    """
    import torch

    from ganzoo import weights
    from ganzoo.models.architecture import weights_coming

    if not network.file:
        raise WeightsError(
            f"{loading}: config.json names no weights for the {name}; give a folder that save_pretrained wrote"
        )
    architecture = find_architecture(network, loading)

    def build(device: str) -> "nn.Module":
        with torch.random.fork_rng(devices=[]), torch.device(device), weights_coming():
            return build_network(architecture, name, network.args, network.architecture)

    # On the meta device nothing is allocated, so that a config cannot ask for more than its weights file holds, nor a
    # file be fetched or read that has more than the network takes.
    module, largest = None, LARGEST_WEIGHTS
    try:
        module = build("meta")
        largest = weights.largest_file(module)
    except GanzooError:
        raise
    except Exception:  # its constructor needs values, which the meta device has none of
        module = None
    return PlannedNetwork(name, network, loading, build, module, largest)


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
    from ganzoo.models.architecture import condition_of, goes_back

    shape = config.sampling.sample_shape
    condition = condition_of(networks["generator"]) if "generator" in networks else None
    for name, network in networks.items():
        declared = getattr(network, "sample_shape", shape)
        is_back = condition is not None and goes_back(name, network, shape, condition)
        if tuple(declared) != shape and not is_back:
            raise ConfigError(
                f"config.json: sample_shape is {shape}, and the {name} is one for samples of "
                f"{tuple(declared)}; load a folder that ganzoo saved"
            )
