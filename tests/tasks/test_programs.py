"""The programs task: clauses that mean what their code does, tests that tell, verdicts in batches."""

import itertools
import random

import pytest

from currlab.curricula.data import Rollout, View
from currlab.curricula.reward.exact import is_correct
from currlab.errors import CurrlabError
from currlab.sandbox.pool import Pool
from currlab.tasks import Problem, get_task, programs
from currlab.tasks.clauses import CONDITIONS, LIST, NUMBER, PHRASES, WORD, Clause
from currlab.tasks.program_tests import TIERS, same
from currlab.tasks.programs import read, shapes, source

TASK = get_task("programs")
EVERY = [TASK.make(level, seed) for level in TASK.levels for seed in (*range(12), -1, -2, -3)]
VALUES = {
    NUMBER: [*range(-40, 60), 100, 999],
    LIST: [[], [0], [1, 2, 3], [3, 3, 1], [-2, 5, 9, 4, 8], [*range(10)], [9] * 6],
    WORD: ["", "a", "abc", "abcde", "Bad  CAB", "eeee", "a.1 ", "ecedab"],
}
ALL = dict.fromkeys(TIERS, 1.0)
NONE = dict.fromkeys(TIERS, 0.0)


def problem(prompt):
    return Problem("programs", 1, 0, prompt, "")


def block(answer):
    return f"<answer>{answer}</answer>"


def python(code):
    """The function, executed by Python itself; only for this project's own programs."""
    names = {}
    exec(code, names)
    return names["f"]


def wrong_of(prompt, *answers):
    return [TASK.tier_results(problem(prompt), block(answer)) for answer in answers]


# ------------------------------------------------------------------ clauses


@pytest.mark.parametrize("kind", PHRASES)
def test_each_phrase_means_what_its_code_does(kind):
    """Alone, and under each condition: the meaning was written without the code."""
    rng = random.Random(0)
    for phrase, condition in itertools.product(PHRASES[kind], (None, *CONDITIONS[kind])):
        if phrase.gives and condition:
            continue
        for _ in range(4):
            clause = Clause(
                phrase, phrase.fill(rng), condition, condition.fill(rng) if condition else ()
            )
            program = python(source([clause]))
            for value in VALUES[kind]:
                assert same(program(value), clause.apply(value)), (clause.words, value)
            assert Clause.read(clause.words, kind) == clause


def test_no_words_can_be_read_in_two_ways():
    for kind in PHRASES:
        starts = [p.words.replace("{}", "1") for p in (*PHRASES[kind], *CONDITIONS[kind])]
        for one, other in itertools.permutations(PHRASES[kind], 2):
            assert not other.pattern.fullmatch(one.words.replace("{}", "1"))
        assert len(set(starts)) == len(starts)


@pytest.mark.parametrize(
    "prompt",
    [
        *("", "f(number): ", "f(tree): add 3", "f(number): add", "add 3", "f(number): add 3;"),
        *("f(number): upper", "f(list): sum, sort", "f(number): add \u0663", "f(number): if odd "),
        *("sort 31", "f(number): add b", "f(word): append 3", "f(number): if over b add 3"),
    ],
)
def test_a_prompt_from_elsewhere_is_told(prompt):
    with pytest.raises(CurrlabError, match="did not make the prompt"):
        TASK.tests(problem(prompt))


# ------------------------------------------------------------------ levels


def test_a_level_is_what_the_clauses_cost():
    for made in EVERY:
        kind, read_clauses = read(made.prompt)
        total = 0
        for clause in read_clauses:
            total += (1 if kind == NUMBER else 2) + (clause.condition is not None)
            kind = clause.phrase.gives or kind
        assert total == made.level
        assert 1 <= len(read_clauses) <= 3
        assert made.answer.count("\n") == (len(read_clauses) if len(read_clauses) > 1 else 0)
    assert all(shapes(level) for level in TASK.levels)
    assert shapes(TASK.max_level + 1) == []


