"""RLP's reward: the gain of a thought, against a computation of its own, and what costs nothing."""

import numpy as np
import pytest
import torch

from currlab.curricula import Clock, Rollout, View, make_recipe, make_strategy
from currlab.curricula.reward.likelihood import NO_THOUGHT, thought_of
from currlab.errors import CurrlabError
from currlab.models import load_model, prompt_ids, text_ids
from currlab.tasks import get_task
from currlab.training.policy import LanguagePolicy

PROBLEM = get_task("sorting").make(3, 0)
GOLD = f"<answer>{PROBLEM.answer}</answer>"


def rollout(text, **view):
    return Rollout(View(**{"prompt": PROBLEM.prompt, **view}), text, (1,))


def score(rollouts, policy, **settings):
    return make_strategy("rlp", **settings).score(PROBLEM, rollouts, policy, Clock())


class Table:
    """Log-probabilities that are made up: -1 a token, and `thoughts` say what the answer gets."""

    def __init__(self, thoughts=None, slow=-2.0):
        self.thoughts, self.slow, self.calls = thoughts or {}, slow, []

    def log_probabilities(self, prompts, answers, model="self"):
        self.calls.append((list(prompts), list(answers), model))
        if model != "self":
            return [np.full(len(answer) + 1, self.slow) for answer in answers]
        rows = []
        for answer in answers:
            thought = thought_of(answer)
            after = len(answer) - len(thought) + 1
            value = self.thoughts.get(thought, -1.0)
            rows.append(np.concatenate([np.full(len(thought), -9.0), np.full(after, value)]))
        return rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think><answer>1</answer>", "<think>a</think>"),
        ("<think>a", "<think>a</think>"),
        ("<think></think>", "<think></think>"),
        ("<think>a</think>b</think>", "<think>a</think>"),
        ("<answer>1</answer>", ""),
        ("", ""),
        ("x<think>a</think>", ""),
    ],
)
def test_a_thought_is_what_stands_first_in_its_tags(text, expected):
    assert thought_of(text) == expected


def test_the_reward_is_the_gain_over_the_slow_copy_without_a_thought():
    policy = Table({"<think>good</think>": -0.5, "<think>bad</think>": -3.0})
    texts = [f"<think>good</think>{GOLD}", "<think>bad</think><answer>0</answer>"]
    first, second = score([rollout(text) for text in texts], policy)
    assert (first.total, first.correct) == (1.5, True)
    assert (second.total, second.correct) == (-1.0, False)
    assert first.parts == {"gain": 1.5}


def test_the_reward_looks_at_the_thought_and_not_at_the_answer_after_it():
    policy = Table({"<think>good</think>": -0.5})
    right, wrong = score(
        [rollout(f"<think>good</think>{a}") for a in (GOLD, "<answer>no</answer>")], policy
    )
    assert right.total == wrong.total
    assert (right.correct, wrong.correct) == (True, False)


def test_equal_thoughts_and_questions_are_read_once():
    policy = Table()
    texts = [f"<think>a</think>{GOLD}"] * 3 + ["<think>b</think>"] * 2 + [GOLD]
    score([rollout(text) for text in texts], policy)
    (prompts, answers, slow), (asked, full, own) = policy.calls
    assert (prompts, answers, slow) == ([PROBLEM.prompt], [GOLD], NO_THOUGHT)
    assert own == "self"
    assert asked == [PROBLEM.prompt] * 2
    assert full == [f"<think>a</think>{GOLD}", f"<think>b</think>{GOLD}"]


def test_a_completion_without_a_thought_earns_nothing_and_asks_nobody():
    policy = Table()
    assert [s.total for s in score([rollout(GOLD), rollout("")], policy)] == [0.0, 0.0]
    assert policy.calls == []


def test_another_prompt_and_another_answer_are_asked_for_as_they_were_shown():
    policy = Table()
    shown = {"prompt": f"{PROBLEM.prompt}\nwhich letter?", "answer": "B"}
    score([rollout("<think>a</think>", **shown), rollout("<think>a</think>")], policy)
    (prompts, answers, _), (_, full, _) = policy.calls
    assert prompts == [shown["prompt"], PROBLEM.prompt]
    assert answers == ["<answer>B</answer>", GOLD]
    assert full == [f"<think>a</think>{answer}" for answer in answers]


def test_a_learner_without_log_probabilities_is_refused():
    with pytest.raises(CurrlabError, match="log-probabilities"):
        score([rollout("<think>a</think>")], object())


@pytest.mark.parametrize("slow", [0.999, 0.5])
def test_the_slow_copy_is_asked_of_the_engine(slow):
    recipe = make_recipe(reward="rlp", settings={"rlp": {"slow": slow}})
    assert recipe.references() == {NO_THOUGHT: slow}


def test_the_gain_of_a_real_model_is_that_of_two_forward_passes():
    model, tokenizer = load_model("tiny-warm")
    policy = LanguagePolicy(model, tokenizer, 12)
    policy.references.keep({NO_THOUGHT: 0.5})
    with torch.no_grad():  # another model than the policy from now on
        for weight in policy.references[NO_THOUGHT].parameters():
            weight.mul_(0.9)
    steps = "\n".join(get_task("sorting").steps(PROBLEM))
    thoughts = [f"<think>{steps}</think>", "<think>9|9</think>", "<think>7"]
    scores = score([rollout(thought + GOLD * i) for i, thought in enumerate(thoughts)], policy)

    def mean_log_p(network, start):
        before = [*prompt_ids(PROBLEM.prompt, tokenizer), *text_ids(start, tokenizer)]
        after = [*text_ids(GOLD, tokenizer), tokenizer.eos_token_id]
        with torch.no_grad():
            logits = network.eval()(torch.tensor([before + after])).logits[0, len(before) - 1 : -1]
        return logits.log_softmax(-1)[range(len(after)), after].mean().item()

    bare = mean_log_p(policy.references[NO_THOUGHT], "")
    closed = [thoughts[0], thoughts[1], f"<think>7{GOLD}{GOLD}</think>"]
    for found, thought in zip(scores, closed, strict=True):
        assert found.total == pytest.approx(mean_log_p(model, thought) - bare, abs=1e-4)
    assert policy.tokens_generated == 0
    assert policy.tokens_forwarded > 0
