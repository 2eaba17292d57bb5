"""How much a program may compute and hold; counted, so that it is the same on every machine."""

from __future__ import annotations

from typing import Any

STEPS_A_CALL = 5_000
STEPS_A_PROGRAM = 20_000  # in all its calls
MAX_RECURSION = 40
# Every operation on numbers this small takes less than a microsecond.
MAX_BITS = 1024
MAX_SIZE = 5_000
MAX_NESTING = 8
SCALARS = (int, bool, float, type(None))
CONTAINERS = (list, tuple, set)


class OutOfStepsError(Exception):
    """The call, or the program in all its calls, has used up its steps."""


class TooLargeError(Exception):
    """A value beyond the limits."""


def size(value: Any, nesting: int = MAX_NESTING) -> int:
    """How much a value holds, in characters and elements; a number counts 1.

    TooLargeError for numbers above 1,024 bits, more than 5,000 characters and elements, and
    containers in more than 8 containers; TypeError for what a program may not hold, such as
    complex numbers.
    """
    kind = type(value)
    if kind is int and value.bit_length() > MAX_BITS:
        raise TooLargeError
    if kind in SCALARS:
        return 1
    if kind not in (str, range, *CONTAINERS):
        raise TypeError(f"a value of type {kind.__name__}")
    total = 1 + len(value)
    if kind in CONTAINERS and nesting == 0:
        raise TooLargeError
    for element in value if kind in CONTAINERS else ():
        # The limit stops the count, too: a part that is shared often is large without memory.
        if total > MAX_SIZE:
            break
        if type(element) not in SCALARS:
            total += size(element, nesting - 1)
    if total > MAX_SIZE:
        raise TooLargeError
    return total
