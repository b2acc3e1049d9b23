"""Reading objectives from text: `"non_saturating + label_smoothing(0.9) + 2 * my-plugin/my-penalty(gamma=3)"`.

Only addition, number * term, and what `ganzoo.calls` reads are allowed, and nothing is evaluated.
"""

import ast
from collections.abc import Mapping

from ganzoo import plugins
from ganzoo.calls import Argument, NotACallError, NotANameError, read_call, read_expression, read_number
from ganzoo.config import build_config
from ganzoo.errors import ObjectiveError
from ganzoo.losses.objective import Objective
from ganzoo.losses.term import Term
from ganzoo.registry import Entry

LONGEST_TEXT = 2000
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
    try:
        return _read_sum(read_expression(text), text)
    except NotACallError as error:
        raise ObjectiveError(
            f"the objective {text!r} contains {error.args[0]!r}, which is not a term or a finite number; {GRAMMAR}"
        ) from error
    except NotANameError as error:
        raise ObjectiveError(
            f"the objective {text!r} contains {error.args[0]!r} where it takes a name, without quotes, such as "
            "judge-mnist or resnet18.a1_in1k"
        ) from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ObjectiveError):
            raise
        raise ObjectiveError(f"cannot read the objective {text!r}; {GRAMMAR}") from error


def _read_sum(node: ast.expr, text: str) -> Objective:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _read_sum(node.left, text) + _read_sum(node.right, text)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return Objective.of(_read_term(node.right, text), read_number(node.left))
    return Objective.of(_read_term(node, text))


def _read_term(node: ast.expr, text: str) -> Term:
    call = read_call(node, text, lambda name: term_class(plugins.find("loss", name)))
    return build_term(call.name, call.positional, call.keywords)
