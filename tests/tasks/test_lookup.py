"""The lookup task: exactly one path, gold facts and others, and prompts put together anew."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from currlab.errors import CurrlabError
from currlab.models.tokenizer import build_tokenizer
from currlab.tasks import get_task
from currlab.tasks.base import is_test_prompt
from currlab.tasks.lookup import NAMES, Question, more_facts, retrieve
from currlab.tasks.variants import noisy, problem_rng, reworded, simpler

TASK = get_task("lookup")
levels, seeds, shares = st.integers(1, 12), st.integers(-(10**6), 10**6), st.floats(0, 1)
many = settings(deadline=None)


def block(answer):
    return f"<answer>{answer}</answer>"


def follow(prompt):
    """The path by another way: one regular expression a hop."""
    name = re.search(r" (\w+)\?$", prompt)[1]
    path = [name]
    while found := re.findall(rf"(?<= ){path[-1]}=(\w+)(?= )", prompt):
        assert len(found) == 1
        path.append(found[0])
    return "=".join(path)


@many
@given(levels, seeds)
def test_each_name_has_one_fact_and_the_answer_is_the_path(level, seed):
    problem = TASK.make(level, seed)
    asked = Question.read(problem.prompt)
    assert asked.prompt == problem.prompt
    names = [fact.split("=")[0] for fact in asked.facts]
    assert len(set(names)) == len(names) == level + 2
    assert problem.answer == follow(problem.prompt) == "=".join(asked.path)
    assert problem.answer.count("=") == len(asked.gold) == 1 + (level - 1) // 3
    assert re.fullmatch(r"([a-z]{2}=)+[0-9]{2}", problem.answer)
    assert sorted(asked.gold + asked.distractors) == sorted(asked.facts)
    steps = TASK.steps(problem)
    assert steps[-1] == problem.answer
    assert len(steps) == len(asked.gold)


@many
@given(levels, seeds)
def test_the_gold_facts_alone_answer_and_without_one_of_them_nothing_does(level, seed):
    problem = TASK.make(level, seed)
    asked = Question.read(problem.prompt)
    assert follow(asked.with_facts(asked.gold).prompt) == problem.answer
    for missing in asked.gold:
        left = asked.with_facts([fact for fact in asked.facts if fact != missing])
        assert "=".join(left.path) != problem.answer
        assert problem.answer.startswith("=".join(left.path))


@many
@given(levels, seeds, st.integers(0, 12), shares)
def test_other_contexts_keep_the_answer(level, seed, n, share):
    problem, rng = TASK.make(level, seed), random.Random(seed)
    asked = Question.read(problem.prompt)
    assert follow(asked.shuffled(rng).prompt) == problem.answer
    shown = noisy(TASK, problem, n, rng).prompt
    assert follow(shown) == problem.answer
    more = Question.read(shown)
    assert [fact for fact in more.facts if fact in asked.facts] == list(asked.facts)
    assert len(more.facts) == len(asked.facts) + n
    for rewrite in (simpler(TASK, problem, share, rng), reworded(TASK, problem, rng)):
        if rewrite is not None:
            assert follow(rewrite.prompt) == problem.answer
            assert is_test_prompt(rewrite.prompt) == (seed < 0)


def test_relief_takes_distractors_away_up_to_all_of_them():
    problem = TASK.make(9, 4)
    asked, rng = Question.read(problem.prompt), problem_rng(TASK.make(9, 4))
    left = [len(Question.read(TASK.simplify(problem, s, rng)).distractors) for s in (0.25, 0.5, 1)]
    assert left == [6, 4, 0]
    assert len(asked.distractors) == 8
    alone = TASK.make(9, 4)
    bare = type(alone)("lookup", 9, 4, asked.with_facts(asked.gold).prompt, alone.answer)
    assert simpler(TASK, bare, 0.5, rng) is None


@many
@given(levels, seeds)
def test_a_hidden_letter_leaves_one_name_that_fits(level, seed):
    problem, rng = TASK.make(level, seed), random.Random(seed)
    shown = TASK.obscure(problem, rng)
    if shown is None:
        return
    half, known = Question.read(shown), Question.read(problem.prompt)
    pattern = re.compile(half.name.replace("_", "."))
    fitting = [f for f in half.facts if pattern.fullmatch(f.split("=")[0])]
    assert fitting == [known.gold[0]]
    assert half.facts == known.facts


def test_a_name_is_often_obscured_and_never_where_two_fit():
    rng = random.Random(0)
    shown = [TASK.obscure(TASK.make(1, seed), rng) for seed in range(100)]
    assert sum(prompt is not None for prompt in shown) > 80
    twice = Question(("ba=01", "be=02", "ka=03"), "ba")
    problem = type(TASK.make(1, 0))("lookup", 1, 0, twice.prompt, "ba=01")
    assert TASK.obscure(problem, rng) is None


def test_more_facts_have_names_of_their_own():
    asked = Question.read(TASK.make(12, 0).prompt)
    facts = more_facts(asked, len(asked.free_names), random.Random(0))
    names = [fact.split("=")[0] for fact in facts]
    assert len(set(names)) == len(names) == len(asked.free_names)
    assert {*names, *(n for f in asked.facts for n in f.split("="))} >= set(NAMES)
    assert not set(names) & {part for fact in asked.facts for part in fact.split("=")}
    with pytest.raises(CurrlabError, match="'n' must be from 0 to"):
        more_facts(asked, len(facts) + 1, random.Random(0))


# ------------------------------------------------------------------ the retriever


def test_the_retriever_ranks_by_shared_characters():
    store = ["ba=47", "du=12", "ko=ba", "ku=03", "to=99"]
    assert retrieve("ko", store, 3) == ["ko=ba", "ku=03", "to=99"]
    assert retrieve("ko", store, 0) == []
    assert retrieve("zz", store, 2) == ["ba=47", "du=12"]
    assert retrieve("ko", store, 99)[0] == "ko=ba"
    assert retrieve("ko", [], 3) == []


def test_the_retriever_misses_second_hops_more_often_than_first_ones():
    """What makes it a ramp: first facts are nearly always found, later ones only in a long list."""
    found = {k: [0, 0] for k in (1, 3, 5)}
    for seed in range(200):
        asked = Question.read(TASK.make(5, seed).prompt)
        for k in found:
            for hop, fact in enumerate(asked.gold):
                found[k][hop] += fact in retrieve(asked.name, asked.facts, k)
    first, second = zip(*found.values(), strict=True)
    assert list(second) == sorted(second)
    assert first[1] > 190
    assert second[1] < 150
    assert all(a > b for a, b in zip(first, second, strict=True))


# ------------------------------------------------------------------ answers and prompts


@pytest.mark.parametrize("level", [1, 6, 12])
def test_wrong_and_hostile_answers_are_wrong(level):
    problem = TASK.make(level, 3)
    path = problem.answer.split("=")
    wrong = ["", path[-1], "=".join(path[1:]), problem.answer + "=", problem.answer * 2, "=", "\0"]
    wrong += ["=".join(path[:-1]), problem.answer.upper(), "=" * 10**5, problem.answer + "\ud800"]
    assert not any(TASK.verify(problem, block(answer)) for answer in wrong)
    assert TASK.verify(problem, block(f" {problem.answer} "))


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "look",
        "look ",
        "sort 123",
        "look ba=1 ba",
        "look ba=1=2 ba?",
        "look ba ba?",
        "find b=1 b?",
    ],
)
def test_other_prompts_are_told_in_a_sentence(prompt):
    with pytest.raises(CurrlabError, match="A prompt of the task 'lookup' looks like"):
        Question.read(prompt)


def test_facts_that_lead_in_a_circle_end():
    asked = Question.read("look ba=be be=ba ba?")
    assert len(asked.path) <= 4
    assert Question.read("look be=01 ba?").path == ("ba",)
    assert Question.read("look ba?").gold == ()


def test_levels_have_more_facts_and_hops_and_fit_the_tiny_model():
    tokenizer, lengths = build_tokenizer(), []
    for level in TASK.levels:
        problems = [TASK.make(level, seed) for seed in range(60)]
        assert len({p.prompt for p in problems}) == 60
        lengths.append(sum(len(p.prompt) for p in problems))
        for problem in problems:
            ids = tokenizer(problem.prompt + problem.answer, add_special_tokens=False)["input_ids"]
            assert tokenizer.unk_token_id not in ids
            assert len(ids) < 120
    assert lengths == sorted(set(lengths))
