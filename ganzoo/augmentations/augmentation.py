"""The contract of augmentations: what is done to every sample, real or generated, before the discriminator sees it.

The discriminator is shown real and generated samples under the same distribution of changes, while it learns and while
the generator learns through it. It then tells two changed distributions apart instead of learning few samples by heart,
and where they are equal only if the unchanged ones are, the generator's samples are not changed by it ("leak").

An augmentation is a frozen dataclass whose fields are numbers, so that it can be written as text, compared and read
back. What it learns in a run is kept for it, in tensors by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

import torch
from torch import Tensor

from ganzoo.errors import ConfigError
from ganzoo.losses.term import AdversarialLoss
from ganzoo.models.condition import Condition
from ganzoo.shares import draw

State: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Augmentation:
    """The base of augmentations. A plugin's registers a class that is derived from it, and decorated like it.

    Attributes:
        takes_pictures_only: Samples must have the shape (C, H, W).
        moves_pixels: It moves or hides pixels, and so has to do the same to a picture that a sample is conditioned on.
    """

    takes_pictures_only: ClassVar[bool] = True
    moves_pixels: ClassVar[bool] = True

    def augment(
        self,
        samples: Tensor,
        source: Tensor | None,
        rng: torch.Generator,
        *,
        state: Mapping[str, Tensor],
        images: int,
    ) -> tuple[Tensor, Tensor | None]:
        """Return samples as the discriminator shall see them, twice differentiable in the samples.

        Args:
            samples: Real or generated samples (N, *sample_shape) in about [-1, 1].
            source: The pictures (N, C', H, W) that the discriminator is told the samples are made from, or None. What
                moves or hides pixels is done to both alike; what changes values is done to the samples alone.
            rng: Where draws come from; draw with it on the CPU, by `ganzoo.shares.draw`, and move the draw to
                `samples.device`.
            state: What `observed` returned last, or `initial_state` before that; not to be changed.
            images: How many images the discriminator has been shown as real before this step.

        Returns:
            Samples and source of the same shapes, dtypes and devices.
        """
        raise NotImplementedError

    def initial_state(self) -> State:
        """Return what is kept for this augmentation at the start of a run, as a checkpoint then holds it."""
        return {}

    def observed(self, state: State, real_logits: Tensor) -> State:
        """Return what is kept after a step of the discriminator.

        Args:
            state: What was kept before; it may be changed and returned.
            real_logits: The discriminator's logits of the whole batch of real samples, (N,) or (N, 1, h, w), detached;
                0 is the logit of a sample that is as likely real as fake, where the loss has one.
        """
        return state

    def numbers(self, state: Mapping[str, Tensor], images: int) -> dict[str, Tensor]:
        """Return scalars for the log, by name.

        Args:
            state: What is kept.
            images: As in `augment`.
        """
        return {}

    def resolved(self, images: int) -> Self:
        """Return this augmentation with nothing left to choose.

        Args:
            images: The run's budget.
        """
        return self

    def check(self, name: str, sample_shape: tuple[int, ...], source: Condition, loss: AdversarialLoss) -> None:
        """Refuse what it cannot augment, before the first batch.

        Args:
            name: What the augmentation is called, for messages.
            sample_shape: The shape of a sample.
            source: What the discriminator is conditioned on.
            loss: The adversarial loss of the run.

        Raises:
            ConfigError: The message says what it takes.
        """
        if self.takes_pictures_only and len(sample_shape) != 3:
            raise ConfigError(
                f"augment: {name} changes pictures (C, H, W), and the samples have shape {sample_shape}; use "
                "instance_noise, which takes any shape"
            )
        if self.moves_pixels and source.kind == "image" and source.shape[1:] != sample_shape[1:]:
            height, width = source.shape[1:]
            raise ConfigError(
                f"augment: {name} moves a picture together with its source, and sources have {height}x{width} pixels "
                f"(height x width) where samples have {sample_shape[1]}x{sample_shape[2]}; give both one size, or use "
                "instance_noise"
            )


def colours(channels: int) -> int:
    """Return how many of the channels are colour, the first ones: 3 of RGB and RGBA, 1 of grey and of grey with alpha.

    Pictures of other channel counts have as many greys.
    """
    return {2: 1, 4: 3}.get(channels, channels)


def uniform(rng: torch.Generator, samples: int, count: int) -> Tensor:
    """Draw numbers uniform in [0, 1) for each sample of this process, as its part of a draw for the whole batch.

    Args:
        rng: A generator on the CPU.
        samples: How many samples this process has.
        count: How many numbers for each.

    Returns:
        (count, samples) float64, on the CPU.
    """
    return draw(lambda n: torch.rand(n, count, dtype=torch.float64, generator=rng), samples).T


def normal(rng: torch.Generator, samples: int, count: int) -> Tensor:
    """Draw numbers from N(0, 1); otherwise as `uniform`."""
    return draw(lambda n: torch.randn(n, count, dtype=torch.float64, generator=rng), samples).T


def on(values: Tensor, samples: Tensor) -> Tensor:
    """Return one value a sample, (N,) on the CPU, as (N, 1, 1, 1) beside samples (N, C, H, W)."""
    return values.reshape(-1, 1, 1, 1).to(samples)
