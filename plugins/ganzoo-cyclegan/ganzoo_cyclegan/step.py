"""CycleGAN's training step: two games at once, tied together by going there and back (Zhu et al. 2017, section 3).

With sources x, samples y, the generators G and F, and the discriminators D of samples and C of sources::

    the objective's loss of (G, D) on y and G(x)    +  the same of (F, C) on x and F(y)
    + cycle_weight * (E |F(G(x)) - x| + E |G(F(y)) - y|)
    + cycle_weight * identity_weight * (E |G(y) - y| + E |F(x) - x|)

Everything that an objective can be made of holds for both games. The discriminators learn first and the generators from
the same fakes, where the authors' program goes the other way round.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo import GAN
from ganzoo.errors import ConfigError
from ganzoo.models.architecture import call, condition_of
from ganzoo.training.step import AdversarialStep
from ganzoo_cyclegan.pool import FakePool

if TYPE_CHECKING:
    from torch import nn

    from ganzoo.data.table import Batch
    from ganzoo.losses.objective import Objective
    from ganzoo.training.settings import Settings

Losses = dict[str, Tensor]
NETWORKS = ("generator", "generator_back", "discriminator", "discriminator_back")


class Way(AdversarialStep):
    """One of the two games: a generator with its discriminator, and the generator that leads back.

    Attributes:
        pool: Past fakes of this generator.
    """

    def __init__(
        self,
        name: str,
        generator: "nn.Module",
        discriminator: "nn.Module",
        back: "nn.Module",
        objective: "Objective",
        settings: "Settings",
        weights: tuple[float, float, int],
    ) -> None:
        """Bind one way.

        Args:
            name: What tells its draws from those of the other way.
            generator: What translates.
            discriminator: What judges the translations.
            back: What translates back.
            objective: The loss of the game.
            settings: The settings of the run, resolved.
            weights: That of the cycle, that of the identity as a part of it, and the size of the pool.
        """
        gan = GAN(generator=generator, discriminator=discriminator)
        super().__init__(gan, objective, settings)
        self.name, self.back = name, back
        self.cycle_weight, identity_weight, pool_size = weights
        # What is a sample already can be given to the generator only where sources have as many channels.
        is_same = condition_of(generator).shape == gan.sample_shape
        self.identity_weight = self.cycle_weight * identity_weight if is_same else 0.0
        self.pool = FakePool(pool_size, gan.sample_shape, self.dtype, self.device)

    def rng(self, purpose: str) -> torch.Generator:
        """Return a fresh generator for one purpose of this way."""
        return super().rng(f"{self.name} {purpose}")

    def judged(self, fake: Tensor) -> Tensor:
        """Return the fakes that the discriminator learns from: some of them past ones."""
        return self.pool.exchange(fake, self.rng("pool"))

    def generator_terms(self, batch: "Batch", fake: Tensor) -> Losses:
        """Return the objective's further terms, and the distances that going back and staying leave."""
        losses = super().generator_terms(batch, fake)
        if self.cycle_weight:
            losses["cycle"] = self.cycle_weight * self.distance(self.back, fake, batch.condition)
        if self.identity_weight:
            losses["identity"] = self.identity_weight * self.distance(self.generator, batch.sample, batch.sample)
        return losses

    def distance(self, generator: "nn.Module", given: Tensor, wanted: Tensor | None) -> Tensor:
        """Return the mean absolute difference between what a generator makes of pictures and what it should."""
        with self.autocast():
            made = call(generator, None, given)
        difference: Tensor = (made.to(self.dtype) - wanted).abs().mean()
        return difference


class CycleGANStep:
    """Both ways at once.

    Attributes:
        there, back: From sources to samples, and from samples to sources.
        statistics: The logits of the way there.
    """

    def __init__(
        self, gan: GAN, objective: "Objective", settings: "Settings", weights: tuple[float, float, int]
    ) -> None:
        """Bind the four networks.

        Args:
            gan: The networks.
            objective: The loss of both games.
            settings: The settings of the run, resolved.
            weights: As `Way` takes them.

        Raises:
            ConfigError: A network is missing, or a discriminator is shown sources.
        """
        missing = [name for name in NETWORKS if name not in gan.networks]
        if missing:
            raise ConfigError(
                f"cyclegan trains {', '.join(NETWORKS)}, and {' and '.join(missing)} is missing; build the model with "
                "ganzoo.create_model('cyclegan'), or load it with discriminator=True"
            )
        generator, generator_back, discriminator, discriminator_back = (gan.networks[name] for name in NETWORKS)
        for name, each in (("discriminator", discriminator), ("discriminator_back", discriminator_back)):
            if condition_of(each).kind != "none":
                raise ConfigError(
                    f"the {name} is conditioned on {condition_of(each)}, and without pairs a real sample has no source "
                    "to be shown beside; take another, such as pix2pix with source_channels=0"
                )
        self.there = Way("there", generator, discriminator, generator_back, objective, settings, weights)
        self.back = Way("back", generator_back, discriminator_back, generator, objective, settings, weights)

    @property
    def statistics(self) -> dict[str, Tensor]:
        """The logits of the way there."""
        return self.there.statistics

    def begin(self, index: int) -> None:
        """Note the number of the step."""
        self.there.begin(index)
        self.back.begin(index)

    def discriminator_losses(self, batch: "Batch") -> Losses:
        """Return what both discriminators minimise."""
        return _together(self.there.discriminator_losses(batch), self.back.discriminator_losses(_turned(batch)))

    def generator_losses(self, batch: "Batch") -> Losses:
        """Return what both generators minimise."""
        return _together(self.there.generator_losses(batch), self.back.generator_losses(_turned(batch)))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the past fakes of both ways."""
        pools = {"there": self.there.pool.fakes, "back": self.back.pool.fakes}
        return {name: fakes for name, fakes in pools.items() if len(fakes)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take the past fakes back.

        Raises:
            ValueError: They are of other pictures, or too many.
        """
        for name, way in (("there", self.there), ("back", self.back)):
            empty = way.pool.fakes[:0]
            fakes = state.get(name, empty)
            if fakes.shape[1:] != empty.shape[1:] or len(fakes) > way.pool.size:
                raise ValueError(
                    f"{len(fakes)} past fakes of shape {tuple(fakes.shape[1:])}, and up to {way.pool.size} of shape "
                    f"{tuple(empty.shape[1:])} are kept"
                )
            way.pool.fakes = fakes.to(empty)


def create_step(gan: GAN, objective: "Objective", settings: "Settings") -> CycleGANStep:
    """Return the step of a model, with the weights that its config says."""
    from ganzoo_cyclegan.architecture import CycleGANConfig

    args: dict[str, Any] = gan.config.networks["generator"].args
    config = CycleGANConfig(**{name: args[name] for name in ("cycle_weight", "identity_weight", "pool_size")})
    return CycleGANStep(gan, objective, settings, (config.cycle_weight, config.identity_weight, config.pool_size))


def _turned(batch: "Batch") -> "Batch":
    """Return a batch with sources and samples exchanged, both targets where data is paired."""
    if batch.condition is None:
        raise ConfigError("cyclegan translates sources, and the data has none; give such as 'unpaired:DIR'")
    target = None if batch.target is None else batch.condition
    return replace(batch, sample=batch.condition, condition=batch.sample, target=target)


def _together(there: Losses, back: Losses) -> Losses:
    return {**there, **{f"{name}_back": value for name, value in back.items()}}
