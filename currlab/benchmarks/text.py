"""Results of a benchmark as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

WIDTH = 44


def lines(values: Mapping[Any, Any], indent: str = "") -> Iterator[str]:
    """The median of every number, and in brackets the lowest and the highest.

    What has rows and columns is a table of medians.
    """
    for key, value in values.items():
        title = f"{indent}{key}"
        if not isinstance(value, Mapping):
            yield (
                f"{title:<{WIDTH}}{value:.4g}"
                if isinstance(value, float)
                else (f"{title:<{WIDTH}}{value}")
            )
        elif is_spread(value):
            yield f"{title:<{WIDTH}}{told(value)}"
        elif is_table(value):
            yield f"{title} (medians)"
            rows = table(value).to_string(float_format=number).splitlines()
            yield from (f"{indent}  {row}" for row in rows)
        else:
            yield title if value else f"{title}: none"
            yield from lines(value, indent + "  ")


def is_spread(value: Any) -> bool:
    return isinstance(value, Mapping) and "median" in value


def told(spread: Mapping[str, float]) -> str:
    """A spread in words; a single number has none."""
    low, middle, high = (number(spread[name]) for name in ("lowest", "median", "highest"))
    return middle if low == high else f"{middle} ({low} to {high})"


def number(value: float) -> str:
    """Three digits that count: more of them are noise in a measured time.

    >>> [number(x) for x in (0.012345, 1.0, 12.345, 12345.6)]
    ['0.0123', '1', '12.3', '12,346']
    """
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def is_table(value: Mapping[Any, Any]) -> bool:
    """Several columns, each of spreads by row."""
    return len(value) > 1 and all(
        isinstance(column, Mapping) and column and all(map(is_spread, column.values()))
        for column in value.values()
    )


def table(columns: Mapping[Any, Mapping[str, Mapping[str, float]]]) -> pd.DataFrame:
    """The medians, a row for each name.

    >>> table({1000: {"sec": {"median": 2.0}}, 10000: {"sec": {"median": 3.0}}}).loc["sec"].tolist()
    [2.0, 3.0]
    """
    return pd.DataFrame(
        {
            title: {name: cell["median"] for name, cell in column.items()}
            for title, column in columns.items()
        }
    )