def test_all_kinds_and_phrases_occur():
    prompts = " ".join(TASK.make(level, seed).prompt for level in TASK.levels for seed in range(60))
    for kind in PHRASES:
        assert f"f({kind}): " in prompts
        for phrase in (*PHRASES[kind], *CONDITIONS[kind]):
            assert phrase.words.split(" {}")[0] in prompts, phrase.words


# ------------------------------------------------------------------ tests of a problem


def test_there_are_four_tests_in_each_tier_and_always_the_same():
    for made in EVERY[::5]:
        tests = TASK.tests(made)
        assert tuple(tests) == TIERS
        assert {len(tests[tier]) for tier in TIERS} == {4}
        programs.tests_of.cache_clear()
        assert TASK.tests(made) == tests


def test_tiers_rise_in_size_and_the_edge_holds_next_to_nothing():
    tests = programs.tests_of("f(list): sort")
    lengths = [[len(argument) for argument, _ in tests[tier]] for tier in TIERS]
    assert max(lengths[0]) < min(lengths[1])
    assert min(lengths[3]) == 0
    assert tests["edge"][0] == ([], [])
    numbers = programs.tests_of("f(number): at most 25")
    assert max(x for x, _ in numbers["basic"]) < 10 <= min(x for x, _ in numbers["intermediate"])
    assert {0} < {x for x, _ in numbers["edge"]}
    # Where the clause turns: 24, 25 or 26.
    assert {24, 25, 26} & {x for x, _ in numbers["edge"]}


def test_expected_values_are_pythons():
    for made in EVERY:
        program = python(made.answer)
        for tier in TIERS:
            for argument, expected in TASK.tests(made)[tier]:
                assert same(program(argument), expected), (made, argument)


def test_every_part_of_a_program_matters_to_its_tests():
    """A program without one of the clauses, or with a number or letter one off, fails somewhere."""
    for made in EVERY[::4]:
        _, right = read(made.prompt)
        others = [
            source([*right[:i], other, *right[i + 1 :]])
            for i, clause in enumerate(right)
            for other in clause.neighbours()
        ]
        others += [
            source([*right[:i], *right[i + 1 :]])
            for i, clause in enumerate(right)
            if not clause.phrase.gives and len(right) > 1
        ]
        assert not any(TASK.verify_all(made, [block(other) for other in others])), made


def test_no_constant_passes_more_than_three_tests_in_four():
    for made in EVERY:
        expected = [repr(y) for tier in TIERS for _, y in TASK.tests(made)[tier]]
        assert max(map(expected.count, expected)) <= 12, made


# ------------------------------------------------------------------ verdicts


def test_worked_solutions_pass_every_tier():
    for made in EVERY:
        assert TASK.tier_results(made, TASK.completion(made)) == ALL
        assert TASK.tier_results(made, TASK.completion(made, thought=True)) == ALL


@pytest.mark.parametrize(
    ("prompt", "answers"),
    [
        (
            "f(number): add 3, times 2",
            [
                "def f(x): return (x+3)*2",
                "def f(number):\n    return 2 * number + 6\n",
                "def f(x):\n x += 3\n x *= 2\n return x",
                "def f(x): return x-(-3)+x-(-3)",
                "\ndef f(x):\n # twice\n return sum([x+3, x+3])\n\n",
                "def f(x):\n for i in range(3): x+=1\n return x*2",
            ],
        ),
        (
            "f(list): keep over 4, largest or 2",
            [
                "def f(x): return max([v for v in x if v>4],default=2)",
                "def f(x):\n x=sorted([2]+[v for v in x if v>4])\n return x[-1]",
                "def f(x): return max(x) if x and max(x)>=5 else 2",
            ],
        ),
        (
            "f(word): reverse, if longer 3 upper",
            [
                "def f(x): return x[::-1].upper() if len(x)>=4 else x[::-1]",
                "def f(x):\n y=''\n for c in x: y=c+y\n return y if len(x)<4 else y.upper()",
                "def f(x): return ''.join(reversed(x.upper() if x[3:] else x))",
            ],
        ),
    ],
)
def test_any_right_program_is_right(prompt, answers):
    assert TASK.verify_all(problem(prompt), [block(answer) for answer in answers]) == [True] * len(
        answers
    )


