"""The zoo's front door: load, create and list by name."""

import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo import plugins
from ganzoo.errors import ConfigError, GanzooError, SourceError, UnknownNameError, WeightsError
from ganzoo.files import is_folder

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ganzoo.config import ModelConfig, NetworkConfig
    from ganzoo.gan import GAN
    from ganzoo.losses.objective import Objective
    from ganzoo.losses.term import Term
    from ganzoo.models.architecture import Architecture
    from ganzoo.registry import Entry, Kind


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


def find_architecture(network: "NetworkConfig", loading: str) -> "Architecture":
    """Return the architecture that a saved network names.

    Args:
        network: The network's part of config.json.
        loading: What is being loaded, for messages.

    Raises:
        MissingPluginError: It comes from a plugin that is absent, disabled, failed or too old.
        UnknownNameError: No architecture has this name.
    """
    try:
        return architecture_of(plugins.find("architecture", network.architecture))
    except UnknownNameError as error:
        if network.provider is None:
            raise
        raise plugins.missing(network.provider, network.architecture, loading) from error


def architecture_of(entry: "Entry") -> "Architecture":
    """Return what is registered as an architecture.

    Raises:
        PluginError: It cannot be imported.
        ConfigError: It is no architecture, or its config is no dataclass.
    """
    from ganzoo.models.architecture import Architecture

    architecture = entry.load()
    if not isinstance(architecture, Architecture):
        raise ConfigError(
            f"{entry.full_name} is registered as an architecture, but is no Architecture; tell its provider"
        )
    if not is_dataclass(architecture.config_class):
        raise ConfigError(f"the config of the architecture {entry.full_name} is no dataclass; tell its provider")
    return architecture


def _load_network(folder: Path, name: str, network: "NetworkConfig", loading: str, dtype: "torch.dtype") -> "nn.Module":
    import torch

    from ganzoo import weights

    if not network.file:
        raise WeightsError(
            f"{loading}: config.json names no weights for the {name}; give a folder that save_pretrained wrote"
        )
    architecture = find_architecture(network, loading)
    tensors = weights.read_tensors(folder / network.file, network.sha256)

    def build(device: str) -> "nn.Module":
        with torch.random.fork_rng(devices=[]), torch.device(device):
            module = _build(architecture, name, network.args, network.architecture)
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


def _build(architecture: "Architecture", name: str, arguments: dict[str, Any], owner: str) -> "nn.Module":
    from ganzoo.config import build_config

    if name not in architecture.networks:
        raise ConfigError(f"{owner} has no network {name!r}; it has {' and '.join(architecture.networks)}")
    return architecture.networks[name](build_config(architecture.config_class, arguments, owner))


def create_model(architecture: str, **arguments: Any) -> "GAN":
    """Build a model with fresh weights, drawn from torch's global generator, in eval mode.

    Args:
        architecture: A registered architecture's name.
        arguments: Its config's settings; see `ganzoo info ARCHITECTURE`.

    Raises:
        UnknownNameError: No architecture has this name.
        ConfigError: A setting is unknown, of the wrong type or out of range.
    """
    from ganzoo.config import ModelConfig, NetworkConfig, SamplingConfig, build_config
    from ganzoo.gan import GAN

    entry = plugins.find("architecture", architecture)
    built = architecture_of(entry)
    config = build_config(built.config_class, arguments, entry.full_name)
    networks = {name: build(config) for name, build in built.networks.items()}
    described = NetworkConfig(
        architecture=entry.full_name, args=_plain(asdict(config)), provider=plugins.provider_dict(entry)
    )
    sampling = SamplingConfig(sample_shape=tuple(networks["generator"].sample_shape))  # type: ignore[arg-type]
    return GAN(networks, config=ModelConfig(networks=dict.fromkeys(networks, described), sampling=sampling)).eval()


def create_model_for(
    architecture: str, sample_shape: tuple[int, ...], num_classes: int = 0, /, **arguments: Any
) -> "GAN":
    """Build a model with fresh weights that fits data.

    Args:
        architecture: A registered architecture's name.
        sample_shape: The shape of one sample.
        num_classes: The number of labels to condition on; 0 for none.
        arguments: Further settings; one that contradicts the data wins, and is then refused by the trainer.

    Raises:
        UnknownNameError: No architecture has this name.
        ConfigError: A setting is unknown, of the wrong type or out of range, or such samples cannot be made.
    """
    fitting = architecture_of(plugins.find("architecture", architecture)).arguments_for(sample_shape, num_classes)
    return create_model(architecture, **fitting | arguments)


def _plain(value: Any) -> Any:
    """Return tuples as lists, as they come back from JSON and TOML."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def create_loss(name: str, **arguments: float) -> "Term":
    """Build a term of an objective.

    Args:
        name: A registered term's name, such as `"non_saturating"`.
        arguments: Its numbers by name.

    Raises:
        UnknownNameError: No term has this name.
        ConfigError: An argument is unknown or out of range.
    """
    from ganzoo.losses.parsing import build_term

    return build_term(name, keywords=arguments)


def create_objective(text: str) -> "Objective":
    """Read an objective such as `"non_saturating + label_smoothing(0.9)"`.

    Raises:
        ObjectiveError: The text cannot be read.
        UnknownNameError: It names a term that is not registered.
        ConfigError: An argument is unknown or out of range.
    """
    from ganzoo.losses.parsing import parse

    return parse(text)


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
