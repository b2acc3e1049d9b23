import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ganzoo import create_objective
from ganzoo.errors import ConfigError, GanzooError, ObjectiveError, PluginError, UnknownNameError
from ganzoo.losses.label_flip import LabelFlip
from ganzoo.losses.label_noise import LabelNoise
from ganzoo.losses.label_smoothing import LabelSmoothing
from ganzoo.losses.minimax import Minimax
from ganzoo.losses.non_saturating import NonSaturating
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import parse
from ganzoo.losses.r1 import R1

PLUGIN = """
    from dataclasses import dataclass
    from ganzoo.hookspecs import hookimpl
    from ganzoo.losses.term import Penalty

    @dataclass(frozen=True)
    class Texture(Penalty):
        depth: int = 2
        weight: float = 1.0

    def function():
        pass

    @hookimpl
    def ganzoo_register(registry):
        registry.loss("texture-loss", __name__ + ":Texture", summary="a penalty")
        registry.loss("function", function, summary="no term at all")
"""

# A text, the same in Python, and how it is written.
FORMS = [
    ("minimax", Objective.of(Minimax()), "minimax"),
    ("  non_saturating\n", Objective.of(NonSaturating()), "non_saturating"),
    ("non-saturating", Objective.of(NonSaturating()), "non_saturating"),
    ("non_saturating()", Objective.of(NonSaturating()), "non_saturating"),
    ("(minimax)", Objective.of(Minimax()), "minimax"),
    (
        "non_saturating + label_smoothing(0.9) + r1(gamma=10)",
        NonSaturating() + LabelSmoothing(0.9) + R1(10),
        "non_saturating + label_smoothing(real_target=0.9) + r1(gamma=10.0, every=1)",
    ),
    ("minimax+label-flip", Minimax() + LabelFlip(), "minimax + label_flip(probability=0.05)"),
    ("minimax + label-flip ( probability = .1 )", Minimax() + LabelFlip(0.1), "minimax + label_flip(probability=0.1)"),
    (
        "label-noise(low=0.7, high=1) + minimax",
        LabelNoise(0.7, 1.0) + Minimax(),
        "label_noise(low=0.7, high=1.0) + minimax",
    ),
    ("label-smoothing(real-target=0.8)", Objective.of(LabelSmoothing(0.8)), "label_smoothing(real_target=0.8)"),
    ("2*minimax", 2 * Minimax(), "2.0 * minimax"),
    ("-2 * minimax", -2 * Minimax(), "-2.0 * minimax"),
    ("+2 * minimax", 2 * Minimax(), "2.0 * minimax"),
    ("1 * minimax", Objective.of(Minimax()), "minimax"),
    ("--0.5 * minimax", 0.5 * Minimax(), "0.5 * minimax"),
    ("0 * minimax", 0 * Minimax(), "0.0 * minimax"),
    ("minimax + 1e-5 * r1(1E+2)", Minimax() + 1e-5 * R1(100), "minimax + 1e-05 * r1(gamma=100.0, every=1)"),
    ("minimax + r1(1e-5, 16)", Minimax() + R1(1e-5, 16), "minimax + r1(gamma=1e-05, every=16)"),
    ("minimax + r1(1.e-5)", Minimax() + R1(1e-5), "minimax + r1(gamma=1e-05, every=1)"),
    ("minimax + r1(10, every=16)", Minimax() + R1(10, 16), "minimax + r1(gamma=10.0, every=16)"),
    (
        "minimax + (r1(1) + r1(2))",
        Minimax() + R1(1) + R1(2),
        "minimax + r1(gamma=1.0, every=1) + r1(gamma=2.0, every=1)",
    ),
    ("minimax # the original", Objective.of(Minimax()), "minimax"),
    ("minimax + 1e308 * r1", Minimax() + 1e308 * R1(), "minimax + 1e+308 * r1(gamma=10.0, every=1)"),
]


@pytest.mark.parametrize(("text", "in_python", "written"), FORMS, ids=[form[0] for form in FORMS])
def test_text_and_python_are_one(text, in_python, written):
    objective = create_objective(text)
    assert objective == in_python
    assert str(objective) == written
    assert parse(str(objective)) == parse(str(in_python)) == objective


