"""A notebook's parameters, read from its `parameters` cell, and values for them checked against it.

The cell holds lines of the form ``name: type = literal  # help`` and nothing else counts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from currlab.errors import CurrlabError
from currlab.profiles import profile as get_profile

TYPES = {"str": str, "int": int, "float": float, "bool": bool}
CONTAINERS = {"list": list, "tuple": tuple, "dict": dict}


@dataclass(frozen=True)
class Parameter:
    """One line of the cell: `seed: int = 0  # seed of every random draw`."""

    name: str
    type: str
    default: Any
    help: str = ""


def read_parameters(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook by name; CurrlabError if it has no such cell."""
    # Takes a second to load, which commands that only read literals can do without.
    import nbformat

    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise CurrlabError(f"'{notebook}' cannot be read as a notebook.") from error
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise CurrlabError(f"'{notebook}' has {len(tagged)} cells tagged 'parameters', not one.")
    return {p.name: p for p in parse_parameters(tagged[0].source)}


def parse_parameters(source: str) -> list[Parameter]:
    """The parameters of a cell's text.

    >>> parse_parameters("seed: int = 0  # of every draw")
    [Parameter(name='seed', type='int', default=0, help='of every draw')]
    """
    lines = source.splitlines()
    return [
        Parameter(
            node.target.id,
            ast.unparse(node.annotation),
            ast.literal_eval(node.value),
            lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode().strip(" #"),
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
    ]


def check_parameters(
    notebook: Path, known: Mapping[str, Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """`given` in the types that the notebook declares; text is read as such a value."""
    for name in given:
        if name not in known:
            raise CurrlabError(
                f"Notebook '{notebook.name}' has no parameter '{name}'; its parameters are: "
                f"{', '.join(known) or 'none'}."
            )
    typed = {name: _typed(known[name], value) for name, value in given.items()}
    if "profile" in typed:
        get_profile(typed["profile"])
    return typed


def _typed(parameter: Parameter, value: Any) -> Any:
    kind = parameter.type.removesuffix(" | None")
    optional = kind != parameter.type
    if isinstance(value, str) and kind != "str":
        value = read_literal(value)
    elif value == "none" and optional:
        value = None
    if value is None and optional:
        return None
    if not _matches(kind, value):
        raise CurrlabError(
            f"Parameter '{parameter.name}' must be of type {parameter.type}, such as "
            f"{parameter.default!r}; got {value!r}."
        )
    return float(value) if kind == "float" else value


def read_literal(text: str) -> Any:
    """Text from a command line as the Python value it spells; other text stays text.

    >>> read_literal("[1, 2]"), read_literal("true"), read_literal("sec")
    ([1, 2], True, 'sec')
    """
    named = {"true": True, "false": False, "none": None}
    if text.lower() in named:
        return named[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def whole_numbers(given: Any, what: str) -> tuple[int, ...]:
    """Different whole numbers from ``3``, ``[0, 2]``, ``"0-7"`` or ``"0-3,8"``.

    >>> whole_numbers("0-2,8", "seeds")
    (0, 1, 2, 8)
    """
    parts = given if isinstance(given, list) else str(given).replace(" ", "").split(",")
    numbers: list[int] = []
    for part in parts:
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", str(part))
        if match is None or not 0 <= int(match[2] or match[1]) - int(match[1]) < 10_000:
            raise CurrlabError(f"The {what} must be whole numbers such as 0-7; got {given!r}.")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not numbers or len(set(numbers)) < len(numbers):
        raise CurrlabError(f"The {what} must be different numbers, at least one; got {given!r}.")
    return tuple(numbers)


def _matches(kind: str, value: Any) -> bool:
    """Is `value` of the annotated type? Elements of `list[int]` and the like are looked at, too."""
    if kind in TYPES:
        allowed = (int, float) if kind == "float" else TYPES[kind]
        return isinstance(value, allowed) and isinstance(value, bool) == (kind == "bool")
    outer, _, inner = kind.rstrip("]").partition("[")
    if outer not in CONTAINERS:
        raise CurrlabError(
            f"A parameter is annotated '{kind}'; parameters can be {', '.join(TYPES)}, "
            f"{', '.join(CONTAINERS)}, or such a list as list[int]."
        )
    elements = value if inner in TYPES and isinstance(value, list | tuple) else ()
    return isinstance(value, CONTAINERS[outer]) and all(_matches(inner, e) for e in elements)
