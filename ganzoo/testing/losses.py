"""What must be true of every term."""

import copy
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any, get_type_hints

import torch
from torch import Tensor

from ganzoo import plugins
from ganzoo.calls import Argument
from ganzoo.errors import ConformanceError, ObjectiveError
from ganzoo.gan import GAN
from ganzoo.losses.objective import KINDS, Objective
from ganzoo.losses.parsing import build_term, parse, term_class
from ganzoo.losses.term import AdversarialLoss, Constraint, LabelTrick, Penalty, Term
from ganzoo.models.condition import ConditionKind
from ganzoo.testing.cases import Case, condition_for
from ganzoo.testing.checks import require
from ganzoo.testing.training import (
    STEPS,
    LinearDiscriminator,
    LinearGenerator,
    objective_with,
    prepared,
    problem_after_training,
)

SHAPES = ((6,), (6, 1, 2, 3))  # of logits: one a sample, and one a patch


class LossSubject:
    """A registered term with arguments."""

    def __init__(self, name: str, arguments: Mapping[str, Argument]) -> None:
        """Find the term; it is built when it is first needed.

        Args:
            name: Its name.
            arguments: Its arguments by name.

        Raises:
            UnknownNameError: No term has this name.
        """
        self.entry = plugins.find("loss", name)
        self.arguments = arguments

    def build(self) -> Any:
        """Return the term, built anew."""
        return build_term(self.entry.full_name, keywords=self.arguments)

    @cached_property
    def kind(self) -> type[Term]:
        """Which kind of term it is.

        Raises:
            ConformanceError: None, or several.
        """
        found = [kind for kind in KINDS if issubclass(term_class(self.entry), kind)]
        if len(found) != 1:
            names = " and ".join(kind.__name__ for kind in found) or "none"
            raise ConformanceError(
                f"it is of {len(found)} kinds ({names}); derive it from one of {', '.join(k.__name__ for k in KINDS)}"
            )
        return found[0]


def declaration(subject: LossSubject) -> None:
    """A term is a frozen dataclass of numbers and names, of one kind; equal arguments make equal terms."""
    built, found = subject.build(), term_class(subject.entry)
    parameters: Any = vars(found).get("__dataclass_params__")  # of this very class, not of one it derives from
    require(parameters is not None and parameters.frozen, f"{found.__name__} is no frozen dataclass; decorate it so")
    _ = subject.kind  # raises for none, and for several
    hints = get_type_hints(found)
    others = [field.name for field in fields(found) if hints[field.name] not in (int, float, str)]
    require(
        not others,
        f"its fields {', '.join(others)} are neither int, float nor str, which arguments in an objective's text are",
    )
    require(
        built == subject.build() and hash(built) == hash(subject.build()), "two of it with the same arguments differ"
    )


def text(subject: LossSubject) -> None:
    """The text of an objective with it reads back to an equal one."""
    objective = Objective.of(subject.build())
    written = str(objective)
    again = parse(written)
    require(
        again == objective and str(again) == written,
        f"its text {written!r} reads back as {str(again)!r}; leave fields as they were given",
    )


def repeatability(subject: LossSubject) -> None:
    """It has no state and draws from nothing but what it is given: the same inputs give the same numbers."""
    one = subject.build()
    before = copy.deepcopy(vars(one))
    first = _numbers(one, 0)
    _numbers(one, 1)
    torch.default_generator.manual_seed(1)
    for term, whose in ((one, "it"), (subject.build(), "another of it")):
        same = all(map(torch.equal, first, _numbers(term, 0)))
        require(
            same,
            f"given the same twice, {whose} gives two different values; keep no state, also none in the class or "
            "module, and draw from the rng that is given",
        )
    require(vars(one) == before, f"it changes itself when it is used: {sorted(set(vars(one)) ^ set(before)) or before}")


def _numbers(term: Any, seed: int) -> list[Tensor]:
    """Return what a term of any kind gives for inputs that are drawn from a seed."""
    rng = torch.Generator().manual_seed(seed)
    if isinstance(term, AdversarialLoss):
        real, fake = (torch.randn(SHAPES[0], generator=rng) for _ in range(2))
        return [term.discriminator(real, fake), term.generator(fake, real if term.generator_needs_real else None)]
    if isinstance(term, LabelTrick):
        return list(term.targets(torch.Size(SHAPES[0]), rng))
    case = Case((1, 8, 8), condition_for("image", (1, 8, 8)))
    with torch.random.fork_rng(devices=[]):  # a term that draws from the global generator shall draw anew each time
        torch.default_generator.manual_seed(0)
        network = LinearDiscriminator(case)
    real, fake = case.samples(seed=2 * seed), case.samples(seed=2 * seed + 1)
    if isinstance(term, Penalty):
        return [term.penalty(network, real, fake, rng).detach()]
    if isinstance(term, Constraint):
        term.apply(network)
        return [value.clone() for value in network.state_dict().values()]
    return [term.value(fake, real, real, case.conditions(), network.features).detach()]


def training(subject: LossSubject) -> None:
    """Three steps with it change every weight and leave all finite, or it is refused for want of pairs."""
    kinds: tuple[ConditionKind, ...] = ("none", "image")
    for kind in kinds:
        case = Case((1, 8, 8), condition_for(kind, (1, 8, 8)))
        if kind == "none" and getattr(subject.build(), "paired", False):
            continue
        gan = GAN(generator=LinearGenerator(case), discriminator=LinearDiscriminator(case))
        try:
            run = prepared(gan, objective_with(subject.build()), case)
        except ObjectiveError as error:
            raise ConformanceError(f"it is refused for {case}: {error}") from error
        problem = problem_after_training(run)
        require(not problem, f"after {STEPS} steps with it for {case}: {problem}")
