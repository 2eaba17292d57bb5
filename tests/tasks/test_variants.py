"""Variants of problems, for every task: right options, honest blanks, hints that lead to the answer."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from currlab.errors import CurrlabError
from currlab.models.tokenizer import build_tokenizer
from currlab.tasks import Problem, Task, get_task, task_names
from currlab.tasks.base import OPEN, is_test_prompt
from currlab.tasks.knights_knaves import solutions
from currlab.tasks.numbers import parse, value
from currlab.tasks.text import hide, pieces, slip
from currlab.tasks.variants import (
    choices,
    chunks,
    cloze,
    judgement,
    masked,
    near_misses,
    noisy,
    prefix,
    problem_rng,
    reworded,
    simpler,
    variant,
)

GYM = ("gym:chain_sum", "gym:letter_counting", "gym:spell_backward", "gym:decimal_chain_sum")
FORMS = ("open", "choice2", "choice4", "choice10", "letter4", "judge", "cloze", "cloze80")
ARMS = [(name, level) for name in task_names() for level in get_task(name).levels]
arms = st.sampled_from(ARMS) | st.tuples(st.sampled_from(GYM), st.integers(1, 3))
seeds = st.integers(-(10**6), 10**6)
shares = st.floats(0, 1)
many = settings(deadline=None, max_examples=60)


def at(arm, seed):
    task = get_task(arm[0])
    return task, task.make(arm[1], seed), random.Random(seed)


def block(answer):
    return f"<answer>{answer}</answer>"


class Tiny(Task):
    """Answers of one character, of which there are two."""

    name, title, max_level = "tiny", "a task with next to no answers", 1

    def draw(self, level, rng):
        number = rng.randrange(10**6)
        return f"odd {number}", "01"[number % 2]


class Constant(Tiny):
    """Whatever is answered is right."""

    def check(self, problem, answer):
        return True


# ------------------------------------------------------------------ choices


@many
@given(arms, seeds, st.integers(0, 12))
def test_near_misses_are_different_and_wrong(arm, seed, n):
    task, problem, rng = at(arm, seed)
    wrong = near_misses(task, problem, n, rng)
    assert len(wrong) == len(set(wrong)) <= n
    for answer in wrong:
        assert answer
        assert answer == answer.strip()
        assert "\n\n" not in answer
        assert not task.verify(problem, block(answer))


@many
@given(arms, seeds, st.integers(2, 10))
def test_choices_hold_the_right_answer_once_and_wrong_ones_else(arm, seed, n):
    task, problem, rng = at(arm, seed)
    shown = choices(task, problem, n, rng)
    question, options = shown.prompt.split("\none of:\n")
    options = options.split("\n\n" if "\n\n" in options else "\n")
    assert question == problem.prompt
    assert options.count(problem.answer.strip()) == 1
    assert len(options) == len(set(options)) <= n
    assert shown.chance == 1 / len(options)
    assert shown.answer is None
    right = [option for option in options if task.verify(problem, block(option))]
    assert right == [problem.answer.strip()]


@many
@given(arms, seeds, st.integers(2, 10))
def test_the_letter_is_the_right_options(arm, seed, n):
    task, problem, rng = at(arm, seed)
    shown = choices(task, problem, n, rng, letters=True)
    options = re.findall(r"^([A-J])\. ((?:.|\n(?!\n?[A-J]\. ))*)", shown.prompt, re.MULTILINE)
    options = {letter: option.strip() for letter, option in options}
    assert "".join(options) == "ABCDEFGHIJ"[: len(options)]
    assert options[shown.answer] == problem.answer.strip()
    assert shown.chance == 1 / len(options)


def test_the_right_option_may_stand_anywhere_and_has_the_common_length():
    task, places, longer = get_task("sorting"), [0] * 4, 0
    for seed in range(400):
        problem = task.make(5, seed)
        options = choices(task, problem, 4, problem_rng(problem)).prompt.split("\n")[2:]
        places[options.index(problem.answer)] += 1
        longer += sum(len(option) != len(problem.answer) for option in options)
    assert min(places) > 70
    assert longer < 40


def test_tasks_with_few_answers_have_few_options():
    task = Tiny()
    problem = task.make(1, 0)
    alike = [w for w in near_misses(task, problem, 9, random.Random(0)) if len(w) == 1]
    assert alike == [{"0": "1", "1": "0"}[problem.answer]]
    assert cloze(task, problem, 0.5, random.Random(0)) is None
    assert chunks(task, problem, 5) == [f"<answer>{problem.answer}"]
    assert prefix(task, problem, 0.9) == ""
    assert prefix(task, problem, 1.0) == f"<answer>{problem.answer}"


def test_where_no_answer_is_wrong_there_is_no_choice():
    task = Constant()
    problem, rng = task.make(1, 0), random.Random(0)
    assert near_misses(task, problem, 3, rng) == []
    assert choices(task, problem, 4, rng) is None
    assert judgement(task, problem, rng) is None


@pytest.mark.parametrize("answer", ["", "a\n\nb", "a\nb", "<answer>", "a_b", " ", "ab"])
def test_odd_answers_are_offered_or_refused_but_never_spoilt(answer):
    task = Tiny()
    problem, rng = Problem("tiny", 1, 0, "odd", answer), random.Random(0)
    four, blanks = choices(task, problem, 4, rng), cloze(task, problem, 0.5, rng)
    assert (four is None) == (answer in ("", "a\n\nb", "<answer>", " "))
    assert (blanks is None) == (answer in ("", "a_b", " "))
    assert len(chunks(task, problem, 3)) >= 1


@many
@given(arms, seeds)
def test_a_judgement_says_yes_of_the_right_answer_only(arm, seed):
    task, problem, rng = at(arm, seed)
    shown = judgement(task, problem, rng)
    if shown is None:
        return
    claimed = shown.prompt.removeprefix(f"{problem.prompt}\nis it ").removesuffix("?")
    assert shown.answer == ("yes" if task.verify(problem, block(claimed)) else "no")


def test_half_of_the_judgements_are_yes():
    task = get_task("brackets")
    said = [
        judgement(task, p, problem_rng(p)).answer for p in (task.make(4, s) for s in range(300))
    ]
    assert 110 < said.count("yes") < 190


# ------------------------------------------------------------------ blanks


@many
@given(arms, seeds, shares)
def test_blanks_have_the_answers_length_and_are_not_the_answer(arm, seed, share):
    task, problem, rng = at(arm, seed)
    answer, shown = problem.answer.strip(), cloze(task, problem, share, rng)
    characters = len("".join(answer.split()))
    if shown is None:
        assert characters < 2 or "_" in answer
        return
    mask = shown.prompt.removeprefix(f"{problem.prompt}\nfill in: ")
    assert len(mask) == len(answer)
    assert mask != answer
    assert all(m in (a, "_") for m, a in zip(mask, answer, strict=True))
    assert 1 <= mask.count("_") <= characters - 1
    assert abs(mask.count("_") - share * characters) <= 1
    assert 0 < shown.chance <= 1
    assert not task.verify(problem, block(mask))


# ------------------------------------------------------------------ hints


@many
@given(arms, seeds, st.none() | st.integers(1, 12), st.booleans())
def test_chunks_are_the_beginning_of_a_completion_that_verifies(arm, seed, n, thought):
    task, problem, _ = at(arm, seed)
    cut, whole = chunks(task, problem, n, thought), task.completion(problem, thought)
    assert all(cut)
    assert n is None or len(cut) <= n
    for k in range(len(cut) + 1):
        assert whole.startswith("".join(cut[:k]))
    assert task.verify(problem, whole)
    last = "</think>" if thought and task.steps(problem) else "</answer>"
    assert whole.removeprefix("".join(cut)).startswith(last)
    lengths = [len(piece) for piece in pieces(range(len(problem.answer)), n or 1)]
    assert max(lengths) - min(lengths) <= 1


@many
@given(arms, seeds, shares, st.booleans())
def test_a_prefix_is_the_share_of_a_completion_that_verifies(arm, seed, share, thought):
    task, problem, _ = at(arm, seed)
    hint, whole = prefix(task, problem, share, thought), task.completion(problem, thought)
    assert whole.startswith(hint)
    assert hint != whole
    if share == 0:
        assert hint == ""
    elif hint:
        length = len("".join(chunks(task, problem, 1, thought))) - hint.index(">") - 1
        assert len(hint) - hint.index(">") - 1 == int(share * length)


def test_evocot_drops_the_last_steps_one_by_one():
    task = get_task("modular_chain")
    problem = Problem("modular_chain", 3, 0, "chain 0-7-4+5", "4")
    steps = chunks(task, problem, thought=True)
    assert steps == ["<think>0-7=3\n", "3-4=9\n", "9+5=4"]
    assert "".join(steps[:-1]) == "<think>0-7=3\n3-4=9\n"


# ------------------------------------------------------------------ other prompts, same answer


@many
@given(arms, seeds, shares)
def test_rewrites_are_other_prompts_on_the_same_side_of_the_split(arm, seed, share):
    task, problem, rng = at(arm, seed)
    for shown in (simpler(task, problem, share, rng), reworded(task, problem, rng)):
        if shown is not None:
            assert shown.prompt != problem.prompt
            assert is_test_prompt(shown.prompt) == (seed < 0)
            assert shown.answer is None


def solve(prompt):
    """The answer by another way than the tasks' own, from the prompt alone."""
    kind, *words = prompt.split()
    if kind == "sort":
        return "".join(sorted(words[0]))
    if kind == "dedupe":
        return "".join(d for i, d in enumerate(words[0]) if d not in words[0][:i])
    if kind == "rotate":
        k = int(words[0])
        return words[1][k:] + words[1][:k]
    if kind == "close":
        stack = []
        for c in words[0]:
            stack.append(c) if c in "([{" else stack.pop()
        return "".join({"(": ")", "[": "]", "{": "}"}[c] for c in reversed(stack))
    if kind == "chain":
        total = int(words[0][0])
        for sign, digit in re.findall(r"([-+*])(\d)", words[0]):
            total = {"+": total + int(digit), "-": total - int(digit), "*": total * int(digit)}[
                sign
            ]
        return str(total % 10)
    assert kind == "knights"
    (only,) = solutions(words)
    return only


