"""A small plugin whose architecture goes both ways by a step of its own, as source text that tests change."""

TURNING = """
from dataclasses import dataclass, replace

import torch
from torch import nn

from ganzoo import hookimpl
from ganzoo.errors import ConfigError, ObjectiveError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator, call
from ganzoo.training.step import AdversarialStep


@dataclass(frozen=True, kw_only=True)
class TurnConfig:
    size: tuple[int, int] = (16, 16)
    source_channels: int = 1
    channels: int = 3
    width: int = 4
    weight: float = 2.0

    def turned(self):
        return replace(self, source_channels=self.channels, channels=self.source_channels)


class Turner(Generator):
    def __init__(self, config):
        super().__init__()
        self.latent_dim, self.sample_shape = 0, (config.channels, *config.size)
        self.condition = Condition.image((config.source_channels, *config.size))
        self.hidden = nn.Conv2d(config.source_channels, config.width, 3, padding=1)
        self.output = nn.Conv2d(config.width, config.channels, 1)

    def forward(self, latent, condition=None):
        return self.output(self.hidden(condition).relu()).tanh()


class Critic(Discriminator):
    def __init__(self, config):
        super().__init__()
        self.sample_shape = (config.channels, *config.size)
        self.hidden = nn.Conv2d(config.channels, config.width, 4, stride=4)
        self.output = nn.Conv2d(config.width, 1, 1)

    def features(self, sample, condition=None):
        return (self.hidden(sample).relu(),)

    def forward(self, sample, condition=None):
        return self.output(self.features(sample)[-1])


class Step:
    def __init__(self, gan, objective, settings):
        self.networks, self.settings = gan.networks, settings
        if objective.penalties:
            raise ObjectiveError("turn takes no penalties; leave them out")
        self.weight = gan.config.networks["generator"].args["weight"]
        self.there, self.back = (
            AdversarialStep(replace_networks(gan, suffix), objective, settings) for suffix in ("", "_back")
        )
        self.mean = torch.zeros(gan.sample_shape)

    @property
    def statistics(self):
        return self.there.statistics

    def begin(self, index):
        self.there.begin(index)
        self.back.begin(index)

    def discriminator_losses(self, batch):
        self.mean = self.mean.lerp(batch.sample.mean(0), 0.5)
        back = self.back.discriminator_losses(turned(batch))
        return self.there.discriminator_losses(batch) | {f"{name}_back": value for name, value in back.items()}

    def generator_losses(self, batch):
        losses = self.there.generator_losses(batch)
        losses |= {f"{name}_back": value for name, value in self.back.generator_losses(turned(batch)).items()}
        there = call(self.networks["generator"], None, batch.condition)
        again = call(self.networks["generator_back"], None, there)
        losses["cycle"] = self.weight * (again - batch.condition).abs().mean()
        return losses | {"mean": 0.1 * (there.mean(0) - self.mean).square().mean()}

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


def replace_networks(gan, suffix):
    from ganzoo import GAN

    return GAN(generator=gan.networks["generator" + suffix], discriminator=gan.networks["discriminator" + suffix])


def turned(batch):
    target = None if batch.target is None else batch.condition
    return replace(batch, sample=batch.condition, condition=batch.sample, target=target)


def fit(shape, condition):
    if len(shape) != 3 or condition.kind == "image" and condition.shape[1:] != shape[1:]:
        raise ConfigError(f"turn makes pictures of their sources' size, and these samples have shape {shape}")
    sources = condition.shape[0] if condition.kind == "image" else shape[0]
    return {"size": shape[1:], "channels": shape[0], "source_channels": sources}


TURN = Architecture(
    TurnConfig,
    {
        "generator": Turner,
        "generator_back": lambda config: Turner(config.turned()),
        "discriminator": Critic,
        "discriminator_back": lambda config: Critic(config.turned()),
    },
    fit,
    {"generator": ("image",), "generator_back": ("image",)},
    step=Step,
)


@hookimpl
def ganzoo_register(registry):
    registry.architecture("turn", __name__ + ":TURN", summary="there and back")
"""
