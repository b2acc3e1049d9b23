"""What docs/losses.md says is what the terms do."""

import re
from pathlib import Path

import pytest
import torch
from registered import generator_loss, terms
from torch import nn

from ganzoo import create_model, plugins
from ganzoo.errors import ObjectiveError
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import parse
from ganzoo.losses.term import AdversarialLoss, Constraint, GeneratorTerm, LabelTrick, Penalty

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
CHAPTERS = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))
SECTIONS = dict(re.findall(r"^### `(\w+)`\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))
KINDS = {
    "Adversarial losses": AdversarialLoss,
    "Label tricks": LabelTrick,
    "Penalties": Penalty,
    "Constraints": Constraint,
    "Generator terms": GeneratorTerm,
}
TERMS, LOSSES = terms(), terms(AdversarialLoss)
STATES = {"right": (3.0, -3.0), "undecided": (0.0, 0.0), "wrong": (-3.0, 3.0)}


def tables(chapter):
    """Return a chapter's tables, each a list of rows of cells, the head first."""
    found = re.findall(r"(?:^\|.*\n)+", CHAPTERS[chapter], re.MULTILINE)
    lines = [[line.strip("|").split(" | ") for line in table.splitlines()] for table in found]
    return [[[cell.strip() for cell in line] for line in (head, *rest)] for head, _, *rest in lines]


COMBINED, REFUSED = tables("What goes with what")


@pytest.mark.parametrize("chapter", KINDS)
def test_every_term_has_a_section_in_the_chapter_of_its_kind(chapter):
    assert re.findall(r"^### `(\w+)`$", CHAPTERS[chapter], re.MULTILINE) == [
        name for name in SECTIONS if isinstance(TERMS[name], KINDS[chapter])
    ]


def test_there_is_a_section_for_every_term_and_no_other():
    assert set(SECTIONS) == set(TERMS)
    assert len(SECTIONS) == PAGE.count("\n### ")


@pytest.mark.parametrize("name", TERMS)
def test_defaults_are_those_of_the_code(name):
    (written,) = re.findall(r"^- Written out: `(.*)`$", SECTIONS[name], re.MULTILINE)
    assert written == str(Objective.of(TERMS[name]))


@pytest.mark.parametrize("name", TERMS)
def test_the_paper_is_that_of_the_registry(name):
    (source,) = re.findall(r"^- (?:Paper|Source): (.*)$", SECTIONS[name], re.MULTILINE)
    registered = plugins.find("loss", name).paper
    assert re.findall(r"arXiv [\d.]+", source) == re.findall(r"arXiv [\d.]+", registered)
    assert re.findall(r"\b(?:19|20)\d\d\b", source) == re.findall(r"\b(?:19|20)\d\d\b", registered)
    assert source.split()[0] == registered.split()[0]


@pytest.mark.parametrize("name", LOSSES)
def test_the_losses_with_binary_targets_are_those_of_the_code(name):
    (targets,) = re.findall(r"^- Targets: (\w+)", SECTIONS[name], re.MULTILINE)
    assert targets == ("binary" if LOSSES[name].binary_targets else "none")
    goes_with = {row[0]: row[2] for row in COMBINED}["label trick"]
    assert (f"`{name}`" in goes_with) == LOSSES[name].binary_targets


def gradients(loss, real_logit, fake_logit):
    """Return the discriminator's with respect to the real and the fake logit, and the generator's to the fake one."""
    real, fake = (torch.tensor([logit], dtype=torch.float64, requires_grad=True) for logit in (real_logit, fake_logit))
    discriminator = torch.autograd.grad(loss.discriminator(real, fake), (real, fake))
    return [*discriminator, *torch.autograd.grad(generator_loss(loss, fake, real), fake)]


@pytest.mark.parametrize("player", range(3))
def test_the_tables_of_gradients_are_those_of_autograd(player):
    head, *rows = tables("Gradients at a few logits")[player]
    assert head == ["loss", *STATES]
    table = {row[0].strip("`"): row[1:] for row in rows}
    assert list(table) == [name for name in SECTIONS if name in LOSSES]
    for name, stated in table.items():
        computed = [gradients(LOSSES[name], *logits)[player].item() for logits in STATES.values()]
        assert stated == [f"{value + 0.0:.3g}" for value in computed], name  # + 0.0 takes the sign off -0


def formulas(name):
    """Return the stated gradients: the discriminator's with respect to r and f, and the generator's to f."""
    texts = re.findall(
        r"^- (?:Discriminator|Generator): .*; gradient (?:with one sample each )?(.*)$", SECTIONS[name], re.M
    )
    assert len(texts) == 2
    return [
        formula if not condition else f"({formula}) * ({condition})"
        for text in texts
        for formula, condition in re.findall(r"`([^`]*)`(?: where `([^`]*)` and else 0)?", text)
    ]


@pytest.mark.parametrize("name", LOSSES)
def test_the_formulas_of_gradients_are_those_of_autograd(name):
    stated = formulas(name)
    assert len(stated) == 3
    for r, f in [(3.0, -3.0), (0.0, 0.0), (-2.0, 2.5), (0.5, 0.25), (-0.3, -1.2)]:
        computed = [value.item() for value in gradients(LOSSES[name], r, f)]
        names = {"σ": lambda x: torch.tensor(x, dtype=torch.float64).sigmoid().item(), "r": r, "f": f}
        products = [re.sub(r"(\d)σ", r"\1 * σ", formula) for formula in stated]
        found = [float(eval(product, names)) for product in products]  # noqa: S307  (the page is our own)
        assert found == pytest.approx(computed, abs=1e-12), (r, f)


def test_the_examples_in_text_are_objectives():
    (texts,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(texts.splitlines()) > 5
    for text in texts.splitlines():
        assert isinstance(parse(text).adversarial, AdversarialLoss)


def test_the_examples_in_python_run():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})


class Featureless(nn.Module):
    """A discriminator that nothing but logits can be had of."""


@pytest.mark.parametrize(("refused", "_", "instead"), REFUSED[1:], ids=[row[0] for row in REFUSED[1:]])
def test_what_is_said_to_be_refused_is_and_what_to_do_instead_is_not(refused, _, instead):
    text, circumstance = re.fullmatch(r"`(.*?)`(?:, (.*))?", refused).groups()
    plain, batch_norm = (
        create_model("mlp", sample_shape=(2,), discriminator_normalization=kind).discriminator
        for kind in ("none", "batch")
    )
    discriminators = {
        "batch norm in the discriminator": batch_norm,
        "a discriminator without a method `features`": Featureless(),
        "data without pairs": plain,
        None: plain,
    }
    with pytest.raises(ObjectiveError):
        parse(text).check(discriminators[circumstance])
    if circumstance:
        parse(text).check(plain, paired=True)
    else:
        parse(instead.strip("`")).check(plain)
