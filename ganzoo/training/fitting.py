"""A model and its data: building the one for the other, and refusing what does not go together."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from ganzoo import plugins, randomness, zoo
from ganzoo.building import check_settings
from ganzoo.data.pairs import LAYOUTS
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError, InputError, ObjectiveError, given
from ganzoo.gan import GAN
from ganzoo.inference import evaluating
from ganzoo.losses.objective import Objective
from ganzoo.models.architecture import call_features, goes_back
from ganzoo.models.condition import Condition, condition_of
from ganzoo.training.settings import Settings
from ganzoo.training.step import AdversarialStep, TrainingStep


def check_arguments(model: object, arguments: object, conditional: object, run: object) -> None:
    """Refuse arguments of a run that are of another type, before anything is read.

    Args:
        model: A GAN, or the name of an architecture.
        arguments: Settings of the architecture by name, or None.
        conditional: Yes, no or None.
        run: The run's folder, or None.

    Raises:
        InputError: The model, `conditional` or the folder is of another type.
        ConfigError: The settings are.
    """
    if not isinstance(model, str | GAN):
        raise InputError(
            f"the model is {given(model)}; it takes the name of an architecture, such as 'dcgan', or "
            "ganzoo.GAN(generator=..., discriminator=...)"
        )
    check_settings("model_args", arguments)
    if not isinstance(conditional, bool | None):
        raise InputError(f"conditional is {given(conditional)}; it takes True, False or None")
    if not isinstance(run, str | os.PathLike | None):
        raise InputError(f"run is {given(run)}; it takes the path of a folder, or None to write nothing")


def fit_gan(
    model: GAN | str,
    table: Table,
    arguments: Mapping[str, Any] | None,
    others: Mapping[str, Any],
    *,
    conditional: bool | None,
    seed: int,
) -> GAN:
    """Return the GAN that a run trains: the one that was given, or an architecture fitted to the data.

    Args:
        model: A GAN, or the name of an architecture.
        table: The data.
        arguments: Settings of the architecture by name, or None.
        others: `discriminator`, an architecture's name or None, and `discriminator_args`.
        conditional: As `create_gan` takes it.
        seed: The run's seed.

    Raises:
        InputError: Arguments are given with a GAN that is built already; or as `create_gan`, like the others.
        UnknownNameError: No architecture has this name.
        ConfigError: A setting is refused, or such samples cannot be made.
    """
    if isinstance(model, str):
        further = others if any(value is not None and value != {} for value in others.values()) else {}
        return create_gan(model, table, {**(arguments or {}), **further}, conditional=conditional, seed=seed)
    if conditional or arguments or any(others.values()):
        raise InputError(
            "conditional, model_args and discriminator fit a named architecture to the data; a GAN is what it is"
        )
    return model


def create_gan(
    architecture: str, table: Table, arguments: Mapping[str, Any], *, conditional: bool | None = None, seed: int
) -> GAN:
    """Build a model for data, with weights that depend on the seed alone.

    Args:
        architecture: The architecture's name.
        table: The data.
        arguments: Further arguments of `create_model`.
        conditional: Condition the networks on the data's labels, vectors or paired sources; None: only if the generator
            cannot do without.
        seed: The run's seed.

    Raises:
        InputError: A condition is needed or was asked for, and the data has none.
        UnknownNameError: No architecture has this name.
        ConfigError: A setting is unknown, of the wrong type or out of range, such samples cannot be made, or a network
            cannot be conditioned so.
    """
    kinds = zoo.architecture_of(plugins.find("architecture", architecture)).kinds("generator")
    if kinds == ("image",) and conditional is not False and table.condition.kind != "image":
        has = "none" if table.condition.kind == "none" else f"a {table.condition.kind} for each instead"
        raise InputError(
            f"{architecture} makes pictures from pictures, and {table.name} has {has}; give pairs as 'pairs:PATH', a "
            f"folder or an archive of {LAYOUTS}"
        )
    if conditional is None:
        conditional = "none" not in kinds
        if conditional and table.condition.kind == "none":
            raise InputError(
                f"{architecture} makes its samples from a condition ({' or '.join(kinds)}), and {table.name} has none; "
                "give data with labels, vectors or pairs as it needs"
            )
    if conditional and table.condition.kind == "none":
        raise InputError(
            f"a conditional model was asked for, and {table.name} has no labels, vectors or pairs; give data with them"
        )
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the caller's CUDA cards too; weights are drawn on the processor.
        torch.default_generator.manual_seed(randomness.hash_seed(seed, "weights"))
        condition = table.condition if conditional else Condition()
        return zoo.create_model_for(architecture, table.sample_shape, condition, **arguments)


def check_terms(gan: GAN, objective: Objective, table: Table) -> None:
    """Try the generator's terms, such as for a layer that the discriminator does not have, or for other pictures.

    Raises:
        ObjectiveError: A term cannot be computed with this discriminator, or for these samples.
        GanzooError: What a term needs besides cannot be had.
    """
    terms = [term for term, _ in objective.generator_terms]
    if not terms:
        return
    batch = table.batch(torch.arange(2) % len(table), device=gan.device)
    with torch.no_grad(), evaluating(gan.discriminator):
        for term in terms:
            term.value(
                batch.sample,
                batch.sample,
                batch.target,
                batch.condition,
                lambda samples: call_features(gan.discriminator, samples, batch.condition),
            )


def check_fit(gan: GAN, table: Table, *, has_own_step: bool) -> None:
    """Refuse data of another shape than the networks', a condition that it does not give, and idle networks.

    Args:
        gan: The networks.
        table: The data.
        has_own_step: Whether the run brings a step of its own, which may use further networks.

    Raises:
        ConfigError: The shapes differ, or a network would never be trained.
        ObjectiveError: A network is conditioned on another number of classes.
    """
    if gan.sample_shape != table.sample_shape:
        raise ConfigError(
            f"the model makes samples of shape {gan.sample_shape}, and {table.name} has "
            f"{table.sample_shape}; build the model for this shape"
        )
    offered = table.condition
    back = {name for name, each in gan.networks.items() if goes_back(name, each, table.sample_shape, offered)}
    for name, network in gan.networks.items():
        if name in back:
            continue
        shape = tuple(getattr(network, "sample_shape", table.sample_shape))
        if shape != table.sample_shape:
            raise ConfigError(
                f"the {name} is one for samples of shape {shape}, and {table.name} has {table.sample_shape}; build it "
                "for this shape"
            )
    idle = [repr(name) for name in gan.networks if not name.startswith(("discriminator", "generator"))]
    if idle and not has_own_step:
        raise ConfigError(
            f"nothing would train the model's {' and '.join(idle)}; "
            "begin its name with discriminator or generator, or give step=..."
        )
    for name, network in gan.networks.items():
        condition = condition_of(network)
        if name not in back and condition.kind != "none" and condition != offered:
            raise ObjectiveError(
                f"the {name} is conditioned on {condition}, and {table.name} gives {offered}; give data with such a "
                "condition for each sample, or a model for this data"
            )


def step_for(gan: GAN, objective: Objective, settings: Settings) -> TrainingStep:
    """Return what computes a step: what the generator's architecture brings, or else the two-player step.

    Args:
        gan: The networks.
        objective: What they are trained with.
        settings: The settings of the run, resolved.

    Raises:
        ObjectiveError: The architecture's own step cannot be taken with the objective.
    """
    described = gan.config.networks.get("generator")
    if described is not None:
        architecture = zoo.architecture_of(plugins.find("architecture", described.architecture))
        if architecture.step is not None:
            step: TrainingStep = architecture.step(gan, objective, settings)
            return step
    return AdversarialStep(gan, objective, settings)