@pytest.mark.parametrize(
    "objective",
    [
        *(Minimax() + R1(10), Minimax() + R1(np.float32(0.5)), 2 * Minimax() + LabelSmoothing(1)),
        *(Minimax() + LabelFlip(0), Minimax() + LabelNoise(0, 1)),
    ],
    ids=str,
)
def test_text_of_any_number_is_that_of_what_is_read_back(objective):
    assert parse(str(objective)) == objective
    assert str(parse(str(objective))) == str(objective)


@pytest.mark.parametrize(
    "name", ["texture-loss", "texture_loss", "ganzoo_deep/texture-loss", "ganzoo-deep/texture_loss"]
)
def test_a_plugin_s_term_is_written_with_its_full_name(site, name):
    site.install("ganzoo-deep", PLUGIN)
    objective = parse(f"minimax + 100 * {name}(depth=3)")
    part = objective.parts[1]
    assert (part.weight, part.term.depth, part.term.weight) == (100, 3, 1)
    assert str(objective) == "minimax + 100.0 * ganzoo_deep/texture-loss(depth=3, weight=1.0)"
    assert parse(str(objective)) == objective


def test_a_plugin_s_loss_that_is_no_term_is_refused(site):
    site.install("ganzoo-deep", PLUGIN)
    with pytest.raises(ObjectiveError, match="ganzoo_deep/function is registered as a loss, but is no Term"):
        parse("minimax + ganzoo_deep/function")


def test_a_plugin_s_term_that_cannot_be_imported_is_a_typed_error(site):
    site.install("ganzoo-deep", PLUGIN.replace(":Texture", ":Absent"))
    with pytest.raises(PluginError, match=r"'ganzoo_deep/texture-loss' of ganzoo-deep 1\.0 cannot be imported"):
        parse("minimax + texture_loss")


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("minimx", UnknownNameError, "did you mean 'minimax'"),
        ("non_saturating-r1", UnknownNameError, "no loss is named 'non_saturating_r1'"),
        ("nowhere/minimax", UnknownNameError, "no loss is named 'nowhere/minimax'"),
        ("ganzoo/minimax", UnknownNameError, "did you mean 'minimax'"),
        ("r1(gama=1)", ConfigError, "r1: there is no setting 'gama'; did you mean 'gamma'?; it takes gamma, every"),
        ("minimax(x=1)", ConfigError, "minimax: there is no setting 'x'; it takes nothing"),
        ("minimax(1)", ConfigError, "minimax: 1 arguments were given; it takes at most 0"),
        ("r1(1, 2, 3)", ConfigError, "r1: 3 arguments were given; it takes at most 2: gamma, every"),
        ("r1(1, gamma=2)", ConfigError, "r1: gamma is given twice"),
        ("r1(every=1.5)", ConfigError, "r1: every is '1.5' (float); it takes a whole number"),
        ("r1(gamma=-1)", ConfigError, "it takes gamma >= 0"),
        ("label_smoothing(1.5)", ConfigError, "it takes above 0 up to 1, such as 0.9"),
        ("2 * label_flip", ObjectiveError, "takes no weight"),
        ("nan * r1", ObjectiveError, "contains 'nan', which is not a term or a finite number"),
        ("r1(inf)", ObjectiveError, "contains 'inf'"),
        ("1e999 * r1", ObjectiveError, "contains '1e309'"),
        ("-1e999 * r1", ObjectiveError, "contains '1e309'"),
        ("r1(1e999)", ObjectiveError, "contains '1e309'"),
    ],
)
def test_refusals_name_the_part_and_what_would_do(text, kind, message):
    with pytest.raises(kind) as refused:
        parse(text)
    assert message in str(refused.value)


