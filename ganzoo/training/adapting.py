"""A network for other data, as like a pretrained one as can be: its settings, and what it takes over."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from torch import nn

from ganzoo import plugins, zoo
from ganzoo.config import ModelConfig, NetworkConfig
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError, InputError
from ganzoo.gan import GAN
from ganzoo.models.architecture import Architecture, weights_coming
from ganzoo.models.condition import Condition, condition_of
from ganzoo.training.fitting import create_gan
from ganzoo.training.transferring import Classes, Transfer, fresh_transfer, plan_transfer

LEAST_KEPT = 0.01  # of the generator's parameters
NO_DISCRIMINATOR = "the pretrained model has none, so it starts untrained"
REPLACED = "it was asked to be another, so it starts untrained"


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """A GAN for new data with what it took over from a pretrained one.

    Attributes:
        gan: The GAN; its generator and discriminator hold what `transfers` says.
        transfers: What each of its networks took over, by the network's name.
        is_conditional: Its generator is conditioned on what the data gives.
        note: What was done about the condition; empty where that is as it was.
    """

    gan: GAN
    transfers: Mapping[str, Transfer]
    is_conditional: bool
    note: str


def adapt(
    pretrained: GAN,
    table: Table,
    *,
    seed: int,
    conditional: bool | None = None,
    model_args: Mapping[str, Any] | None = None,
    discriminator: str | None = None,
    discriminator_args: Mapping[str, Any] | None = None,
) -> Adapted:
    """Build a GAN for data, and give it what fits of a pretrained one.

    Args:
        pretrained: The pretrained GAN; it stays as it is.
        table: The data.
        seed: What new weights are drawn from.
        conditional: Condition the networks on what the data gives, or not; None as the pretrained one, as far as the
            data allows.
        model_args: Settings of the architecture that shall be others than the pretrained model's.
        discriminator: An architecture to take an untrained discriminator from, in place of the pretrained one.
        discriminator_args: Settings of the discriminator alone.

    Raises:
        ConfigError: There can be no such model for this data.
        InputError: A condition is needed or was asked for, and the data has none, or next to nothing of the generator
            fits.
    """
    wanted, note = _condition(pretrained, table, conditional)
    _check_kind_of_samples(pretrained, table)
    generator = pretrained.config.networks["generator"]
    arguments = _arguments(pretrained, "generator", table.sample_shape, wanted) | dict(model_args or {})
    critic, critic_args = _critic(pretrained, table, wanted, arguments, discriminator, discriminator_args)
    further: dict[str, Any] = {} if critic is None else {"discriminator": critic}
    if critic_args is not None:
        further["discriminator_args"] = critic_args
    is_conditional = wanted.kind != "none"

    def build() -> GAN:
        return create_gan(
            generator.architecture, table, {**arguments, **further}, conditional=is_conditional, seed=seed
        )

    has_critic = any(name.startswith("discriminator") for name in pretrained.networks)
    # Nothing need be fetched that is replaced.
    with weights_coming() if has_critic and discriminator is None else nullcontext():
        gan = build()
    transfers = {
        name: _transfer(name, network, pretrained, table, is_replaced=name == "discriminator" and bool(discriminator))
        for name, network in gan.networks.items()
    }
    whole, new = transfers["generator"].parameters, transfers["generator"].new_parameters
    if whole - new < LEAST_KEPT * whole:
        raise InputError(
            f"of the generator's {whole:,} parameters for samples of shape {table.sample_shape} only {whole - new:,} "
            f"could be kept from a model for {pretrained.sample_shape}, which is as good as nothing; train a new one: "
            f"ganzoo train {generator.architecture}"
        )
    for name, transfer in transfers.items():
        transfer.copy_into(gan.networks[name])
    fresh = ModelConfig(networks=gan.config.networks, sampling=gan.config.sampling)
    return Adapted(
        gan=GAN(dict(gan.networks.items()), config=fresh, latent_dim=gan.latent_dim),
        transfers=transfers,
        is_conditional=is_conditional,
        note=note,
    )


def _condition(pretrained: GAN, table: Table, conditional: bool | None) -> tuple[Condition, str]:
    """Return what the generator shall be conditioned on, and what is to be said of it."""
    own, offered = pretrained.condition, table.condition
    architecture = pretrained.config.networks["generator"].architecture
    kinds = zoo.architecture_of(plugins.find("architecture", architecture)).kinds("generator")
    if conditional and offered.kind == "none":
        raise InputError(
            f"a conditional model was asked for, and {table.name} has no labels, vectors or pairs; give data with them"
        )
    if offered.kind == "none" and "none" not in kinds:
        raise InputError(
            f"{architecture} makes its samples from {own}, and {table.name} has none; give data with labels, vectors "
            "or pairs as it needs, or start from an unconditional model"
        )
    if conditional is False and "none" not in kinds:
        raise ConfigError(f"{architecture} makes its samples from {own}, and cannot do without; leave out conditional")
    if conditional or (conditional is None and own.kind != "none" and offered.kind != "none"):
        if offered.kind not in kinds:
            raise ConfigError(
                f"{architecture} can be conditioned on {' or '.join(kinds)}, and {table.name} gives {offered}; give "
                "other data, or start from a model that takes such"
            )
        note = "" if own == offered else f"conditioned on {offered}, where the pretrained model is on {own}"
        return offered, note
    if own.kind != "none":
        why = "as was asked for" if conditional is False else f"for {table.name} has no labels or vectors"
        return Condition(), f"unconditional, {why}, where the pretrained model is conditioned on {own}"
    unused = offered.kind != "none" and conditional is None
    return Condition(), f"unconditional like the pretrained model; {table.name} gives {offered}" if unused else ""


def _check_kind_of_samples(pretrained: GAN, table: Table) -> None:
    if len(pretrained.sample_shape) != len(table.sample_shape):
        raise ConfigError(
            f"the model makes samples of shape {pretrained.sample_shape}, and {table.name} has {table.sample_shape}; "
            "start from a model of such samples, for no weight of this one would fit"
        )


def _arguments(pretrained: GAN, name: str, shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Return the settings of one of the pretrained networks for other samples and another condition.

    Those that follow from the samples and the condition follow from the new ones; all others stay.

    Raises:
        ConfigError: The architecture cannot make such samples.
    """
    described = pretrained.config.networks[name]
    own = condition_of(pretrained.networks[name])
    if (shape, condition) == (pretrained.sample_shape, own):
        return dict(described.args)
    architecture = zoo.architecture_of(plugins.find("architecture", described.architecture))
    followed = _plain(architecture.arguments_for(pretrained.sample_shape, own))
    kept = {key: value for key, value in described.args.items() if followed.get(key, ...) != _plain(value)}
    return kept | architecture.arguments_for(shape, condition)


