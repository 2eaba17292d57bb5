"""The reasoning-gym adapter: levels, scorers, what it refuses, and a look at every dataset."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from currlab.errors import CurrlabError
from currlab.tasks import get_task, gym, task_names
from currlab.tasks.base import is_test_prompt

SHOWN = ("spell_backward", "chain_sum", "letter_counting")


def block(answer):
    return f"<answer>{answer}</answer>"


@pytest.mark.parametrize("name", SHOWN)
def test_a_dataset_is_a_task_at_each_of_its_levels(name):
    task = get_task(f"gym:{name}")
    assert task is get_task(f"gym:{name}")
    assert task.name not in task_names()
    assert task.max_level >= 5
    for level in task.levels:
        train = [task.make(level, seed) for seed in range(12)]
        test = [task.make(level, -1 - seed) for seed in range(4)]
        assert not any(is_test_prompt(p.prompt) for p in train)
        assert all(is_test_prompt(p.prompt) for p in test)
        for problem in train + test:
            assert problem.arm == f"gym:{name}/{level}"
            assert task.verify(problem, task.completion(problem))
            assert len(problem.prompt) + len(problem.answer) < gym.CONTEXT


def test_levels_make_problems_longer():
    for name in ("spell_backward", "chain_sum"):
        task = get_task(f"gym:{name}")
        first, last = (
            sum(len(task.make(level, seed).prompt) for seed in range(40))
            for level in (1, task.max_level)
        )
        assert last > first


@pytest.mark.parametrize("name", SHOWN)
def test_wrong_and_hostile_answers_are_wrong(name):
    task = get_task(f"gym:{name}")
    problem = task.make(2, 0)
    right = problem.answer
    arabic = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    wrong = [
        "",
        right + "x",
        right + right,
        right + "\0",
        right + "\ud800",
        right * 10**6,
        "1e999999999",
        "nan",
        "__import__('os')",
        "[" * 10**5,
    ]
    if right.translate(arabic) != right:
        wrong.append(right.translate(arabic))
    assert not any(task.verify(problem, block(answer)) for answer in wrong)
    assert not task.verify(problem, block(right) + block(right))
    assert not task.verify(problem, right)
    assert task.verify(problem, block(f" {right}\n"))


def test_the_datasets_own_scorer_judges():
    """Decimal answers: another way of writing the same number is right there, not by text."""
    task = get_task("gym:decimal_chain_sum")
    problem = task.make(1, 0)
    assert task.verify(problem, block(problem.answer + "0"))
    assert problem.answer + "0" != problem.answer


def test_answers_that_only_look_like_traps_are_scored():
    """Hexadecimal text such as 1e2345 is no exponent where it is the right answer."""
    task = gym.GymTask("gym:base_conversion")
    problem = task.make(1, 0)
    task._entry_of(problem)["answer"] = "1e2345"
    assert task.verify(replace(problem, answer="1e2345"), block("1e2345"))
    assert not task.verify(replace(problem, answer="12345"), block("1e2345"))
    assert not gym.TRAPS.search("0x1e2345")


def test_problems_are_the_same_in_a_fresh_process():
    keys = [(f"gym:{name}", level, seed) for name in SHOWN for level in (1, 3) for seed in (-2, 5)]
    here = [get_task(name).make(level, seed).__dict__ for name, level, seed in keys]
    code = (
        "import json, sys; from currlab.tasks import get_task; print(json.dumps("
        "[get_task(n).make(l, s).__dict__ for n, l, s in json.load(sys.stdin)]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(keys[::-1]),
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout)[::-1] == here


def test_a_problem_is_verified_by_a_task_that_did_not_make_it():
    """Problems come back from logs and other processes: the key is enough to score them."""
    problem = get_task("gym:chain_sum").make(3, 8)
    assert gym.GymTask("gym:chain_sum").verify(problem, block(problem.answer))
    stranger = type(problem)("gym:chain_sum", 3, 8, "another prompt", problem.answer)
    with pytest.raises(CurrlabError, match="did not make the problem"):
        get_task("gym:chain_sum").verify(stranger, block("1"))


def test_too_long_prompts_are_refused_with_the_context_that_they_need():
    with pytest.raises(CurrlabError, match=r"needs \d+ tokens, and the model's context holds 512"):
        get_task("gym:number_sorting").make(1, 0)
    with pytest.raises(CurrlabError, match="context holds 40; gym:chain_sum@"):
        get_task("gym:chain_sum@40").make(2, 0)
    task = get_task("gym:number_sorting@8192")
    problem = task.make(1, 0)
    assert problem.task == "gym:number_sorting@8192"
    assert len(problem.prompt) > gym.CONTEXT
    assert task.verify(problem, task.completion(problem))


@pytest.mark.parametrize("context", ["", "0", "-5", "x", "1.5", "99999999", "٣"])
def test_a_malformed_context_is_told(context):
    name = f"gym:chain_sum@{context}"
    if context:
        with pytest.raises(CurrlabError, match="after '@' stands the model's context"):
            get_task(name)
    else:
        assert get_task(name).context == gym.CONTEXT


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gym:chain_sun", "close names are chain_sum"),
        ("gym:", "reasoning-gym has no dataset ''"),
        ("gym:../../etc", "reasoning-gym has no dataset"),
        ("gym:countdown", r"its code calls parse_expr\(\)"),
        ("gym:string_insertion", r"its code calls eval\(\)"),
        ("gym:codeio", r"its code calls exec\(\)"),
        ("gym:word_ladder", "depend on more than their seed"),
    ],
)
def test_unknown_and_unsafe_datasets_are_refused(name, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        get_task(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gym:game_of_life_halting", "gives full marks to"),
        ("gym:rush_hour", "does not accept its own reference answers"),
        ("gym:prime_factorization", "the tiny models cannot write '×'"),
        ("gym:composite", "makes no problems at level 1: AssertionError"),
        ("gym:sokoban", "may never end"),
    ],
)
def test_a_level_that_cannot_work_is_refused(name, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        get_task(name).make(1, 0)


def test_answers_outside_ascii_are_for_models_that_name_their_context():
    task = get_task("gym:prime_factorization@2048")
    problem = next(p for p in (task.make(1, seed) for seed in range(50)) if "×" in p.answer)
    assert task.verify(problem, task.completion(problem))


def test_without_reasoning_gym_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(CurrlabError, match=r"pip install 'currlab\[gym\]'"):
        gym.GymTask("gym:chain_sum")


CANARY = "currlab_canary"
HOSTILE = [
    f"__import__('{CANARY}')",
    f"[__import__('{CANARY}')]",
    f"['{CANARY}', {CANARY}()]",
    f"({CANARY}(),)",
    f"{{'{CANARY}': {CANARY}()}}",
    "1e999999999",
    "9**9**9**9",
    "(" * 900,
    "[" * 900,
    "\0",
    "٣",
    "\ud800",
    "nan",
]
executed: list[str] = []


def _watch(event, arguments):
    if event in ("compile", "exec", "open") and any(CANARY in repr(a) for a in arguments[:1]):
        executed.append(f"{event} {arguments[0]!r}")


@pytest.fixture(scope="module")
def _audit():
    """Python's own audit trail of everything that is compiled, executed or opened."""
    sys.addaudithook(_watch)
    compile(f"'{CANARY}'", "test", "eval")
    assert executed, "the audit hook must see a compilation"
    executed.clear()


@pytest.mark.usefixtures("_audit")
@pytest.mark.filterwarnings("ignore::UserWarning:reasoning_gym")
def test_every_dataset_makes_problems_or_is_refused_and_none_executes_an_answer():
    """Level 1 of all datasets, with room for long prompts, so that as many scorers as can run do.

    The higher levels are the same code with larger numbers; some of them search for minutes.
    """
    from reasoning_gym.factory import DATASETS

    working, refused = [], []
    for name in sorted(DATASETS):
        try:
            task = get_task(f"gym:{name}@1000000")
            problem, held_out = task.make(1, 0), task.make(1, -1)
        except CurrlabError as error:
            refused.append((name, str(error)))
            continue
        assert problem.prompt != held_out.prompt
        assert task.verify(problem, task.completion(problem))
        assert task.verify(held_out, task.completion(held_out))
        assert [a for a in HOSTILE if task.verify(problem, block(a))] == []
        working.append(name)
    assert executed == []
    for name, sentence in refused:
        assert sentence.startswith(f"'gym:{name}@1000000' ")
        assert "\n" not in sentence
    assert len(working) > 60
    assert {*SHOWN, "number_sorting", "bitwise_arithmetic", "coin_flip"} <= set(working)
