"""The algebra of objectives: one adversarial loss plus any other terms, in Python and as text.

`NonSaturating() + LabelSmoothing(0.9) + R1(10)` and `"non_saturating + label_smoothing(0.9) + r1(gamma=10)"` are the
same objective, and `str` of either gives text that reads back to an equal one.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo import plugins
from ganzoo.calls import BARE_NAME, write_call
from ganzoo.errors import ObjectiveError
from ganzoo.losses.binary import BinaryLoss
from ganzoo.losses.term import AdversarialLoss, Constraint, GeneratorTerm, LabelTrick, Penalty, Term

KINDS = (AdversarialLoss, LabelTrick, Penalty, Constraint, GeneratorTerm)


@dataclass(frozen=True)
class WeightedTerm:
    """A term and the number it is multiplied by."""

    term: Term
    weight: float = 1.0

    def __str__(self) -> str:
        """Return text such as `2.0 * r1(gamma=10.0, every=1)`."""
        text = write_call(name_of(self.term), self.term)
        return text if self.weight == 1 else f"{self.weight!r} * {text}"


@dataclass(frozen=True)
class Objective:
    """A sum of weighted terms with exactly one adversarial loss once it is complete.

    Attributes:
        parts: The terms in the order they were written.
    """

    parts: tuple[WeightedTerm, ...]

    @classmethod
    def of(cls, term: Term, weight: float = 1.0) -> "Objective":
        """Return the objective of one term.

        Raises:
            ObjectiveError: The weight is not a finite number, or the term takes none; or a field of the term is text
                that is no name.
        """
        if type(weight) not in (int, float) or not abs(weight) <= sys.float_info.max:
            raise ObjectiveError(f"a weight of {weight!r} was given to {name_of(term)}; it takes a finite number")
        if weight != 1 and isinstance(term, LabelTrick | Constraint):
            does = "sets targets" if isinstance(term, LabelTrick) else "bounds weights"
            raise ObjectiveError(f"{name_of(term)} {does} and takes no weight; leave out {weight!r} *")
        for field in fields(term):
            value = getattr(term, field.name)
            if isinstance(value, str) and not BARE_NAME.fullmatch(value):
                raise ObjectiveError(
                    f"{name_of(term)}: {field.name} is {value[:100]!r}; it takes a name, such as judge-mnist or "
                    "resnet18.a1_in1k"
                )
        return cls((WeightedTerm(term, float(weight)),))

    def __add__(self, other: "Term | Objective") -> "Objective":
        """Return the sum of this objective and a term or another objective."""
        if isinstance(other, Term):
            other = Objective.of(other)
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective(self.parts + other.parts)

    def __str__(self) -> str:
        """Return text from which `parse` builds an equal objective."""
        return " + ".join(map(str, self.parts))

    def _of_kind(self, kind: type[Term]) -> Iterator[WeightedTerm]:
        return (part for part in self.parts if isinstance(part.term, kind))

    @cached_property
    def adversarial(self) -> AdversarialLoss:
        """The one adversarial loss.

        Raises:
            ObjectiveError: There is none, or more than one.
        """
        found = [part.term for part in self.parts if isinstance(part.term, AdversarialLoss)]
        if len(found) != 1:
            names = " and ".join(name_of(term) for term in found) or "none"
            raise ObjectiveError(
                f"the objective {str(self)!r} has {len(found)} adversarial losses ({names}); it takes exactly one, "
                "such as 'non_saturating'; see 'ganzoo list --kind loss'"
            )
        return found[0]

    @cached_property
    def adversarial_weight(self) -> float:
        """The number the adversarial loss is multiplied by."""
        return next(self._of_kind(AdversarialLoss)).weight

    @cached_property
    def label_trick(self) -> LabelTrick | None:
        """The one label trick, if any.

        Raises:
            ObjectiveError: There is more than one.
        """
        found = [part.term for part in self.parts if isinstance(part.term, LabelTrick)]
        if len(found) > 1:
            names = " and ".join(name_of(term) for term in found)
            raise ObjectiveError(
                f"the objective has {len(found)} label tricks ({names}), and each sets the targets; keep one"
            )
        return found[0] if found else None

    @cached_property
    def penalties(self) -> tuple[tuple[Penalty, float], ...]:
        """The penalties with their weights."""
        return tuple((part.term, part.weight) for part in self.parts if isinstance(part.term, Penalty))

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """The constraints."""
        return tuple(part.term for part in self.parts if isinstance(part.term, Constraint))

    @cached_property
    def generator_terms(self) -> tuple[tuple[GeneratorTerm, float], ...]:
        """The generator's further terms with their weights."""
        return tuple((part.term, part.weight) for part in self.parts if isinstance(part.term, GeneratorTerm))

    def check(self, discriminator: nn.Module, *, paired: bool = False) -> None:
        """Refuse what cannot go together, before the first batch.

        Args:
            discriminator: The discriminator that is to be trained.
            paired: Whether the data has a target for each condition.

        Raises:
            ObjectiveError: The objective is incomplete, a term is of no known kind, a label trick meets a loss without
                binary targets or raises the mean target above 1, a paired term meets data without pairs, a term that
                compares features meets a discriminator without any, or a gradient penalty meets batch norm in the
                discriminator.
        """
        for part in self.parts:
            if not isinstance(part.term, KINDS):
                raise ObjectiveError(
                    f"{name_of(part.term)} is of no kind that training knows, which would ignore it; derive it from "
                    f"{', '.join(kind.__name__ for kind in KINDS[:-1])} or {KINDS[-1].__name__}"
                )
        self._check_targets()
        for term, _ in self.generator_terms:
            if term.paired and not paired:
                raise ObjectiveError(
                    f"{name_of(term)} compares each sample with its target, and only a sample made from a source has "
                    "one; give paired data, such as 'pairs:DIR', and a model that takes its sources, such as 'pix2pix'"
                )
            if term.uses_features and not callable(getattr(discriminator, "features", None)):
                raise ObjectiveError(
                    f"{name_of(term)} compares the discriminator's features, and {type(discriminator).__name__} has "
                    "no method features; give it one, as ganzoo.models.architecture.Discriminator describes"
                )
        if self.penalties and any(map(_mixes_samples, discriminator.modules())):
            raise ObjectiveError(
                f"{name_of(self.penalties[0][0])} needs each sample's own gradient, and batch norm in the "
                "discriminator mixes samples; build it with discriminator_normalization='none', 'layer' or 'spectral', "
                "or from a timm backbone without batch norm"
            )

    def _check_targets(self) -> None:
        loss, trick = self.adversarial, self.label_trick
        if trick and not loss.binary_targets:
            raise ObjectiveError(
                f"{name_of(trick)} changes targets, and {name_of(loss)} has none; use a loss with binary targets, "
                "such as 'non_saturating'"
            )
        if trick and trick.mean_real_target > 1 and isinstance(loss, BinaryLoss):
            raise ObjectiveError(
                f"{name_of(trick)} gives a mean real target of {trick.mean_real_target:g}, and above 1 "
                f"{name_of(loss)} has no lower bound; choose targets whose mean is at most 1"
            )


def _mixes_samples(module: nn.Module) -> bool:
    """Tell whether a module is batch norm that will learn; a frozen one is a fixed scale and shift."""
    parameters = list(module.parameters(recurse=False))
    is_frozen = parameters and not any(parameter.requires_grad for parameter in parameters)
    return isinstance(module, _BatchNorm) and not is_frozen


def name_of(term: Term) -> str:
    """Return the full name a term's class is registered under, or the class's own name where it is not registered."""
    return plugins.name_of("loss", type(term)) or type(term).__qualname__


def is_registered(objective: Objective) -> bool:
    """Tell whether every term is registered, so that the objective's text can be read back."""
    return all(plugins.name_of("loss", type(part.term)) for part in objective.parts)
