"""Names with numbers as text: `my-plugin/my-penalty(3, every=16)`, as terms and augmentations are written.

Names are rewritten (`-` to `_`, `/` to `.`) and the rest is read with `ast`. Only names, attributes, calls, numbers and
signs make a call, and nothing is evaluated.
"""

import ast
import re
import sys
from dataclasses import dataclass, fields
from typing import Any

NAME = re.compile(r"(?<![\w.])[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*)?", re.ASCII)


class NotACallError(ValueError):
    """A part of a text is neither a call with numbers nor a number; its text is the one argument."""


@dataclass(frozen=True)
class Call:
    """A name with arguments.

    Attributes:
        name: A name, or `plugin/name`.
        positional: Arguments without a name.
        keywords: Arguments by name.
    """

    name: str
    positional: tuple[float, ...]
    keywords: dict[str, float]


def read_expression(text: str) -> ast.expr:
    """Return the syntax tree of a text.

    Raises:
        SyntaxError: It is no expression; for some texts a ValueError, a RecursionError or a MemoryError.
    """
    rewritten = NAME.sub(lambda match: match[0].replace("-", "_").replace("/", "."), text.strip())
    return ast.parse(rewritten, mode="eval").body


def read_call(node: ast.expr) -> Call:
    """Read `name`, or a name with numbers.

    Raises:
        NotACallError: It is something else.
    """
    if not isinstance(node, ast.Call):
        return Call(_read_name(node), (), {})
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        raise NotACallError(ast.unparse(node))
    keywords: dict[str, float] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in keywords:
            raise NotACallError(ast.unparse(node))
        keywords[keyword.arg] = read_number(keyword.value)
    return Call(_read_name(node.func), tuple(read_number(argument) for argument in node.args), keywords)


def read_number(node: ast.expr) -> float:
    """Read a finite number with any signs.

    Raises:
        NotACallError: It is something else.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = read_number(node.operand)
        return -number if isinstance(node.op, ast.USub) else number
    value = node.value if isinstance(node, ast.Constant) else None
    # Not infinite, as 1e999 is, and no whole number that no float can hold.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return value
    raise NotACallError(ast.unparse(node))


def _read_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}/{node.attr}"
    raise NotACallError(ast.unparse(node))


def write_call(name: str, arguments: Any) -> str:
    """Return text such as `r1(gamma=10.0, every=1)`, which reads back to the same.

    Args:
        name: The name.
        arguments: A dataclass of numbers.
    """
    written = ", ".join(f"{field.name}={_number(arguments, field)!r}" for field in fields(arguments))
    return f"{name}({written})" if written else name


def _number(arguments: Any, field: Any) -> Any:
    """Return a field's value as reading it back gives it: `R1(10)` has the gamma 10.0."""
    value = getattr(arguments, field.name)
    return float(value) if field.type in (float, "float") else value
