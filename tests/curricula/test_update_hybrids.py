"""Imitation and reinforcement in one run: what each paper's rule asks for, on cases done by hand."""

import math
from dataclasses import replace

import pytest
import torch
from fakes import CATALOG, group
from update_cases import clock_after, groups_of, made, step_metrics, with_view

from currlab.curricula import Clock, Pick, make_recipe
from currlab.curricula.data import Score
from currlab.curricula.update.grpo import GRPO

FAILED, MIXED, SOLVED = [0, 0, 0, 0], [1, 0, 0, 1], [1, 1, 1, 1]


def shown(strategy, groups, clock=None):
    """Seeds of the problems that are imitated."""
    return [d.problem.seed for d in strategy.imitate(groups, CATALOG, clock or Clock())]


# ---------------------------------------------------------------- mixing


def test_chord_rises_linearly_then_falls_as_a_cosine_and_stays():
    chord = made("chord", peak=0.9, valley=0.1, warm_up=0.2, until=0.6)
    for share, mu in [(0, 0), (0.1, 0.45), (0.2, 0.9), (0.4, 0.5), (0.6, 0.1), (1.0, 0.1)]:
        assert chord.weights(Clock(share=share)) == pytest.approx((1 - mu, mu))
    quarter = 0.1 + 0.8 * (1 + math.cos(math.pi / 4)) / 2
    assert chord.mu(Clock(share=0.3)) == pytest.approx(quarter)


def test_chord_without_a_warm_up_or_without_a_fall():
    assert made("chord", peak=0.9).mu(Clock(share=0.0)) == 0.9
    assert made("chord").mu(Clock(share=0.7)) == pytest.approx(0.1)
    late = made("chord", peak=0.9, valley=0.2, warm_up=0.5, until=0.3)
    assert late.mu(Clock(share=0.5)) == 0.2


def test_chord_weighs_undecided_tokens_most():
    chances = torch.tensor([[0.01, 0.5, 0.99]])
    phi = made("chord").token_weights(chances.log())
    torch.testing.assert_close(phi, torch.tensor([[0.0099, 0.25, 0.0099]]))
    torch.testing.assert_close(made("chord", tokens="is").token_weights(chances.log()), chances)
    assert made("chord", tokens="all").token_weights(chances.log()) is None


def test_mixing_imitates_a_worked_answer_to_each_problem_once():
    groups = groups_of(FAILED, SOLVED)
    assert shown(made("chord"), [*groups, groups[0]]) == [0, 1]
    (text,) = {d.text for d in made("chord").imitate(groups[:1], CATALOG, Clock())}
    assert CATALOG.task("sorting/2").verify(groups[0].problem, text)


def entropic(entropy):
    """One group whose rollouts have this entropy."""
    (found,) = groups_of(MIXED)
    return [replace(found, rollouts=tuple(replace(r, entropy=entropy) for r in found.rollouts))]


def test_amft_imitates_more_while_entropy_is_below_its_start():
    amft = made("amft", start=0.5, rate=0.2)
    assert amft.weights(Clock()) == (0.5, 0.5)
    amft.observe(entropic(0.8), step_metrics(1))
    assert amft.memory == {"mu": 0.5, "target": 0.8}
    amft.observe(entropic(0.3), step_metrics(2))
    assert amft.weights(Clock()) == pytest.approx((0.4, 0.6))
    amft.observe(entropic(1.8), step_metrics(3))
    assert amft.memory["mu"] == pytest.approx(0.4)


@pytest.mark.parametrize(("entropy", "mu"), [(100.0, 0.05), (0.0, 0.95)])
def test_amft_stays_within_its_bounds(entropy, mu):
    amft = made("amft", rate=10.0)
    amft.observe(entropic(0.5), {})
    amft.observe(entropic(entropy), {})
    assert amft.memory["mu"] == mu


# ---------------------------------------------------------------- gates


def test_hpt_imitates_unsolved_problems_and_reinforces_the_others():
    groups, hpt = groups_of(FAILED, MIXED, SOLVED), made("hpt")
    assert shown(hpt, groups) == [0]
    assert hpt.advantages(groups) == [(0.0,) * 4, (0.5, -0.5, -0.5, 0.5), (0.0,) * 4]
    two = made("hpt", gate=2, coefficient=0.3)
    assert shown(two, groups) == [0, 1]
    assert two.advantages(groups) == [(0.0,) * 4] * 3
    assert two.weights(Clock()) == (1.0, 0.3)


