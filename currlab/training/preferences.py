"""A cold start by preferences: the model learns the form of an answer from its own answers, by DPO.

Nobody shows it what is right. Both texts of a pair hold the same thoughts and the same answer; one
of them is broken where the form matters.
"""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Mapping, Sequence

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from trl import DPOConfig, DPOTrainer

from currlab.curricula.data import Catalog, Policy, View
from currlab.errors import CurrlabError
from currlab.progress import progress
from currlab.tasks.base import CLOSE, OPEN, extract_answer
from currlab.training.warm_up import ShowProgress, check_at_least_1, side_effects_undone
from currlab.training.warm_up_rows import drawn_problems

# A question, and two answers to it, in TRL's conversational format.
Pair = dict[str, list[dict[str, str]]]


def own_pairs(
    policy: Policy, mixture: Mapping[str, float], n: int, seed: int = 0, temperature: float = 1.0
) -> list[Pair]:
    """Pairs from `n` problems of the mixture: an answer of `policy`'s own, and the same one broken.

    Only answers with one answer block make a pair, right or wrong: each problem is asked once, so
    there are at most `n`. Equal seeds and policies give equal pairs.

    Source: SPECS (arXiv 2510.25801), of which the idea is known to us: preferences among the model's
    own answers that teach form only. How a form is broken (`broken`) is ours.
    """
    check_at_least_1(n=n)
    catalog, drawn = Catalog(tuple(mixture)), drawn_problems(mixture, n, seed)
    problems = [catalog.problem(arm, number) for arm, number in drawn]
    views, seeds = [View(p.prompt) for p in problems], [number for _, number in drawn]
    texts = [rollout.text for rollout in policy.generate(views, seeds, temperature)]
    rng = random.Random(f"preferences/{seed}")
    pairs = [
        _pair(problem.prompt, text, broken(text, rng))
        for problem, text in zip(problems, texts, strict=True)
        if extract_answer(text) is not None
    ]
    if not pairs:
        raise CurrlabError(
            f"None of the model's {n} answers holds one answer block: there is no form of its own to "
            "prefer. Imitate a few worked answers first."
        )
    return pairs


def broken(text: str, rng: random.Random) -> str:
    """The same answer without a tag, or with its block twice: no verifier would accept it.

    >>> broken("<answer>12</answer>", random.Random(0))
    '<answer>12'
    """
    block = text[text.index(OPEN) : text.index(CLOSE) + len(CLOSE)]
    slips = (text.replace(OPEN, ""), text.replace(CLOSE, ""), text.replace(block, block * 2))
    return slips[rng.randrange(len(slips))]


def prefer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Pair],
    *,
    steps: int = 50,
    batch: int = 32,
    learning_rate: float = 3e-4,
    beta: float = 0.1,
    imitation: float = 1.0,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Train `model` in place by DPO on `pairs`, through TRL's DPOTrainer.

    With the model as it is now as the reference, of a chosen answer :math:`c` and a rejected :math:`r`,

        loss = -log sigmoid(beta (log pi(c)/pi_ref(c) - log pi(r)/pi_ref(r))) - imitation * log pi(c)

    (Rafailov et al., arXiv 2305.18290; the second term, a mean over tokens, keeps the chosen answers
    likely). Returns a record every 10 steps: ``loss``, and ``accuracy``, the share of pairs whose
    chosen answer gained more than the rejected one.
    """
    check_at_least_1(steps=steps, batch=batch)
    if not pairs:
        raise CurrlabError("Preferences need at least one pair.")
    with side_effects_undone(model), tempfile.TemporaryDirectory() as folder:
        settings = DPOConfig(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=batch,
            learning_rate=learning_rate,
            beta=beta,
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, imitation],
            max_length=None,
            seed=seed,
            use_cpu=model.device.type == "cpu",
            bf16=False,
            gradient_checkpointing=False,
            logging_steps=min(10, steps),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=model.device.type != "cpu",
        )
        reference = copy.deepcopy(model).requires_grad_(False)
        data = Dataset.from_list(list(pairs))
        trainer = DPOTrainer(
            model, reference, settings, train_dataset=data, processing_class=tokenizer
        )
        return _records(trainer, steps)


def _records(trainer: DPOTrainer, steps: int) -> list[dict[str, float]]:
    """Train, and what was logged meanwhile."""
    trainer.remove_callback(PrinterCallback)
    with progress("Preferences", steps) as advance:
        trainer.add_callback(ShowProgress(advance))
        trainer.train()
    trainer.model.eval()
    return [
        {"step": r["step"], "loss": r["loss"], "accuracy": r["rewards/accuracies"]}
        for r in trainer.state.log_history
        if "loss" in r
    ]


def _pair(prompt: str, chosen: str, rejected: str) -> Pair:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }
