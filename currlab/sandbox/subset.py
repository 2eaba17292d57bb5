"""The subset of Python that a program may be written in; whatever is not listed here is refused.

A program is one function ``f`` over numbers, text, lists, tuples and sets: assignments, ``if``,
loops, comprehensions, slices, the functions and methods of `functions`. There is no import, no
class, no attribute but a listed method that is called, no name with two underscores, no string
formatting, and nothing that changes a value in place.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from currlab.sandbox.functions import CONSUMERS, FUNCTIONS, KEYWORDS, LAZY, METHODS

NAME = "f"
MAX_CHARACTERS = 500
# Deeper expressions are no short programs, and what walks them recurses.
MAX_DEPTH = 25
TEXT = re.compile(r"[\n -~]*")  # printable ASCII and newline

STATEMENTS = (
    ast.Assign,
    ast.AugAssign,
    ast.Break,
    ast.Continue,
    ast.For,
    ast.If,
    ast.Pass,
    ast.Return,
    ast.While,
)
EXPRESSIONS = (
    ast.Attribute,
    ast.BinOp,
    ast.BoolOp,
    ast.Call,
    ast.Compare,
    ast.Constant,
    ast.GeneratorExp,
    ast.IfExp,
    ast.List,
    ast.ListComp,
    ast.Name,
    ast.Set,
    ast.SetComp,
    ast.Slice,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
)
PARTS = (
    ast.And,
    ast.arg,
    ast.arguments,
    ast.comprehension,
    ast.expr_context,
    ast.keyword,
    ast.operator,
    ast.Or,
    ast.unaryop,
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
)
ALLOWED = (*STATEMENTS, *EXPRESSIONS, *PARTS)
CONSTANTS = (bool, int, float, str, type(None))


class RefusedError(Exception):
    """The program is outside the subset; the message says why and quotes nothing of it."""


def check_text(source: str) -> None:
    """Refuse what is too long or not plain text, before anything parses it."""
    if len(source) > MAX_CHARACTERS:
        raise RefusedError(f"longer than {MAX_CHARACTERS} characters")
    if not TEXT.fullmatch(source):
        raise RefusedError("characters other than printable ASCII and newline")


@dataclass(frozen=True)
class Function:
    """A program whose every node is allowed. `variables` are its parameters and assigned names."""

    parameters: tuple[str, ...]
    body: list[ast.stmt]
    variables: frozenset[str]


def parse(source: str) -> Function:
    """The program that `source` writes, checked from end to end. Nothing is executed.

    >>> parse("def f(x): return x + 1").parameters
    ('x',)
    >>> parse("import os")
    Traceback (most recent call last):
    currlab.sandbox.subset.RefusedError: something else than one function 'f'
    """
    check_text(source)
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise RefusedError("not Python") from None
    if len(statements) != 1 or type(statements[0]) is not ast.FunctionDef:
        raise RefusedError(f"something else than one function '{NAME}'")
    function = statements[0]
    _check_signature(function)
    nodes = _inside(function)
    parameters = tuple(a.arg for a in function.args.args)
    variables = frozenset((*parameters, *(n.id for n in nodes if _is_stored(n))))
    if len(set(parameters)) < len(parameters):
        raise RefusedError("two parameters of one name")
    for node in nodes:
        if not isinstance(node, ALLOWED):
            raise RefusedError(f"{type(node).__name__} is outside the subset")
        _check_node(node, variables)
    _check_places(nodes)
    _check_jumps(nodes)
    return Function(parameters, function.body, variables)


def _inside(function: ast.FunctionDef) -> list[ast.AST]:
    """Every node of the function but itself, outer ones first."""
    nodes: list[ast.AST] = []
    level: list[ast.AST] = [function]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return nodes
        nodes += level
    raise RefusedError(f"nested deeper than {MAX_DEPTH}")


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _check_signature(function: ast.FunctionDef) -> None:
    """``def f(x, y):`` and no more: defaults, decorators and annotations are expressions, too."""
    a = function.args
    extras = (a.posonlyargs, a.kwonlyargs, a.defaults, a.kw_defaults, a.vararg, a.kwarg)
    extras += (function.decorator_list, function.returns, getattr(function, "type_params", None))
    if function.name != NAME or any(extras) or any(arg.annotation for arg in a.args):
        raise RefusedError(f"the function must be 'def {NAME}(...):' with plain parameters")


def _check_node(node: ast.AST, variables: frozenset[str]) -> None:
    """What the type of a node alone does not say."""
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) if "__" in name:
            raise RefusedError("a name with two underscores")
        case ast.Constant(value=value) if type(value) not in CONSTANTS:
            raise RefusedError("a constant that is no number, text, True, False or None")
        case ast.Call():
            _check_call(node, variables)
        case ast.Assign(targets=targets):
            _check_targets(targets)
        case ast.AugAssign(target=target) if not isinstance(target, ast.Name):
            raise RefusedError("assignment to something else than a variable")
        case ast.For(orelse=[_, *_]) | ast.While(orelse=[_, *_]):
            raise RefusedError("a loop with else")
        case ast.For(target=target):
            _check_targets([target])
        case ast.comprehension(target=target, is_async=is_async):
            _check_targets([target])
            if is_async:
                raise RefusedError("an asynchronous comprehension")


def _check_targets(targets: list[ast.expr]) -> None:
    """Variables, or tuples of variables: nothing is changed in place."""
    for target in targets:
        if isinstance(target, ast.Tuple | ast.List):
            _check_targets(target.elts)
        elif not isinstance(target, ast.Name):
            raise RefusedError("assignment to something else than a variable")


def _check_call(call: ast.Call, variables: frozenset[str]) -> None:
    """A listed function by its own name, the program's function, or a listed method."""
    match call.func:
        case ast.Name(id=name):
            if name in variables or (name not in FUNCTIONS and name != NAME):
                raise RefusedError("a call of a function that is not listed")
            allowed = KEYWORDS.get(name, ())
        case ast.Attribute():
            allowed = ()
        case _:
            raise RefusedError("a call of something else than a function or a method")
    if any(keyword.arg not in allowed for keyword in call.keywords):
        raise RefusedError("a keyword argument that is not listed")


def _check_places(nodes: list[ast.AST]) -> None:
    """Attributes stand only where they are called, lazy values only where they are used up.

    ``zip`` and its like are evaluated whole; kept in a variable that would make a difference.
    """
    methods, consumed = set(), set()
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=attr) as method) if attr in METHODS:
                methods.add(method)
                consumed |= {*node.args} if attr == "join" else set()
            case ast.Call(func=ast.Name(id="zip" | "enumerate")):
                consumed |= {*node.args}
            case ast.Call(func=ast.Name(id=name), args=[only]) if name in CONSUMERS:
                consumed.add(only)
            case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
                consumed.add(iterated)
    for node in nodes:
        if isinstance(node, ast.Attribute) and node not in methods:
            raise RefusedError("a method that is not listed, or an attribute that is not called")
        if _is_lazy(node) and node not in consumed:
            raise RefusedError("an iterator that is not used up on the spot")


def _is_lazy(node: ast.AST) -> bool:
    match node:
        case ast.GeneratorExp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in LAZY
    return False


def _check_jumps(nodes: list[ast.AST]) -> None:
    jumps = {node for node in nodes if isinstance(node, ast.Break | ast.Continue)}
    loops = [node for node in nodes if isinstance(node, ast.For | ast.While)] if jumps else []
    if jumps - {inner for loop in loops for inner in ast.walk(loop)}:
        raise RefusedError("break or continue outside a loop")
