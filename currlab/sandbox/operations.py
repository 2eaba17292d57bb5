"""The operators of a program; those whose result can dwarf their operands are measured before."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from currlab.sandbox.limits import MAX_BITS, MAX_SIZE, TooLargeError, size

REPEATED = (str, list, tuple)


def times(left: Any, right: Any) -> Any:
    for some, number in ((left, right), (right, left)):
        if (
            isinstance(some, REPEATED)
            and isinstance(number, int)
            and (size(some) - 1) * number > MAX_SIZE
        ):
            raise TooLargeError
    return left * right


def power(left: Any, right: Any) -> Any:
    whole = isinstance(left, int) and isinstance(right, int)
    if whole and abs(left) > 1 and (left.bit_length() - 1) * abs(right) > MAX_BITS:
        raise TooLargeError
    return left**right


def shifted(left: Any, right: Any) -> Any:
    if isinstance(right, int) and right > MAX_BITS:
        raise TooLargeError
    return left << right


def remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        raise TypeError("string formatting")
    return left % right


OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: remainder,
    ast.Pow: power,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: shifted,
    ast.RShift: operator.rshift,
}
SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
