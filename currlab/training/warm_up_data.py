"""What to imitate and what to reinforce: own right answers, splits by difficulty, a shared budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from currlab.curricula.data import Catalog, Policy, View
from currlab.errors import CurrlabError
from currlab.models.tokenizer import text_ids
from currlab.tasks import get_task
from currlab.tasks.text import check_number, check_share
from currlab.training.warm_up_rows import Row, drawn_problems, row_of


@dataclass(frozen=True)
class SelfAnswers:
    """Rows to imitate, and the share of them that the model itself wrote."""

    rows: list[Row]
    own: float


def self_answers(
    policy: Policy,
    mixture: Mapping[str, float],
    n: int,
    seed: int = 0,
    *,
    temperature: float = 1.0,
    thought: bool = False,
    only_own: bool = False,
) -> SelfAnswers:
    """`n` problems of the mixture; where `policy` answers rightly, its answer is the one to imitate.

    Elsewhere it is the worked solution, or with `only_own` the problem is left out: demonstrations
    that one model wrote, as the loss "pear" needs them. Each problem is asked once.

    Source: S3FT, selective self-to-supervised fine-tuning (arXiv 2502.08130), whose idea is known to
    us: imitate the model's own answer wherever it is right. It lets a judge decide; here the task's
    verifier does, and how often and how hot the model is asked is ours.
    """
    check_number("n", n, 1)
    catalog, drawn = Catalog(tuple(mixture)), drawn_problems(mixture, n, seed)
    problems = [catalog.problem(arm, number) for arm, number in drawn]
    views = [View(problem.prompt) for problem in problems]
    texts = [r.text for r in policy.generate(views, [number for _, number in drawn], temperature)]
    right = [get_task(p.task).verify(p, text) for p, text in zip(problems, texts, strict=True)]
    if only_own and not any(right):
        raise CurrlabError("The model answers none of the problems rightly: nothing is its own.")
    rows = [
        row_of(problem.prompt, text if own else catalog.worked(problem, thought))
        for problem, text, own in zip(problems, texts, right, strict=True)
        if own or not only_own
    ]
    return SelfAnswers(rows, sum(right) / len(rows))


@dataclass(frozen=True)
class Split:
    """Which arms are imitated and which are reinforced."""

    imitated: dict[str, float]
    reinforced: tuple[str, ...]


def split_by_difficulty(levels: Mapping[str, Sequence[int]], share: float = 0.5) -> Split:
    """The easy levels of each task are imitated, the others reinforced; `share` of them are easy.

    Source: DeReason (arXiv 2603.11193), which lets a language model score how much reasoning a
    question needs, imitates those with low scores and reinforces those with high ones. Here the
    level stands in for the score, and where to cut is ours. The control of equal size is a random
    split: with fresh problems of every level, both parts hold all levels (`random_split`).

    >>> split_by_difficulty({"sorting": range(1, 5)}).reinforced
    ('sorting/3', 'sorting/4')
    """
    check_share(share)
    easy, hard = [], []
    for task in levels:
        ordered = sorted(levels[task])
        cut = round(share * len(ordered))
        easy += [f"{task}/{level}" for level in ordered[:cut]]
        hard += [f"{task}/{level}" for level in ordered[cut:]]
    if not (easy and hard):
        raise CurrlabError(
            f"A share of {share} leaves one part of the split empty; both need a level."
        )
    return Split(dict.fromkeys(easy, 1.0), tuple(hard))


def random_split(levels: Mapping[str, Sequence[int]]) -> Split:
    """The control of `split_by_difficulty`: problems of every level on both sides."""
    arms = Catalog.of(levels).arms
    return Split(dict.fromkeys(arms, 1.0), arms)


def tokens_a_row(rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> float:
    """The mean number of tokens that imitating one of the rows trains on: answer and end."""
    if not rows:
        raise CurrlabError("The mean length of a row needs at least one row.")
    lengths = [len(text_ids(row["completion"][0]["content"], tokenizer)) + 1 for row in rows]
    return sum(lengths) / len(lengths)


def split_budget(tokens: int, share: float, step_tokens: float) -> tuple[int, int]:
    """Steps of imitation and tokens of reinforcement that together cost `tokens`.

    `share` of the tokens is imitated, in steps that train on `step_tokens` each; what whole steps
    leave over is generated. Source: Balancing the Budget (arXiv 2502.11284) divides a budget of
    annotation between demonstrations and preferences; ours is counted in tokens.

    >>> split_budget(1000, 0.5, 200.0)
    (2, 600)
    """
    check_share(share)
    check_number("tokens", tokens, 1)
    if not step_tokens > 0:
        raise CurrlabError(f"A step must cost more than 0 tokens; got {step_tokens}.")
    steps = int(share * tokens / step_tokens)
    return steps, tokens - round(steps * step_tokens)
