"""What one training step computes: the contract, and the default two-player step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm

from ganzoo.data.table import Batch
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective, name_of
from ganzoo.models.architecture import call, call_features
from ganzoo.randomness import generator as seeded_generator
from ganzoo.shares import draw, gather
from ganzoo.training.augmenting import Augmenter, Look
from ganzoo.training.precision import autocasting, uncompiled, weight_dtype
from ganzoo.training.settings import Settings

Losses = dict[str, Tensor]  # scalars that add up to what a network minimises, by name


class TrainingStep(Protocol):
    """What an architecture brings to train differently. It computes; the trainer alone steps and saves.

    Attributes:
        statistics: Detached tensors to log, by name, from the latest losses: scalars as they are, and `real_logits`
            and `fake_logits` as what they say of the discriminator.
    """

    statistics: dict[str, Tensor]

    def begin(self, index: int) -> None:
        """Note the number of the step; every draw is a function of (seed, index)."""

    def discriminator_losses(self, batch: Batch) -> Losses:
        """Return what the discriminators minimise on a batch of real samples."""

    def generator_losses(self, batch: Batch) -> Losses:
        """Return what the generators minimise."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return tensors that a checkpoint must hold besides weights and optimizers."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take those tensors back."""


class AdversarialStep:
    """The default step: one generator, one discriminator, any objective.

    An architecture's own step may be a subclass, in which `rng`, `judged` and `generator_terms` say something else.

    Real and fake samples pass through the discriminator separately, because batch norm over both would tell them apart.
    The generator learns from the same fakes, whose graph is kept, unless `reuse_fakes` is off or the discriminator
    takes several steps; then it makes fresh ones.

    Whatever the discriminator looks at goes through `augmenter` first. A step that derives from this one has it too: it
    passes samples through `_discriminate`, or through `self.augmenter`, and calls `begin`, `state_dict` and
    `load_state_dict` of this class where it has its own.
    """

    def __init__(self, gan: GAN, objective: Objective, settings: Settings) -> None:
        """Bind networks, objective and settings (with precision resolved)."""
        self.generator, self.discriminator = gan.generator, gan.discriminator
        self.latent_dim = gan.latent_dim
        self.objective = objective
        self.settings = settings
        self.device, self.dtype = gan.device, weight_dtype(settings.precision)
        self.statistics: dict[str, Tensor] = {}
        self.augmenter = Augmenter(gan, objective.adversarial, settings)
        self._reuse = settings.reuse_fakes and settings.discriminator_steps == 1
        self._fake: Tensor | None = None
        self._index = 0
        self._draw = 0
        self._loss_name, *further = names_of_losses(objective)
        self._penalty_names = further[: len(objective.penalties)]
        self._term_names = further[len(objective.penalties) :]

    def begin(self, index: int) -> None:
        """Note the number of the step."""
        self._index, self._draw, self._fake = index, 0, None
        self.augmenter.begin(index)

    def discriminator_losses(self, batch: Batch) -> Losses:
        """Return the adversarial loss of the discriminator and the penalties that are due."""
        if self._reuse:
            fake = self._fake = self._generate(batch)
        else:
            with torch.no_grad(), frozen_statistics(self.generator):
                fake = self._generate(batch)
        fake = self.judged(fake.detach())
        # Of all processes together, which the loss may average over or compare.
        real_logits = gather(self._discriminate(batch.sample, batch.condition), is_shared=True)
        fake_logits = gather(self._discriminate(fake, batch.condition), is_shared=True)
        loss = self.objective.adversarial
        if trick := self.objective.label_trick:
            shape = torch.Size([len(real_logits)] + [1] * (real_logits.dim() - 1))
            real_targets, fake_targets = trick.targets(shape, self.rng("targets"))
            value = loss.discriminator(
                real_logits, fake_logits, real_targets.to(self.device), fake_targets.to(self.device)
            )
        else:
            value = loss.discriminator(real_logits, fake_logits)
        losses = {self._loss_name: self.objective.adversarial_weight * value} | self._penalties(batch, fake)
        self.augmenter.observe(real_logits)
        logits = {"real_logits": real_logits.detach(), "fake_logits": fake_logits.detach()}
        self.statistics = logits | self.augmenter.numbers()
        return losses

    def _penalties(self, batch: Batch, fake: Tensor) -> Losses:
        losses: Losses = {}
        for number, (name, (term, weight)) in enumerate(
            zip(self._penalty_names, self.objective.penalties, strict=True)
        ):
            if self._index % term.every:
                continue

            look = self.augmenter.held()

            def plain(samples: Tensor, look: Look = look) -> Tensor:
                return call(self.discriminator, *look(samples, batch.condition, self.discriminator))

            with frozen_statistics(self.discriminator), uncompiled(is_asked=self.settings.compile):
                value = term.penalty(plain, batch.sample, fake.to(self.dtype), self.rng(f"penalty {number}"))
            losses[name] = weight * term.every * value
        return losses

    def generator_losses(self, batch: Batch) -> Losses:
        """Return the adversarial loss of the generator and its further terms."""
        fake = self._generate(batch) if self._fake is None else self._fake
        loss = self.objective.adversarial
        with frozen_statistics(self.discriminator):
            fake_logits = gather(self._discriminate(fake, batch.condition), is_shared=True)
            real_logits = None
            if loss.generator_needs_real:
                with torch.no_grad():
                    real_logits = gather(self._discriminate(batch.sample, batch.condition), is_shared=True)
            losses = {self._loss_name: self.objective.adversarial_weight * loss.generator(fake_logits, real_logits)}
            losses |= self.generator_terms(batch, fake.to(self.dtype))
        self._fake = None
        return losses

    def judged(self, fake: Tensor) -> Tensor:
        """Return the fakes that the discriminator learns from, given those just made (N, *sample_shape): the same."""
        return fake

    def generator_terms(self, batch: Batch, fake: Tensor) -> Losses:
        """Return what the generator minimises besides the adversarial loss: the objective's further terms.

        Args:
            batch: The batch.
            fake: What the generator made of it (N, *sample_shape), with its graph, in the weights' dtype.
        """
        look = self.augmenter.held()  # the same for what a term compares

        def features(samples: Tensor) -> tuple[Tensor, ...]:
            seen = look(samples, batch.condition, self.discriminator)
            with self.autocast():
                found = call_features(self.discriminator, *seen)
            return tuple(feature.to(self.dtype) for feature in found)

        terms = zip(self._term_names, self.objective.generator_terms, strict=True)
        return {
            name: weight * term.value(fake, batch.sample, batch.target, batch.condition, features)
            for name, (term, weight) in terms
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Return what the augmentation has learned; nothing else is kept."""
        return self.augmenter.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take it back."""
        self.augmenter.load_state_dict(state)

    def rng(self, purpose: str) -> torch.Generator:
        """Return a fresh generator for one purpose; each call within a step is another draw."""
        self._draw += 1
        return seeded_generator(self.settings.seed, self._index, self._draw, purpose)

    def _generate(self, batch: Batch) -> Tensor:
        latents = None
        if self.latent_dim:
            rng = self.rng("latents")
            drawn = draw(lambda n: torch.randn(n, self.latent_dim, generator=rng), len(batch.sample))
            latents = drawn.to(self.device, self.dtype, non_blocking=True)
        with self.autocast():
            return call(self.generator, latents, batch.condition)

    def _discriminate(self, samples: Tensor, condition: Tensor | None) -> Tensor:
        # Real samples come in float32, and fakes from autocast; the discriminator shall see no difference.
        seen = self.augmenter(samples.to(self.dtype), condition, self.discriminator)
        with self.autocast():
            logits = call(self.discriminator, *seen)
        return logits.to(self.dtype)

    def autocast(self) -> Any:
        """Return the context of one forward pass, in the run's precision."""
        # Entered for each forward and never around an optimizer step: autocast keeps its casts of weights until it is
        # left, so one context around a step would train the generator against the discriminator's old weights.
        return autocasting(self.settings.precision, self.device)


