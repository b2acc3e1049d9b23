from dataclasses import dataclass

import pytest
from torch import nn

from ganzoo import create_loss, create_model, create_objective
from ganzoo.errors import ConfigError, ObjectiveError
from ganzoo.losses.feature_matching import FeatureMatching
from ganzoo.losses.l1 import L1
from ganzoo.losses.l2 import L2
from ganzoo.losses.label_flip import LabelFlip
from ganzoo.losses.label_noise import LabelNoise
from ganzoo.losses.label_smoothing import LabelSmoothing
from ganzoo.losses.minimax import Minimax
from ganzoo.losses.non_saturating import NonSaturating
from ganzoo.losses.objective import Objective, is_registered, name_of
from ganzoo.losses.parsing import parse, read_objective
from ganzoo.losses.r1 import R1
from ganzoo.losses.term import AdversarialLoss, Term
from ganzoo.losses.weight_clipping import WeightClipping

PLAIN = nn.Linear(2, 1)


@dataclass(frozen=True)
class Critic(AdversarialLoss):
    """A loss without binary targets, in no registry."""

    margin: float = 1.0


@dataclass(frozen=True)
class Bare(Term):
    """A term of no known kind."""


def test_parts_keep_their_order_and_weights():
    objective = NonSaturating() + LabelSmoothing(0.9) + 0.5 * R1(10)
    assert [(part.term, part.weight) for part in objective.parts] == [
        (NonSaturating(), 1),
        (LabelSmoothing(0.9), 1),
        (R1(10), 0.5),
    ]
    assert objective.adversarial == NonSaturating()
    assert objective.adversarial_weight == 1
    assert objective.label_trick == LabelSmoothing(0.9)
    assert objective.penalties == ((R1(10), 0.5),)


def test_sums_associate():
    left = (2 * Minimax() + R1(1)) + LabelFlip()
    right = 2 * Minimax() + (R1(1) + LabelFlip())
    assert left == right
    assert left.adversarial_weight == 2


def test_an_objective_without_extras_has_none():
    objective = Objective.of(Minimax())
    assert (objective.label_trick, objective.penalties) == (None, ())
    assert (objective.constraints, objective.generator_terms) == ((), ())


def test_constraints_and_generator_terms_keep_their_order_and_weights():
    objective = WeightClipping(0.1) + 100 * L1() + NonSaturating() + WeightClipping(0.2) + FeatureMatching(layer=0)
    assert objective.constraints == (WeightClipping(0.1), WeightClipping(0.2))
    assert objective.generator_terms == ((L1(), 100), (FeatureMatching(layer=0), 1))
    assert objective.penalties == ()
    assert parse(str(objective)) == objective


def test_only_terms_can_be_added():
    with pytest.raises(TypeError):
        NonSaturating() + 1


@pytest.mark.parametrize(
    "weight",
    [float("nan"), float("inf"), -float("inf"), 10**400, True, "2", None, 1j],
    ids=lambda weight: str(weight)[:9],
)
def test_a_weight_is_a_finite_number(weight):
    with pytest.raises(ObjectiveError, match="was given to r1; it takes a finite number"):
        weight * R1()


def test_a_label_trick_takes_no_weight():
    with pytest.raises(ObjectiveError, match=r"label_flip sets targets and takes no weight; leave out 2\.5 \*"):
        2.5 * LabelFlip()