@pytest.mark.parametrize("name", ["hpt", "relift", "visurf"])
def test_a_hinted_group_is_no_reason_to_imitate(name):
    (failed,) = groups_of(FAILED)
    (mixed,) = groups_of(MIXED)
    strategy = made(name, **({"buffer": 1} if name == "relift" else {}))
    for found in (failed, mixed):
        hinted = with_view(found, prefix="1")
        assert shown(strategy, [hinted]) == []
        strategy.observe([hinted], step_metrics(1))
        assert shown(strategy, [hinted]) == []
        plain = GRPO(GRPO.Parameters(strategy.parameters.scale))
        assert strategy.advantages([hinted]) == plain.advantages([hinted])


def test_relift_imitates_exactly_the_oldest_failures_once_there_are_enough():
    relift = made("relift", buffer=3)
    failures = [group(CATALOG, Pick("sorting/4", seed), FAILED) for seed in range(8)]
    solved = groups_of(SOLVED)
    assert shown(relift, failures[:2]) == []
    relift.observe([*failures[:2], *solved], step_metrics(1))
    assert shown(relift, failures[2:5]) == []  # two are not enough
    relift.observe(failures[2:5], step_metrics(2))
    assert shown(relift, solved) == [0, 1, 2]
    assert relift.snapshot() == {"problems collected": 5}
    relift.observe([failures[5]], step_metrics(3))  # 3 and 4 are left, 5 comes in
    assert shown(relift, solved) == [3, 4, 5]
    relift.observe(solved, step_metrics(4))
    assert shown(relift, solved) == []
    assert relift.memory == {"failed": []}


def test_relift_reinforces_all_the_while():
    groups = groups_of(FAILED, MIXED)
    assert made("relift").advantages(groups) == [(0.0,) * 4, (0.5, -0.5, -0.5, 0.5)]
    assert made("relift", coefficient=0.5).weights(Clock()) == (1.0, 0.5)


def test_visurf_counts_the_true_answer_as_one_more_rollout():
    visurf = made("visurf", scale="none")
    groups = groups_of(FAILED, MIXED, SOLVED)
    fifth = 0.2
    assert visurf.advantages(groups) == [
        pytest.approx((-fifth,) * 4),
        pytest.approx((2 * fifth, -3 * fifth, -3 * fifth, 2 * fifth)),
        (0.0,) * 4,
    ]
    demonstrations = visurf.imitate(groups, CATALOG, Clock())
    assert [d.problem.seed for d in demonstrations] == [0, 1]
    # Its advantages 4/5 and 2/5, shared by four rollouts.
    assert [d.weight for d in demonstrations] == pytest.approx([0.2, 0.1])


def test_visurf_never_pushes_the_true_answer_away():
    (bonus,) = groups_of([3.0, 3.0, 0.0, 3.0])
    assert made("visurf").joined(bonus)[-1] < 0
    assert made("visurf").imitate([bonus], CATALOG, Clock()) == []


# ---------------------------------------------------------------- order


def stages(order, first=0.5, steps=10):
    """For every step: "S" if it only imitates, "R" if it only reinforces, "M" for both."""
    strategy, told = made("stage_order", order=order, first=first), ""
    for step in range(steps):
        groups, clock = groups_of(MIXED, step=step), clock_after(step, steps)
        imitates = bool(strategy.imitate(groups, CATALOG, clock))
        reinforces = any(strategy.advantages(groups)[0])
        told += {(True, False): "S", (False, True): "R", (True, True): "M"}[imitates, reinforces]
        strategy.observe(groups, step_metrics(step + 1, total=steps))
    return told


@pytest.mark.parametrize(
    ("order", "first", "told"),
    [
        ("sft", 0.5, "SSSSSSSSSS"),
        ("rl", 0.5, "RRRRRRRRRR"),
        ("sft_then_rl", 0.3, "SSSRRRRRRR"),
        ("rl_then_sft", 0.3, "RRRSSSSSSS"),
        ("interleaved", 0.5, "RSRSRSRSRS"),
        ("interleaved", 0.2, "RRRRSRRRRS"),
        ("interleaved", 0.7, "RSSRSSRSSS"),
        ("mixed", 0.5, "MMMMMMMMMM"),
        ("sft_then_rl", 0.0, "RRRRRRRRRR"),
        ("sft_then_rl", 1.0, "SSSSSSSSSS"),
    ],
)
def test_the_stages_come_in_order(order, first, told):
    assert stages(order, first) == told