@many
@given(st.integers(1, 10), seeds, shares)
def test_rewrites_have_the_same_answer(level, seed, share):
    for name in ("sorting", "dedupe", "rotate", "brackets", "modular_chain", "knights_knaves"):
        task, problem, rng = at((name, level), seed)
        for shown in (simpler(task, problem, share, rng), reworded(task, problem, rng)):
            if shown is not None:
                assert solve(shown.prompt) == problem.answer


def test_simpler_prompts_have_less_to_do():
    """Shorter, or for sorting: nearer to the answer, and the more so the larger the share."""
    for name in ("dedupe", "brackets", "modular_chain"):
        task, problem, rng = at((name, 9), 3)
        shown = simpler(task, problem, 0.5, rng)
        assert len(shown.prompt) < len(problem.prompt)
    task, problem, rng = at(("rotate", 9), 3)
    assert int(simpler(task, problem, 0.5, rng).prompt.split()[1]) < int(problem.prompt.split()[1])
    task, problem, rng = at(("sorting", 15), 3)
    for share in (0.25, 0.5, 0.75):
        shown = simpler(task, problem, share, rng).prompt.split()[1]
        assert shown[: round(share * 16)] == problem.answer[: round(share * 16)]


def test_countdown_is_asked_with_its_numbers_in_another_order():
    task, problem, rng = at(("countdown", 6), 2)
    target, numbers = re.fullmatch(
        r"make (\d+) from (.*)", reworded(task, problem, rng).prompt
    ).groups()
    assert sorted(numbers.split()) == sorted(problem.prompt.split(" from ")[1].split())
    assert value(parse(problem.answer)) == int(target)


