"""The contract between architectures and everything that uses them.

An architecture file holds a config dataclass, its networks, a function that fits the config to data, and one
`Architecture` that names the three. Networks derive from `Generator` and `Discriminator`, which declare the attributes
that sampling and training rely on; a plain `nn.Module` with the same attributes does as well.

Loading builds a network on the meta device, where tensors have shapes but no values, and gives it the saved parameters
and buffers. A constructor that needs values (`.item()`), or makes tensors that are not saved (plain attributes in lists
and dicts at most, buffers with `persistent=False`), is run again on the CPU. The config's checks must bound the sizes.

Fine-tuning asks two more things of networks, which have answers by default: `lower_layers`, what of a discriminator can
be frozen, and `tensor_roles`, which tensors a network for other data shares with this one.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ganzoo.errors import ObjectiveError
from ganzoo.models.condition import Condition, ConditionKind, condition_of
from ganzoo.models.roles import Role, layers_in_order

__all__ = [
    "Architecture",
    "Condition",
    "Discriminator",
    "Generator",
    "Role",
    "call",
    "call_features",
    "condition_of",
    "goes_back",
    "weights_are_coming",
    "weights_coming",
]

_weights_are_coming = ContextVar("weights_are_coming", default=False)


class Generator(nn.Module):
    """Latents to samples: `forward(latent, condition) -> samples`.

    `latent` has shape (N, latent_dim); the samples have shape (N, *sample_shape) and lie in [-1, 1].

    Attributes:
        latent_dim: The length of a latent; 0 for a generator that is given None.
        sample_shape: The shape of one sample.
        condition: What `forward` expects as its second argument.
        takes_any_size: Of a generator conditioned on images: that it is fully convolutional, and makes of images
            (N, C, h, w) of any size samples whose sides are to h and w as those of `sample_shape` are to those of the
            condition. It is trained on the one size; translating takes every other one too.
    """

    latent_dim: int
    sample_shape: tuple[int, ...]
    condition: Condition = Condition()
    takes_any_size: bool = False

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) and conditions to samples (N, *sample_shape) in [-1, 1]."""
        raise NotImplementedError

    def tensor_roles(self) -> Mapping[str, Role]:
        """Say of tensors, by name, what they are for, where their name or shape depends on the data; by default none.

        A network for data of another size, channel count or condition takes over what has the same role and fits.
        """
        return {}


class Discriminator(nn.Module):
    """Samples to logits, high on real: `forward(sample, condition) -> logits`, never through a sigmoid.

    Logits have shape (N,), or (N, 1, h, w) for patches.

    Attributes:
        sample_shape: The shape of one sample.
        condition: What `forward` expects as its second argument.
    """

    sample_shape: tuple[int, ...]
    condition: Condition = Condition()

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the hidden feature tensors of samples (N, *sample_shape), shallow to deep."""
        raise NotImplementedError

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map samples (N, *sample_shape) to logits (N,), or (N, 1, h, w) for patches."""
        raise NotImplementedError

    def lower_layers(self) -> tuple[nn.Module, ...]:
        """Return the layers that can be frozen from the sample upwards, shallow to deep: all but what makes the logits.

        By default these are the modules that hold parameters, in the order in which they were registered, without the
        last; containers are looked into, and normalization is one layer with what comes before it. To be overridden
        where the order is another, or where a part, such as the embedding of a condition, must never be frozen.
        """
        return layers_in_order(self)[:-1]

    def tensor_roles(self) -> Mapping[str, Role]:
        """As `Generator.tensor_roles`."""
        return {}


@dataclass(frozen=True)
class Architecture:
    """A registered architecture: how its networks are built, and how it is fitted to data.

    Attributes:
        config_class: A frozen keyword-only dataclass of plain values; its `__post_init__` checks ranges.
        networks: For each network, what builds it from a config, with fresh weights. `generator` and `discriminator`
            work on samples; one of another name may work the other way round (see `goes_back`).
        arguments_for: Gives the config arguments that fit samples of a shape under a condition; the condition is of a
            kind that some network takes.
        conditions: For each network, the kinds of condition it can be built for; `("none",)` where a network is left
            out.
        step: Makes what computes a training step, where that is not the two-player step. `step(gan, objective,
            settings)` returns a `ganzoo.training.step.TrainingStep`, given the settings of the run with precision and
            device resolved. Networks whose names begin with "generator" or "discriminator" are trained with it. It
            raises `ObjectiveError` or `ConfigError` for what it cannot be taken with.
    """

    config_class: type[Any]
    networks: Mapping[str, Callable[[Any], nn.Module]]
    arguments_for: Callable[[tuple[int, ...], Condition], dict[str, Any]] = field(repr=False)
    conditions: Mapping[str, tuple[ConditionKind, ...]] = field(default_factory=dict)
    step: Callable[..., Any] | None = None

    def kinds(self, network: str) -> tuple[ConditionKind, ...]:
        """Return the kinds of condition that one of the networks can be built for."""
        return self.conditions.get(network, ("none",))


def call(network: nn.Module, value: Tensor | None, condition: Tensor | None) -> Tensor:
    """Call a network, with the condition only if it declares one."""
    result: Tensor = network(value) if condition_of(network).kind == "none" else network(value, condition)
    return result


def call_features(network: nn.Module, samples: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
    """Return a discriminator's features, shallow to deep, with the condition given only if it declares one.

    Raises:
        ObjectiveError: What its `features` returns are no tensors in a tuple.
    """
    found: tuple[Tensor, ...] = (
        network.features(samples)  # type: ignore[operator]
        if condition_of(network).kind == "none"
        else network.features(samples, condition)  # type: ignore[operator]
    )
    # A module that is called `features` returns one tensor, whose rows would pass for as many layers.
    if not (isinstance(found, tuple) and all(isinstance(each, Tensor) for each in found)):
        raise ObjectiveError(
            f"features of {type(network).__name__} gave a {type(found).__name__}; comparing features needs a "
            "tuple of tensors, shallow to deep, as ganzoo.models.architecture.Discriminator describes"
        )
    return found


def goes_back(name: str, network: nn.Module, sample_shape: tuple[int, ...], condition: Condition) -> bool:
    """Tell whether a network works the other way round: from samples to the pictures that they are conditioned on.

    Such a generator makes pictures of the condition's shape out of samples, and such a discriminator judges them.

    Args:
        name: What the network is called; `generator` and `discriminator` never go back.
        network: The network.
        sample_shape: The shape of one sample.
        condition: What the model is conditioned on.
    """
    if name in ("generator", "discriminator") or condition.kind != "image" or len(sample_shape) != 3:
        return False
    channels, height, width = sample_shape
    takes = condition_of(network)
    is_fitting = takes.kind == "none" or takes == Condition.image((channels, height, width))
    return is_fitting and tuple(getattr(network, "sample_shape", ())) == condition.shape


@contextmanager
def weights_coming() -> Iterator[None]:
    """Tell constructors that what they draw or fetch will be replaced by saved weights."""
    token = _weights_are_coming.set(True)
    try:
        yield
    finally:
        _weights_are_coming.reset(token)


def weights_are_coming() -> bool:
    """Tell a constructor that saved weights will replace its own, so that it need not fetch pretrained ones."""
    return _weights_are_coming.get()
