"""Other looks at one problem: choices, blanks, hints, simpler and other words, noise, masks.

Everything here is a pure function of (task, problem, settings, rng) and works for any task; what a
task knows better it overrides: `Task.near_miss`, `Task.simplify`, `Task.rephrase`,
`Task.distract`. Functions that have nothing to offer for a problem return None.

A `Variant` becomes a view by ``View(prompt=variant.prompt, answer=variant.answer)``. Choices and
blanks are answered by writing the whole open answer, so that the problem's own verifier judges them
and what is learnt is what the open form asks for; `letters` and `judgement` are answered by a word
of their own, which stands in `Variant.answer`.

>>> from currlab.tasks import get_task
>>> task = get_task("sorting")
>>> problem = task.make(level=3, seed=0)
>>> print(choices(task, problem, 3, random.Random(0)).prompt)
sort 2373
one of:
3237
2337
2338
"""

from __future__ import annotations

import random
import re
import string
from dataclasses import dataclass

from currlab.errors import CurrlabError
from currlab.tasks.base import CLOSE, OPEN, THINK, Problem, Task, is_test_prompt, some_answers
from currlab.tasks.text import HIDDEN, check_number, check_share, hide, pieces

MAX_OPTIONS = 26  # one letter each
DRAWS = 40  # of a near miss, or of another prompt, until one fits
FORM = re.compile(r"(choice|letter)([1-9][0-9]?)|open|judge|told|cloze([1-9][0-9]?)?")
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Variant:
    """Another look at a problem.

    `answer` is the exact text that counts as right; None: whatever the problem's own verifier
    accepts. `chance` is how often a guess is right that uses the form alone (0.25 for four choices),
    and 0 where the form tells nothing about the answer.
    """

    prompt: str
    answer: str | None = None
    chance: float = 0.0


def problem_rng(problem: Problem, *salt: object) -> random.Random:
    """Random numbers that belong to the problem: the same variant every time it is shown.

    >>> problem = Problem("sorting", 1, 0, "sort 40", "04")
    >>> problem_rng(problem, "cloze").random() == problem_rng(problem, "cloze").random()
    True
    """
    return random.Random("/".join(map(str, (*problem.key, *salt))))


# ---------------------------------------------------------------- choices


def near_misses(task: Task, problem: Problem, n: int, rng: random.Random) -> list[str]:
    """At most `n` different wrong answers that look right; fewer where there are no more.

    Each is wrong by the task's own check, and none has an empty line, a tag or blanks at its ends.
    Those as long as the right answer come first: a length should not give it away.
    """
    check_number("n", n, 0)
    right = problem.answer.strip()
    seen, alike, others = {right}, [], []
    for _ in range(DRAWS * n):
        if len(alike) == n:
            break
        wrong = task.near_miss(problem, rng).strip()
        if wrong in seen:
            continue
        seen.add(wrong)
        if _is_option(wrong) and not task.check(problem, wrong):
            (alike if len(wrong) == len(right) else others).append(wrong)
    return (alike + others)[:n]


def choices(
    task: Task, problem: Problem, n: int, rng: random.Random, letters: bool = False
) -> Variant | None:
    """One right answer among `n` options (2 to 26; fewer where the task has no more wrong ones).

    The answer is the option's text, or with `letters` its letter, as in Cog-DRIFT's four-choice and
    ten-choice questions. Options of several lines have an empty line between them. None without a
    single wrong option.

    Text is the default because a tiny model after a short warm-up on either form writes the right
    option where it can answer openly, too, but chooses letters at random on every level. It does
    not learn to copy an option that it cannot work out: `chance` is then an upper bound.
    """
    check_number("n", n, 2, MAX_OPTIONS)
    right = problem.answer.strip()
    wrong = near_misses(task, problem, n - 1, rng) if _is_option(right) else []
    if not wrong:
        return None
    options = [right, *wrong]
    rng.shuffle(options)
    chance, between = 1 / len(options), "\n\n" if any("\n" in o for o in options) else "\n"
    if not letters:
        return Variant(f"{problem.prompt}\none of:\n{between.join(options)}", None, chance)
    letter = string.ascii_uppercase[options.index(right)]
    lines = (f"{a}. {option}" for a, option in zip(string.ascii_uppercase, options, strict=False))
    return Variant(f"{problem.prompt}\nwhich letter?\n{between.join(lines)}", letter, chance)


def judgement(task: Task, problem: Problem, rng: random.Random) -> Variant | None:
    """Is this answer right? ``yes`` or ``no``, one as often as the other (as in Curr-ReFT)."""
    truth = rng.random() < 0.5
    wrong = near_misses(task, problem, 1, rng)
    if not wrong:
        return None
    shown = problem.answer.strip() if truth else wrong[0]
    return Variant(f"{problem.prompt}\nis it {shown}?", YES if truth else NO, 0.5)


def _is_option(answer: str) -> bool:
    return bool(answer) and not any(part in answer for part in ("\n\n", OPEN, CLOSE))


# ---------------------------------------------------------------- blanks


