"""Reading objectives from text: `"non_saturating + label_smoothing(0.9) + 2 * my-plugin/my-penalty(gamma=3)"`.

Names are rewritten (`-` to `_`, `/` to `.`) and the rest is read with `ast`. Only addition, number * term, calls,
names, attributes, numbers and signs are allowed, and nothing is evaluated. An argument is a number, or, where the
term's field is text, a bare name such as `judge-mnist` or `vgg19.tv_in1k`, which is taken letter by letter and looked
up by the term alone.
"""

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from itertools import zip_longest
from typing import get_type_hints

from ganzoo import plugins
from ganzoo.config import build_config
from ganzoo.errors import ObjectiveError
from ganzoo.losses.objective import Objective
from ganzoo.losses.term import BARE_NAME, Argument, Term
from ganzoo.registry import Entry

LONGEST_TEXT = 2000
NAME = re.compile(r"(?<![\w.])[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*)?", re.ASCII)
GRAMMAR = "it takes a sum of terms such as 'non_saturating + label_smoothing(0.9) + 2 * r1(gamma=10)'"


def build_term(
    name: str, positional: tuple[Argument, ...] = (), keywords: Mapping[str, Argument] | None = None
) -> Term:
    """Build a registered term.

    Args:
        name: The term's name, or `plugin/name`.
        positional: Arguments in the order of the term's fields.
        keywords: Arguments by name.

    Raises:
        UnknownNameError: No term has this name.
        ConfigError: An argument is unknown, given twice, or out of range.
    """
    entry = plugins.find("loss", name)
    return build_config(term_class(entry), keywords or {}, entry.full_name, positional=positional)


def term_class(entry: Entry) -> type[Term]:
    """Return the class that is registered as a loss.

    Raises:
        PluginError: It cannot be imported.
        ObjectiveError: It is no kind of term.
    """
    factory = entry.load()
    if not (isinstance(factory, type) and issubclass(factory, Term)):
        raise ObjectiveError(f"{entry.full_name} is registered as a loss, but is no Term; tell its provider")
    return factory


def read_objective(objective: "Objective | Term | str") -> Objective:
    """Return an objective given in any form: text, one term, or terms added up.

    Raises:
        ObjectiveError: It is none of these, or text that cannot be read.
    """
    if isinstance(objective, str):
        return parse(objective)
    if isinstance(objective, Term):
        return Objective.of(objective)
    if isinstance(objective, Objective):
        return objective
    kind = type(objective).__name__
    raise ObjectiveError(f"the objective is a {kind}; it takes text such as 'non_saturating', or terms added up")


def parse(text: str) -> Objective:
    """Read an objective from text.

    Raises:
        ObjectiveError: The text is not a sum of terms.
        UnknownNameError: It names a term that is not registered.
        ConfigError: A term's argument is unknown or out of range.
    """
    if len(text) > LONGEST_TEXT:
        raise ObjectiveError(f"the objective is {len(text)} characters long; it takes at most {LONGEST_TEXT}")
    rewritten = NAME.sub(lambda match: match[0].replace("-", "_").replace("/", "."), text.strip())
    try:
        tree = ast.parse(rewritten, mode="eval")
        return _read_sum(tree.body, text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ObjectiveError):
            raise
        raise ObjectiveError(f"cannot read the objective {text!r}; {GRAMMAR}") from error


def _read_sum(node: ast.expr, text: str) -> Objective:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _read_sum(node.left, text) + _read_sum(node.right, text)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return Objective.of(_read_term(node.right, text), _read_number(node.left, text))
    return Objective.of(_read_term(node, text))


def _read_term(node: ast.expr, text: str) -> Term:
    if not isinstance(node, ast.Call):
        return build_term(_read_name(node, text))
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        raise _refusal(node, text)
    name = _read_name(node.func, text)
    found = term_class(plugins.find("loss", name))
    hints, names = get_type_hints(found), [field.name for field in fields(found)]

    def read(field: str | None, value: ast.expr) -> Argument:
        is_text = field is not None and hints.get(field) is str
        return _read_bare_name(value, text) if is_text else _read_number(value, text)

    keywords: dict[str, Argument] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in keywords:
            raise _refusal(node, text)
        keywords[keyword.arg] = read(keyword.arg, keyword.value)
    positional = tuple(read(field, value) for field, value in zip_longest(names[: len(node.args)], node.args))
    return build_term(name, positional, keywords)


def _read_name(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}/{node.attr}"
    raise _refusal(node, text)


def _read_bare_name(node: ast.expr, text: str) -> str:
    # From the text itself: rewriting has changed letters, but neither length nor lines.
    name = ast.get_source_segment(text.strip(), node) if isinstance(node, ast.Name | ast.Attribute) else None
    if name is not None and BARE_NAME.fullmatch(name):
        return name
    raise ObjectiveError(
        f"the objective {text!r} contains {ast.unparse(node)!r} where it takes a name, without quotes, such as "
        "judge-mnist or resnet18.a1_in1k"
    )


def _read_number(node: ast.expr, text: str) -> float:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _read_number(node.operand, text)
        return -number if isinstance(node.op, ast.USub) else number
    value = node.value if isinstance(node, ast.Constant) else None
    # Not infinite, as 1e999 is, and no whole number that no float can hold.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return value
    raise _refusal(node, text)


def _refusal(node: ast.expr, text: str) -> ObjectiveError:
    part = ast.unparse(node)
    return ObjectiveError(
        f"the objective {text!r} contains {part!r}, which is not a term or a finite number; {GRAMMAR}"
    )
