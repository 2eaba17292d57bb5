"""A small interpreter of the subset: Python's values and rules, none of its objects and frames.

Nothing is compiled or executed: the tree is walked, and each node does what its handler here does.
Every node costs a step and every value as many as it holds, so that a program ends, however it is
written, after an amount of work and memory that is the same on every machine.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from currlab.sandbox.functions import FUNCTIONS, METHODS
from currlab.sandbox.limits import (
    MAX_RECURSION,
    SCALARS,
    STEPS_A_CALL,
    STEPS_A_PROGRAM,
    OutOfStepsError,
    size,
)
from currlab.sandbox.operations import COMPARISONS, OPERATIONS, SIGNS
from currlab.sandbox.subset import NAME, Function

SMALL = 2**63
# How a block of statements ends, other than at its end: one of these, or a tuple (value,).
BREAK, CONTINUE = "break", "continue"
Ending = str | tuple[Any] | None
UNBOUND = object()
Names = dict[str, Any]


class Evaluator:
    """One program. Calls share its budget of steps and nothing else.

    >>> from currlab.sandbox.subset import parse
    >>> Evaluator(parse("def f(x): return [v * v for v in x if v % 2]")).call([[1, 2, 3]])
    [1, 9]
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.unbound: Names = dict.fromkeys(function.variables, UNBOUND)
        self.left_in_all, self.left, self.depth = STEPS_A_PROGRAM, 0, 0

    def call(self, arguments: Sequence[Any]) -> Any:
        """What the function returns; raises what Python would, OutOfStepsError or TooLargeError."""
        self.left, self.depth = min(STEPS_A_CALL, self.left_in_all), 0
        before = self.left
        try:
            return self._enter(arguments)
        finally:
            self.left_in_all -= before - max(self.left, 0)

    def _enter(self, arguments: Sequence[Any]) -> Any:
        parameters = self.function.parameters
        if len(arguments) != len(parameters):
            raise TypeError("wrong number of arguments")
        if self.depth == MAX_RECURSION:
            raise RecursionError
        self.depth += 1
        names = {**self.unbound, **dict(zip(parameters, arguments, strict=True))}
        ending = self._block(self.function.body, names)
        self.depth -= 1
        return ending[0] if isinstance(ending, tuple) else None

    def _spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise OutOfStepsError

    def _new(self, value: Any) -> Any:
        """A value that was not there before: it is paid for, and refused if it is too large."""
        if type(value) is not int or not -SMALL < value < SMALL:
            self._spend(size(value))
        return value

    # ------------------------------------------------------------ statements

    def _block(self, statements: list[ast.stmt], names: Names) -> Ending:
        for statement in statements:
            self._spend(1)
            ending = STATEMENTS[type(statement)](self, statement, names)
            if ending is not None:
                return ending
        return None

    def _return(self, node: ast.Return, names: Names) -> Ending:
        return (None if node.value is None else self._value(node.value, names),)

    def _assign(self, node: ast.Assign, names: Names) -> None:
        value = self._value(node.value, names)
        for target in node.targets:
            self._bind(target, value, names)

    def _augmented(self, node: ast.AugAssign, names: Names) -> None:
        old = self._name(node.target, names)
        if isinstance(old, list | set):
            raise TypeError("in-place change of a list or set")
        names[node.target.id] = self._operate(node.op, old, self._value(node.value, names))

    def _bind(self, target: ast.expr, value: Any, names: Names) -> None:
        if isinstance(target, ast.Name):
            names[target.id] = value
            return
        values = self._elements(value)
        for part, element in zip(target.elts, values, strict=True):
            self._bind(part, element, names)

    def _if(self, node: ast.If, names: Names) -> Ending:
        return self._block(node.body if self._value(node.test, names) else node.orelse, names)

    def _for(self, node: ast.For, names: Names) -> Ending:
        for element in self._elements(self._value(node.iter, names)):
            self._bind(node.target, element, names)
            ending = self._block(node.body, names)
            if ending == BREAK:
                break
            if isinstance(ending, tuple):
                return ending
        return None

    def _while(self, node: ast.While, names: Names) -> Ending:
        while self._value(node.test, names):
            ending = self._block(node.body, names)
            if ending == BREAK:
                break
            if isinstance(ending, tuple):
                return ending
        return None

    # ------------------------------------------------------------ expressions

    def _value(self, node: ast.expr, names: Names) -> Any:
        self._spend(1)
        return EXPRESSIONS[type(node)](self, node, names)

    def _elements(self, value: Any) -> list[Any]:
        """The elements of an iterable, paid for."""
        self._spend(size(value))
        return list(value)

    def _name(self, node: ast.Name, names: Names) -> Any:
        value = names.get(node.id, UNBOUND)
        if value is UNBOUND:
            raise UnboundLocalError if node.id in names else NameError
        return value

    def _constant(self, node: ast.Constant, names: Names) -> Any:
        return self._new(node.value)

    def _binary(self, node: ast.BinOp, names: Names) -> Any:
        return self._operate(node.op, self._value(node.left, names), self._value(node.right, names))

    def _operate(self, op: ast.operator, left: Any, right: Any) -> Any:
        return self._new(OPERATIONS[type(op)](left, right))

    def _unary(self, node: ast.UnaryOp, names: Names) -> Any:
        return self._new(SIGNS[type(node.op)](self._value(node.operand, names)))

    def _boolean(self, node: ast.BoolOp, names: Names) -> Any:
        stop = isinstance(node.op, ast.Or)
        for part in node.values:
            value = self._value(part, names)
            if bool(value) is stop:
                break
        return value

    def _compare(self, node: ast.Compare, names: Names) -> Any:
        left = self._value(node.left, names)
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self._value(part, names)
            if type(right) not in SCALARS:
                self._spend(size(right))
            if not (result := COMPARISONS[type(op)](left, right)):
                break
            left = right
        return result

    def _choose(self, node: ast.IfExp, names: Names) -> Any:
        return self._value(node.body if self._value(node.test, names) else node.orelse, names)

    def _list(self, node: ast.List, names: Names) -> list:
        return self._new([self._value(part, names) for part in node.elts])

    def _tuple(self, node: ast.Tuple, names: Names) -> tuple:
        return self._new(tuple([self._value(part, names) for part in node.elts]))

    def _set(self, node: ast.Set, names: Names) -> set:
        return self._new({self._value(part, names) for part in node.elts})

    def _subscript(self, node: ast.Subscript, names: Names) -> Any:
        value = self._value(node.value, names)
        return self._new(value[self._value(node.slice, names)])

    def _slice(self, node: ast.Slice, names: Names) -> slice:
        ends = (node.lower, node.upper, node.step)
        return slice(*(None if end is None else self._value(end, names) for end in ends))

    def _call(self, node: ast.Call, names: Names) -> Any:
        """A listed function, a listed method by the type of its owner, or the program itself."""
        method = isinstance(node.func, ast.Attribute)
        parts = [node.func.value, *node.args] if method else node.args
        arguments = [self._value(part, names) for part in parts]
        keywords = {k.arg: self._value(k.value, names) for k in node.keywords}
        self._spend(sum(size(a) for a in arguments if type(a) not in SCALARS))
        if method:
            implementation = METHODS[node.func.attr].get(type(arguments[0]))
            if implementation is None:
                raise AttributeError
            return self._new(implementation(*arguments))
        if node.func.id == NAME:
            return self._enter(arguments)
        return self._new(FUNCTIONS[node.func.id](*arguments, **keywords))

    # ------------------------------------------------------------ comprehensions

    def _list_comprehension(self, node: ast.ListComp | ast.GeneratorExp, names: Names) -> list:
        first = self._value(node.generators[0].iter, names)
        inner = dict(names)
        for generator in node.generators:
            for target in ast.walk(generator.target):
                if isinstance(target, ast.Name):
                    inner[target.id] = UNBOUND
        return self._new([self._value(node.elt, inner) for _ in self._loops(node, first, inner, 0)])

    def _set_comprehension(self, node: ast.SetComp, names: Names) -> set:
        return self._new(set(self._list_comprehension(node, names)))

    def _loops(self, node: Any, iterable: Any, names: Names, number: int) -> Iterator[None]:
        """Yields once for every time that the element of the comprehension is evaluated."""
        generator, last = node.generators[number], number + 1 == len(node.generators)
        for element in self._elements(iterable):
            self._bind(generator.target, element, names)
            if not all(self._value(test, names) for test in generator.ifs):
                continue
            if last:
                yield
            else:
                inner = self._value(node.generators[number + 1].iter, names)
                yield from self._loops(node, inner, names, number + 1)


