"""Sampling through vLLM: in training with the engine that TRL makes, in evaluation with our own.

The same request for both: token ids, one seed a row, the end-of-sequence id as the only stop. vLLM
turns a row's seed into draws of its own, so its completions are not those of `sample_completions`,
and it promises no equal bits for another batch: a row may then depend on the rows beside it. It
computes float32 models in half precision unless it is told otherwise; TRL has no setting for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from currlab.errors import CurrlabError
from currlab.models.load import load_model, save_model
from currlab.training.policy import LanguagePolicy, Sampler
from currlab.training.rollouts import Completion, sample_completions
from currlab.training.vllm_checks import check_vllm

if TYPE_CHECKING:
    from trl import GRPOTrainer
    from trl.generation.vllm_client import VLLMClient
    from vllm import LLM

# Requests that a server gets at a time: TRL's client keeps as many connections.
REQUESTS_AT_A_TIME = 64
# Logits held at a time when completions are read: 2 GiB in float32.
MOST_LOGITS = 2**29
# vLLM refuses more.
HOTTEST = 2.0

Complete = Callable[[Sequence[Sequence[int]], list[dict[str, Any]]], list[tuple[int, ...]]]


def trl_settings(mode: str, server: str) -> dict[str, Any]:
    """What `GRPOConfig` needs for a mode.

    TRL's correction for what vLLM and the model compute differently is off: the curriculum's own
    objectives do not have it, and a loss must not depend on who samples.
    """
    if mode == "off":
        return {}
    return {
        "use_vllm": True,
        "vllm_mode": mode,
        "vllm_server_base_url": server if mode == "server" else None,
        "vllm_importance_sampling_correction": False,
    }


def trl_sampler(trainer: GRPOTrainer) -> Sampler:
    """The sampler of a trainer's rollouts: through its vLLM where it has one.

    vLLM gets the present weights before it samples, once a step, probes and evaluations included.
    """
    if not trainer.use_vllm:
        return sample_completions
    generation = trainer.vllm_generation
    if trainer.vllm_mode == "server":
        complete = partial(server_ids, generation.vllm_client)
    else:
        complete = partial(engine_ids, generation.llm)

    def refresh() -> None:
        # TRL's own mark, so that it does not send the same weights again before the rollouts.
        if trainer._last_loaded_step != trainer.state.global_step:
            generation.sync_weights()
            trainer._last_loaded_step = trainer.state.global_step

    return VllmSampler(complete, refresh)


def vllm_policy(
    name: str, max_new_tokens: int, device: str = "cuda", memory_share: float = 0.5
) -> LanguagePolicy:
    """A model that `evaluate` samples through vLLM: pass@k with many completions.

    `name` is as for `load_model`; vLLM takes `memory_share` of the GPU's memory, and the model,
    which reads entropies, some of the rest. CurrlabError as `check_vllm`.
    """
    check_vllm("colocate", device)
    if not 0 < memory_share < 1:
        raise CurrlabError(f"'memory_share' must lie between 0 and 1; got {memory_share}.")
    from vllm import LLM

    model, tokenizer = load_model(name, device)
    with stored(model, tokenizer):
        engine = LLM(model=model.name_or_path, gpu_memory_utilization=memory_share)
    sampler = VllmSampler(partial(engine_ids, engine))
    return LanguagePolicy(model, tokenizer, max_new_tokens, sampler)


@contextmanager
def stored(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """In the block `model.name_or_path` is something that vLLM can load: a folder, or a Hub name.

    The shipped models and new ones have none; they lie in a temporary folder meanwhile.
    """
    if model.name_or_path:
        yield
        return
    with TemporaryDirectory() as folder:
        model.name_or_path = str(save_model(model, tokenizer, Path(folder)))
        try:
            yield
        finally:
            model.name_or_path = ""


class VllmSampler:
    """Has the signature of `sample_completions`; `complete` asks vLLM, `refresh` is called before.

    vLLM gives no entropies, so `model` reads the completions afterwards: one forward more, which
    the policy's `tokens_forwarded` does not count.
    """

    def __init__(self, complete: Complete, refresh: Callable[[], None] = lambda: None) -> None:
        self.complete, self.refresh = complete, refresh

    def __call__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float,
        end_id: int,
    ) -> list[Completion]:
        if not 0 <= temperature <= HOTTEST:  # a NaN fails too
            raise CurrlabError(
                f"vLLM samples at temperatures from 0 (greedy) to {HOTTEST:g}; got {temperature}."
            )
        self.refresh()
        common = {
            "max_tokens": max_new_tokens,
            "temperature": temperature,
            # The one end that our rows have; a model's other ends are ordinary tokens here.
            "stop_token_ids": [end_id],
            "ignore_eos": True,
        }
        # vLLM reads seeds as signed 64-bit numbers, and -1 as none.
        requests = [{**common, "seed": seed & 0x7FFFFFFFFFFFFFFF} for seed in seeds]
        answers = self.complete(prompts, requests)
        for answer in answers:
            if not answer or (answer[-1] != end_id and len(answer) < max_new_tokens):
                raise CurrlabError(
                    f"vLLM cut a completion short after {len(answer)} of {max_new_tokens} tokens; "
                    "prompt and completion must fit the context that it was started with."
                )
        return read_completions(model, prompts, answers)


def engine_ids(
    engine: LLM, prompts: Sequence[Sequence[int]], requests: list[dict[str, Any]]
) -> list[tuple[int, ...]]:
    """Completions, one a row, of an engine in this process."""
    from vllm import SamplingParams

    outputs = engine.generate(
        [{"prompt_token_ids": list(prompt)} for prompt in prompts],
        [SamplingParams(**request, detokenize=False) for request in requests],
        use_tqdm=False,
    )
    return [tuple(output.outputs[0].token_ids) for output in outputs]


def server_ids(
    client: VLLMClient, prompts: Sequence[Sequence[int]], requests: list[dict[str, Any]]
) -> list[tuple[int, ...]]:
    """Completions of TRL's client. One request a row: the prompts of a request share one seed."""

    def ask(prompt: Sequence[int], request: dict[str, Any]) -> tuple[int, ...]:
        output = client.generate([list(prompt)], logprobs=None, generation_kwargs=request)
        return tuple(output["completion_ids"][0])

    with ThreadPoolExecutor(REQUESTS_AT_A_TIME) as threads:
        return list(threads.map(ask, prompts, requests))


