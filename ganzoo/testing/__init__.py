"""The conformance kit: whether an architecture, loss, judge or whole plugin keeps the contracts that ganzoo builds on.

In a plugin's tests, one line does::

    from ganzoo.testing import check_plugin

    def test_the_plugin():
        check_plugin("ganzoo-waves")

and with one test for each check, so that a report shows all that fail::

    import pytest
    from ganzoo.testing import plugin_checks

    @pytest.mark.parametrize("check", plugin_checks("ganzoo-waves"), ids=str)
    def test_the_plugin(check):
        check()

Each failure is a `ConformanceError`, one sentence that says what was found and what is expected. The checks run on a
processor, need no data and no network, and know nothing of pytest.
"""

from collections.abc import Sequence
from typing import Any

from ganzoo.errors import ConformanceError
from ganzoo.testing import architectures, judges, losses, networks, terms, training
from ganzoo.testing.cases import SAMPLE_SHAPES, Subject
from ganzoo.testing.checks import Check, make_checks, run_all
from ganzoo.testing.plugin import of_plugin, settings_for

__all__ = [
    "SAMPLE_SHAPES",
    "Check",
    "ConformanceError",
    "architecture_checks",
    "check_architecture",
    "check_judge",
    "check_loss",
    "check_plugin",
    "judge_checks",
    "loss_checks",
    "plugin_checks",
]

OF_ARCHITECTURES = (
    networks.declarations,
    networks.shapes,
    networks.gradients,
    networks.features,
    networks.what_finetuning_asks,
    networks.single_samples,
    networks.what_it_depends_on,
    networks.bounded_samples,
    networks.unbounded_logits,
    architectures.config,
    architectures.seeds,
    architectures.save_and_load,
    architectures.bfloat16,
    training.training,
)
OF_LOSSES = (losses.declaration, losses.text, losses.repeatability, terms.contract, losses.training)
OF_JUDGES = (judges.description, judges.sizes, judges.single_pictures)


def architecture_checks(
    name: str, *, sample_shapes: Sequence[tuple[int, ...]] | None = None, **settings: Any
) -> list[Check]:
    """Return the single checks of an architecture, to parametrize a test with.

    Args:
        name: Its name, such as `"waves/upconv"`.
        sample_shapes: What it is tried on instead of `SAMPLE_SHAPES`. It may refuse any, with `ConfigError`, but not
            all of them for a kind of condition that it declares.
        settings: Settings of the architecture that hold in every case, such as ones that make it small.

    Raises:
        UnknownNameError: No architecture has this name.
    """
    subject = Subject(name, settings, sample_shapes)
    return make_checks(subject.entry.full_name, subject, OF_ARCHITECTURES)


def check_architecture(name: str, *, sample_shapes: Sequence[tuple[int, ...]] | None = None, **settings: Any) -> None:
    """Check an architecture; arguments as for `architecture_checks`.

    Raises:
        UnknownNameError: No architecture has this name.
        ConformanceError: It breaks its contract.
    """
    run_all(architecture_checks(name, sample_shapes=sample_shapes, **settings))


def loss_checks(name: str, **arguments: float) -> list[Check]:
    """Return the single checks of a loss, label trick, penalty, constraint or generator term.

    Args:
        name: Its name, such as `"waves/smooth_hinge"`.
        arguments: Its numbers by name.

    Raises:
        UnknownNameError: No term has this name.
    """
    subject = losses.LossSubject(name, arguments)
    return make_checks(subject.entry.full_name, subject, OF_LOSSES)


def check_loss(name: str, **arguments: float) -> None:
    """Check a loss, label trick, penalty, constraint or generator term; arguments as for `loss_checks`.

    Raises:
        UnknownNameError: No term has this name.
        ConformanceError: It breaks its contract.
    """
    run_all(loss_checks(name, **arguments))


def judge_checks(name: str) -> list[Check]:
    """Return the single checks of a judge.

    Args:
        name: Its name, such as `"openmoji/judge-openmoji"`.

    Raises:
        UnknownNameError: No judge has this name.
    """
    subject = judges.JudgeSubject(name)
    return make_checks(subject.entry.full_name, subject, OF_JUDGES)


def check_judge(name: str) -> None:
    """Check a judge; the argument is as for `judge_checks`.

    Raises:
        UnknownNameError: No judge has this name.
        ConformanceError: It breaks its contract.
    """
    run_all(judge_checks(name))


def plugin_checks(
    distribution: str, *, sample_shapes: Sequence[tuple[int, ...]] | None = None, **settings: Any
) -> list[Check]:
    """Return the single checks of an installed plugin: of itself, and of all that it registers.

    Args:
        distribution: The distribution's name, such as `"ganzoo-waves"`.
        sample_shapes: As for `architecture_checks`.
        settings: Settings for those of its architectures that have them, such as ones that make them small.
    """
    checks, entries = of_plugin(distribution, settings)
    for entry in entries:
        if entry.kind == "architecture":
            own = settings_for(entry, settings)
            checks += architecture_checks(entry.full_name, sample_shapes=sample_shapes, **own)
        elif entry.kind == "loss":
            checks += loss_checks(entry.full_name)
        elif entry.kind == "judge":
            checks += judge_checks(entry.full_name)
    return checks


def check_plugin(distribution: str, *, sample_shapes: Sequence[tuple[int, ...]] | None = None, **settings: Any) -> None:
    """Check an installed plugin; arguments as for `plugin_checks`.

    Raises:
        ConformanceError: The plugin is absent, disabled or failed, or breaks a contract.
    """
    run_all(plugin_checks(distribution, sample_shapes=sample_shapes, **settings))
