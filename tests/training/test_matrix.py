"""Any network with any loss: each combination trains, or is refused for one of the reasons below and no other."""

import copy
from collections import Counter
from dataclasses import replace

import pytest
from matrix import (
    ARCHITECTURES,
    CONSTRAINTS,
    GENERATOR_TERMS,
    KINDS,
    LOSSES,
    OBJECTIVES,
    PAIRINGS,
    PENALTIES,
    TRICKS,
    is_one_sentence,
    mixes_samples,
    normalizations,
    noted,
    objective,
    prepare,
    refusal,
    spread,
    train,
)

LABEL_TRICK, BATCH_NORM, CONDITION = "label trick without binary targets", "penalty with batch norm", "condition"

OUTCOMES = Counter()  # of what was tried of the matrix, by outcome
VISITED = set()


def reasons(pairing, mixes, loss, trick, penalty):
    """Return why a combination must be refused: for each reason, what the message must name."""
    found = {}
    if not pairing.can_be_built:
        found[CONDITION] = pairing.parts_at_odds
    if trick and not LOSSES[loss].binary_targets:
        found[LABEL_TRICK] = (trick, loss)
    if penalty and mixes:
        found[BATCH_NORM] = (penalty, "batch norm in the discriminator")
    return found


def fitting(kind):
    """Return the pairings that can be built for a kind of condition."""
    return [pairing for pairing in PAIRINGS if pairing.kind == kind and pairing.can_be_built]


def attempt(pairing, objectives):
    """Try objectives with a pairing, and return what is wrong; an empty text if nothing is."""
    gan, mixes = None, False
    if pairing.can_be_built:
        gan = pairing.build()
        mixes = mixes_samples(gan.discriminator, pairing.kind)
        assert mixes == (pairing.variant == "batch") or pairing.variant == "default"
    wrong = []
    for names in objectives:
        text, due = " + ".join(filter(None, names)), reasons(pairing, mixes, *names)

        def make(names=names):
            if gan is None:
                return pairing.trainer(objective(*names))
            return prepare(copy.deepcopy(gan), objective(*names), pairing.kind)

        with noted(pairing, text):
            message, run = refusal(make)
            if message is None and due:
                wrong.append(f"{text}: not refused, in spite of {', '.join(due)}")
            elif message is None:
                if problem := train(run):
                    wrong.append(f"{text}: {problem}")
                OUTCOMES["trained"] += 1
            else:
                named = [reason for reason, parts in due.items() if all(part in message for part in parts)]
                if not named:
                    wrong.append(f"{text}: refused for no reason, or without naming both parts: {message}")
                elif not is_one_sentence(message):
                    wrong.append(f"{text}: more than a sentence: {message}")
                OUTCOMES.update(named[:1])
    return "\n".join(wrong)


def in_turn():
    """Give each pairing a part of the objectives, so that a generator's pairings take turns with the parts."""
    built = Counter()
    for pairing in PAIRINGS:
        yield pairing, spread(built[pairing.generator])
        built[pairing.generator] += pairing.can_be_built


PARTS = dict(in_turn())


@pytest.mark.parametrize("pairing", PAIRINGS, ids=str)
def test_each_combination_trains_or_is_refused_for_a_reason(pairing):
    """Of those in which any two terms meet; the test below has the others."""
    assert not attempt(pairing, PARTS[pairing])
    VISITED.add(str(pairing))


@pytest.mark.slow
@pytest.mark.parametrize("pairing", PAIRINGS, ids=str)
def test_so_does_each_other_combination(pairing):
    assert not attempt(pairing, [names for names in OBJECTIVES if names not in PARTS[pairing]])


def test_any_two_terms_meet_with_each_pairing_and_any_three_with_each_generator():
    for part in PARTS.values():
        for first, second in ((0, 1), (0, 2), (1, 2)):
            met = {(names[first], names[second]) for names in part}
            assert met == {(names[first], names[second]) for names in OBJECTIVES}
    for generator in {pairing.generator for pairing in PAIRINGS}:
        built = [part for pairing, part in PARTS.items() if pairing.can_be_built and pairing.generator == generator]
        assert {names for part in built for names in part} == set(OBJECTIVES)


def test_the_matrix_is_whole_and_each_outcome_occurs(record_property):
    """Runs last of the matrix, and shows its counts (pytest -rP)."""
    if len(VISITED) < len(PAIRINGS):
        pytest.skip(f"{len(VISITED)} of {len(PAIRINGS)} pairings were run and passed")
    total = sum(map(len, PARTS.values()))
    print(f"\n{total} combinations: " + ", ".join(f"{count} {outcome}" for outcome, count in OUTCOMES.items()))
    for outcome in ("trained", LABEL_TRICK, BATCH_NORM, CONDITION):
        record_property(outcome, OUTCOMES[outcome])
        assert OUTCOMES[outcome] > 0, outcome
    assert OUTCOMES.total() >= total  # more where the other combinations were run too


@pytest.mark.parametrize(
    ("discriminator", "normalization"), [(name, choice) for name in ARCHITECTURES for choice in normalizations(name)]
)
def test_penalties_go_with_every_normalization_but_batch_norm(discriminator, normalization):
    pairing = next(found for kind in KINDS for found in fitting(kind) if found.discriminator == discriminator)
    pairing = replace(pairing, further={"discriminator_normalization": normalization})
    for penalty in PENALTIES:
        with noted(pairing, penalty):
            message, run = refusal(lambda penalty=penalty: pairing.trainer(objective(next(iter(LOSSES)), penalty)))
            assert (message is not None) == (normalization == "batch"), message
            if run:
                assert not mixes_samples(run.gan.discriminator, pairing.kind)
                assert not train(run)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16(kind):
    trick, penalty = next(iter(TRICKS)), next(iter(PENALTIES))
    loss = next(name for name, loss in LOSSES.items() if loss.binary_targets)
    pairings = [pairing for pairing in fitting(kind) if pairing.variant == "none"]
    assert pairings
    for pairing in pairings:
        with noted(pairing):
            assert not train(pairing.trainer(objective(loss, trick, penalty), precision="bf16"))


@pytest.mark.parametrize("name", CONSTRAINTS | GENERATOR_TERMS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_further_term_trains_with_each_loss_or_is_refused_for_want_of_pairs(kind, name):
    must_be_refused = getattr((CONSTRAINTS | GENERATOR_TERMS)[name], "paired", False) and kind != "image"
    pairing = fitting(kind)[0]
    gan = pairing.build()
    for loss in LOSSES:
        with noted(pairing, loss, name):
            message, run = refusal(lambda loss=loss: prepare(copy.deepcopy(gan), objective(loss, name), kind))
            assert (message is not None) == must_be_refused, message
            if message is None:
                assert not train(run)
            else:
                assert name in message
                assert "paired data" in message
                assert is_one_sentence(message)
