"""An augmentation at work in a run: where its draws come from, and what it has learned so far."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor, nn

from ganzoo import randomness
from ganzoo.augmentations.augmentation import State
from ganzoo.augmentations.parsing import name_of, read_augmentation
from ganzoo.errors import ConfigError
from ganzoo.gan import GAN
from ganzoo.losses.term import AdversarialLoss
from ganzoo.models.condition import condition_of
from ganzoo.training.settings import Settings

# Samples, their condition and the discriminator, to samples and condition as it shall see them.
Look: TypeAlias = Callable[[Tensor, Tensor | None, nn.Module], tuple[Tensor, Tensor | None]]

PREFIX = "augment."  # of what a checkpoint holds


class Augmenter:
    """Changes samples for discriminators as the setting `augment` says; leaves them alone where it is empty.

    Every draw is a function of the seed, the step, and how many such draws the step has made, and of no other draw: an
    augmentation that happens to change no sample changes nothing about a run.

    Attributes:
        augmentation: What is done, or None.
        state: What it has learned, in tensors by name.
    """

    def __init__(self, gan: GAN, loss: AdversarialLoss, settings: Settings) -> None:
        """Read the setting.

        Args:
            gan: The networks; those whose names begin with "discriminator" look at the samples.
            loss: The adversarial loss.
            settings: The settings of the run.

        Raises:
            ConfigError: The setting cannot be read, or its augmentation does not go with samples, sources or loss.
            UnknownNameError: No augmentation has this name.
        """
        augmentation = read_augmentation(settings.augment)
        self.augmentation = augmentation.resolved(settings.images) if augmentation else None
        self.state: State = {}
        self._seed, self._images_per_step = settings.seed, settings.images_per_step
        self._undecided = loss.undecided_logit or 0.0
        self._index = self._draw = 0
        if self.augmentation:
            self.state = self.augmentation.initial_state()
            for name, network in gan.networks.items():
                if name.startswith("discriminator"):
                    source = condition_of(network)
                    self.augmentation.check(name_of(self.augmentation), gan.sample_shape, source, loss)

    def begin(self, index: int) -> None:
        """Note the number of the step."""
        self._index, self._draw = index, 0

    def __call__(
        self, samples: Tensor, condition: Tensor | None, discriminator: nn.Module
    ) -> tuple[Tensor, Tensor | None]:
        """Return samples and condition as a discriminator shall see them, by a fresh draw.

        Args:
            samples: Real or generated samples (N, *sample_shape), in the dtype of weights.
            condition: What they are conditioned on, or None.
            discriminator: Who looks at them; only one that is conditioned on pictures has a condition changed.
        """
        return self.held()(samples, condition, discriminator)

    def held(self) -> Look:
        """Return what does the same to samples whenever it is called, for a penalty or a term that compares."""
        self._draw += 1
        draw = self._draw

        def look(samples: Tensor, condition: Tensor | None, discriminator: nn.Module) -> tuple[Tensor, Tensor | None]:
            if self.augmentation is None:
                return samples, condition
            source = condition if condition_of(discriminator).kind == "image" else None
            rng = randomness.generator(self._seed, self._index, draw, "augment")
            changed, moved = self.augmentation.augment(samples, source, rng, state=self.state, images=self._images)
            return changed, condition if source is None else moved

        return look

    def observe(self, real_logits: Tensor) -> None:
        """Let the augmentation adapt, at the end of a step of the discriminator.

        Args:
            real_logits: Logits of the whole batch of real samples, of all processes and all discriminators.
        """
        if self.augmentation:
            self.state = self.augmentation.observed(self.state, real_logits.detach() - self._undecided)

    def numbers(self) -> dict[str, Tensor]:
        """Return scalars for the log, by name."""
        return self.augmentation.numbers(self.state, self._images) if self.augmentation else {}

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return {PREFIX + name: value for name, value in self.state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take that back.

        Raises:
            KeyError: Something is missing.
        """
        self.state = {name: state[PREFIX + name] for name in self.state}

    @property
    def _images(self) -> int:
        return self._index * self._images_per_step


def check_augments(step: object, settings: Settings) -> None:
    """Refuse a step of one's own that would leave the setting `augment` aside.

    Raises:
        ConfigError: It has no augmenter.
    """
    if settings.augment and not isinstance(getattr(step, "augmenter", None), Augmenter):
        raise ConfigError(
            f"training: augment is {settings.augment!r}, and the step {type(step).__qualname__} augments nothing; "
            "leave out augment, or, of a step of your own, derive it from ganzoo.training.step.AdversarialStep"
        )
