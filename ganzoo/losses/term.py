"""The kinds of terms that an objective is the sum of.

A term is a frozen dataclass whose fields are numbers, or names of something (`str`), so that it can be written as text,
compared and read back. Terms never call backward, step an optimizer or move a network, and one that draws anything
takes the generator it is given, which is on the CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from ganzoo.calls import BARE_NAME as BARE_NAME  # what a field of type `str` can be

if TYPE_CHECKING:
    from ganzoo.losses.objective import Objective


@dataclass(frozen=True)
class Term:
    """One thing that can stand in an objective. Terms add up and take weights: `NonSaturating() + 2 * R1(10)`."""

    def __add__(self, other: "Term | Objective") -> "Objective":
        """Return the objective that is the sum of this term and another, or of this term and an objective."""
        from ganzoo.losses.objective import Objective

        return Objective.of(self) + other

    def __rmul__(self, weight: float) -> "Objective":
        """Return the objective of this one term, scaled."""
        from ganzoo.losses.objective import Objective

        return Objective.of(self, weight)


@dataclass(frozen=True)
class AdversarialLoss(Term):
    """What the two networks minimise, given logits (N,) or (N, 1, h, w) that are high on real samples.

    Attributes:
        binary_targets: Real and fake samples have targets, which a label trick can change.
        generator_needs_real: The generator's loss needs the logits of real samples too.
        undecided_logit: The logit of a sample that is as likely real as fake; None where logits are only compared.
    """

    binary_targets: ClassVar[bool] = False
    generator_needs_real: ClassVar[bool] = False
    undecided_logit: ClassVar[float | None] = 0.0

    def discriminator(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        real_targets: Tensor | float = 1.0,
        fake_targets: Tensor | float = 0.0,
    ) -> Tensor:
        """Return what the discriminator minimises, a scalar.

        Args:
            real_logits: Logits of real samples.
            fake_logits: Logits of generated samples, of the same shape.
            real_targets: Probability of real asked for at real samples; broadcasts to the logits.
            fake_targets: Probability of real asked for at generated samples; broadcasts to the logits.
        """
        raise NotImplementedError

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return what the generator minimises, a scalar.

        Args:
            fake_logits: Logits of generated samples.
            real_logits: Logits of real samples, given where `generator_needs_real` says so.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class LabelTrick(Term):
    """Other targets for the discriminator than 1 on real and 0 on fake. The generator's targets stay 1."""

    @property
    def mean_real_target(self) -> float:
        """The expected target of a real sample; above 1 a binary loss would be unbounded below."""
        raise NotImplementedError

    def targets(self, shape: torch.Size, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the targets of real and of fake samples.

        Args:
            shape: The shape of each, one value a sample: (N,), or (N, 1, 1, 1) for patches.
            rng: Where draws come from, on the CPU, and so are the targets.
        """
        raise NotImplementedError


class Penalty(Term):
    """What is added to the discriminator's loss to keep its gradient with respect to samples small.

    Attributes:
        every: The penalty is computed every so many steps and multiplied by as much, by the trainer. A penalty that
            offers this as an argument declares it as a field.
    """

    every: int = 1  # not a field here, so that a penalty's own arguments come first

    def penalty(
        self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Return the penalty, a scalar.

        Args:
            discriminator: Samples (N, *sample_shape) to logits, with the condition bound and autocast off.
            real: Real samples (N, *sample_shape).
            fake: Generated samples (N, *sample_shape), detached.
            rng: Where draws come from; draw with it on the CPU, by `ganzoo.shares.draw`, and move the draw to
                `real.device`.
        """
        raise NotImplementedError


class Constraint(Term):
    """What is done to the discriminator after each of its optimizer steps, such as cutting its weights off."""

    def apply(self, discriminator: nn.Module) -> None:
        """Change the discriminator's parameters in place.

        Args:
            discriminator: The plain module, whose parameters that are learned require gradients.
        """
        raise NotImplementedError


class GeneratorTerm(Term):
    """What is added to the generator's loss besides the adversarial loss.

    Attributes:
        paired: It compares a sample with the one it should be, and so needs paired data.
        uses_features: It calls `features`, which the discriminator must then have.

    A term that cannot be computed for some samples, such as ones that are no pictures, raises `ObjectiveError` from
    `value`. Training computes it once before the first batch, so that this shows there.
    """

    paired: ClassVar[bool] = False
    uses_features: ClassVar[bool] = False

    def value(
        self,
        fake: Tensor,
        real: Tensor,
        target: Tensor | None,
        condition: Tensor | None,
        features: Callable[[Tensor], tuple[Tensor, ...]],
    ) -> Tensor:
        """Return what the generator minimises too, a scalar: a mean over samples, or of `ganzoo.shares.batch_mean`.

        Args:
            fake: Generated samples (N, *sample_shape), with their graph.
            real: Real samples (N, *sample_shape).
            target: What each fake should be, (N, *sample_shape); None where data is not paired.
            condition: What the samples were conditioned on, or None.
            features: Samples to the discriminator's feature tensors, shallow to deep, with the condition bound; its
                weights take no gradient.
        """
        raise NotImplementedError


def squared_gradient_norm(discriminator: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    """Return the squared norm of the discriminator's gradient at each sample: (N, *sample_shape) -> (N,).

    The norm is over all of a sample's dimensions, whatever their number, and is itself differentiable.
    """
    samples = samples.detach().requires_grad_()
    logits = discriminator(samples)
    per_sample = logits.flatten(1).mean(1) if logits.dim() > 1 else logits
    (gradient,) = torch.autograd.grad(per_sample.sum(), samples, create_graph=True)
    return gradient.flatten(1).square().sum(1)
