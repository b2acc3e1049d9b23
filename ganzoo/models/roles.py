"""What the parts of a network are for: which layers can be frozen, and which tensors a network of another size shares.

Both are what fine-tuning asks of a network. Networks answer with `lower_layers` and `tensor_roles`; those that do not,
such as plain modules, are answered for by the rules of this file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

# Parts of an axis that are the channels of pictures: those of samples, and of the pictures they are made from.
CHANNELS, SOURCE = "channels", "source channels"
CLASSES, VECTOR, LATENT, EMBEDDING = "classes", "vector", "latent", "embedding"


@dataclass(frozen=True)
class Role:
    """What a tensor of a network is for, where its name or its shape depends on the data.

    Attributes:
        name: What it is called; tensors of two networks that are called the same do the same.
        axis: The axis whose length depends on the data, if there is one.
        parts: What lies along that axis, in order: for each part, by what it is, its shape, whose product is its
            length. `CHANNELS` and `SOURCE` begin with the number of channels of a picture, `CLASSES` is one number for
            each class; any other part, such as `LATENT`, is the same where it has the same shape.
        is_input: The axis is summed over, as that of a layer's inputs is, so that twice as many equal inputs need half
            the weights.
    """

    name: str
    axis: int = 0
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    is_input: bool = False


def tensor_roles(network: nn.Module) -> dict[str, Role]:
    """Return the roles of all parameters and buffers of a network that has state to save, by their names.

    A tensor that the network says nothing of is called by its own name, and its shape is its own.
    """
    declared = getattr(network, "tensor_roles", None)
    roles: Mapping[str, Role] = declared() if callable(declared) else {}
    return {name: roles.get(name, Role(name)) for name in network.state_dict()}


def lower_layers(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the layers of a discriminator that can be frozen, shallow to deep: all but what makes its logits.

    A network without a method of this name is taken to be registered in the order it computes in, and its last layer to
    make the logits.
    """
    declared = getattr(network, "lower_layers", None)
    found: tuple[nn.Module, ...] = declared() if callable(declared) else layers_in_order(network)[:-1]
    return found


def layers_in_order(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the modules in a network that hold parameters, in the order in which they were registered.

    Containers (`nn.Sequential`, `nn.ModuleList`, `nn.ModuleDict`) are looked into, and so is a lone module. A module
    whose parameters have one dimension at most, such as batch norm, is one layer with the one before it.
    """
    layers: list[list[nn.Module]] = []
    for module in _modules_in_order(network):
        is_scale = all(parameter.ndim <= 1 for parameter in module.parameters())
        if is_scale and layers:
            layers[-1].append(module)
        else:
            layers.append([module])
    return tuple(parts[0] if len(parts) == 1 else nn.ModuleList(parts) for parts in layers)


def _modules_in_order(network: nn.Module) -> Iterator[nn.Module]:
    children = _with_parameters(network)
    for child in children:
        is_lone = len(children) == 1 and bool(_with_parameters(child)) and not is_parametrized(child)
        if isinstance(child, CONTAINERS) or is_lone:
            yield from _modules_in_order(child)
        else:
            yield child


def _with_parameters(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.children() if any(True for _ in child.parameters())]


def weight_name(place: str, module: nn.Module) -> str:
    """Return the name of a layer's weight in a network's state, also where it is parametrized, as by spectral norm.

    Args:
        place: Where in the network the layer is, such as `blocks.0.0`.
        module: The layer.
    """
    return f"{place}.parametrizations.weight.original" if is_parametrized(module, "weight") else f"{place}.weight"


def counted_from_the_end(place: str, layers: nn.Sequential | nn.ModuleList) -> dict[str, Role]:
    """Return roles that call the first of some layers by how many come after it, so that the last ones match.

    Args:
        place: Where in the network the layers are, such as `layers`.
        layers: The layers.
    """
    roles = {}
    for name in layers.state_dict():
        number, _, rest = name.partition(".")
        roles[f"{place}.{name}"] = Role(f"{place}.{int(number) - len(layers)}.{rest}")
    return roles


def of_inputs(name: str, parts: Mapping[str, tuple[int, ...]]) -> Role:
    """Return the role of a layer's weight (outputs, inputs, ...) whose inputs are of these parts."""
    return Role(name, 1, {part: shape for part, shape in parts.items() if 0 not in shape}, is_input=True)


def beneath(place: str, roles: Mapping[str, Role]) -> dict[str, Role]:
    """Return the roles of a part of a network as those of the whole."""
    return {
        f"{place}.{name}": Role(f"{place}.{role.name}", role.axis, role.parts, role.is_input)
        for name, role in roles.items()
    }
