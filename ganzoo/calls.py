"""Names with arguments as text: `my-plugin/my-penalty(3, every=16)`, as terms and augmentations are written.

Names are rewritten (`-` to `_`, `/` to `.`) and the rest is read with `ast`. Only names, attributes, calls, numbers and
signs make a call, and nothing is evaluated. An argument is a number, or, where the field that it is for is text, a bare
name such as `judge-mnist` or `vgg19.tv_in1k`, which is taken letter by letter and looked up by nobody here.
"""

import ast
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any, get_type_hints

NAME = re.compile(r"(?<![\w.])[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*)?", re.ASCII)
# What a field of type `str` can be, so that it can stand without quotes: `judge-mnist`, `plugin/something`,
# `vgg19.tv_in1k`.
BARE_NAME = re.compile(r"[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*|\.[A-Za-z_]\w*)?", re.ASCII)

Argument = float | str


class NotACallError(ValueError):
    """A part of a text is neither a call nor a number; its text is the one argument."""


class NotANameError(ValueError):
    """A part of a text is no bare name where one belongs; its text is the one argument."""


@dataclass(frozen=True)
class Call:
    """A name with arguments.

    Attributes:
        name: A name, or `plugin/name`.
        positional: Arguments without a name.
        keywords: Arguments by name.
    """

    name: str
    positional: tuple[Argument, ...]
    keywords: dict[str, Argument]


def read_expression(text: str) -> ast.expr:
    """Return the syntax tree of a text.

    Raises:
        SyntaxError: It is no expression; for some texts a ValueError, a RecursionError or a MemoryError.
    """
    rewritten = NAME.sub(lambda match: match[0].replace("-", "_").replace("/", "."), text.strip())
    return ast.parse(rewritten, mode="eval").body


def read_call(node: ast.expr, text: str, find: Callable[[str], type[Any]]) -> Call:
    """Read `name`, or a name with arguments.

    Args:
        node: A part of the tree of a text.
        text: The text.
        find: Returns the dataclass of a name, whose fields the arguments are for.

    Raises:
        NotACallError: It is something else.
        NotANameError: An argument is no name where the field is text.
    """
    if not isinstance(node, ast.Call):
        return Call(_read_name(node), (), {})
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        raise NotACallError(ast.unparse(node))
    name = _read_name(node.func)
    found = find(name)
    hints, names = get_type_hints(found), [field.name for field in fields(found)]

    def read(field: str | None, value: ast.expr) -> Argument:
        is_text = field is not None and hints.get(field) is str
        return _read_bare_name(value, text) if is_text else read_number(value)

    keywords: dict[str, Argument] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in keywords:
            raise NotACallError(ast.unparse(node))
        keywords[keyword.arg] = read(keyword.arg, keyword.value)
    positional = tuple(read(field, value) for field, value in zip_longest(names[: len(node.args)], node.args))
    return Call(name, positional, keywords)


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


def _read_bare_name(node: ast.expr, text: str) -> str:
    # From the text itself: rewriting has changed letters, but neither length nor lines.
    name = ast.get_source_segment(text.strip(), node) if isinstance(node, ast.Name | ast.Attribute) else None
    if name is not None and BARE_NAME.fullmatch(name):
        return name
    raise NotANameError(ast.unparse(node))


def write_call(name: str, arguments: Any) -> str:
    """Return text such as `r1(gamma=10.0, every=1)`, which reads back to the same.

    Args:
        name: The name.
        arguments: A dataclass of numbers and bare names.
    """
    written = ", ".join(f"{field.name}={_argument(arguments, field)}" for field in fields(arguments))
    return f"{name}({written})" if written else name


def _argument(arguments: Any, field: Any) -> str:
    """Return the text of a field's value, as reading it back gives it: `R1(10)` has the gamma 10.0."""
    value = getattr(arguments, field.name)
    if isinstance(value, str):
        return value  # a bare name
    return repr(float(value) if field.type in (float, "float") else value)
