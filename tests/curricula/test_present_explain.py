"""Answer-conditioned strategies: who is asked again, what is credited, how chains get shorter."""

from dataclasses import replace

import pytest

from currlab.curricula import (
    Catalog,
    Clock,
    Group,
    Pick,
    Rollout,
    Score,
    View,
    make_recipe,
    make_strategy,
)
from currlab.curricula.present.explain import agreement, guided, steps_of, unsolved
from currlab.tasks import get_task
from currlab.training.collect import Collector, with_advantages

CATALOG = Catalog.of({"sorting": [8], "brackets": [3]}, pool=100)
SORTING = CATALOG.problem("sorting/8", 4)
WORKED = get_task("sorting").completion(SORTING)


class Reader:
    """A policy that copies an answer from the prompt, goes on from a prefix of at least `needs`
    characters of the answer, and solves nothing else."""

    max_new_tokens = 40

    def __init__(self, catalog, needs=6, reads=True):
        self.answers = {}
        for arm in catalog.arms:
            for seed in range(catalog.pool):
                problem = catalog.problem(arm, seed)
                self.answers[problem.prompt] = problem.answer
        self.needs, self.reads, self.views = needs, reads, []

    def generate(self, views, seeds, temperature):
        self.views += views
        return [self.answer(view) for view in views]

    def answer(self, view):
        question, told, _ = view.prompt.partition("\nanswer: ")
        right = self.answers.get(question.partition("\n")[0], "no")
        knows = (told and self.reads) or len(view.prefix) - len("<answer>") >= self.needs
        text = f"<answer>{right}</answer>" if knows else "<answer>no</answer>"
        if view.prefix and not knows:
            text = view.prefix
        return Rollout(view, text, (1, 2, 3), int(bool(view.prefix)))


def collected(name, policy, clock=Clock(), picks=(Pick("sorting/8", 4),), **settings):  # noqa: B008
    """The groups of one step, with advantages, under the strategy on present and sample."""
    known = {"present": name, "sample": name}
    recipe = make_recipe(**known, settings={name: {"size": 4, **settings}})
    groups = Collector(recipe, CATALOG, policy, seed=0).collect(list(picks), clock)
    return with_advantages(recipe, groups)


def answered(texts, view=None, pick=None):
    view = view or View(SORTING.prompt)
    rollouts = [
        Rollout(view, text, (1,), score=Score(float(ok := text == WORKED), ok)) for text in texts
    ]
    return Group(SORTING, pick or Pick("sorting/8", 4), tuple(rollouts), 0)


def test_a_guided_view_is_credited_to_the_plain_prompt():
    view = guided(SORTING)
    assert view.prompt == f"{SORTING.prompt}\nanswer: {SORTING.answer}"
    assert view.train_prompt == SORTING.prompt
    assert view.hinted
    steps = "\n".join(get_task("sorting").steps(SORTING))
    assert guided(SORTING, solution=True).prompt == (
        f"{SORTING.prompt}\n{steps}\nanswer: {SORTING.answer}"
    )


def test_a_warm_up_can_show_guides():
    """`sorting@told` is the task that a guide turns a problem into."""
    problem = get_task("sorting@told").make(8, 4)
    assert problem.prompt == guided(SORTING).prompt
    assert get_task("sorting@told").completion(problem) == WORKED


def test_only_plain_groups_without_a_hit_that_were_not_asked_again_are_unsolved():
    failed, solved = answered(["x", "y"]), answered(["x", WORKED])
    hinted = answered(["x"], View(SORTING.prompt, prefix="<answer>0"))
    again = answered(["x"], pick=Pick("sorting/8", 4, parent=0))
    assert unsolved([failed, solved, hinted, failed]) == [0, 3]
    assert unsolved([failed, again]) == []


# ---------------------------------------------------------------- EGSR


def test_egsr_asks_failed_groups_again_and_joins_the_answers():
    policy = Reader(CATALOG)
    (group,) = collected("egsr", policy, guided=2, guide="answer")
    kinds = [rollout.view.kind for rollout in group.rollouts]
    assert kinds == ["plain"] * 4 + ["guided"] * 2
    assert group.correct == (False,) * 4 + (True,) * 2
    assert all((a > 0) == right for a, right in zip(group.advantages, group.correct, strict=True))
    assert {r.view.train_prompt for r in group.rollouts[4:]} == {SORTING.prompt}


def test_egsr_leaves_groups_with_a_hit_alone():
    strategy = make_strategy("egsr")
    groups = [answered(["x", WORKED])]
    assert strategy.after(groups, Clock()) == (groups, [])


def test_egsr_never_asks_for_more_than_trl_has_room_for():
    (group,) = collected("egsr", Reader(CATALOG), guided=200)
    assert len(group.rollouts) == 8 == 4 * make_strategy("egsr").growth


# ---------------------------------------------------------------- ExPO


def test_expo_guides_a_share_of_the_group_until_the_arm_is_half_solved():
    strategy = make_strategy("expo", guided=0.25, below=0.5)
    views = strategy.show(SORTING, Pick("sorting/8"), 8, Clock())
    assert [view.kind for view in views] == ["plain"] * 6 + ["guided"] * 2
    strategy.memory["pass_rate"] = {"sorting/8": 0.5}
    assert strategy.show(SORTING, Pick("sorting/8"), 8, Clock()) == [View(SORTING.prompt)] * 8