def names_of_losses(objective: Objective) -> list[str]:
    """Name the adversarial loss, each penalty and each generator term; a taken name gets a number, as in `r1_2`."""
    names = ["loss", "gradient_norm"]  # what the log calls the sum and its gradient
    for term in (objective.adversarial, *(term for term, _ in (*objective.penalties, *objective.generator_terms))):
        name, number = name_of(term), 1
        while name in names:
            number += 1
            name = f"{name_of(term)}_{number}"
        names.append(name)
    return names[2:]


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Leave a network's running statistics alone while it runs in train mode.

    Batch norm still normalizes by the batch; its running mean and variance, and spectral norm's power iteration, stay.
    Any other layer with running statistics says so as batch norm does, by an attribute `track_running_stats`: it moves
    them in train mode only while that is true.
    """
    modules = list(network.modules())
    norms: list[Any] = [module for module in modules if getattr(module, "track_running_stats", False) is True]
    spectral = [module for module in modules if isinstance(module, _SpectralNorm) and module.training]
    for norm in norms:
        norm.track_running_stats = False
    for parametrization in spectral:
        parametrization.training = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for parametrization in spectral:
            parametrization.training = True


def train_mode(network: nn.Module) -> None:
    """Put a network into train mode, except for layers whose parameters are all frozen, and what is in them."""
    network.train()
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
