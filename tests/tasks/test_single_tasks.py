"""What is special to one task: independent solutions, hostile expressions, unique puzzles."""

import itertools
import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from currlab.tasks import Problem, get_task
from currlab.tasks.knights_knaves import fits, solutions
from currlab.tasks.numbers import parse, value

seeds = st.integers(-(10**6), 10**6)


def make(name, level, seed):
    return get_task(name).make(level, seed)


# ------------------------------------------------------------------ strings


@given(st.integers(1, 14), seeds)
def test_string_answers_by_another_way(level, seed):
    _, text = make("sorting", level, seed).prompt.split()
    answer = make("sorting", level, seed).answer
    assert len(text) == level + 1
    assert Counter(answer) == Counter(text)
    assert all(a <= b for a, b in itertools.pairwise(answer))

    _, text = make("dedupe", level, seed).prompt.split()
    answer = make("dedupe", level, seed).answer
    assert [text.index(d) for d in answer] == sorted({text.index(d) for d in text})

    _, text = make("reverse", level, seed).prompt.split()
    assert all(a == text[-1 - i] for i, a in enumerate(make("reverse", level, seed).answer))

    _, k, text = make("rotate", level, seed).prompt.split()
    answer = make("rotate", level, seed).answer
    assert 1 <= int(k) < len(text)
    assert all(answer[i] == text[(i + int(k)) % len(text)] for i in range(len(text)))


@given(st.integers(1, 16), seeds)
def test_brackets_are_closed_by_the_answer_and_by_no_shorter_word(level, seed):
    problem = make("brackets", level, seed)
    word = problem.prompt.removeprefix("close ")
    stack, deepest = [], 0
    for character in word + problem.answer:
        if character in "([{":
            stack.append(character)
        else:
            assert stack.pop() + character in ("()", "[]", "{}")
        deepest = max(deepest, len(stack))
    assert not stack
    assert len(problem.answer) == level <= deepest
    pairs = (len(word) - level) // 2
    assert pairs == 2 + (level - 1) // 3
    steps = get_task("brackets").steps(problem)
    assert len(steps) == pairs + 1
    assert steps[-1] == f"{steps[-2]}|{problem.answer}"


def test_brackets_level_one_has_135_words():
    rng = random.Random(0)
    assert len({get_task("brackets").draw(1, rng)[0] for _ in range(20_000)}) == 135


# ------------------------------------------------------------------ numbers


@given(st.integers(1, 12), seeds)
def test_chains_are_worked_from_left_to_right(level, seed):
    problem = make("modular_chain", level, seed)
    chain = problem.prompt.removeprefix("chain ")
    total = int(chain[0])
    for sign, digit in zip(chain[1::2], chain[2::2], strict=True):
        number = int(digit)
        total = {"+": total + number, "-": total - number, "*": total * number}[sign]
    assert problem.answer == str(total % 10)
    assert len(get_task("modular_chain").steps(problem)) == level


def test_a_constant_guess_at_a_chain_is_right_one_time_in_ten():
    for level in (1, 6, 12):
        answers = Counter(make("modular_chain", level, seed).answer for seed in range(3000))
        assert set(answers) == set("0123456789")
        assert max(answers.values()) < 400


PUZZLE = Problem("countdown", 3, 0, "make 26 from 7 3 5", "7*3+5")


@pytest.mark.parametrize(
    "answer",
    ["7*3+5", "5+3*7", " ( 3 * 7 ) + 5 ", "5--3*7", "-(-5-7*3)", "((5))+((7)*(3))"],
)
def test_any_correct_expression_is_accepted(answer):
    assert get_task("countdown").check(PUZZLE, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "26",
        "7*3",
        "7*3+5+0",
        "7*3+5*1",
        "21+5",
        "7+7+7+5",
        "3*7+5=26",
        "7*3+05",
        "7*3+5.0",
        "7 3 + 5",
        "7(3)+5",
        "7*3+5)",
        "(7*3+5",
        "7*3+",
        "7*3\n+5",
        "7*3+5#",
        "7*3+5,",
        "7**3+5",
        "7//3+5",
        "7*3+5/(7-7)",
        "9**9**9",
        "9**9**9**9*0+26",
        "__import__('os').system('true')",
        "().__class__",
        "lambda:26",
        "[7*3+5][0]",
        "7*3+5 if 1 else 0",
        "1e400",
        "0x1a",
        "26j",
        "True+25",
        "(" * 10**5 + "7*3+5" + ")" * 10**5,
        "(" * 47 + "7*3+5",
        "(" * 100,
        "-" * 10**5 + "26",
        "-" * 98 + "5",
        "9" * 10**6,
        "7*3+5\0",
        "\0",
        "٧*٣+٥",
        "²",
        "\ud800",
    ],
)
def test_hostile_and_wrong_expressions_are_wrong(answer):
    assert get_task("countdown").check(PUZZLE, answer) is False