def _critic(
    pretrained: GAN,
    table: Table,
    wanted: Condition,
    arguments: Mapping[str, Any],
    discriminator: str | None,
    discriminator_args: Mapping[str, Any] | None,
) -> tuple[str | None, dict[str, Any] | None]:
    """Return the discriminator's architecture and its settings, None where they are the generator's."""
    own, described = dict(discriminator_args or {}), pretrained.config.networks.get("discriminator")
    if discriminator is not None or described is None:
        generator = pretrained.config.networks["generator"].architecture
        built: Architecture = zoo.architecture_of(plugins.find("architecture", generator))
        if discriminator is None and not any(name.startswith("discriminator") for name in built.networks):
            raise ConfigError(
                f"the model has no discriminator, and {generator} has none to start anew; name one with discriminator, "
                "such as timm"
            )
        return discriminator, own or None
    generator_config = pretrained.config.networks["generator"]
    if _is_same(described, generator_config) and not own:
        return None, None
    # One that saw no condition beside a generator that had one goes on without.
    sees = condition_of(pretrained.networks["discriminator"]).kind != "none" or pretrained.condition.kind == "none"
    kinds = zoo.architecture_of(plugins.find("architecture", described.architecture)).kinds("discriminator")
    condition = wanted if sees and wanted.kind in kinds else Condition()
    fitted = _arguments(pretrained, "discriminator", table.sample_shape, condition) | own
    return described.architecture, fitted


def _is_same(first: NetworkConfig, other: NetworkConfig) -> bool:
    return (first.architecture, first.args) == (other.architecture, other.args)


def _transfer(name: str, network: nn.Module, pretrained: GAN, table: Table, *, is_replaced: bool) -> Transfer:
    if is_replaced or name not in pretrained.networks:
        had = "discriminator" in pretrained.config.networks
        return fresh_transfer(name, network, REPLACED if had else NO_DISCRIMINATOR)
    source, named = pretrained.networks[name], pretrained.config.sampling.class_names
    before = named or tuple(map(str, range(condition_of(source).num_classes)))
    return plan_transfer(name, source, network, Classes(before=before, after=table.class_names))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
