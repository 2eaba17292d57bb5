"""From picks to scored groups: present, sample and reward, shared by both training engines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from currlab.curricula.core import Recipe
from currlab.curricula.data import Catalog, Clock, Group, Pick, Policy, Rollout, View
from currlab.errors import CurrlabError
from currlab.tasks import Problem


def derive_seed(*parts: int) -> int:
    """A 63-bit seed from whole numbers, the same on every machine: no generator to save."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


class Collector:
    """Runs the dials before the update. Stateless: seeds come from (run seed, step, slot, rollout).

    A slot is a problem's place in the step's batch. Because a rollout's randomness depends on its
    slot and not on its batch, slots can be spread over processes without changing any result.
    """

    def __init__(self, recipe: Recipe, catalog: Catalog, policy: Policy, seed: int) -> None:
        self.recipe, self.catalog, self.policy, self.seed = recipe, catalog, policy, seed
        recipe.select.bind(catalog)

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        """The next `n` picks, fresh problems given their seeds; a probe comes first, if any."""
        self.recipe.select.probe(self.policy, clock)
        picks = self.recipe.select.choose(n, clock)
        if len(picks) != n:
            name = self.recipe.select.name
            raise CurrlabError(f"Strategy '{name}' chose {len(picks)} problems instead of {n}.")
        return [self._with_seed(pick, clock.step, slot) for slot, pick in enumerate(picks)]

    def _with_seed(self, pick: Pick, step: int, slot: int) -> Pick:
        if pick.seed is not None:
            return pick
        # 40 bits keep problem seeds short to read and still never repeat within a run.
        seed = derive_seed(self.seed, step, slot) >> 23
        return replace(pick, seed=seed % self.catalog.pool if self.catalog.pool else seed)

    def collect(self, picks: Sequence[Pick], clock: Clock, first_slot: int = 0) -> list[Group]:
        """Scored groups for the picks; `first_slot` is the slot of the first pick.

        The sample dial may ask for extra picks, for a bounded number of rounds; those that merge
        join their parent's group, the others make groups of their own.
        """
        groups = self._roll(picks, clock, first_slot, 0)
        groups, extra = self.recipe.sample.after(groups, clock)
        for number in range(1, self.recipe.sample.max_rounds + 1):
            if not extra:
                break
            extra = [
                self._with_seed(pick, clock.step, first_slot + i) for i, pick in enumerate(extra)
            ]
            groups = join(groups, self._roll(extra, clock, first_slot, number))
            groups, extra = self.recipe.sample.after(groups, clock)
        return groups

    def _roll(
        self, picks: Sequence[Pick], clock: Clock, first_slot: int, number: int
    ) -> list[Group]:
        """One round: every pick shown, sampled in one batch, and scored."""
        plan = self.recipe.sample.plan(picks, clock)
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in picks]
        views: list[View] = []
        seeds: list[int] = []
        for slot, (problem, pick, n) in enumerate(zip(problems, picks, plan.rollouts, strict=True)):
            views += self._views(problem, pick, n, clock)
            place = (self.seed, clock.step, number, first_slot + slot)
            seeds += [derive_seed(*place, i) for i in range(n)]
        rollouts = self.policy.generate(views, seeds, plan.temperature)
        return self._score(problems, picks, plan.rollouts, rollouts, clock)

    def _views(self, problem: Problem, pick: Pick, n: int, clock: Clock) -> list[View]:
        shown = self.recipe.present.show(problem, pick, n, clock)
        views = [shown] * n if isinstance(shown, View) else list(shown)
        if len(views) != n:
            name = self.recipe.present.name
            raise CurrlabError(f"Strategy '{name}' made {len(views)} views for {n} rollouts.")
        return views

    def _score(
        self,
        problems: Sequence[Problem],
        picks: Sequence[Pick],
        sizes: Sequence[int],
        rollouts: Sequence[Rollout],
        clock: Clock,
    ) -> list[Group]:
        groups, start = [], 0
        for problem, pick, n in zip(problems, picks, sizes, strict=True):
            rows = rollouts[start : start + n]
            scores = self.recipe.reward.score(problem, rows, self.policy, clock)
            scored = tuple(replace(r, score=s) for r, s in zip(rows, scores, strict=True))
            groups.append(Group(problem, pick, scored, clock.step))
            start += n
        return groups


def join(groups: Sequence[Group], extra: Sequence[Group]) -> list[Group]:
    """Groups with the rollouts of merging extras added to their parents."""
    joined = list(groups)
    places = {group.problem.key: i for i, group in enumerate(joined)}
    for group in extra:
        if group.pick.merge and group.pick.parent in places:
            i = places[group.pick.parent]
            joined[i] = replace(joined[i], rollouts=joined[i].rollouts + group.rollouts)
        else:
            joined.append(group)
    return joined


def with_advantages(recipe: Recipe, groups: Sequence[Group]) -> list[Group]:
    """The groups as `observe` sees them: with the advantages that the update uses."""
    rows = recipe.update.advantages(groups)
    return [replace(group, advantages=row) for group, row in zip(groups, rows, strict=True)]
