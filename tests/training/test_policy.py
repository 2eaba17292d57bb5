"""What the dials get from the learner, and what the loss gets from the rollouts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from currlab.curricula.data import Group, Pick, Rollout, Score, View
from currlab.errors import CurrlabError
from currlab.models import load_model, prompt_ids, text_ids
from currlab.tasks import get_task
from currlab.training.policy import LanguagePolicy
from currlab.training.rows import log_probabilities, loss_mask, token_batch, training_rows

MODEL, TOKENIZER = load_model("tiny-warm")
END = TOKENIZER.eos_token_id


def policy(length=12):
    return LanguagePolicy(MODEL, TOKENIZER, length)


def group(rollouts, advantages=None):
    problem = get_task("sorting").make(2, 0)
    return Group(problem, Pick(problem.arm), tuple(rollouts), 0, advantages)


def test_rollouts_carry_text_ids_and_what_they_cost():
    learner = policy()
    views = [View("sort 31"), View("sort 31"), View("sort 7529")]
    rollouts = learner.generate(views, [1, 2, 3], 1.0)
    assert [r.view for r in rollouts] == views
    for rollout in rollouts:
        assert rollout.score == Score(0.0, False)
        assert rollout.prefix_len == 0
        assert rollout.temperature == 1.0
        assert rollout.text == TOKENIZER.decode(rollout.token_ids, skip_special_tokens=True)
        assert "<eos>" not in rollout.text
    sampled = sum(len(r.token_ids) for r in rollouts)
    prompts = sum(len(prompt_ids(q, TOKENIZER)) for q in ("sort 31", "sort 7529"))
    assert learner.tokens_generated == sampled
    assert learner.tokens_forwarded == sampled + prompts
    learner.generate(views[:1], [1], 0.0)
    assert learner.tokens_generated > sampled


def test_logits_are_those_that_predict_the_answer_and_its_end():
    learner = policy()
    prompts, answers = ["sort 10", "sort 4321", "sort 7"], ["<answer>01</answer>", "1234", ""]
    read = learner.logits(prompts, answers)
    MODEL.eval()
    forwarded = 0
    for prompt, answer, matrix in zip(prompts, answers, read, strict=True):
        question = prompt_ids(prompt, TOKENIZER)
        ids = [*question, *text_ids(answer, TOKENIZER)]
        with torch.no_grad():
            alone = MODEL(torch.tensor([ids])).logits[0, len(question) - 1 :].numpy()
        np.testing.assert_allclose(matrix, alone, atol=1e-4)
        forwarded += len(ids)
    assert read[1].shape == (5, MODEL.config.vocab_size)
    assert (learner.tokens_generated, learner.tokens_forwarded) == (0, forwarded)


def test_hidden_states_are_those_the_next_token_is_predicted_from():
    learner, prompts = policy(), ["sort 31", "sort 8675309", "sort 31"]
    MODEL.train()
    states = learner.hidden(prompts)
    assert MODEL.training
    MODEL.eval()
    assert states.shape == (3, MODEL.config.num_hidden_layers + 1, MODEL.config.hidden_size)
    for prompt, state in zip(prompts, states, strict=True):
        logits = MODEL(torch.tensor([prompt_ids(prompt, TOKENIZER)])).logits[0, -1]
        predicted = MODEL.lm_head(torch.tensor(state[-1]))
        assert torch.allclose(predicted, logits, atol=1e-4)
    assert learner.tokens_forwarded == sum(len(prompt_ids(p, TOKENIZER)) for p in prompts)
    assert learner.tokens_generated == 0


def test_a_row_depends_on_its_view_and_seed_only():
    views = [View(f"sort {digits}") for digits in ("31", "7529", "8675309", "31")]
    together = policy().generate(views, [5, 6, 7, 8], 1.0)
    alone = [policy().generate([v], [s], 1.0)[0] for v, s in zip(views, [5, 6, 7, 8], strict=True)]
    assert [r.token_ids for r in together] == [r.token_ids for r in alone]
    assert [r.text for r in together] == [r.text for r in alone]


def test_a_prefix_is_forced_and_counted_apart():
    plain, hinted = policy().generate(
        [View("sort 7529"), View("sort 7529", prefix="<answer>25")], [1, 1], 0.0
    )
    assert hinted.text.startswith("<answer>25")
    assert hinted.prefix_len == 3
    assert TOKENIZER.decode(hinted.token_ids[:3]) == "<answer>25"
    # The warm model sorts this greedily, and the right start changes nothing of it.
    assert plain.token_ids == hinted.token_ids
    assert hinted.token_ids[-1] == END


def test_the_prompt_is_the_chat_template_of_the_question():
    assert TOKENIZER.decode(prompt_ids("sort 31", TOKENIZER)) == "<user>sort 31<assistant>"


# ---------------------------------------------------------------- rows and batches


def rollout(prompt="sort 31", prefix="", completion="<answer>13</answer>", **view):
    ids = (*TOKENIZER(prefix + completion)["input_ids"], END)
    prefix_len = len(TOKENIZER(prefix)["input_ids"]) if prefix else 0
    return Rollout(View(prompt, prefix, **view), prefix + completion, ids, prefix_len)


def test_rows_keep_the_order_and_leave_dropped_rollouts_out():
    dropped = replace(rollout(completion="<answer>31</answer>"), kept=False)
    rows = training_rows([group([rollout(), dropped, rollout()], (0.5, 9.0, -0.5))], TOKENIZER)
    assert [row.advantage for row in rows] == [0.5, -0.5]
    assert all(row.prompt == prompt_ids("sort 31", TOKENIZER) for row in rows)
    assert all(set(row.mask) == {1} and len(row.mask) == len(row.completion) for row in rows)


def test_the_update_conditions_on_the_training_prompt():
    guided = rollout("hint: 1. sort 31", train_prompt="sort 31")
    (row,) = training_rows([group([guided], (1.0,))], TOKENIZER)
    assert row.prompt == prompt_ids("sort 31", TOKENIZER)


def test_a_prefix_gets_credit_only_when_asked():
    hinted = rollout(prefix="<answer>1", completion="3</answer>")
    assert loss_mask(hinted) == (0, 0, 1, 1, 1)
    credited = replace(hinted, view=replace(hinted.view, prefix_credit="all"))
    assert loss_mask(credited) == (1, 1, 1, 1, 1)


@pytest.mark.parametrize("credit", ["half", "", None])
def test_a_credit_that_is_none_of_the_three_is_refused(credit):
    with pytest.raises(CurrlabError, match=r"credit (is 'none'|must lie)|needs the policy"):
        training_rows(
            [group([rollout(prefix="<answer>1", prefix_credit=credit)], (1.0,))], TOKENIZER
        )


def test_a_share_of_a_prefix_is_credited_by_entropy():
    hinted = rollout(prefix="<answer>12345", completion="6</answer>", prefix_credit=0.4)
    entropies = np.array([0.0, 0.3, 0.1, 0.9, 0.2, 0.2])
    assert loss_mask(hinted, entropies) == (0, 1, 0, 1, 0, 0, 1, 1, 1)
    nothing = replace(hinted, view=replace(hinted.view, prefix_credit=0.0))
    assert loss_mask(nothing, entropies)[:6] == (0,) * 6
    least = replace(hinted, view=replace(hinted.view, prefix_credit=0.01))
    assert sum(loss_mask(least, entropies)[:6]) == 1
    with pytest.raises(CurrlabError, match="between 0 and 1"):
        loss_mask(replace(hinted, view=replace(hinted.view, prefix_credit=1.5)), entropies)


def test_entropies_of_a_prefix_are_the_policys_where_it_predicts_it():
    hinted = rollout("sort 31", prefix="<answer>1", completion="3</answer>", prefix_credit=0.5)
    asked = policy()
    (got,) = asked.prefix_entropies([hinted])
    question = prompt_ids("sort 31", TOKENIZER)
    ids = torch.tensor([[*question, *text_ids("<answer>1", TOKENIZER)]])
    with torch.no_grad():
        logits = MODEL(input_ids=ids).logits[0, len(question) - 1 : -1].double()
    p = logits.softmax(-1)
    expected = -(p * p.log()).sum(-1).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert asked.tokens_forwarded == ids.shape[1]
    (row,) = training_rows([group([hinted], (1.0,))], TOKENIZER, asked)
    assert row.mask[:2] == tuple(int(i == expected.argmax()) for i in range(2))


def test_log_probabilities_of_an_answer_end_with_the_end():
    asked = policy()
    (got,) = asked.log_probabilities(["sort 31"], ["<answer>13</answer>"])
    (scores,) = asked.logits(["sort 31"], ["<answer>13</answer>"])
    ids = [*text_ids("<answer>13</answer>", TOKENIZER), END]
    expected = torch.tensor(scores).log_softmax(-1)[torch.arange(len(ids)), ids]
    np.testing.assert_allclose(got, expected, atol=1e-5)
    with pytest.raises(CurrlabError, match="keeps no model 'start'"):
        asked.log_probabilities(["sort 31"], ["13"], model="start")


def test_groups_without_advantages_are_refused():
    with pytest.raises(CurrlabError, match="no advantages yet"):
        training_rows([group([rollout()])], TOKENIZER)


def test_greedy_rollouts_are_weighed_at_temperature_one():
    cold = replace(rollout(), temperature=0.0)
    assert training_rows([group([cold], (1.0,))], TOKENIZER)[0].temperature == 1.0


def test_log_probabilities_are_those_of_each_row_alone():
    """Padding, other rows, prefixes and unequal prompts change nothing."""
    rollouts = [
        rollout("sort 8675309", completion="<answer>0356789</answer>"),
        replace(rollout(prefix="<answer>1", completion="3</answer>"), temperature=0.5),
        rollout("sort 7529", completion="x"),
    ]
    rows = training_rows([group(rollouts, (1.0, 0.0, -1.0))], TOKENIZER)
    batch = token_batch(rows)
    assert batch.advantages.tolist() == [1.0, 0.0, -1.0]
    got = (log_probabilities(MODEL, batch) * batch.mask).sum(1)
    for row, total in zip(rows, got, strict=True):
        ids = torch.tensor([[*row.prompt, *row.completion]])
        logits = MODEL(input_ids=ids).logits[0, len(row.prompt) - 1 : -1]
        log_p = (logits / row.temperature).log_softmax(-1)
        each = log_p.gather(1, torch.tensor(row.completion)[:, None])[:, 0]
        expected = (each * torch.tensor(row.mask)).sum()
        torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-5)
    assert batch.mask.sum(1).tolist() == [sum(row.mask) for row in rows]


def test_rollouts_and_loss_see_the_same_model():
    """The sampler's own forward and the loss's forward give the sampled tokens the same odds."""
    from currlab.training.rollouts import sample_completions

    prompts = [prompt_ids(f"sort {digits}", TOKENIZER) for digits in ("31", "86753", "7529")]
    completions = sample_completions(MODEL, prompts, [1, 2, 3], 20, 1.0, END)
    rollouts = [
        Rollout(View(f"sort {digits}"), "", completion.token_ids)
        for digits, completion in zip(("31", "86753", "7529"), completions, strict=True)
    ]
    batch = token_batch(training_rows([group(rollouts, (1.0, 1.0, 1.0))], TOKENIZER))
    sums = (log_probabilities(MODEL, batch) * batch.mask).sum(1).tolist()
    assert sums == pytest.approx([c.log_probability for c in completions], abs=1e-4)
