"""Climbing a ladder: when a rung counts as learnt, and how often a guesser passes for a learner.

One rule for every strategy that promotes problems: rungs of levels (`select.promotion`), of answer
formats and of hints (`present`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import comb


def promoted(
    visits: Sequence[float], rate: float, window: int, threshold: float
) -> tuple[bool, list[float]]:
    """Is the rung learnt after a visit of this success rate? And the visits to remember.

    It is if the last `window` visits are there and their mean is above `threshold`; exactly the
    threshold is not enough. The visits are then forgotten: the next rung starts anew.

    >>> promoted([0.5], 0.75, window=2, threshold=0.6)
    (True, [])
    >>> promoted([0.5], 0.7, window=2, threshold=0.6)
    (False, [0.5, 0.7])
    """
    recent = [*visits, rate][-window:]
    # The small number heals means such as (0.1 + 0.2) / 2 > 0.15.
    if len(recent) == window and sum(recent) / window > threshold + 1e-9:
        return True, []
    return False, recent


def above_chance(share: float, chance: float) -> float:
    """The success rate that lies `share` of the way from guessing to certainty.

    >>> above_chance(0.5, chance=0.25)
    0.625
    """
    return chance + share * (1 - chance)


def chance_of_promotion(p: float, n: int, window: int, threshold: float, visits: int) -> float:
    """How likely `promoted` says yes within `visits` visits of `n` tries, each right with chance `p`.

    Exact. The state is the numbers of right tries at the last ``window - 1`` visits, an array with
    n + 1 places along each of its axes; promotion takes probability out of it.

    >>> round(chance_of_promotion(0.25, 8, window=1, threshold=0.5, visits=1), 4)
    0.0273
    """
    right = np.arange(n + 1)
    of_visit = comb(n, right) * p**right * (1 - p) ** (n - right)
    sums = np.indices((n + 1,) * window).sum(0)
    enough = sums / (n * window) > threshold + 1e-9
    state, passed = np.array(1.0), 0.0
    for visit in range(1, visits + 1):
        state = state[..., None] * of_visit
        if visit >= window:
            passed += float(state[enough].sum())
            state = np.where(enough, 0.0, state).sum(0)
    return passed
