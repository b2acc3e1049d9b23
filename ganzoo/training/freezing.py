"""Freezing the lower layers of discriminators (Mo, Cho, Shin 2020, "Freeze the Discriminator", arXiv 2002.10964).

Lower layers know what pictures are made of, and few new pictures would spoil that. What a layer is, each architecture
says: `ganzoo.models.architecture.Discriminator.lower_layers`.
"""

from collections.abc import Mapping

from torch import nn

from ganzoo.errors import ConfigError
from ganzoo.models.roles import lower_layers


def freezable_layers(networks: Mapping[str, nn.Module]) -> int:
    """Return how many layers can be frozen in each discriminator among some networks; 0 where there is none."""
    return min((len(lower_layers(network)) for _, network in _discriminators(networks)), default=0)


def freeze_lower_layers(networks: Mapping[str, nn.Module], count: int) -> None:
    """Freeze the first layers of each discriminator, from the sample upwards.

    Args:
        networks: The networks by name; those whose names begin with "discriminator" are discriminators.
        count: How many layers.

    Raises:
        ConfigError: A discriminator has not so many.
    """
    for name, network in _discriminators(networks):
        layers = lower_layers(network)
        if count > len(layers):
            raise ConfigError(
                f"training: freeze_discriminator_layers is {count}, and the {name} has {len(layers)} layers below what "
                f"makes its logits; it takes 0 to {len(layers)}"
            )
        for layer in layers[:count]:
            layer.requires_grad_(False)


def frozen_names(networks: Mapping[str, nn.Module], count: int) -> set[str]:
    """Return the names of the parameters that freezing so many layers freezes, such as `discriminator.blocks.0.0.bias`.

    Args:
        networks: The networks by name.
        count: How many layers.
    """
    frozen = {
        id(parameter)
        for _, network in _discriminators(networks)
        for layer in lower_layers(network)[:count]
        for parameter in layer.parameters()
    }
    return {
        f"{name}.{key}"
        for name, network in networks.items()
        for key, parameter in network.named_parameters()
        if id(parameter) in frozen
    }


def _discriminators(networks: Mapping[str, nn.Module]) -> list[tuple[str, nn.Module]]:
    return [(name, network) for name, network in networks.items() if name.startswith("discriminator")]