HOSTILE = {
    "empty": "",
    "spaces": "  \n\t ",
    "comment": "# minimax",
    "whole number": "1",
    "huge whole number": f"{10**400} * r1",
    "huge argument": f"r1({10**400})",
    "complex": "2j * r1",
    "string": "'minimax'",
    "bytes": "b'minimax'",
    "string argument": "r1('10')",
    "true": "r1(True)",
    "true weight": "True * r1",
    "none": "r1(None)",
    "ellipsis": "...",
    "lambda": "lambda: minimax",
    "lambda argument": "r1(lambda: 1)",
    "chain": "a.b.c",
    "attribute": "minimax().__class__",
    "dunder": "minimax.__class__.__bases__",
    "two slashes": "a/b/c",
    "subscript": "minimax[0]",
    "power": "9**9**9 * r1",
    "subtraction": "minimax - r1",
    "division": "r1 / 2",
    "matrix product": "2 @ r1",
    "weight behind": "r1 * 2",
    "two weights": "2 * 3 * r1",
    "weighted sum": "2 * (minimax + r1)",
    "negated": "-minimax",
    "inverted": "~1 * r1",
    "not": "not minimax",
    "and": "minimax and r1",
    "comparison": "minimax == r1",
    "chosen": "minimax if r1 else r1",
    "starred": "r1(*[1])",
    "double starred": "r1(**{'gamma': 1})",
    "twice": "r1(gamma=1, gamma=2)",
    "list": "[minimax]",
    "tuple": "minimax, r1",
    "dict": "{'a': 1}",
    "comprehension": "[x for x in (1, 2)]",
    "generator": "r1(x for x in (1, 2))",
    "walrus": "(x := minimax)",
    "f-string": "f'{minimax}'",
    "f-string call": 'r1(f\'{__import__("os").system("true")}\')',
    "nested call": "r1(r1(1))",
    "called call": "r1(1)(2)",
    "import": "__import__('os').system('true')",
    "statement": "import os",
    "assignment": "x = 1",
    "two lines": "minimax\nr1",
    "semicolon": "minimax; r1",
    "await": "await minimax",
    "yield": "(yield)",
    "unfinished": "r1(",
    "unopened": "r1)",
    "NUL": "minimax\0",
    "surrogate": "minimax + \ud800",
    "backslash": "minimax \\",
    "long": "minimax" + " + minimax" * 1000,
    "long name": "a" * 10_000,
    "nots": "not " * 400 + "1",
}

# Within the grammar: read, or refused where Python's own parser gives up.
DEEP = {
    "parentheses": ("(" * 500 + "minimax" + ")" * 500, ["minimax"]),
    "argument": ("r1(" + "(" * 500 + "1" + ")" * 501, ["r1(gamma=1.0, every=1)"]),
    "signs": ("-" * 500 + "1 * minimax", ["minimax"]),
    "sum": ("minimax" + "+minimax" * 240, ["minimax"] * 241),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_in_a_sentence(text):
    with pytest.raises(GanzooError) as refused:
        parse(text)
    message = str(refused.value)
    assert "it takes" in message or "no loss is named" in message
    message.encode()


@pytest.mark.parametrize(("text", "terms"), DEEP.values(), ids=DEEP.keys())
def test_deep_text_is_read_or_refused(text, terms):
    try:
        read = [str(part) for part in parse(text).parts]
    except ObjectiveError as error:
        read = str(error)[:25]
    assert read in (terms, "cannot read the objective")


def test_hostile_text_runs_and_imports_nothing():
    program = textwrap.dedent("""
        import json, sys
        from ganzoo.errors import GanzooError
        from ganzoo.losses.parsing import parse

        texts = json.loads(sys.stdin.read())
        parse("minimax + r1(1) + label_flip")
        events = set()
        for warm in (True, False):
            if not warm:
                sys.addaudithook(lambda event, arguments: events.add(event))
            for text in ["no_such_loss", *texts]:
                try:
                    parse(text)
                except GanzooError:
                    pass
            if not warm:
                print(json.dumps(sorted(events)))
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(list(HOSTILE.values())), capture_output=True, text=True
    )
    assert done.stderr == ""
    events = json.loads(done.stdout)
    assert "compile" in events  # the reading itself
    assert set(events) <= {"compile", "sys._getframe", "object.__getattr__"}
