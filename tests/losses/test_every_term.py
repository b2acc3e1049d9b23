"""What is true of every built-in term."""

from dataclasses import fields, replace

import pytest
from registered import terms

from ganzoo import plugins
from ganzoo.errors import ConfigError
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import parse

TERMS = terms()


def other(term):
    """Return the same term with other arguments: whole numbers one higher, the rest halved."""
    values = {field.name: getattr(term, field.name) for field in fields(term)}
    return replace(term, **{name: value + 1 if type(value) is int else value / 2 for name, value in values.items()})


@pytest.mark.parametrize("name", TERMS)
def test_text_of_a_term_reads_back_to_it(name):
    for term in (TERMS[name], other(TERMS[name])):
        text = str(Objective.of(term))
        assert text.partition("(")[0] == name
        assert parse(text) == Objective.of(term)
        assert str(parse(text)) == text
    assert parse(name) == Objective.of(TERMS[name])
    assert (other(TERMS[name]) != TERMS[name]) == bool(fields(TERMS[name]))


@pytest.mark.parametrize("name", TERMS)
def test_a_term_has_its_own_file_whose_first_line_names_it_and_its_source(name):
    entry = plugins.find("loss", name)
    assert entry.factory.partition(":")[0] == f"ganzoo.losses.{name}"
    first = __import__(f"ganzoo.losses.{name}", fromlist=["__doc__"]).__doc__.partition("\n")[0]
    assert first.startswith(f"`{name}`: ")
    assert entry.paper.split(",")[0].split(" et al.")[0].split(" and ")[0] in first
    assert entry.summary


@pytest.mark.parametrize("value", ["x", None, True, [1.0]], ids=str)
@pytest.mark.parametrize(("name", "field"), [(name, field) for name in TERMS for field in fields(TERMS[name])])
def test_a_field_takes_numbers_only(name, field, value):
    with pytest.raises(ConfigError, match=f"{name}: {field.name} is .*; it takes a"):
        replace(TERMS[name], **{field.name: value})
    if field.type is int:
        with pytest.raises(ConfigError, match="it takes a whole number"):
            replace(TERMS[name], **{field.name: 1.5})
