"""What it costs to guess a problem's difficulty, against rolling it out eight times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from currlab import estimators
from currlab.benchmarks.measure import Part, Raw, Scale, Subject, ratios, spread
from currlab.curricula import Catalog, make_strategy
from currlab.evaluation import held_out
from currlab.models import load_model
from currlab.tasks import Problem
from currlab.training.policy import LanguagePolicy

LEVELS = range(1, 13)
ROLLOUTS, CROWD, MAX_NEW_TOKENS = 8, 4, 40
FILTER = "filter, 8 rollouts"

Estimator = Callable[[LanguagePolicy, list[Problem]], Any]


def value_model(policy: LanguagePolicy, problems: list[Problem]) -> None:
    """PCL's value model on features of the prompt: no model is run."""
    model = make_strategy("pcl")
    model.bind(Catalog.of({"sorting": LEVELS}))
    model.values_of(problems)


def crowd(policy: LanguagePolicy, problems: list[Problem]) -> None:
    """One answer of every member; as members of one size cost alike, one stands for all."""
    for member in range(CROWD):
        estimators.roll_out(policy, problems, 1, seed=member)


ESTIMATORS: dict[str, Estimator] = {
    FILTER: lambda policy, p: estimators.roll_out(policy, p, ROLLOUTS, seed=0),
    "crowd of 4": crowd,
    "entropy, whole answer": lambda policy, p: estimators.prefix_entropies(
        policy, p, MAX_NEW_TOKENS, seed=0
    ),
    "entropy, first token": lambda policy, p: estimators.prefix_entropies(policy, p, 1, seed=0),
    "hidden states": lambda policy, p: policy.hidden([problem.prompt for problem in p]),
    "value model on prompts": value_model,
}


def parts(scale: Scale) -> dict[str, Part]:
    def of(estimate: Estimator) -> Part:
        def one_turn(turn: int) -> dict[str, list[float]]:
            policy = LanguagePolicy(*load_model("tiny-warm"), MAX_NEW_TOKENS)
            count = scale.problems // len(LEVELS)
            problems = [p for level in LEVELS for p in held_out("sorting", level, count)]
            estimate(policy, problems)  # warms up
            with estimators.metered(policy) as cost:
                estimate(policy, problems)
            return {
                "milliseconds": [1000 * cost.seconds / len(problems)],
                "tokens": [cost.tokens_forwarded / len(problems)],
            }

        return one_turn

    return {name: of(estimate) for name, estimate in ESTIMATORS.items()}


def summary(raw: Raw) -> dict[str, Any]:
    filtering = raw[FILTER]
    return {
        "cpu_milliseconds_a_problem": {n: spread(raw[n]["milliseconds"]) for n in raw},
        "tokens_a_problem": {name: spread(raw[name]["tokens"]) for name in raw},
        "times_as_cheap_as_the_filter": {
            name: spread(ratios(filtering["milliseconds"], raw[name]["milliseconds"]))
            for name in raw
            if name != FILTER
        },
    }


SUBJECT = Subject("difficulty", parts, summary)
