"""Terms with a field of text, which stands in an objective as a bare name."""

from dataclasses import dataclass

import pytest

from ganzoo import create_loss
from ganzoo.errors import ConfigError, GanzooError, ObjectiveError
from ganzoo.losses.minimax import Minimax
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import parse
from ganzoo.losses.term import GeneratorTerm

PLUGIN = """
    from dataclasses import dataclass
    from ganzoo.hookspecs import hookimpl
    from ganzoo.losses.term import GeneratorTerm

    @dataclass(frozen=True)
    class Likeness(GeneratorTerm):
        network: str
        level: int = 1
        other: str = "none"

    @hookimpl
    def ganzoo_register(registry):
        registry.loss("likeness", __name__ + ":Likeness", summary="likeness")
"""


@pytest.fixture(autouse=True)
def _plugin(site):
    site.install("ganzoo-deep", PLUGIN)


@pytest.mark.parametrize(
    "name",
    [
        *("judge", "judge_mnist", "judge-mnist", "judge-mnist-b", "j-", "_x", "X9", "e5", "inf", "nan", "minimax"),
        *("plugin/judge-openmoji", "my-plugin/judge_x", "vgg19.tv_in1k", "vit_base_patch16_224.augreg2_in21k_ft_in1k"),
        *("__import__", "os.system", "minimax.__class__"),  # letters like any others
    ],
)
def test_a_name_is_read_letter_by_letter_and_written_back(name):
    for text in (
        f"minimax + 0.1 * likeness({name})",
        f"minimax + 0.1 * likeness(network={name})",
        f"  minimax+0.1*likeness( level = 1 ,network = ({name}) )\n",
        f"minimax +\\\n 0.1 * likeness(\n  level=1,\n  network={name},\n)",
    ):
        objective = parse(text)
        part = objective.parts[1]
        assert (part.weight, part.term.network, part.term.level) == (0.1, name, 1)
        assert str(objective) == f"minimax + 0.1 * ganzoo_deep/likeness(network={name}, level=1, other=none)"
        assert parse(str(objective)) == objective


def test_names_may_stand_among_numbers_in_any_place():
    term = parse("minimax + likeness(vgg19.tv_in1k, 3, other=judge-mnist)").parts[1].term
    assert (term.network, term.level, term.other) == ("vgg19.tv_in1k", 3, "judge-mnist")
    assert create_loss("likeness", network="vgg19.tv_in1k", level=3, other="judge-mnist") == term
    assert parse(str(Minimax() + 2 * term)) == Minimax() + 2 * term


@pytest.mark.parametrize(
    "value",
    [
        *(
            "'judge'",
            "1",
            "-x",
            "x + y",
            "x - y",
            "x . y",
            "a.b.c",
            "a/b/c",
            "a/b.c",
            "x.1k",
            "None",
            "True",
            "[x]",
            "x()",
        ),
        *(
            "lambda: x",
            "x if y else z",
            "*x",
            "f'{x}'",
            "__import__('os')",
            "x.y()",
            "x[0]",
            "ß",
            "x.ß",
            "ﬁ",
            "(y := x)",
            "in",
        ),
    ],
)
def test_what_is_no_bare_name_is_refused_in_a_sentence(value):
    with pytest.raises(ObjectiveError) as refused:
        parse(f"minimax + likeness(network={value})")
    assert "it takes" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "likeness(network=5)",
            ObjectiveError,
            "contains '5' where it takes a name, without quotes, such as judge-mnist",
        ),
        ("likeness(level=judge)", ObjectiveError, "contains 'judge', which is not a term or a finite number"),
        ("likeness(judge, judge)", ObjectiveError, "contains 'judge', which is not a term or a finite number"),
        ("likeness(judge, 1, judge, judge)", ObjectiveError, "contains 'judge'"),
        ("likeness(netwrk=judge)", ObjectiveError, "contains 'judge'"),
        ("likeness", ConfigError, "ganzoo_deep/likeness: the setting 'network' is missing"),
        ("r1(judge)", ObjectiveError, "contains 'judge', which is not a term or a finite number"),
        ("judge * r1", ObjectiveError, "contains 'judge', which is not a term or a finite number"),
    ],
)
def test_names_stand_for_text_alone(text, error, message):
    with pytest.raises(error) as refused:
        parse(f"minimax + {text}")
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["", "two words", "hf-hub:owner/model", "'x'", "x)", "../x", "ß", "a/b/c", "x\n"])
def test_text_that_could_not_be_read_back_is_refused_in_python_too(text):
    term = create_loss("likeness", network="judge")
    with pytest.raises(GanzooError, match=r"likeness: network is .*; it takes a name"):
        Objective.of(type(term)(network=text))
    with pytest.raises(GanzooError, match="it takes a name"):
        Minimax() + type(term)(network=text)


def test_a_term_that_nobody_registers_is_written_by_its_class():
    @dataclass(frozen=True)
    class Mine(GeneratorTerm):
        network: str = "judge-mnist"

    assert str(Objective.of(Mine())) == f"{Mine.__qualname__}(network=judge-mnist)"
