"""A small plugin that keeps every contract, as source text in which tests break one thing at a time."""

ARCHITECTURE = """
import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ganzoo import hookimpl
from ganzoo.errors import ConfigError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator, Role


@dataclass(frozen=True, kw_only=True)
class WaveConfig:
    channels: int = 1
    length: int = 16
    width: int = 8
    num_classes: int = 0

    def __post_init__(self):
        if not 2 <= self.length <= 64:
            raise ConfigError(f"wave: length is {self.length}; it takes 2 to 64")


def with_label(rows, label, classes):
    return torch.cat([rows, F.one_hot(label, classes).to(rows.dtype)], dim=1) if classes else rows


class Wave(Generator):
    def __init__(self, config):
        super().__init__()
        self.latent_dim, self.sample_shape = 3, (config.channels, config.length)
        self.condition = Condition.label(config.num_classes)
        self.hidden = nn.Linear(3 + config.num_classes, config.width)
        self.output = nn.Linear(config.width, config.channels * config.length)

    def forward(self, latent, condition=None):
        hidden = self.hidden(with_label(latent, condition, self.condition.num_classes)).relu()
        return self.output(hidden).tanh().unflatten(1, self.sample_shape)


class Critic(Discriminator):
    def __init__(self, config):
        super().__init__()
        self.sample_shape = (config.channels, config.length)
        self.condition = Condition.label(config.num_classes)
        self.hidden = nn.Linear(config.channels * config.length + config.num_classes, config.width)
        self.output = nn.Linear(config.width, 1)

    def features(self, sample, condition=None):
        return (F.leaky_relu(self.hidden(with_label(sample.flatten(1), condition, self.condition.num_classes))),)

    def forward(self, sample, condition=None):
        return self.output(self.features(sample, condition)[-1]).squeeze(1)


def fit(shape, condition):
    if len(shape) != 2:
        raise ConfigError(f"wave makes (channels, length), and these samples have shape {shape}")
    return {"channels": shape[0], "length": shape[1], "num_classes": condition.num_classes}


KINDS = ("none", "label")
WAVE = Architecture(
    WaveConfig, {"generator": Wave, "discriminator": Critic}, fit, {"generator": KINDS, "discriminator": KINDS}
)


@hookimpl
def ganzoo_register(registry):
    registry.architecture("wave", __name__ + ":WAVE", summary="sequences")
"""

# A term of each kind.
TERMS = """
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from ganzoo import hookimpl
from ganzoo.losses.term import (
    AdversarialLoss, Constraint, GeneratorTerm, LabelTrick, Penalty, squared_gradient_norm
)

CALLS = []


@dataclass(frozen=True)
class Loss(AdversarialLoss):
    binary_targets: ClassVar[bool] = True
    scale: float = 1.0

    def discriminator(self, real_logits, fake_logits, real_targets=1.0, fake_targets=0.0):
        real = F.softplus(-real_logits) + (1 - real_targets) * real_logits
        fake = F.softplus(fake_logits) - fake_targets * fake_logits
        return self.scale * (real + fake).mean()

    def generator(self, fake_logits, real_logits=None):
        return self.scale * F.softplus(-fake_logits).mean()


@dataclass(frozen=True)
class Trick(LabelTrick):
    low: float = 0.8

    @property
    def mean_real_target(self):
        return (self.low + 1) / 2

    def targets(self, shape, rng):
        return self.low + (1 - self.low) * torch.rand(shape, generator=rng), torch.zeros(shape)


@dataclass(frozen=True)
class Steep(Penalty):
    weight: float = 1.0

    def penalty(self, discriminator, real, fake, rng):
        return self.weight * squared_gradient_norm(discriminator, real).mean()


@dataclass(frozen=True)
class Bound(Constraint):
    limit: float = 0.5

    def apply(self, discriminator):
        with torch.no_grad():
            for parameter in discriminator.parameters():
                parameter.clamp_(-self.limit, self.limit)


@dataclass(frozen=True)
class Near(GeneratorTerm):
    paired: ClassVar[bool] = True

    def value(self, fake, real, target, condition, features):
        return (fake - target).abs().mean()


@hookimpl
def ganzoo_register(registry):
    for kind in (Loss, Trick, Steep, Bound, Near):
        registry.loss(kind.__name__.lower(), kind, summary="a term")
"""


def broken(source: str, old: str, new: str) -> str:
    """Return the source with one thing changed, which must be there once.

    Args:
        source: The source of a plugin's module.
        old: What is there.
        new: What shall be there.
    """
    assert source.count(old) == 1, f"{source.count(old)} times: {old}"
    return source.replace(old, new)
