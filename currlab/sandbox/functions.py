"""The functions and methods that a program may call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from currlab.sandbox.limits import MAX_SIZE, TooLargeError, size


def rounded(number: Any, digits: int | None = None) -> Any:
    """`round` with few digits: ``round(5, -10**9)`` would compute ten to that power."""
    if digits is not None and abs(digits) > 20:
        raise TooLargeError
    return round(number, digits)


def joined(separator: str, parts: Iterable[str]) -> str:
    if size(separator) * size(parts) > MAX_SIZE:
        raise TooLargeError
    return separator.join(parts)


def replaced(text: str, old: str, new: str, *count: int) -> str:
    if size(text) * size(new) > MAX_SIZE:
        raise TooLargeError
    return text.replace(old, new, *count)


def whole(call: Callable[..., Iterable]) -> Callable[..., list]:
    """A lazy function, evaluated whole."""
    return lambda *arguments: list(call(*arguments))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "bin": bin,
    "bool": bool,
    "chr": chr,
    "divmod": divmod,
    "enumerate": whole(enumerate),
    "float": float,
    "int": int,
    "len": len,
    "list": list,
    "max": max,
    "min": min,
    "ord": ord,
    "range": range,
    "reversed": whole(reversed),
    "round": rounded,
    "set": set,
    "sorted": sorted,
    "str": str,
    "sum": sum,
    "tuple": tuple,
    "zip": whole(zip),
}
KEYWORDS = {"max": ("default",), "min": ("default",), "sorted": ("reverse",)}
LAZY = frozenset({"enumerate", "reversed", "zip"})
# With one argument these use an iterable up, so that a list in its place makes no difference.
CONSUMERS = frozenset({"all", "any", "list", "max", "min", "set", "sorted", "sum", "tuple"})

_PLAIN_TEXT_METHODS = (
    *("capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit"),
    *("islower", "isupper", "lower", "lstrip", "rstrip", "split", "startswith", "strip"),
    *("swapcase", "title", "upper"),
)
# By name and by type of the value before the point; none of them changes that value.
METHODS: dict[str, dict[type, Callable[..., Any]]] = {
    **{name: {str: getattr(str, name)} for name in _PLAIN_TEXT_METHODS},
    "join": {str: joined},
    "replace": {str: replaced},
    "count": {str: str.count, list: list.count, tuple: tuple.count},
    "index": {str: str.index, list: list.index, tuple: tuple.index},
}