def test_nothing_simpler_is_claimed_where_there_is_nothing():
    assert (
        simpler(
            get_task("modular_chain"), get_task("modular_chain").make(1, 0), 1, random.Random(0)
        )
        is None
    )
    unrepeated = Problem("dedupe", 2, 0, "dedupe 1234", "1234")
    assert simpler(get_task("dedupe"), unrepeated, 1, random.Random(0)) is None
    assert reworded(get_task("dedupe"), unrepeated, random.Random(0)) is None
    assert simpler(Tiny(), Tiny().make(1, 0), 1, random.Random(0)) is None


# ------------------------------------------------------------------ noise and masks


@many
@given(arms, seeds, st.integers(0, 8))
def test_noise_stands_around_the_prompt(arm, seed, n):
    task, problem, rng = at(arm, seed)
    shown = noisy(task, problem, n, rng)
    assert shown.answer is None
    if n == 0:
        assert shown.prompt == problem.prompt
    if task.distract.__func__ is Task.distract:
        before, after = shown.prompt.split(problem.prompt)
        fields = (before + after).split()
        assert len(fields) == n
        assert all(re.fullmatch("[a-z]=[0-9]", field) for field in fields)


@many
@given(arms, seeds, shares)
def test_masks_hide_a_share_of_the_prompt(arm, seed, share):
    _, problem, rng = at(arm, seed)
    shown = masked(problem, share, rng).prompt
    assert len(shown) == len(problem.prompt)
    assert shown.split(" ")[0] == problem.prompt.split(" ")[0]
    different = sum(a != b for a, b in zip(shown, problem.prompt, strict=True))
    rest = problem.prompt.partition(" ")[2]
    assert different <= round(share * len("".join(rest.split())))
    assert masked(problem, 0, rng).prompt == problem.prompt
    assert set("".join(masked(problem, 1, rng).prompt.partition(" ")[2].split())) <= {"_"}


