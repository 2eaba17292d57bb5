"""Pretext curricula: pieces in order at first, partial rewards, tokens to predict by entropy."""

from collections import Counter

import numpy as np
import pytest

from currlab.curricula import Catalog, Clock, Pick, Rollout, View, make_recipe, make_strategy
from currlab.curricula.present.pretext import in_place, next_entropies
from currlab.errors import CurrlabError
from currlab.models import load_model
from currlab.tasks import get_task
from currlab.tasks.base import is_test_prompt
from currlab.training.collect import Collector
from currlab.training.policy import LanguagePolicy

UNSHUFFLE, SORTING = get_task("unshuffle"), get_task("sorting")


# ---------------------------------------------------------------- order to restore


def shown(problem, share, **settings):
    strategy = make_strategy("visual_jigsaw", **settings)
    return strategy.show(problem, Pick(problem.arm), 4, Clock(0, share))


def in_order(view, problem):
    """How many of the first pieces stand in order already."""
    pieces = view.prompt.split(" ")[1:]
    assert sorted(pieces) == [problem.answer[i : i + 2] for i in range(0, len(problem.answer), 2)]
    right = sorted(pieces)
    return next(
        (i for i, (a, b) in enumerate(zip(pieces, right, strict=True)) if a != b), len(right)
    )


@pytest.mark.parametrize(
    ("share", "loose"),
    [(0.0, 2), (0.13, 2), (0.15, 3), (0.3, 4), (0.45, 5), (0.57, 6), (0.7, 6), (1.0, 6)],
)
def test_more_and_more_pieces_are_out_of_order(share, loose):
    """Six pieces: one more in every fifth of .7."""
    least = []
    for seed in range(40):
        problem = UNSHUFFLE.make(5, seed)
        view = shown(problem, share)
        least.append(in_order(view, problem))
        assert view.hinted == (loose < 6)
        assert not is_test_prompt(view.prompt)
        if loose == 6:
            assert view.prompt == problem.prompt
    # Shuffling may leave a piece where it is, or a test prompt may force another number.
    assert np.mean(np.array(least) >= 6 - loose) > 0.9
    assert 6 - loose in least


def test_a_problem_is_the_same_at_every_visit_and_of_two_pieces_it_is_whole():
    problem = UNSHUFFLE.make(5, 0)
    assert shown(problem, 0.2) == shown(problem, 0.2)
    smallest = UNSHUFFLE.make(1, 0)
    assert shown(smallest, 0.0) == View(smallest.prompt)


def test_other_tasks_are_shown_as_they_are_and_earn_one_or_nothing():
    problem = SORTING.make(8, 0)
    assert shown(problem, 0.0) == View(problem.prompt)
    texts = (problem.answer, problem.answer[::-1])
    rollouts = [Rollout(View(problem.prompt), f"<answer>{t}</answer>", (1,)) for t in texts]
    scores = make_strategy("visual_jigsaw").score(problem, rollouts, None, Clock())
    assert [score.total for score in scores] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("abcdefghij", 1.0),
        ("abcdefijgh", 3 / 5),
        ("cdabefghij", 3 / 5),
        ("cdefghijab", 0.0),
        ("abcdefghab", None),  # one piece twice, one missing
        ("abcdefgh", None),
        ("badcfehgji", None),  # letters turned inside the pieces
        ("", None),
    ],
)
def test_pieces_count_at_their_place_if_all_are_there(answer, expected):
    assert in_place(answer, "abcdefghij") == expected


def test_the_reward_is_the_paper_s():
    """1 if right; .2 * (pieces in place) / K for a permutation of K > 4 pieces; else 0."""
    for level, partial in ((4, 0.2), (3, 0.0)):  # five pieces, four pieces
        problem = UNSHUFFLE.make(level, 1)
        right = problem.answer
        count = level + 1
        swapped = right[2:4] + right[:2] + right[4:]
        texts = [
            f"<answer>{right}</answer>",
            f"<answer> {swapped} </answer>",
            f"<answer>{right[2:]}</answer>",
            swapped,
        ]
        rollouts = [Rollout(View(problem.prompt), text, (1,)) for text in texts]
        scores = make_strategy("visual_jigsaw").score(problem, rollouts, None, Clock())
        expected = [1.0, partial * (count - 2) / count, 0.0, 0.0]
        assert [score.total for score in scores] == pytest.approx(expected)
        assert [score.correct for score in scores] == [True, False, False, False]