def read_completions(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], answers: Sequence[tuple[int, ...]]
) -> list[Completion]:
    """Completions with the entropy and the log-probability that `model` gives them.

    Read in evaluation mode and left in the mode it was in; as many rows at a time as `MOST_LOGITS`
    allows. A causal model does not look at what stands after a token: padding needs no mask.
    """
    ids = [(*prompt, *answer) for prompt, answer in zip(prompts, answers, strict=True)]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    found: dict[int, Completion] = {}
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            while order:
                width = len(ids[order[0]])
                size = max(1, MOST_LOGITS // (width * model.config.vocab_size))
                rows, order = order[:size], order[size:]
                padded = [[*ids[i], *[0] * (width - len(ids[i]))] for i in rows]
                tensor = torch.tensor(padded, device=model.device)
                logits = model(input_ids=tensor, use_cache=False).logits
                for i, scores in zip(rows, logits, strict=True):
                    found[i] = _completion(scores[len(prompts[i]) - 1 :], answers[i])
    finally:
        model.train(was_training)
    return [found[i] for i in range(len(ids))]


def _completion(scores: Tensor, answer: tuple[int, ...]) -> Completion:
    """`scores` [positions, vocabulary] predict the answer's tokens, and what follows them."""
    log_p = scores[: len(answer)].float().log_softmax(-1)
    tokens = torch.tensor(answer, device=scores.device)
    entropy = torch.special.entr(log_p.exp()).sum(-1).mean()
    return Completion(answer, float(entropy), float(log_p.gather(1, tokens[:, None]).sum()))