# ------------------------------------------------------------------ all of it


@many
@given(arms, seeds, st.sampled_from(FORMS))
def test_equal_generators_make_equal_variants(arm, seed, form):
    task, problem, _ = at(arm, seed)
    first, again = (variant(task, problem, form, problem_rng(problem, form)) for _ in range(2))
    assert first == again
    assert form != "open" or first.prompt == problem.prompt


def test_a_problems_generators_differ_by_problem_and_salt():
    task = get_task("sorting")
    drawn = {
        problem_rng(task.make(level, seed), salt).random()
        for level in (1, 2)
        for seed in (0, 1)
        for salt in ("a", "b")
    }
    assert len(drawn) == 8


def test_every_form_of_the_own_tasks_fits_the_tiny_model():
    tokenizer = build_tokenizer()
    for name, level in ARMS:
        task, problem, _ = at((name, level), 1)
        for form in FORMS:
            shown = variant(task, problem, form, problem_rng(problem, form))
            if shown is not None:
                ids = tokenizer(shown.prompt, add_special_tokens=False)["input_ids"]
                assert tokenizer.unk_token_id not in ids
                # Whole programs as options are the exception: they need a model with more context.
                if name != "programs" or not form.startswith(("choice", "letter")):
                    assert len(ids) + len(problem.answer) + 8 < 512, (name, level, form)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, p, r: variant(t, p, "choice", r), "There is no form 'choice'; forms are open"),
        (lambda t, p, r: variant(t, p, "choice1", r), "'n' must be from 2 to 26; got 1"),
        (lambda t, p, r: variant(t, p, "letter27", r), "'n' must be from 2 to 26; got 27"),
        (lambda t, p, r: variant(t, p, "", r), "There is no form ''"),
        (lambda t, p, r: near_misses(t, p, -1, r), "'n' must be at least 0; got -1"),
        (lambda t, p, r: cloze(t, p, 1.5, r), "A share lies between 0 and 1; got 1.5"),
        (lambda t, p, r: cloze(t, p, float("nan"), r), "A share lies between 0 and 1; got nan"),
        (lambda t, p, r: prefix(t, p, -0.1), "A share lies between 0 and 1"),
        (lambda t, p, r: simpler(t, p, 2, r), "A share lies between 0 and 1"),
        (lambda t, p, r: masked(p, 2, r), "A share lies between 0 and 1"),
        (lambda t, p, r: noisy(t, p, -1, r), "'n' must be at least 0"),
        (lambda t, p, r: chunks(t, p, 0), "'n' must be at least 1; got 0"),
    ],
)
def test_bad_settings_are_told_in_a_sentence(call, message):
    task, problem, rng = at(("sorting", 2), 0)
    with pytest.raises(CurrlabError, match=re.escape(message)):
        call(task, problem, rng)