def test_values_are_exact_fractions():
    assert value(parse("1/3+1/3+1/3")) == 1
    assert value(parse("8/(3-8/3)")) == 24
    assert value(parse("2/3")) == Fraction(2, 3)
    assert value(parse("1/(2-2)")) is None
    assert value(parse("-(1/0)")) is None
    assert get_task("countdown").check(
        Problem("countdown", 5, 0, "make 24 from 3 3 8 8", ""), "8/(3-8/3)"
    )


@given(st.text(alphabet="0123456789+-*/() ", max_size=110))
def test_any_arithmetic_text_is_parsed_or_turned_away(text):
    tree = parse(text)
    if tree is not None:
        found = value(tree)
        assert found is None or isinstance(found, Fraction)


@given(st.integers(1, 8), seeds)
def test_countdown_steps_are_right_and_reach_the_target(level, seed):
    problem = make("countdown", level, seed)
    *lines, expression = get_task("countdown").steps(problem)
    assert expression == problem.answer
    for line in lines:
        left, _, right = line.partition("=")
        assert value(parse(left)) == int(right)
    assert problem.prompt.startswith(f"make {lines[-1].partition('=')[2]} from ")
    assert len(lines) == len(problem.prompt.split()) - 4


# ------------------------------------------------------------------ knights and knaves


def says(statement, world):
    """The statement's truth by Python's own booleans, written without the task's code."""
    kinds = dict(zip("ABCDEFG", (k == "K" for k in world), strict=False)) | {"K": True, "N": False}

    def holds(part):
        one, other = part.replace("!", "").split("=")
        return (kinds[one] != kinds[other]) if "!" in part else (kinds[one] == kinds[other])

    parts = statement[2:].replace("&", "|").split("|")
    truth = all(map(holds, parts)) if "&" in statement else any(map(holds, parts))
    return truth == kinds[statement[0]]


@given(st.integers(1, 10), seeds)
def test_a_puzzle_has_exactly_one_solution(level, seed):
    problem = make("knights_knaves", level, seed)
    spoken = problem.prompt.split()[1:]
    worlds = ["".join(w) for w in itertools.product("KN", repeat=len(spoken))]
    assert [w for w in worlds if all(says(s, w) for s in spoken)] == [problem.answer]
    assert solutions(spoken) == [problem.answer]
    assert [s[0] for s in spoken] == list("ABCDEFG"[: 3 + (level - 1) // 2])
    assert all(fits(s, w) == says(s, w) for s in spoken for w in worlds)


@given(st.integers(1, 10), seeds)
def test_each_line_of_the_thought_follows(level, seed):
    problem = make("knights_knaves", level, seed)
    spoken = problem.prompt.split()[1:]
    for line in get_task("knights_knaves").steps(problem):
        supposed, _, rest = line.partition(">")
        world, _, liar = rest.partition(" !")
        agreeing = [
            w
            for w in map("".join, itertools.product("KN", repeat=len(spoken)))
            if all(a in ("?", b) for a, b in zip(supposed, w, strict=True))
            and all(says(s, w) for s in spoken)
        ]
        # What is written holds in every solution left; a contradiction leaves none.
        assert all(all(a in ("?", b) for a, b in zip(world, w, strict=True)) for w in agreeing)
        assert not (liar and agreeing)


def test_the_shares_of_knights_are_balanced():
    for level in (1, 10):
        answers = "".join(make("knights_knaves", level, seed).answer for seed in range(300))
        assert 0.3 < answers.count("K") / len(answers) < 0.7
