"""From names and settings to fresh networks and objectives."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from ganzoo import plugins
from ganzoo.errors import ConfigError, GanzooError, UnknownNameError, did_you_mean, given

if TYPE_CHECKING:
    from torch import nn

    from ganzoo.config import NetworkConfig
    from ganzoo.gan import GAN
    from ganzoo.losses.objective import Objective
    from ganzoo.losses.term import Term
    from ganzoo.models.architecture import Architecture
    from ganzoo.models.condition import Condition
    from ganzoo.registry import Entry


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


def build_network(architecture: "Architecture", name: str, arguments: dict[str, Any], owner: str) -> "nn.Module":
    """Build one network of an architecture with fresh weights.

    Raises:
        ConfigError: The architecture has no such network, or refuses the arguments.
    """
    from ganzoo.config import build_config

    if name not in architecture.networks:
        raise ConfigError(f"{owner} has no network {name!r}; it has {' and '.join(architecture.networks)}")
    return architecture.networks[name](build_config(architecture.config_class, arguments, owner))


def check_name(what: str, value: object, such_as: str = "'dcgan'") -> None:
    """Refuse what is no name.

    Raises:
        ConfigError: It is no text.
    """
    if not isinstance(value, str):
        raise ConfigError(
            f"{what} is {given(value)}; it takes a name, such as {such_as}, so choose one of 'ganzoo list'"
        )


def check_settings(what: str, value: object, such_as: str = "{'base_channels': 32}") -> None:
    """Refuse what are no settings by name; None is.

    Raises:
        ConfigError: It is no mapping, or a name in it is no text.
    """
    if value is not None and not (isinstance(value, Mapping) and all(isinstance(name, str) for name in value)):
        raise ConfigError(f"{what} is {given(value)}; it takes settings by name, such as {such_as}")


def create_model(
    architecture: str,
    *,
    discriminator: str | None = None,
    discriminator_args: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> "GAN":
    """Build a model with fresh weights, drawn from torch's global generator, in eval mode.

    Any generator goes with any discriminator of the same sample shape and condition: the discriminator is fitted to the
    generator's samples, and takes those of the arguments that it knows.

    Args:
        architecture: A registered architecture's name.
        discriminator: The architecture to take the discriminator from; None for the same.
        discriminator_args: Settings for the discriminator alone, which win over `arguments`.
        arguments: Settings of the architectures; see `ganzoo info ARCHITECTURE`.

    Raises:
        UnknownNameError: No architecture has this name.
        ConfigError: A setting is unknown, of the wrong type or out of range, an architecture has no such network, or
            generator and discriminator do not go together.
    """
    from ganzoo.config import ModelConfig, SamplingConfig, build_config
    from ganzoo.gan import GAN

    check_name("the architecture", architecture)
    if discriminator is not None:
        check_name("discriminator", discriminator)
    check_settings("discriminator_args", discriminator_args)
    entry = plugins.find("architecture", architecture)
    built = architecture_of(entry)
    other = None if discriminator is None else plugins.find("architecture", discriminator)
    if other is None and discriminator_args:
        other = entry
    if "generator" not in built.networks:
        raise ConfigError(
            f"{entry.full_name} has no generator; give it as the discriminator of another architecture, as in "
            f"create_model('dcgan', discriminator={architecture!r})"
        )
    own = arguments
    if other is not None:
        _check_known(arguments, (entry, other))
        own = {name: value for name, value in arguments.items() if name in _settings(built)}
    config = build_config(built.config_class, own, entry.full_name)
    described = _describe(entry, config)
    networks = {
        name: build(config) for name, build in built.networks.items() if other is None or name != "discriminator"
    }
    descriptions = dict.fromkeys(networks, described)
    if other is not None:
        networks["discriminator"], descriptions["discriminator"] = _other_discriminator(
            other, entry.full_name, networks["generator"], arguments, discriminator_args or {}
        )
    shape = tuple(networks["generator"].sample_shape)  # type: ignore[arg-type]
    return GAN(networks, config=ModelConfig(networks=descriptions, sampling=SamplingConfig(sample_shape=shape))).eval()


def _check_known(arguments: Mapping[str, Any], entries: tuple["Entry", ...]) -> None:
    """Refuse a setting that none of the architectures has."""
    known = sorted({name for entry in entries for name in _settings(architecture_of(entry))})
    owner = " with ".join(dict.fromkeys(entry.full_name for entry in entries))
    for name in arguments:
        if name not in known:
            raise ConfigError(
                f"{owner}: there is no setting {name[:80]!r}{did_you_mean(name, known)}; it takes {', '.join(known)}"
            )


def _settings(architecture: "Architecture") -> list[str]:
    return [field.name for field in fields(architecture.config_class) if field.init]


def _other_discriminator(
    entry: "Entry",
    owner: str,
    generator: "nn.Module",
    shared: Mapping[str, Any],
    own: Mapping[str, Any],
) -> tuple["nn.Module", "NetworkConfig"]:
    """Build the discriminator of one architecture for the generator of another.

    Raises:
        ConfigError: The two do not go together, or a setting is refused.
    """
    from ganzoo.config import build_config
    from ganzoo.models.condition import condition_of

    built, condition = architecture_of(entry), condition_of(generator)
    if "discriminator" not in built.networks:
        raise ConfigError(
            f"{entry.full_name} has no network 'discriminator'; it has {' and '.join(built.networks)}; choose another"
        )
    has = "has none" if condition.kind == "none" else f"is conditioned on {condition}"
    check_kind(built, entry.full_name, "discriminator", condition.kind, f"and the generator of {owner} {has}")
    shape = tuple(generator.sample_shape)  # type: ignore[arg-type]
    fitting = built.arguments_for(shape, condition)
    known = {name: value for name, value in shared.items() if name in _settings(built)}
    config = build_config(built.config_class, {**fitting, **known, **own}, entry.full_name)
    network = built.networks["discriminator"](config)
    found = condition_of(network)
    if found.kind != "none" and found != condition:
        raise ConfigError(
            f"the discriminator of {entry.full_name} is conditioned on {found}, and the generator of {owner} on "
            f"{condition}; leave those settings of the discriminator out"
        )
    if tuple(getattr(network, "sample_shape", shape)) != shape:
        raise ConfigError(
            f"the discriminator of {entry.full_name} takes samples of shape {network.sample_shape}, and the generator "
            f"of {owner} makes {shape}; leave the size out of discriminator_args"
        )
    return network, _describe(entry, config)


def _describe(entry: "Entry", config: Any) -> "NetworkConfig":
    """Return what config.json says of a network that is built from a config."""
    from ganzoo.config import NetworkConfig

    args = _plain(asdict(config))
    return NetworkConfig(architecture=entry.full_name, args=args, provider=plugins.provider_dict(entry))


def check_kind(architecture: "Architecture", owner: str, network: str, kind: str, why: str) -> None:
    """Refuse a kind of condition that a network of an architecture cannot be built for.

    Args:
        architecture: The architecture.
        owner: Its name, for the message.
        network: Which of its networks.
        kind: The kind of condition.
        why: Where the condition comes from, for the message.

    Raises:
        ConfigError: The network takes other kinds only.
    """
    kinds = architecture.kinds(network)
    if kind in kinds:
        return
    asked = "goes with a condition only" if kind == "none" else f"takes no {kind} as its condition"
    others = [entry.full_name for entry in plugins.entries("architecture") if _takes(entry, network, kind)]
    raise ConfigError(
        f"the {network} of {owner} {asked} (it takes {' or '.join(kinds)}), {why}; "
        f"use {' or '.join(others) or 'another architecture'}"
    )


def _takes(entry: "Entry", network: str, kind: str) -> bool:
    try:
        architecture = architecture_of(entry)
    except GanzooError:  # a broken plugin's
        return False
    return network in architecture.networks and kind in architecture.kinds(network)


def create_model_for(
    architecture: str, sample_shape: tuple[int, ...], condition: "Condition | None" = None, /, **arguments: Any
) -> "GAN":
    """Build a model with fresh weights that fits data.

    Args:
        architecture: A registered architecture's name.
        sample_shape: The shape of one sample.
        condition: What to condition it on; None for nothing.
        arguments: Further arguments of `create_model`; one that contradicts the data wins, and is then refused by the
            trainer.

    Raises:
        UnknownNameError: No architecture has this name.
        ConfigError: A setting is unknown, of the wrong type or out of range, such samples cannot be made, or a network
            cannot be conditioned so.
    """
    from ganzoo.models.condition import Condition

    entry, wanted = plugins.find("architecture", architecture), condition or Condition()
    built = architecture_of(entry)
    if "generator" not in built.networks:
        return create_model(architecture)  # which refuses, and says what to do
    why = "and nothing to condition it on is given" if wanted.kind == "none" else "which it is asked to be"
    check_kind(built, entry.full_name, "generator", wanted.kind, why)
    return create_model(architecture, **built.arguments_for(sample_shape, wanted) | arguments)


def _plain(value: Any) -> Any:
    """Return tuples as lists, as they come back from JSON and TOML."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def create_loss(name: str, **arguments: "float | str") -> "Term":
    """Build a term of an objective.

    Args:
        name: A registered term's name, such as `"non_saturating"`.
        arguments: Its arguments by name: numbers, or a name where a term takes one.

    Raises:
        UnknownNameError: No term has this name.
        ConfigError: The name is no text, or an argument is unknown or out of range.
    """
    from ganzoo.losses.parsing import build_term

    check_name("the loss", name, "'non_saturating'")
    return build_term(name, keywords=arguments)


def create_objective(text: str) -> "Objective":
    """Read an objective such as `"non_saturating + label_smoothing(0.9)"`.

    Raises:
        ObjectiveError: The text cannot be read.
        UnknownNameError: It names a term that is not registered.
        ConfigError: An argument is unknown or out of range.
    """
    from ganzoo.losses.parsing import read_objective

    return read_objective(text)
