"""From picks to scored groups: present, sample and reward, shared by both training engines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from currlab.curricula.core import Recipe
from currlab.curricula.data import ANY_ARM, Catalog, Clock, Group, Pick, Policy, Rollout, View
from currlab.errors import CurrlabError
from currlab.tasks import Problem


def derive_seed(*parts: int) -> int:
    """A 63-bit seed from whole numbers, the same on every machine: no generator to save."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


class Collector:
    """Runs the dials before the update. Stateless: seeds come from (run seed, step, slot, rollout).

    A slot is a problem's place in the step's batch. Because a rollout's randomness depends on its
    slot and not on its batch, slots can be spread over processes without changing any result: with
    `processes` of them each rolls out its share, and `gather` (all of a list's parts, in the order of
    the processes) gives every process all groups.
    """

    def __init__(
        self,
        recipe: Recipe,
        catalog: Catalog,
        policy: Policy,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        gather: Callable[[list[Group]], list[Group]] = list,
    ) -> None:
        self.recipe, self.catalog, self.policy, self.seed = recipe, catalog, policy, seed
        self.rank, self.processes, self.gather = rank, processes, gather
        recipe.select.bind(catalog)

    def choose(self, n: int, clock: Clock) -> list[Pick]:
        """The next `n` picks, fresh problems given their seeds; a probe comes first, if any."""
        self.recipe.select.probe(self.policy, clock)
        picks = self.recipe.select.choose(n, clock)
        if len(picks) != n:
            name = self.recipe.select.name
            raise CurrlabError(f"Strategy '{name}' chose {len(picks)} problems instead of {n}.")
        return [self._with_seed(pick, clock.step, slot) for slot, pick in enumerate(picks)]

    def _with_seed(self, pick: Pick, step: int, *place: int) -> Pick:
        """The pick with a problem; `place` is its slot and, for an extra pick, its round."""
        if pick.seed is not None:
            return pick
        # 40 bits keep problem seeds short to read and still never repeat within a run.
        seed = derive_seed(self.seed, step, *place) >> 23
        return replace(pick, seed=seed % self.catalog.pool if self.catalog.pool else seed)

    def collect(self, picks: Sequence[Pick], clock: Clock) -> list[Group]:
        """Scored groups for the picks, those of all processes.

        The sample dial may ask for extra picks, for a bounded number of rounds; those that merge
        join their parent's group, the others make groups of their own.
        """
        groups, extra = self.recipe.sample.after(self._roll(picks, clock, 0), clock)
        for number in range(1, self.recipe.sample.max_rounds + 1):
            if not extra:
                break
            extra = self._chosen(extra, clock)
            extra = [self._with_seed(pick, clock.step, i, number) for i, pick in enumerate(extra)]
            groups = join(groups, self._roll(extra, clock, number))
            groups, extra = self.recipe.sample.after(groups, clock)
        return groups

    def _chosen(self, extra: Sequence[Pick], clock: Clock) -> list[Pick]:
        """Extra picks whose problem is left to select, with the problems that it chooses."""
        count = sum(pick.arm == ANY_ARM for pick in extra)
        new = iter(self.recipe.select.choose(count, clock) if count else ())
        return [
            pick if pick.arm != ANY_ARM else replace(next(new), parent=pick.parent)
            for pick in extra
        ]

    def _roll(self, picks: Sequence[Pick], clock: Clock, number: int) -> list[Group]:
        """One round: every pick shown, sampled in one batch, and scored; shared by the processes."""
        plan = self.recipe.sample.plan(picks, clock)
        first, last = (len(picks) * (self.rank + i) // self.processes for i in (0, 1))
        mine, sizes = picks[first:last], plan.rollouts[first:last]
        problems = [self.catalog.problem(pick.arm, pick.seed) for pick in mine]
        views: list[View] = []
        seeds: list[int] = []
        for slot, (problem, pick, n) in enumerate(zip(problems, mine, sizes, strict=True), first):
            views += self._views(problem, pick, n, clock)
            seeds += [derive_seed(self.seed, clock.step, number, slot, i) for i in range(n)]
        rollouts = self.policy.generate(views, seeds, plan.temperature)
        return self.gather(self._score(problems, mine, sizes, rollouts, clock))

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
    for group in extra:
        if group.pick.merge:
            parent = joined[group.pick.parent]
            joined[group.pick.parent] = replace(parent, rollouts=parent.rollouts + group.rollouts)
        else:
            joined.append(group)
    return joined


def with_advantages(recipe: Recipe, groups: Sequence[Group]) -> list[Group]:
    """The groups as `observe` sees them: with the advantages that the update uses."""
    rows = recipe.update.advantages(groups)
    return [replace(group, advantages=row) for group, row in zip(groups, rows, strict=True)]