# ------------------------------------------------------------------ forms as tasks


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("name", ["sorting", "countdown", "knights_knaves", "gym:chain_sum"])
def test_a_form_is_a_task(name, form):
    task, asked = get_task(f"{name}@{form}"), get_task(name)
    assert task is get_task(f"{name}@{form}")
    assert task.levels == asked.levels
    for seed in (0, 1, -1):
        problem, original = task.make(2, seed), asked.make(2, seed)
        assert problem.prompt.startswith(original.prompt)
        assert problem == task.make(2, seed)
        assert problem.arm == f"{name}@{form}/2"
        for thought in (False, True):
            assert task.verify(problem, task.completion(problem, thought))
        assert not task.verify(problem, block("?"))
        wrong = near_misses(asked, original, 1, random.Random(0))[0]
        assert not task.verify(problem, block(wrong))
        named = form.startswith(("letter", "judge"))
        assert task.verify(problem, block(original.answer)) != named


def test_a_form_with_several_right_answers_takes_each_of_them():
    task = get_task("countdown@cloze")
    problem = next(p for p in (task.make(1, s) for s in range(50)) if "+" in p.answer)
    left, right = problem.answer.split("+")
    assert task.verify(problem, block(f"{right}+{left}"))


def test_a_problem_without_the_form_is_asked_as_it_is():
    task, asked = get_task("dedupe@cloze"), get_task("dedupe")
    seed = next(s for s in range(2000) if len(asked.make(1, s).answer) == 1)
    problem = task.make(1, seed)
    assert problem.prompt == asked.make(1, seed).prompt
    assert task.verify(problem, task.completion(problem))


def test_training_problems_of_a_form_never_hold_a_test_problem():
    task, asked = get_task("sorting@choice4"), get_task("sorting")
    tests = {asked.make(1, -1 - seed).prompt for seed in range(200)}
    assert not tests & {task.make(1, seed).prompt.split("\n")[0] for seed in range(400)}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sorting@choice", "There is no form 'choice'"),
        ("sorting@choice99", "'n' must be from 2 to 26"),
        ("nothing@choice4", "Unknown task 'nothing'"),
        ("modular_chain@cloze", "Task 'modular_chain' has no form 'cloze'"),
        ("@cloze", "Unknown task ''"),
    ],
)
def test_forms_that_are_not_there_are_told_in_a_sentence(name, message):
    with pytest.raises(CurrlabError, match=re.escape(message)):
        get_task(name)


# ------------------------------------------------------------------ text


@given(st.text(max_size=8), st.text(max_size=5), st.integers(0, 99))
def test_a_slip_changes_the_length_by_at_most_one(word, alphabet, seed):
    assert abs(len(slip(word, alphabet, random.Random(seed))) - len(word)) <= 1


@given(st.text(), st.integers(0, 30), st.integers(0, 99))
def test_hiding_keeps_the_length_and_the_blanks(word, n, seed):
    hidden = hide(word, n, random.Random(seed))
    assert len(hidden) == len(word)
    assert all(a == b or (b == "_" and not a.isspace()) for a, b in zip(word, hidden, strict=True))


@given(st.text(), st.integers(1, 40))
def test_pieces_joined_are_the_whole(word, n):
    cut = pieces(word, n)
    assert "".join(cut) == word
    assert len(cut) == min(n, len(word))
    assert all(cut)


def test_hints_begin_with_the_tag_that_the_model_writes():
    task, problem, _ = at(("sorting", 3), 0)
    assert chunks(task, problem, 2)[0].startswith(OPEN)