def test_a_constraint_takes_no_weight():
    with pytest.raises(ObjectiveError, match=r"weight_clipping bounds weights and takes no weight; leave out 2\.5 \*"):
        2.5 * WeightClipping()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (R1(1) + LabelFlip(), "has 0 adversarial losses (none); it takes exactly one, such as 'non_saturating'"),
        (Minimax() + NonSaturating(), "has 2 adversarial losses (minimax and non_saturating); it takes exactly one"),
        (Minimax() + LabelFlip() + LabelNoise(), "has 2 label tricks (label_flip and label_noise)"),
        (Critic() + LabelFlip(), "label_flip changes targets, and Critic has none; use a loss with binary targets"),
        (
            Minimax() + Bare(),
            "Bare is of no kind that training knows, which would ignore it; derive it from AdversarialLoss, "
            "LabelTrick, Penalty, Constraint or GeneratorTerm",
        ),
        (Minimax() + LabelNoise(0.9, 1.2), "label_noise gives a mean real target of 1.05, and above 1 minimax"),
    ],
    ids=str,
)
def test_what_cannot_go_together_is_refused(objective, message):
    with pytest.raises(ObjectiveError) as refused:
        objective.check(PLAIN)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("architecture", "sizes"), [("mlp", {"sample_shape": (2,)}), ("dcgan", {"image_size": 16, "base_channels": 4})]
)
@pytest.mark.parametrize("normalization", ["batch", "none", "layer", "spectral"])
def test_a_gradient_penalty_is_refused_with_batch_norm_alone(architecture, sizes, normalization):
    model = create_model(architecture, **sizes, discriminator_normalization=normalization)
    (Minimax() + LabelFlip()).check(model.discriminator)
    penalised = Minimax() + R1(1)
    if normalization != "batch":
        penalised.check(model.discriminator)
        return
    with pytest.raises(ObjectiveError, match=r"r1 .*batch norm .*discriminator_normalization='none', 'layer' or"):
        penalised.check(model.discriminator)


@pytest.mark.parametrize(
    "objective",
    [
        Objective.of(Critic()),
        Critic() + R1(1),
        Minimax() + LabelNoise(0.8, 1.2),
        NonSaturating() + LabelSmoothing(1.0) + R1(0) + 3 * R1(2),
    ],
    ids=str,
)
def test_what_can_go_together_is_not_refused(objective):
    objective.check(PLAIN)


@pytest.mark.parametrize(("term", "name"), [(L1(), "l1"), (L2(), "l2")])
def test_paired_terms_need_paired_data(term, name):
    objective = Minimax() + 100 * term
    objective.check(PLAIN, paired=True)
    for given in ({}, {"paired": False}):
        with pytest.raises(ObjectiveError, match=rf"{name} compares each sample with its target, .* 'pairs:DIR'"):
            objective.check(PLAIN, **given)


def test_what_compares_features_needs_a_discriminator_with_features():
    objective = Minimax() + FeatureMatching()
    objective.check(create_model("mlp", sample_shape=(2,)).discriminator)
    with pytest.raises(
        ObjectiveError, match="feature_matching compares the discriminator's features, and Linear has no"
    ):
        objective.check(PLAIN)
    plain = nn.Linear(2, 1)
    plain.features = "no method"
    with pytest.raises(ObjectiveError, match="has no method features"):
        objective.check(plain)


def test_a_constraint_goes_with_batch_norm():
    (Minimax() + WeightClipping()).check(create_model("dcgan", image_size=16, base_channels=4).discriminator)


def test_a_frozen_batch_norm_goes_with_a_gradient_penalty():
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with pytest.raises(ObjectiveError, match="batch norm in the discriminator mixes samples"):
        (Minimax() + R1(1)).check(network)
    network[1].requires_grad_(False)
    (Minimax() + R1(1)).check(network)


def test_names_of_terms():
    assert name_of(NonSaturating()) == "non_saturating"
    assert name_of(Critic()) == "Critic"
    assert is_registered(NonSaturating() + R1())
    assert not is_registered(Critic() + R1())


def test_every_form_of_an_objective_is_read():
    assert read_objective("minimax") == read_objective(Minimax()) == read_objective(Objective.of(Minimax()))
    assert read_objective("minimax + r1") == read_objective(Minimax() + R1())
    with pytest.raises(ObjectiveError, match="the objective is a list; it takes text such as 'non_saturating'"):
        read_objective(["minimax"])


def test_what_is_no_text_is_refused_or_read():
    assert create_objective(NonSaturating()) == read_objective("non_saturating")
    with pytest.raises(ObjectiveError, match="the objective is a int; it takes text"):
        create_objective(5)
    with pytest.raises(ConfigError, match=r"the loss is '5' .int.; it takes a name, such as 'non_saturating'"):
        create_loss(5)


def test_create_loss_builds_a_term():
    assert create_loss("r1", gamma=2, every=16) == R1(2.0, 16)
    assert create_loss("non-saturating") == NonSaturating()


def test_text_of_an_incomplete_objective_is_read_but_not_accepted():
    objective = parse("r1(1)")
    assert objective.penalties == ((R1(1), 1),)
    with pytest.raises(ObjectiveError, match="0 adversarial losses"):
        objective.check(PLAIN)
