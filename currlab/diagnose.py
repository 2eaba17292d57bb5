"""What is wrong with a run? Cause and cure, with the evidence from the run's own files.

>>> for finding in diagnose("runs/mine"):  # doctest: +SKIP
...     print(finding.name, finding.evidence, finding.cure, sep="\n")

Only the folder is read. A symptom such as "the reward is 0" has many causes, so every detector looks
for what tells its cause from the others, and stays silent where a run's files cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from currlab.evidence import THRESHOLDS, Evidence
from currlab.runs import Run

VARIETY = "variety of the texts in all-wrong groups"


@dataclass(frozen=True)
class Finding:
    """One diagnosis: its name, the numbers that speak for it, and what to do."""

    name: str
    evidence: str
    cure: str


# ---------------------------------------------------------------- nothing can be learnt


def vanishing_tags(e: Evidence) -> Finding | None:
    """The verifier does not read the tags that the model writes."""
    if not e.tags_vanish:
        return None
    return Finding(
        "vanishing_tags",
        f"What the model writes as {e.texts['answer']!r} the verifier reads as "
        f"{e.texts['verifier_reads']!r}; {e.opened:.1%} of {e.completions} completions show an answer "
        "tag.",
        "Make the tags ordinary tokens of the tokenizer: decoding strips special ones.",
    )


def no_chat_template(e: Evidence) -> Finding | None:
    """The model reads the bare question, and does not know what to do with it."""
    early = e.early["pass_rate"].mean()
    if not e.bare_question or early >= e.limits.unreadable:
        return None
    return Finding(
        "no_chat_template",
        f"Asked {e.texts['question']!r}, the model reads {e.texts['model_reads']!r} and nothing "
        f"around it; the first {len(e.early)} groups have a pass rate of {early:.1%}.",
        "Give the tokenizer the chat template with which the model was warmed up.",
    )


def no_warm_up(e: Evidence) -> Finding | None:
    """The model never begins an answer, although a tag that it wrote would be seen."""
    begun = max(e.early["opened"].mean(), e.opened)
    if e.tags_vanish or begun >= e.limits.opened or e.completions < e.limits.fewest_completions:
        return None
    doubt = "" if e.texts else " (The run does not say whether tags or template are missing.)"
    return Finding(
        "no_warm_up",
        f"{e.opened:.1%} of {e.completions} completions begin an answer, and none can be right "
        f"without: the pass rate is {e.groups['pass_rate'].mean():.1%}.{doubt}",
        "Warm the model up on worked answers of easy levels before GRPO (notebook 03).",
    )


def zero_variance(e: Evidence) -> Finding | None:
    """The format is known, and yet from the start no group has two different rewards."""
    equal = min(e.early["equal"].mean(), e.groups["equal"].mean())
    few = e.completions < e.limits.fewest_completions
    if e.tags_vanish or e.crashed or few or e.opened < e.limits.opened or equal < e.limits.equal:
        return None
    solved, hopeless = ((e.groups["pass_rate"] == rate).mean() for rate in (1, 0))
    cure = "Add levels between the solved and the hopeless ones."
    if hopeless >= e.limits.equal:
        cure = "Add easier levels, or hints: there must be first successes to build on."
    elif solved >= e.limits.equal:
        cure = "Add harder levels: there is nothing left to learn on these."
    return Finding(
        "zero_variance",
        f"{e.groups['equal'].mean():.1%} of {len(e.groups)} groups have equal rewards: all right in "
        f"{solved:.0%}, all wrong in {hopeless:.0%} of the groups. The format is known: {e.opened:.0%} "
        "of the completions begin an answer.",
        cure,
    )


# ---------------------------------------------------------------- the wrong thing is learnt


def hackable_verifier(e: Evidence) -> Finding | None:
    """Wrong answers are paid, more and more, and right ones do not become more frequent."""
    if not e.comparable or e.risen or not e.pays_wrong:
        return None
    early, late = e.wrong_pay
    return Finding(
        "hackable_verifier",
        _told(
            e.told("reward", "reward", ".2f"),
            e.told("pass_rate", "pass rate"),
            f"a wrong answer earns {early:.0%} -> {late:.0%} of what a right one does",
            e.held_out(),
        ),
        "Read the wrong completions that are paid, and close the gap that they found.",
    )


def length_runaway(e: Evidence) -> Finding | None:
    """Completions grow to the limit and get no better; in a crash, only if length is paid."""
    early, late, _ = e.change("truncated")
    grown = late >= e.limits.truncated and late - early >= e.limits.truncated_rise
    if not e.comparable or e.risen or not grown or (e.crashed and not e.pays_length):
        return None
    return Finding(
        "length_runaway",
        _told(
            e.told("length", "tokens", ".1f"),
            e.told("truncated", "cut off at the limit"),
            e.told("pass_rate", "pass rate"),
            f"advantage times standardised length {e.length_credit:+.2f} (near 0: length is not paid)",
            e.held_out(),
        ),
        "Take credit for length out of reward and advantage, or penalise overlong completions.",
    )


# ---------------------------------------------------------------- what was there is lost


def learning_rate_too_high(e: Evidence) -> Finding | None:
    """What was known is destroyed, although neither wrong answers nor length are paid."""
    broken = e.broken_step()
    explained = e.pays_wrong or e.pays_length
    if broken is None and (not e.comparable or not e.crashed or explained):
        return None
    before, after = e.fall
    fell = _told(
        f"pass rate {before:.0%} -> {after:.0%}",
        e.told("entropy", "entropy", ".2f"),
        "neither wrong answers nor length are paid",
        e.held_out(),
    )
    return Finding(
        "learning_rate_too_high",
        f"The learning rate is {e.learning_rate()}. "
        + (fell if broken is None else f"Loss or gradient is not a number at step {broken}."),
        "Start again with a third of the learning rate, or less.",
    )


def entropy_collapse(e: Evidence) -> Finding | None:
    """The model is certain where it is wrong. Certain where it is right would be healthy."""
    variety, entropy = e.change("wrong_variety"), e.change("entropy")
    certain = variety[1] <= e.limits.variety * variety[0] and variety[2] >= e.limits.fewest_groups
    sharp = entropy[1] <= e.limits.entropy * entropy[0]
    if not e.comparable or e.risen or e.pays_wrong or not certain or not sharp:
        return None
    return Finding(
        "entropy_collapse",
        _told(
            e.told("entropy", "nats per token", ".2f"),
            e.told("wrong_variety", VARIETY),
            e.told("pass_rate", "pass rate"),
            e.held_out(),
        ),
        "Start again from before the collapse; check the sign of every entropy term, lower the "
        "learning rate, or add an entropy bonus.",
    )


# ---------------------------------------------------------------- the whole


DETECTORS: tuple[Callable[[Evidence], Finding | None], ...] = (
    vanishing_tags,
    no_chat_template,
    no_warm_up,
    zero_variance,
    hackable_verifier,
    length_runaway,
    learning_rate_too_high,
    entropy_collapse,
)


def diagnose(run: Run | str | Path) -> list[Finding]:
    """What is wrong with the run, worst first; otherwise one finding, "healthy" or "undecided".

    Worst is where nothing can be learnt, then where the wrong thing is, then where what was there is
    lost. "undecided" means that the run is too short, or that it never came back to a level it began
    with. CurrlabError if the folder holds no run, or a file of it is damaged.
    """
    run = run if isinstance(run, Run) else Run(run)
    evidence = Evidence(run, THRESHOLDS)
    found = [finding for detect in DETECTORS if (finding := detect(evidence))]
    return found or [_nothing_found(evidence)]


def _nothing_found(e: Evidence) -> Finding:
    if e.steps < e.limits.fewest_steps:
        told = f"{e.steps} steps are too few to tell; {e.limits.fewest_steps} would do."
        return Finding("undecided", told, "Let the run go on.")
    if not e.comparable:
        told = (
            f"The last quarter of the run and its first {len(e.early)} groups have "
            f"{e.change('pass_rate')[2]} groups of the same levels, too few to compare."
        )
        return Finding("undecided", told, "Compare the evaluations on held-out problems.")
    solved, hopeless = ((e.late["equal"] & (e.late["pass_rate"] == rate)).mean() for rate in (1, 0))
    evidence = _told(
        e.told("pass_rate", "pass rate"),
        e.told("wrong_variety", VARIETY),
        f"of the last groups {solved:.0%} are all right, {hopeless:.0%} all wrong, the others teach",
        e.held_out(),
    )
    return Finding("healthy", evidence, "")


def _told(*phrases: str) -> str:
    """Changes on the same levels as one sentence; empty phrases are left out."""
    return f"On the same levels: {'; '.join(filter(None, phrases))}."
