"""What choosing costs: every select strategy, from a thousand to a million items, and with many arms.

A step is `choose` for 32 problems and `observe` of their groups, without the training between them.
The learner is a stand-in that answers at once, so that a strategy that asks the learner something is
measured alone; what it asks is counted and reported apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from currlab.benchmarks.measure import Part, Raw, Scale, Subject, growth, spread, stopwatch
from currlab.benchmarks.stand_in import ImpatientCatalog, OutOfPatienceError, StandIn, answered
from currlab.curricula import Clock, make_recipe, strategy_names
from currlab.curricula.core import Select

PROMPTS, ROLLOUTS, STEPS, BUDGET = 32, 8, 6, 300
# What a step may cost, in milliseconds, before the report has to say why it costs more.
LIMIT = 50.0
POOL_ARMS = tuple(f"sorting/{level}" for level in range(1, 11))
MANY_ARMS = tuple(
    f"{task}/{level}"
    for level in range(1, 14)
    for task in ("sorting", "brackets", "dedupe", "reverse", "rotate")
)

Numbers = Mapping[str, Sequence[float]]


def some_steps(name: str, arms: Sequence[str], pool: int | None, turn: int) -> Numbers:
    """CPU milliseconds of some steps; what the learner was asked, and what a checkpoint holds.

    `set_up` is binding and the first step, the others are of the steps after it, `probe` of the one
    probe before the first step. Without `whole` the probe was broken off.
    """
    catalog, numbers = ImpatientCatalog(tuple(arms), pool), defaultdict(list)
    recipe, policy = make_recipe(name, seed=turn), StandIn(catalog)
    with stopwatch() as binding:
        recipe.select.bind(catalog)
    probing, read = True, 0
    for step in range(STEPS):
        clock = Clock(step, step / BUDGET, step * PROMPTS * ROLLOUTS)
        with stopwatch() as asking:
            probing = probing and whole_probe(recipe.select, policy, clock)
        with stopwatch() as choosing:
            picks = recipe.select.choose(PROMPTS, clock)
        groups = answered(recipe, catalog, picks, ROLLOUTS, step)
        with stopwatch() as observing:
            recipe.observe(groups, {})
        if step == 0:
            numbers["set_up"] = [1000 * (binding.cpu + choosing.cpu + observing.cpu)]
            numbers["probe"], numbers["answers"] = [1000 * asking.cpu], [float(policy.answers)]
            read = policy.prompts_read
        else:
            numbers["choose"].append(1000 * choosing.cpu)
            numbers["observe"].append(1000 * observing.cpu)
    numbers["read"] = [(policy.prompts_read - read) / (STEPS - 1)]
    with stopwatch() as saving:
        text = json.dumps(recipe.select.state_dict())
    return numbers | {
        "whole": [float(probing)],
        "checkpoint": [len(text) / 1000],
        "saving": [1000 * saving.cpu],
    }


def whole_probe(select: Select, policy: StandIn, clock: Clock) -> bool:
    """Let the strategy ask; False if that was broken off."""
    try:
        with select.catalog.hurry():
            select.probe(policy, clock)
    except OutOfPatienceError:
        return False
    return True


def parts(scale: Scale) -> dict[str, Part]:
    """A part for a strategy and a number of items, or of arms whose problems are fresh for ever."""
    sizes = {f"items {n}": (POOL_ARMS, n // len(POOL_ARMS)) for n in scale.pools}
    sizes |= {f"arms {count}": (MANY_ARMS[:count], None) for count in scale.arms}
    return {
        f"{name} {size}": partial(some_steps, name, *of)
        for size, of in sizes.items()
        for name in strategy_names("select")
    }


# ---------------------------------------------------------------- the report


def summary(raw: Raw) -> dict[str, Any]:
    """Milliseconds are CPU milliseconds; a step's are of those after the first."""
    table: dict[str, dict[int, dict[str, Numbers]]] = {"items": {}, "arms": {}}
    for part, numbers in raw.items():
        name, kind, size = part.split()
        table[kind].setdefault(int(size), {})[name] = numbers
    steps = {
        kind: {size: {name: step(n) for name, n in row.items()} for size, row in rows.items()}
        for kind, rows in table.items()
    }
    sizes = sorted(table["items"])
    largest, last = table["items"][sizes[-1]], steps["items"][sizes[-1]]
    return {
        "milliseconds_a_step_by_items": steps["items"],
        "milliseconds_a_step_by_arms": steps["arms"],
        "limit_milliseconds": LIMIT,
        "slower_than_the_limit": {
            name: reason(largest[name]) for name in last if last[name]["median"] >= LIMIT
        },
        "growth_with_items": {
            name: growth(sizes[-2:], [steps["items"][n][name]["median"] for n in sizes[-2:]])
            for name in last
        },
        "in_the_largest_pool": {
            title: {name: spread(numbers[key]) for name, numbers in largest.items()}
            for title, key in (
                ("first_step_milliseconds", "set_up"),
                ("checkpoint_kilobytes", "checkpoint"),
                ("saving_milliseconds", "saving"),
            )
        },
        "asked_of_the_learner": asked(table["items"]),
    }


def step(numbers: Numbers) -> dict[str, float]:
    """The spread of choosing and observing together."""
    return spread([c + o for c, o in zip(numbers["choose"], numbers["observe"], strict=True)])


def reason(numbers: Numbers) -> str:
    """Where the time of a strategy goes that is too slow."""
    choose, observe = (spread(numbers[half])["median"] for half in ("choose", "observe"))
    return f"choosing takes {choose:.0f} ms and observing {observe:.0f} ms"


def asked(pools: Mapping[int, Mapping[str, Numbers]]) -> dict[str, dict[str, float]]:
    """What a strategy asks, in the largest pool at which its probe was not broken off."""
    told = {}
    for name in next(iter(pools.values())):
        whole = {items: row[name] for items, row in pools.items() if all(row[name]["whole"])}
        items = max(whole)
        answers, read = whole[items]["answers"][0], whole[items]["read"][0]
        if answers:
            told[name] = {
                "answers_before_the_first_step": answers,
                "in_a_pool_of": items,
                "microseconds_an_answer": 1000 * spread(whole[items]["probe"])["median"] / answers,
            }
        elif read:
            told[name] = {"prompts_read_a_step": read}
    return told


SUBJECT = Subject("selection", parts, summary)
