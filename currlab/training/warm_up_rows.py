"""Rows that a warm-up imitates: worked problems of a mixture, or of what a strategy chooses."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.curricula.core import Select
from currlab.curricula.data import Catalog, Clock, Policy
from currlab.errors import CurrlabError
from currlab.training.warm_up_chains import Chains

# One row in TRL's conversational prompt-completion format.
Row = dict[str, list[dict[str, str]]]


def worked_messages(
    mixture: Mapping[str, float], n: int, seed: int, thought: bool, chains: Chains | None = None
) -> list[Row]:
    """`n` rows of TRL's conversational prompt-completion format; equal seeds give equal rows."""
    catalog, drawn = Catalog(tuple(mixture)), drawn_problems(mixture, n, seed)
    return [_worked_row(catalog, arm, number, thought, chains) for arm, number in drawn]


def drawn_problems(mixture: Mapping[str, float], n: int, seed: int) -> list[tuple[str, int]]:
    """Arm and seed of `n` training problems of the mixture; equal seeds give equal draws."""
    catalog = Catalog(tuple(mixture))
    if min(mixture.values()) < 0 or sum(mixture.values()) <= 0:
        raise CurrlabError("Weights of a mixture must be 0 or more, and at least one above 0.")
    rng = random.Random(f"warm-up/{seed}")
    arms = rng.choices(catalog.arms, weights=list(mixture.values()), k=n)
    return [(arm, rng.randrange(2**31)) for arm in arms]


def chosen_batches(
    select: Select,
    catalog: Catalog,
    policy: Policy,
    *,
    steps: int,
    batch: int,
    seed: int,
    thought: bool = False,
    chains: Chains | None = None,
) -> Iterator[list[Row]]:
    """Rows as in `worked_messages`: the `steps` batches of `select`, each chosen when it is due."""
    select.bind(catalog)
    rng = random.Random(f"warm-up/{seed}")
    for step in range(steps):
        clock = Clock(step, step / steps)
        select.probe(policy, clock)
        picks = select.choose(batch, clock)
        seeds = [rng.randrange(2**31) if pick.seed is None else pick.seed for pick in picks]
        yield [
            _worked_row(catalog, pick.arm, number, thought, chains)
            for pick, number in zip(picks, seeds, strict=True)
        ]


def _worked_row(catalog: Catalog, arm: str, seed: int, thought: bool, chains: Chains | None) -> Row:
    problem = catalog.problem(arm, seed)
    worked = chains.completion(problem) if chains else catalog.worked(problem, thought)
    return row_of(problem.prompt, worked)


def row_of(prompt: str, completion: str) -> Row:
    """A question and the answer to imitate, as a row."""
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": completion}],
    }


def check_template(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[Row]
) -> None:
    """Refuse a tokenizer that would lose what is to be learnt, or a problem that does not fit.

    The longest row must come back whole from its ids as a verifier will see it, which is without
    special tokens: tags that are special would vanish, and every reward would be 0.
    """
    if tokenizer.chat_template is None:
        raise CurrlabError(
            "The tokenizer has no chat template; an instruct model's tokenizer does."
        )
    row = max(rows, key=lambda r: len(r["prompt"][0]["content"] + r["completion"][0]["content"]))
    ids = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=False)
    answer = row["completion"][0]["content"]
    if answer not in tokenizer.decode(ids, skip_special_tokens=True):
        raise CurrlabError(
            f"The tokenizer does not give back the worked solution {answer!r}: its characters and "
            "the tags must be ordinary tokens, not unknown or special ones."
        )
    if tokenizer.eos_token_id not in ids:
        raise CurrlabError(
            "The chat template does not end the answer with the tokenizer's end-of-text token, so "
            "the model would never learn to stop."
        )
    if len(ids) > model.config.max_position_embeddings:
        raise CurrlabError(
            f"A worked problem takes {len(ids)} tokens, but the model's context holds only "
            f"{model.config.max_position_embeddings}; choose lower levels."
        )