# ---------------------------------------------------------------- tokens to predict


CATALOG = Catalog.of({"sorting": [3, 6]}, pool=500)


class Sure:
    """A policy over ten digits that is the surer of the next one the more it is given."""

    def __init__(self):
        self.asked = []

    def logits(self, prompts, answers, model="self"):
        self.asked += list(zip(prompts, answers, strict=True))
        rows = []
        for answer in answers:
            given = len(answer.removeprefix("<answer>"))
            # The rows before the last would tell another story.
            rows.append(np.stack([np.eye(10)[0] * 50] * given + [np.eye(10)[0] * given]))
        return rows


def chosen(policy, share, n=8, seed=0):
    strategy = make_strategy("token_curriculum", seed=seed)
    strategy.bind(CATALOG)
    strategy.probe(policy, Clock(3, share))
    return strategy, strategy.choose(n, Clock(3, share))


def test_entropies_are_those_of_the_token_after_each_start():
    found = next_entropies(Sure(), ["sort 1"] * 3, ["<answer>", "<answer>1", "<answer>123"])
    expected = []
    for given in (0, 1, 3):
        p = np.exp(np.eye(10)[0] * given)
        p /= p.sum()
        expected.append(-(p * np.log(p)).sum())
    assert found == pytest.approx(expected)


def test_sure_tokens_come_first_and_unsure_ones_last():
    given = {}
    for share in (0.0, 0.5, 1.0):
        strategy, picks = chosen(Sure(), share)
        given[share] = [pick.view["given"] for pick in picks]
        known = [np.log(9 + np.e**g) - g * np.e**g / (9 + np.e**g) for g in given[share]]
        assert strategy.snapshot() == {
            "entropy of the tokens to predict": pytest.approx(np.mean(known))
        }
        # In order of entropy: what is given gets less.
        assert given[share] == sorted(given[share], reverse=True)
    assert min(given[0.0]) > max(given[1.0])
    assert min(given[0.0]) >= max(given[0.5]) >= max(given[1.0])


def test_four_candidates_are_read_for_every_prompt_each_at_a_place_of_its_answer():
    policy = Sure()
    chosen(policy, 0.5)
    assert len(policy.asked) == 32
    places = Counter()
    for seed in range(30):
        _, picks = chosen(Sure(), 0.0, n=32, seed=seed)
        for pick in picks:
            problem = CATALOG.problem(pick.arm, pick.seed)
            assert 0 <= pick.view["given"] < len(problem.answer)
        places.update(pick.view["given"] for pick in picks)
    assert set(places) <= set(range(7))


def test_the_start_is_forced_imitated_and_what_follows_is_reinforced():
    strategy, picks = chosen(Sure(), 0.5)
    for pick in picks:
        problem = CATALOG.problem(pick.arm, pick.seed)
        view = strategy.show(problem, pick, 4, Clock())
        assert view.prefix == f"<answer>{problem.answer[: pick.view['given']]}"
        assert (view.prefix_nll, view.prefix_credit, view.hinted) == (0.1, "none", True)


def test_without_a_model_problems_are_random_and_plain_and_logits_are_asked_for():
    strategy = make_strategy("token_curriculum")
    strategy.bind(CATALOG)
    picks = strategy.choose(6, Clock())
    assert len(picks) == 6
    problem = CATALOG.problem(picks[0].arm, picks[0].seed)
    assert strategy.show(problem, picks[0], 4, Clock()) == View(problem.prompt)
    strategy.probe(object(), Clock())
    with pytest.raises(CurrlabError, match="with logits"):
        strategy.choose(6, Clock())


def test_a_real_model_goes_through_a_step_with_it_on_both_dials():
    model, tokenizer = load_model("tiny-warm")
    policy = LanguagePolicy(model, tokenizer, 12)
    dials = {"present": "token_curriculum"}
    recipe = make_recipe("token_curriculum", **dials)
    collector = Collector(recipe, CATALOG, policy, seed=0)
    groups = collector.collect(collector.choose(4, Clock(1, 0.1)), Clock(1, 0.1))
    assert len(groups) == 4
    for group in groups:
        assert group.hinted
        for rollout in group.rollouts:
            assert rollout.text.startswith(rollout.view.prefix)
            assert rollout.prefix_len == 1 + len(rollout.view.prefix) - len("<answer>")
    # The surest tokens of a warm model: it goes on rightly.
    assert np.mean([group.pass_rate for group in groups]) > 0.5