def test_a_mixed_loss_has_both_factors_and_stages_have_none():
    assert made("stage_order", order="mixed", mix=0.3).weights(Clock()) == pytest.approx((0.7, 0.3))
    assert made("stage_order").weights(Clock()) == (1.0, 1.0)


def test_on_the_sample_dial_a_step_of_imitation_samples_once_a_problem():
    picks = [Pick("sorting/1"), Pick("sorting/2", rollouts=3)]
    order = made("stage_order", order="sft_then_rl", first=0.5, size=6)
    assert order.plan(picks, Clock()).rollouts == (1, 3)
    order.observe([], step_metrics(10))
    assert order.plan(picks, Clock()).rollouts == (6, 3)
    own = made("stage_order", order="sft", source="own", size=6)
    assert own.plan(picks, Clock()).rollouts == (6, 3)


def test_own_answers_are_imitated_where_there_is_a_right_one_without_help():
    groups = groups_of([0, 1], [1, 1], [0, 0])
    texts = [
        tuple(replace(r, text=f"{place}/{i}") for i, r in enumerate(g.rollouts))
        for place, g in enumerate(groups)
    ]
    groups = [replace(g, rollouts=rows) for g, rows in zip(groups, texts, strict=True)]
    groups[1] = with_view(groups[1], prefix="1")
    order = made("stage_order", order="sft", source="own")
    found = [d.text for d in order.imitate(groups, CATALOG, Clock())]
    assert found == ["0/1", *(CATALOG.worked(g.problem) for g in groups[1:])]


def test_sasr_warms_up_then_imitates_with_the_chance_that_the_norms_give():
    sasr = made("sasr", warm_up=2, gamma=3.0)
    groups = groups_of(MIXED)
    for norm in (2.0, 4.0):
        assert shown(sasr, groups) == [0]
        assert sasr.advantages(groups) == [(0.0,) * 4]
        sasr.observe(groups, step_metrics(1, norm))
    # G = 4, G_0 = 3, gamma 3.
    assert sasr.chance == pytest.approx(4 / (4 + 9))
    sasr.memory["imitates"] = False
    sasr.observe(groups, step_metrics(3, 100.0))  # a norm of reinforcement says nothing
    assert sasr.chance == pytest.approx(4 / 13)
    sasr.memory["imitates"] = True
    sasr.observe(groups, step_metrics(4, 9.0))
    assert sasr.chance == pytest.approx(9 / (9 + 9))
    assert sasr.memory["warm_up_norms"] == [2.0, 4.0]


def test_sasr_draws_as_often_as_its_chance_says():
    sasr, groups, imitated = made("sasr", warm_up=1, gamma=1.0), groups_of(MIXED), []
    for step in range(400):
        imitated.append(bool(shown(sasr, groups)))
        sasr.observe(groups, step_metrics(step + 1, 1.0))
    assert imitated[0]
    # Equal norms: one half; three deviations of 399 coin flips are 0.075.
    assert sum(imitated[1:]) / 399 == pytest.approx(0.5, abs=0.075)
    # Where imitation has no gradient left, it is over.
    sasr.memory |= {"imitates": True}
    sasr.observe(groups, step_metrics(401, 0.0))
    assert sasr.chance == 0.0
    assert not sasr.memory["imitates"]


def test_one_object_serves_both_dials_of_a_recipe():
    recipe = make_recipe(
        sample="stage_order", update="stage_order", settings={"stage_order": {"size": 4}}
    )
    assert recipe.sample is recipe.update


def test_only_verified_rollouts_are_own_answers():
    (found,) = groups_of([0.9, 0.0])
    rows = tuple(replace(r, score=Score(r.score.total, False)) for r in found.rollouts)
    order = made("stage_order", order="sft", source="own")
    (shown_,) = order.imitate([replace(found, rollouts=rows)], CATALOG, Clock())
    assert shown_.text == CATALOG.worked(found.problem)
