"""Fake learners for select strategies: one that answers probes, one that also learns."""

import numpy as np
from fakes import group

from currlab.curricula import Clock, Rollout
from currlab.training.collect import with_advantages


class FakePolicy:
    """Answers with the chance of the problem's arm; luck depends on the row's seed only.

    `entropies` gives the entropy of the answers by arm. Nothing but prompts of the first problems of
    each arm can be answered, so an arm's chance is looked up by its answer.
    """

    max_new_tokens = 40

    def __init__(self, catalog, chances, entropies=None, problems=64):
        self.chances, self.entropies = chances, entropies or {}
        self.known = {}
        for arm in catalog.arms:
            for seed in range(problems):
                problem = catalog.problem(arm, seed)
                self.known[problem.prompt] = problem
        self.asked, self.solved = [], []

    def chance(self, arm, temperature):
        rate = self.chances[arm] if isinstance(self.chances, dict) else self.chances
        return rate if temperature <= 1 else rate / temperature

    def generate(self, views, seeds, temperature):
        rows = []
        for view, seed in zip(views, seeds, strict=True):
            problem = self.known[view.prompt]
            right = np.random.default_rng(seed).random() < self.chance(problem.arm, temperature)
            text = f"<answer>{problem.answer if right else 'no'}</answer>"
            entropy = self.entropies.get(problem.arm, 0.5)
            rows.append(Rollout(view, text, (1, 2), entropy=entropy, temperature=temperature))
            self.asked.append(problem.key)
            self.solved.append(bool(right))
        return rows


def learn(recipe, catalog, start, steps, n=16, size=8, rate=0.02, seed=0, spread=0.08):
    """Play against a learner whose arms improve with practice, most where p (1 - p) is largest.

    Practice of an arm helps its neighbours by `spread`. Returns the chances [steps, arms] and the
    picks of every step.
    """
    p = np.array([start[arm] for arm in catalog.arms])
    logit = np.log(p / (1 - p))
    index = {arm: i for i, arm in enumerate(catalog.arms)}
    chances, history = [], []
    for step in range(steps):
        p = 1 / (1 + np.exp(-logit))
        chances.append(p)
        rng = np.random.default_rng([seed, step])
        picks = recipe.select.choose(n, Clock(step, step / steps, step * n * size))
        groups = [
            group(catalog, pick, (rng.random(size) < p[index[pick.arm]]).astype(float), step)
            for pick in picks
        ]
        recipe.observe(with_advantages(recipe, groups), {})
        history.append(picks)
        for pick in picks:
            i = index[pick.arm]
            gain = rate * size * p[i] * (1 - p[i])
            logit[i] += gain
            logit[max(i - 1, 0)] += spread * gain
            logit[min(i + 1, len(p) - 1)] += spread * gain
    return np.array(chances), history
