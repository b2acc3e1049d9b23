"""An architecture under examination: the samples and conditions it is built for, and what its networks are given."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo import plugins
from ganzoo.building import architecture_of, build_network, check_settings
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError, ConformanceError
from ganzoo.models.architecture import Architecture, call, goes_back
from ganzoo.models.condition import Condition, ConditionKind

# What an architecture is tried on, small to large; it may refuse any but not all. One of them shows a height that is
# mistaken for a width, and those of 28 and 64 pixels are sizes that some architectures are made for alone.
SAMPLE_SHAPES: tuple[tuple[int, ...], ...] = (
    (1,),
    (2,),
    (1, 16),
    (2, 24),
    (1, 16, 16),
    (3, 16, 16),
    (3, 16, 24),
    (1, 28, 28),
    (3, 32, 32),
    (3, 64, 64),
)
CLASSES, VECTOR, SOURCE_CHANNELS = 3, 5, 2
SMALLER = (2, 4)  # by how much images may be smaller than the samples that are made from them
BATCH = 4


@dataclass(frozen=True)
class Case:
    """The samples that a network is built for, and what they are conditioned on.

    Attributes:
        sample_shape: The shape of what the network makes or judges.
        condition: What it is conditioned on.
        is_back: It goes back (`ganzoo.models.architecture.goes_back`): in the data, the two are exchanged.
    """

    sample_shape: tuple[int, ...]
    condition: Condition
    is_back: bool = False

    def __str__(self) -> str:
        """Return words for a message."""
        return f"samples of shape {self.sample_shape}, conditioned on {self.condition}"

    def turned(self) -> "Case":
        """Return the case of the other way round: samples of the condition's shape, conditioned on such samples."""
        channels, height, width = self.sample_shape
        return Case(self.condition.shape, Condition.image((channels, height, width)), not self.is_back)

    def samples(self, n: int = BATCH, seed: int = 0) -> Tensor:
        """Return random samples (n, *sample_shape) in [-1, 1]."""
        return torch.rand(n, *self.sample_shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1

    def conditions(self, n: int = BATCH, seed: int = 0) -> Tensor | None:
        """Return random conditions for n samples, none of which is that of another seed; None for no condition."""
        rng, kind, shape = torch.Generator().manual_seed(seed), self.condition.kind, self.condition.shape
        if kind == "none":
            return None
        if kind == "label":
            return (torch.arange(n) + seed) % self.condition.num_classes
        return (
            torch.randn(n, *shape, generator=rng) if kind == "vector" else torch.rand(n, *shape, generator=rng) * 2 - 1
        )

    def table(self, n: int = 3 * BATCH) -> Table:
        """Return random data for training."""
        given = {"label": "labels", "vector": "vectors", "image": "sources"}.get(self.condition.kind)
        conditions = self.conditions(n)
        with_conditions: dict[str, Any] = {} if given is None else {given: conditions}
        return table_from_arrays(self.samples(n), **with_conditions, value_range=(-1, 1))


def condition_for(kind: ConditionKind, sample_shape: tuple[int, ...]) -> Condition:
    """Return a condition of a kind; an image has the size of the samples, where these are pictures."""
    size = sample_shape[1:] if len(sample_shape) == 3 else (16, 16)
    return {
        "none": Condition(),
        "label": Condition.label(CLASSES),
        "vector": Condition.vector(VECTOR),
        "image": Condition.image((SOURCE_CHANNELS, size[0], size[1])),
    }[kind]


def conditions_for(kind: ConditionKind, sample_shape: tuple[int, ...]) -> list[Condition]:
    """Return the conditions of a kind that are tried; of images, also smaller ones with the channels of the samples."""
    conditions = [condition_for(kind, sample_shape)]
    if kind == "image" and len(sample_shape) == 3:
        channels, height, width = sample_shape
        sizes = [(height // k, width // k) for k in SMALLER if height % k == width % k == 0]
        conditions += [Condition.image((channels, *size)) for size in sizes]
    return conditions


class Subject:
    """A registered architecture, and for each of its networks the cases it can be built for."""

    def __init__(
        self, name: str, settings: Mapping[str, Any], sample_shapes: Sequence[tuple[int, ...]] | None = None
    ) -> None:
        """Find the architecture; nothing of it is imported or built yet.

        Args:
            name: Its name.
            settings: Settings that hold in every case, such as ones that make it small.
            sample_shapes: What it is tried on instead of `SAMPLE_SHAPES`.

        Raises:
            UnknownNameError: No architecture has this name.
            ConfigError: The settings are no settings by name.
        """
        check_settings("the settings", settings)
        self.entry = plugins.find("architecture", name)
        self.settings = dict(settings)
        self.sample_shapes = [tuple(shape) for shape in sample_shapes or SAMPLE_SHAPES]

    @cached_property
    def architecture(self) -> Architecture:
        """What is registered."""
        return architecture_of(self.entry)

    def arguments(self, case: Case) -> dict[str, Any]:
        """Return the settings for a case."""
        data = case.turned() if case.is_back else case
        return {**self.architecture.arguments_for(data.sample_shape, data.condition), **self.settings}

    def build(self, network: str, case: Case, seed: int = 0) -> nn.Module:
        """Build one of the networks with the weights of a seed."""
        torch.default_generator.manual_seed(seed)
        return build_network(self.architecture, network, self.arguments(case), self.entry.full_name)

    @cached_property
    def cases(self) -> dict[str, list[Case]]:
        """For each network, the cases that it is not refused for, small samples first.

        Raises:
            ConformanceError: A network cannot be built for a kind of condition it declares, or a case is refused with
                another error than `ConfigError`.
        """
        found: dict[str, list[Case]] = {}
        for network in self.architecture.networks:
            found[network] = []
            for kind in self.architecture.kinds(network):
                fitting, refusals = self._tried(network, kind)
                if not fitting:
                    raise ConformanceError(
                        f"its {network} declares the condition {kind!r}, and is refused for every sample shape that "
                        f"was tried ({'; '.join(refusals)}); give sample_shapes that it takes"
                    )
                found[network] += fitting
        return found

    def _tried(self, network: str, kind: ConditionKind) -> tuple[list[Case], list[str]]:
        fitting, refusals = [], []
        for case in (
            Case(shape, condition) for shape in self.sample_shapes for condition in conditions_for(kind, shape)
        ):
            try:
                built = self.build(network, case)
            except ConfigError as error:
                refusals.append(f"{case.sample_shape}: {error}")
            except Exception as error:
                raise ConformanceError(
                    f"building its {network} for {case} met a {type(error).__name__} ({error}); what cannot be built "
                    "is refused with ganzoo.errors.ConfigError, by arguments_for or the config's __post_init__"
                ) from error
            else:
                is_back = goes_back(network, built, case.sample_shape, case.condition)
                fitting.append(case.turned() if is_back else case)
        return fitting, refusals

    def few(self, network: str) -> list[Case]:
        """Return the smallest and the largest case of each kind of condition."""
        by_kind = itertools.groupby(self.cases[network], key=lambda case: case.condition.kind)
        cases = [list(group) for _, group in by_kind]
        return [case for group in cases for case in dict.fromkeys((group[0], max(group, key=_size)))]

    def each(self, role: str) -> list[tuple[str, Case]]:
        """Return the networks of a role, `"generator"` or `"discriminator"`, with a few cases of each."""
        return [(name, case) for name in self.architecture.networks if name.startswith(role) for case in self.few(name)]


def _size(case: Case) -> int:
    return math.prod(case.sample_shape)


def inputs(network: nn.Module, name: str, case: Case, n: int = BATCH, seed: int = 0) -> Tensor | None:
    """Return what a network is given besides the condition: latents, or samples for a discriminator."""
    if not name.startswith("generator"):
        return case.samples(n, seed)
    size = int(network.latent_dim)  # type: ignore[arg-type]
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed)) if size else None


def output(network: nn.Module, name: str, case: Case, n: int = BATCH, seed: int = 0) -> Tensor:
    """Call a network on random inputs and conditions: samples (n, *sample_shape), or logits."""
    return call(network, inputs(network, name, case, n, seed), case.conditions(n))