def cloze(task: Task, problem: Problem, share: float, rng: random.Random) -> Variant | None:
    """The answer with about `share` of its characters as ``_``; the whole answer is to be written.

    At least one character is hidden and one is shown; None where an answer is too short for that.
    """
    check_share(share)
    answer = problem.answer.strip()
    characters = sum(not c.isspace() for c in answer)
    if characters < 2 or HIDDEN in answer:
        return None
    hidden = min(max(1, round(share * characters)), characters - 1)
    symbols = {c for seen in some_answers(task, problem.level) for c in seen if not c.isspace()}
    chance = len(symbols) ** -hidden
    return Variant(f"{problem.prompt}\nfill in: {hide(answer, hidden, rng)}", None, chance)


# ---------------------------------------------------------------- hints


def chunks(task: Task, problem: Problem, n: int | None = None, thought: bool = False) -> list[str]:
    """The worked solution in at most `n` consecutive pieces; None: one a step or character.

    With `thought` the pieces are written steps, else they are parts of the answer. Joined, the first
    few are a forced start of the completion, opening tag included; all of them leave only the
    closing tag (and after a thought the answer) to be written:
    ``View(prompt, prefix="".join(chunks(task, problem, 5)[:k]))``.
    """
    steps = task.steps(problem) if thought else []
    items = [f"{line}\n" for line in steps[:-1]] + steps[-1:] if steps else list(problem.answer)
    n = max(1, len(items)) if n is None else n
    first, *others = ["".join(piece) for piece in pieces(items, n)] or [""]
    return [(THINK if steps else OPEN) + first, *others]


def prefix(task: Task, problem: Problem, share: float, thought: bool = False) -> str:
    """The first `share` of the worked solution's characters as a forced start; "" if that is none.

    ``floor(share * length)`` characters of the answer, or of the thought, with the opening tag.
    """
    check_share(share)
    whole = "".join(chunks(task, problem, 1, thought))
    tag = whole[: whole.index(">") + 1]
    shown = int(share * (len(whole) - len(tag)))
    return whole[: len(tag) + shown] if shown else ""


def told(task: Task, problem: Problem, solution: bool = False) -> Variant:
    """The prompt with the right answer behind it, and with `solution` the worked steps before that.

    >>> from currlab.tasks import get_task
    >>> task = get_task("sorting")
    >>> print(told(task, task.make(level=3, seed=0)).prompt)
    sort 2373
    answer: 2337
    """
    steps = task.steps(problem) if solution else []
    return Variant("\n".join((problem.prompt, *steps, f"answer: {problem.answer}")), None, 1.0)


# ---------------------------------------------------------------- other prompts, same answer


def simpler(task: Task, problem: Problem, share: float, rng: random.Random) -> Variant | None:
    """A prompt with the same answer and about `share` of the work done; None if there is none.

    Where no such prompt can be shown (see `_showable`), more or less of the work is done.
    """
    check_share(share)
    for i in range(DRAWS):
        prompt = task.simplify(problem, share if i < DRAWS // 2 else rng.random(), rng)
        if _showable(prompt, problem):
            return Variant(prompt)
    return None


def reworded(task: Task, problem: Problem, rng: random.Random) -> Variant | None:
    """Another prompt of the same difficulty with the same answer; None if there is none."""
    for _ in range(DRAWS):
        if _showable(prompt := task.rephrase(problem, rng), problem):
            return Variant(prompt)
    return None


def _showable(prompt: str | None, problem: Problem) -> bool:
    """Is this another prompt, and not a test problem where `problem` is for training?

    A training problem's rewrite could be a test problem as it stands: learnt first, tested then.
    """
    return (
        prompt is not None
        and prompt != problem.prompt
        and is_test_prompt(prompt) == (problem.seed < 0)
    )


# ---------------------------------------------------------------- noise and masks


def noisy(task: Task, problem: Problem, n: int, rng: random.Random) -> Variant:
    """The prompt with `n` irrelevant things added; the answer stays what it is."""
    check_number("n", n, 0)
    return Variant(task.distract(problem, n, rng))


def masked(problem: Problem, share: float, rng: random.Random) -> Variant:
    """The prompt with about `share` of its characters as ``_``, its first word left readable."""
    check_share(share)
    first, space, rest = problem.prompt.partition(" ")
    characters = sum(not c.isspace() for c in rest)
    return Variant(first + space + hide(rest, round(share * characters), rng))


# ---------------------------------------------------------------- forms by name


def variant(task: Task, problem: Problem, form: str, rng: random.Random) -> Variant | None:
    """The problem in the form called so; None if this problem does not have it.

    ``open`` (as it is), ``cloze`` (half hidden) or ``cloze80`` (80 %), ``choice4`` (2 to 26 options,
    answered by text), ``letter4`` (by letter), ``judge`` (yes or no), ``told`` (the answer is there).
    """
    kind = FORM.fullmatch(form)
    if not kind:
        raise CurrlabError(
            f"There is no form '{form}'; forms are open, told, judge, cloze, cloze80 (percent hidden), "
            "choice4 and letter4 (number of options)."
        )
    if form == "open":
        return Variant(problem.prompt)
    if form == "told":
        return told(task, problem)
    if form == "judge":
        return judgement(task, problem, rng)
    if kind[1]:
        return choices(task, problem, int(kind[2]), rng, letters=kind[1] == "letter")
    return cloze(task, problem, int(kind[3] or 50) / 100, rng)
