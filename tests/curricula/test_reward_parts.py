"""Parts of a reward: a call's, HERO's bands and weights over a run, a checklist."""

import math
from dataclasses import replace

import numpy as np
import pytest
from reward_cases import PROBLEM, answered, rows, scores, totals

from currlab.curricula import Clock, Group, Pick, make_strategy
from currlab.curricula.reward.parts import CHECKLIST


@pytest.mark.parametrize(
    ("answer", "names", "values"),
    [
        ("1234", 1.0, 4),
        ("4321", 1.0, 0),  # every name, no value at its place
        ("1243", 1.0, 2),
        ("12", 0.5, 2),
        ("1111", 1 / 7, 1),
        ("", 0.0, 0),
    ],
)
def test_a_call_by_toolrl_s_sums(answer, names, values):
    expected = 1 + 6 * (names + values) / 5 - 3
    assert totals("tool_parts", answered(answer)) == pytest.approx([expected])
    half = 1 + 3 * (names + values) / 5 - 1.5
    assert totals("tool_parts", answered(answer), largest=1.5) == pytest.approx([half])


def test_a_call_that_cannot_be_read_earns_the_least():
    assert totals("tool_parts", ["", "1234", *answered("9" * 1000)]) == [-3.0, -3.0, -2.0]
    (exact,) = scores("tool_parts", answered("1234"))
    assert exact.parts == {"form": 1.0, "names": 1.0, "parameters": 1.0}


# ---------------------------------------------------------------- HERO


def test_bands_by_hand():
    texts = answered("1234", "1234", "1235", "5678", "1299")
    found = totals("hero", texts, tokens=[10, 5, 10, 10, 10], alpha=0.1, beta=0.2, steepness=0.0)
    # No spread was seen before: the weight is half way, (.4 + 3) / 2. Soft scores are the closeness
    # 1, 1, .75, 0, .5 less .1 times the length's share of the longest: .9, .95 and .65, -.1, .4.
    middle = 0.1 * (2 * 0.5 / 0.75 - 1)
    expected = np.array([0.8, 1.2, 0.1, -0.1, middle])
    assert found == pytest.approx(1.7 * expected, abs=1e-4)


def test_a_soft_score_never_overrules_the_verdict():
    rng = np.random.default_rng(0)
    for _ in range(50):
        answers = ["".join(rng.permutation([*"1234"])) for _ in range(8)]
        found = scores("hero", answered(*answers), tokens=rng.integers(1, 60, 8).tolist())
        right = [s.total for s in found if s.correct]
        wrong = [s.total for s in found if not s.correct]
        if right and wrong:
            assert min(right) > max(wrong)


def test_weights_and_rewards_over_thirty_steps():
    hero, rng, usual = make_strategy("hero"), np.random.default_rng(1), None
    pool = {"1234": 1.0, "1235": 0.75, "1299": 0.5, "5678": 0.0}
    for step in range(30):
        groups, spreads = [], []
        for _ in range(3):
            answers = rng.choice([*pool], 6).tolist()
            tokens = rng.integers(5, 40, 6)
            found = hero.score(
                PROBLEM, rows(answered(*answers), tokens.tolist()), None, Clock(step, step / 30)
            )
            soft = np.array([pool[a] for a in answers]) - 0.1 * tokens / tokens.max()
            right = np.array([a == "1234" for a in answers])
            expected = np.empty(6)
            for mask, base, half in ((right, 1.0, 0.05), (~right, 0.0, 0.05)):
                if mask.any():
                    low, high = soft[mask].min(), soft[mask].max()
                    expected[mask] = (
                        base - half + 2 * half * (soft[mask] - low) / (high - low + 1e-6)
                    )
            sigma = math.sqrt(((soft - soft.mean()) ** 2).mean())
            gap = 0.0 if usual is None else sigma - usual
            weight = 0.4 + 2.6 / (1 + math.exp(-6 * gap))
            assert [s.total for s in found] == pytest.approx((weight * expected).tolist(), abs=1e-9)
            spreads.append(sigma)
            scored = zip(rows(answered(*answers)), found, strict=True)
            rollouts = tuple(replace(r, score=s) for r, s in scored)
            groups.append(Group(PROBLEM, Pick("sorting/3"), rollouts, step))
        hero.observe(groups, {})
        usual = float(np.mean(spreads))
        assert hero.snapshot() == pytest.approx({"spread of soft scores": usual})


# ---------------------------------------------------------------- rubric


def test_a_checklist_by_hand():
    texts = [*answered("1234", "4321", "12", "99999"), "<answer>1234</answer> or so", "", "1234"]
    held = [
        (1, 1, 1, 1, 1),
        (0, 1, 1, 1, 1),
        (0, 1, 0, 0, 1),
        (0, 1, 0, 0, 1),
        (1, 1, 1, 1, 0),
        (0, 0, 0, 0, 0),
        (0, 0, 0, 0, 0),
    ]
    weights = (1.0, 1.0, 0.7, 0.3, 0.9)
    expected = [sum(w * h for w, h in zip(weights, row, strict=True)) / 3.9 for row in held]
    assert [weight for weight, _ in CHECKLIST.values()] == [*weights]
    assert totals("rubric", texts) == pytest.approx(expected)
    assert totals("rubric", texts, rule="all") == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert [*scores("rubric", texts)[1].parts.values()] == [0, 1, 1, 1, 1]