@pytest.mark.parametrize("n", [1, 2, 3])
def test_expo_always_keeps_a_plain_rollout(n):
    views = make_strategy("expo", guided=1.0).show(SORTING, Pick("sorting/8"), n, Clock())
    assert [view.kind for view in views] == ["plain"] + ["guided"] * (n - 1)


# ---------------------------------------------------------------- InT


@pytest.mark.parametrize(
    ("texts", "digits"),
    [
        (["nothing"], 1),
        (["<answer>"], 1),
        ([WORKED[:11] + "x", WORKED[:9]], 4),
        ([WORKED[:-9] + "9</answer>"], 9),
    ],
)
def test_int_repairs_the_best_rollout_at_its_first_mistake(texts, digits):
    start = make_strategy("intervention").repaired(answered(texts))
    assert start == "<answer>" + SORTING.answer[:digits]


def test_int_repairs_whole_steps_of_a_thought():
    steps = get_task("sorting").steps(SORTING)
    text = f"<think>{steps[0]}\n{steps[1][:3]}?"
    start = make_strategy("intervention", thought=True).repaired(answered([text]))
    assert start == f"<think>{steps[0]}\n{steps[1]}\n"


def test_int_asks_once_more_from_the_repair_and_imitates_it():
    policy = Reader(CATALOG, needs=1)
    first, second = collected("intervention", policy, imitation=0.3)
    assert not any(first.correct)
    assert second.correct == (True,) * 4
    views = {rollout.view for rollout in second.rollouts}
    assert [(v.prefix, v.prefix_nll, v.prefix_credit) for v in views] == [
        ("<answer>" + SORTING.answer[0], 0.3, "none")
    ]


# ---------------------------------------------------------------- EvoCoT


@pytest.mark.parametrize(("share", "dropped"), [(0.0, 1), (0.25, 3), (0.5, 6), (0.79, 8)])
def test_evocot_explains_then_shortens_its_own_chain(share, dropped):
    clock = Clock(5, share)
    first, explained, shortened = collected("evocot", Reader(CATALOG), clock, longest=10)
    assert not any(first.correct)
    assert not any(rollout.kept for rollout in explained.rollouts)
    assert {r.view.train_prompt for r in explained.rollouts} == {SORTING.prompt}
    assert {r.view.prefix for r in shortened.rollouts} == {
        "<answer>" + SORTING.answer[: 9 - dropped]
    }
    assert all(rollout.kept for rollout in shortened.rollouts)


def test_chains_of_at_most_s_steps_drop_out():
    groups = collected("evocot", Reader(CATALOG), Clock(9, 0.9), longest=10)
    assert len(groups) == 2


def test_an_answer_that_cannot_be_explained_gives_no_chain():
    assert len(collected("evocot", Reader(CATALOG, reads=False))) == 2


def test_the_chain_is_a_right_one():
    strategy = make_strategy("evocot")
    group = answered(["<answer>wrong</answer>", WORKED])
    assert strategy.shortened(group, Clock()) == WORKED[: -len("</answer>") - 1]


def test_lines_of_a_thought_are_steps():
    assert steps_of("<think>a\nb\nc</think><answer>c</answer>") == ["<think>", "a\n", "b\n", "c"]
    assert steps_of("<answer></answer>") == ["<answer>"]
    assert steps_of("") == ["<answer>"]


def test_agreement_counts_the_common_start():
    assert agreement("", "abc") == 0
    assert agreement("abd", "abc") == 2
    assert agreement("abc", "abcdef") == 3


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", ["egsr", "intervention", "evocot", "clpo_rewrites"])
def test_a_step_keeps_no_more_rollouts_than_it_said(name):
    """Whatever the policy can do: TRL has that many rows and not one more."""
    picks = [Pick(arm, seed) for arm in CATALOG.arms for seed in range(4)]
    for needs in (0, 3, 99):
        for reads in (True, False):
            groups = collected(name, Reader(CATALOG, needs, reads), picks=picks)
            kept = sum(rollout.kept for group in groups for rollout in group.rollouts)
            assert kept <= make_strategy(name).growth * 4 * len(picks)


@pytest.mark.parametrize("name", ["egsr", "intervention", "evocot", "clpo_rewrites"])
def test_on_one_dial_only_it_still_works(name):
    for dials in ({"present": name}, {"sample": name}):
        recipe = make_recipe(**dials)
        policy = Reader(CATALOG)
        groups = Collector(recipe, CATALOG, policy, 0).collect([Pick("sorting/8", 4)], Clock())
        assert not groups[0].correct[0]
        recipe.observe(with_advantages(recipe, groups), {})


def test_two_objects_on_two_dials_do_what_one_does():
    """The cockpit changes one dial at a time."""
    policy = Reader(CATALOG)
    recipe = make_recipe(present="egsr", sample="egsr", settings={"egsr": {"size": 4}})
    apart = recipe.with_dial("present", make_strategy("egsr", size=4))
    one, two = (
        Collector(r, CATALOG, policy, 0).collect([Pick("sorting/8", 4)], Clock())
        for r in (recipe, apart)
    )
    assert one == two
    assert replace(one[0], step=0).hinted
