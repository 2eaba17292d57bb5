"""One table of what every select strategy asks for, at the beginning and at the end of a run.

The learner stands still: levels 1 and 2 are mastered, 3 to 5 in reach, 6 to 8 hopeless. A strategy
without a row fails, and so does one whose variant (a choice among named ones) has none.
"""

from dataclasses import fields

import numpy as np
import pytest
from fakes import group
from learner import FakePolicy

from currlab.curricula import Catalog, Clock, make_recipe, strategy_names
from currlab.curricula.registry import STRATEGIES
from currlab.training.collect import with_advantages

POOL, STEPS, PROMPTS = 32, 120, 8
CATALOG = Catalog.of({"sorting": range(1, 9)}, POOL)
RATES = dict(zip(CATALOG.arms, [1.0, 0.98, 0.75, 0.5, 0.25, 0.0, 0.0, 0.0], strict=True))
MASTERED, IN_REACH, HOPELESS = slice(0, 2), slice(2, 5), slice(5, 8)

# What a share of prompts by level [8] must be like.
WORDS = {
    "all alike": lambda s: s.min() > 0.04 and s.max() < 0.22,
    "anything": lambda s: True,
    "easiest only": lambda s: s[0] == 1,
    "hardest only": lambda s: s[7] == 1,
    "easier ones more": lambda s: s[:4].sum() > 0.55,
    "harder ones more": lambda s: s[4:].sum() > 0.55,
    "easy third": lambda s: s[:3].sum() > 0.999,
    "hard third": lambda s: s[5:].sum() > 0.999,
    "mostly easy": lambda s: s[:3].sum() > 0.6,
    "easy half": lambda s: s[:4].sum() > 0.999,
    "hard half, some easy": lambda s: 0 < s[:4].sum() < 0.5,
    "in reach most": lambda s: s[IN_REACH].sum() > 0.6,
    "in reach, little else": lambda s: s[IN_REACH].sum() > 0.85,
    "nothing hopeless": lambda s: s[HOPELESS].sum() == 0,
    "few hopeless": lambda s: s[HOPELESS].sum() < 0.1,
    "few mastered": lambda s: 0 < s[MASTERED].sum() < 0.2,
    "long answers": lambda s: s[5:].sum() > 0.8,
    "second stage only": lambda s: s[3:6].sum() > 0.999,
    "nothing at the top": lambda s: s[6:].sum() == 0,
    "waits at level 6": lambda s: s[4:6].sum() > 0.9 and s[5] > 0.3 and s[6:].sum() == 0,
}
# strategy, parameters, what it asks in the first tenth, what it asks in the last tenth
TABLE = [
    ("uniform", {}, "all alike", "all alike"),
    ("easy_to_hard", {}, "easiest only", "hardest only"),
    ("hard_to_easy", {}, "hardest only", "easiest only"),
    ("e2h", {"schedule": "classic"}, "easiest only", "hardest only"),
    ("e2h", {"schedule": "balanced"}, "all alike", "all alike"),
    ("e2h", {"schedule": "cosine"}, "easier ones more", "harder ones more"),
    ("e2h", {"schedule": "gaussian"}, "mostly easy", "harder ones more"),
    ("rag_rl", {"order": "max"}, "hardest only", "hardest only"),
    ("rag_rl", {"order": "linear"}, "easiest only", "hardest only"),
    ("rag_rl", {"order": "min_max"}, "easiest only", "hardest only"),
    ("rag_rl", {"order": "linear", "shuffled": True}, "all alike", "all alike"),
    ("human_inspired", {"order": "random"}, "anything", "anything"),
    ("human_inspired", {"order": "curriculum_strict"}, "easiest only", "hardest only"),
    ("human_inspired", {"order": "curriculum_emh"}, "easy third", "hard third"),
    # One task is one block and one category.
    ("human_inspired", {"order": "blocked"}, "anything", "anything"),
    ("human_inspired", {"order": "blocked_curriculum"}, "easiest only", "hardest only"),
    ("human_inspired", {"order": "blocked_emh"}, "easy third", "hard third"),
    ("human_inspired", {"order": "interleaved"}, "anything", "anything"),
    ("human_inspired", {"order": "interleaved_curriculum"}, "easiest only", "hardest only"),
    ("human_inspired", {"order": "interleaved_emh"}, "easy third", "hard third"),
    ("itool", {}, "easiest only", "hardest only"),
    ("climb", {"start": 0.8, "finish": 1.0}, "easier ones more", "all alike"),
    ("stages", {"advance": "share"}, "easy third", "hard third"),
    ("stages", {"advance": "pass_rate", "window": 32}, "nothing at the top", "second stage only"),
    ("retrospective", {}, "easy half", "hard half, some easy"),
    ("adcl", {"initial": "probe"}, "nothing hopeless", "harder ones more"),
    ("adcl", {"initial": "level"}, "easiest only", "hardest only"),
    ("sec", {"policy": "softmax"}, "anything", "in reach most"),
    ("sec", {"policy": "epsilon_greedy"}, "anything", "in reach most"),
    ("sec", {"policy": "normalised"}, "anything", "in reach most"),
    ("sec", {"decay_absent": True}, "anything", "in reach most"),
    ("sec", {"objective": "advantage"}, "anything", "in reach most"),
    ("sec", {"objective": "unscaled"}, "anything", "in reach most"),
    # The learner stands still, so progress is luck.
    ("sec", {"objective": "progress"}, "anything", "anything"),
    ("dump", {"count": "rollouts"}, "anything", "in reach most"),
    ("dump", {"count": "prompts"}, "anything", "in reach most"),
    ("target", {}, "anything", "in reach most"),
    ("bots", {}, "anything", "in reach most"),
    ("bots", {"thompson": False}, "anything", "in reach most"),
    ("bots", {"temperature": 0.05, "adaptive_rho": True}, "anything", "in reach most"),
    ("label_propagation", {}, "anything", "in reach most"),
    ("pcl", {"reads": "prompt"}, "anything", "in reach most"),
    ("pcl", {"reads": "hidden"}, "anything", "in reach, little else"),
    ("difficulty_probe", {"label": "success"}, "anything", "in reach most"),
    ("difficulty_probe", {"label": "level"}, "anything", "in reach, little else"),
    ("difficulty_split", {}, "anything", "in reach most"),
    # DAPO's split: only what is never or always solved is left out.
    (
        "difficulty_split",
        {"hard_up_to": 0.0, "medium_up_to": 0.99, "medium": 1.0, "easy": 0.0, "hard": 0.0},
        "anything",
        "in reach, little else",
    ),
    # Entropy is highest where the learner knows nothing.
    ("edco", {"keep": 32}, "harder ones more", "harder ones more"),
    ("pudf", {"evidence": "probe"}, "nothing hopeless", "nothing hopeless"),
    ("pudf", {"evidence": "training"}, "anything", "few hopeless"),
    ("promotion", {}, "nothing at the top", "waits at level 6"),
    ("reward_pool", {"visits": 1}, "all alike", "few mastered"),
    ("uds", {"diversity": 0.0}, "long answers", "long answers"),
    # Sure and unsure places are found in answers of any level, and this learner is unsure alike.
    ("token_curriculum", {}, "anything", "anything"),
]