def test_what_is_nearly_right_passes_the_tiers_that_it_solves():
    forgets_the_empty, forgets_negatives, forgets_all_but_one = (
        wrong_of("f(list): largest or 7", "def f(x): return max(x)")[0],
        wrong_of("f(number): absolute", "def f(x): return x")[0],
        wrong_of("f(list): sort", "def f(x): return x if len(x)<4 else [min(x)]+x[1:]")[0],
    )
    assert forgets_the_empty == {"basic": 1, "intermediate": 1, "complex": 1, "edge": 0.75}
    assert forgets_negatives["basic"] == forgets_negatives["intermediate"] == 1
    assert forgets_negatives["edge"] < 1
    assert forgets_all_but_one["intermediate"] < 1


def test_nothing_passes_that_is_not_a_program_of_the_right_values():
    answers = ["", "x+3", "def f(x): return x+4", "def f(x): return [x+3]", "def f(): return 3"]
    answers += ["def f(x): return x+3.0", "def f(x,y): return x+3", "lambda x: x+3"]
    assert wrong_of("f(number): add 3", *answers) == [NONE] * len(answers)
    assert TASK.tier_results(problem("f(number): add 3"), "def f(x): return x+3") == NONE
    two = block("def f(x): return x+3") * 2
    assert TASK.tier_results(problem("f(number): add 3"), two) == NONE


def test_truth_is_not_a_number():
    assert same(True, True)
    assert not same(True, 1)
    assert not same(1.0, 1)
    assert not same([True], [1])
    assert not same((1,), [1])
    assert not same([1], [1, 2])
    assert same([[1], "a"], [[1], "a"])
    assert not same(float("nan"), float("nan"))


def test_a_batch_is_judged_as_one_by_one():
    made = TASK.make(5, 0)
    completions = [TASK.completion(TASK.make(5, seed)) for seed in range(6)]
    completions += [block("def f(x): return x"), "no answer", block(""), block("\ud800")] * 2
    together = TASK.verify_all(made, completions)
    assert together == [TASK.verify(made, completion) for completion in completions]
    assert together[0]
    assert not any(together[6:])
    assert TASK.verify_all(made, []) == TASK.tier_results_all(made, []) == []
    tiers = TASK.tier_results_all(made, completions)
    assert tiers == [TASK.tier_results(made, completion) for completion in completions]
    tiers[0]["edge"] = 9.0  # a reward may write into its own
    assert TASK.tier_results_all(made, completions)[0] == ALL


def test_the_reward_has_a_group_judged_at_once(monkeypatch):
    made = TASK.make(4, 0)
    texts = [TASK.completion(made), block("def f(x): return x"), "nothing", TASK.completion(made)]
    runs, run = [], Pool.run
    monkeypatch.setattr(Pool, "run", lambda pool, jobs: runs.append(len(jobs)) or run(pool, jobs))
    rollouts = [Rollout(View(made.prompt), text, ()) for text in texts]
    assert is_correct(made, rollouts) == [True, False, False, True]
    assert runs == [2]


def test_near_misses_are_programs_of_the_same_kind():
    rng = random.Random(1)
    for made in EVERY[::6]:
        wrong = [TASK.near_miss(made, rng) for _ in range(8)]
        assert all(answer.startswith("def f(x):") for answer in wrong)
        assert {answer.count("\n") for answer in wrong} == {made.answer.count("\n")}
        assert any(answer != made.answer for answer in wrong)
        assert not all(TASK.verify_all(made, [block(answer) for answer in wrong]))