STATEMENTS: dict[type[ast.stmt], Callable[[Evaluator, Any, Names], Ending]] = {
    ast.Assign: Evaluator._assign,
    ast.AugAssign: Evaluator._augmented,
    ast.Break: lambda *_: BREAK,
    ast.Continue: lambda *_: CONTINUE,
    ast.For: Evaluator._for,
    ast.If: Evaluator._if,
    ast.Pass: lambda *_: None,
    ast.Return: Evaluator._return,
    ast.While: Evaluator._while,
}
EXPRESSIONS: dict[type[ast.expr], Callable[[Evaluator, Any, Names], Any]] = {
    ast.BinOp: Evaluator._binary,
    ast.BoolOp: Evaluator._boolean,
    ast.Call: Evaluator._call,
    ast.Compare: Evaluator._compare,
    ast.Constant: Evaluator._constant,
    ast.GeneratorExp: Evaluator._list_comprehension,
    ast.IfExp: Evaluator._choose,
    ast.List: Evaluator._list,
    ast.ListComp: Evaluator._list_comprehension,
    ast.Name: Evaluator._name,
    ast.Set: Evaluator._set,
    ast.SetComp: Evaluator._set_comprehension,
    ast.Slice: Evaluator._slice,
    ast.Subscript: Evaluator._subscript,
    ast.Tuple: Evaluator._tuple,
    ast.UnaryOp: Evaluator._unary,
}