class StandingLearner(FakePolicy):
    """Answers by `RATES`; its states hold the level, its logits grow with the answer."""

    def __init__(self):
        entropies = {arm: 0.1 * i for i, arm in enumerate(CATALOG.arms)}
        super().__init__(CATALOG, RATES, entropies, POOL)

    def hidden(self, prompts):
        levels = np.array([self.known[prompt].level for prompt in prompts])
        # Every level has its own direction, so that a linear reader can tell them apart.
        return np.eye(8)[levels - 1][:, None, :] + 0.01

    def logits(self, prompts, answers):
        return [np.eye(len(answer) + 1, 40) for answer in answers]


def shares(name, settings):
    """Shares of prompts by level: of each tenth of the run, [10, 8]."""
    recipe, learner = make_recipe(name, settings={name: settings}), StandingLearner()
    recipe.select.bind(CATALOG)
    counts = np.zeros((10, 8))
    for step in range(STEPS):
        clock, rng = Clock(step, step / STEPS), np.random.default_rng(step)
        recipe.select.probe(learner, clock)
        picks = recipe.select.choose(PROMPTS, clock)
        rows = [(rng.random(8) < RATES[pick.arm]).astype(float) for pick in picks]
        groups = [group(CATALOG, p, row, step) for p, row in zip(picks, rows, strict=True)]
        recipe.observe(with_advantages(recipe, groups), {})
        for pick in picks:
            counts[step * 10 // STEPS, CATALOG.level(pick.arm) - 1] += 1
    return counts / counts.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("name", "settings", "first", "last"),
    TABLE,
    ids=["-".join([row[0], *map(str, row[1].values())]) for row in TABLE],
)
def test_what_is_asked_first_and_last(name, settings, first, last):
    asked = shares(name, settings)
    for word, share in ((first, asked[0]), (last, asked[-1])):
        assert WORDS[word](share), f"not '{word}': {share.round(2).tolist()}"


def test_every_strategy_has_a_row_and_so_has_every_named_variant():
    told = {(name, key, value) for name, settings, *_ in TABLE for key, value in settings.items()}
    assert {row[0] for row in TABLE} == set(strategy_names("select"))
    for name in strategy_names("select"):
        for knob in fields(STRATEGIES[name].Parameters):
            for choice in knob.metadata["choices"] or ():
                assert (name, knob.name, choice) in told, f"no row for {name} {knob.name}={choice}"
