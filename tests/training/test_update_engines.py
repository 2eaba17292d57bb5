"""Every update strategy trains alike in both engines; TRL's own losses where it has the same."""

import pytest
import torch
from trl_case import small_config, small_recipe, small_trainer, without_seconds

from currlab.curricula import make_recipe, strategy_names
from currlab.curricula.core import Recipe, Reward
from currlab.curricula.data import Score
from currlab.curricula.registry import make_strategy
from currlab.errors import CurrlabError
from currlab.models.tiny import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.training.scratch import ScratchTrainer

# Settings with which the second step already differs from the first, where there are such.
SETTINGS = {
    "relift": {"buffer": 2},
    "sasr": {"warm_up": 1},
    "stage_order": {"order": "interleaved"},
    "kdrl": {"first": 1.0, "last": 1.0},
}
# Two steps of two updates each: at the second update the policy is no longer the one that sampled.
TWICE = small_config(steps=2, iterations=2, learning_rate=3e-3)


class Coins(Reward):
    """Coin flips that count as verified, because a random model never earns a true reward."""

    name, title = "coins", "verified coin flips"

    def score(self, problem, rollouts, policy, clock):
        flips = self.local_rng(problem, clock).random(len(rollouts)) < 0.4
        return [Score(float(flip), bool(flip)) for flip in flips]


def recipe_of(name, **settings) -> Recipe:
    strategy = make_strategy(name, **{**SETTINGS.get(name, {}), **settings})
    return small_recipe("uniform").with_dial("update", strategy).with_dial("reward", Coins())


def in_trl(recipe, config=TWICE):
    trainer = small_trainer(config, recipe)
    trainer.train()
    return trainer.journal.history, trainer.model


def from_scratch(recipe, config=TWICE):
    model = new_model("tiny", 0)
    trainer = ScratchTrainer(model, build_tokenizer(), recipe, config)
    trainer.train(progress=False)
    return trainer.history, model


def assert_alike(one, other, leave_out=()):
    (history, model), (history_2, model_2) = one, other
    for group, group_2 in zip(history["groups"], history_2["groups"], strict=True):
        for name in ("step", "arm", "seed", "completions", "rewards"):
            assert group[name] == group_2[name]
        assert group["advantages"] == pytest.approx(group_2["advantages"])
    lines, lines_2 = (without_seconds(h["metrics"]) for h in (history, history_2))
    for line, line_2 in zip(lines, lines_2, strict=True):
        for name in leave_out:
            line.pop(name), line_2.pop(name)
        assert line == pytest.approx(line_2, rel=2e-3, abs=2e-5)
    weights = dict(model.named_parameters())
    for name, weight in model_2.named_parameters():
        torch.testing.assert_close(weights[name], weight, atol=3e-4, rtol=0)


@pytest.mark.parametrize("name", strategy_names("update"))
def test_every_update_strategy_trains_alike_in_both_engines(name):
    got = from_scratch(recipe_of(name))
    assert_alike(in_trl(recipe_of(name)), got)
    lines = got[0]["metrics"]
    assert all(line["grad_norm"] > 0 for line in lines)
    assert lines[-1]["tokens_trained"] > 0


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ratio_kind", {"kind": "cispo", "bound": 1.001}),
        ("ratio_kind", {"kind": "sequence", "clip": 0.001}),
        ("entropy_bonus", {"coefficient": 0.1}),
    ],
)
def test_trl_computes_the_same_from_its_own_settings(name, settings):
    recipe = recipe_of(name, **settings)
    # TRL's engine then falls back on the loss that `trainer_settings` asks for.
    recipe.update.objective = None
    plain = from_scratch(recipe_of("grpo"))[1].state_dict()
    got = from_scratch(recipe_of(name, **settings))
    # An objective of our own trains on rows without advantage, too; TRL's loss need not.
    assert_alike(in_trl(recipe), got, leave_out=["tokens_trained"])
    assert any(not torch.equal(plain[key], value) for key, value in got[1].state_dict().items())


# ---------------------------------------------------------------- what a step of imitation costs


def staged(order, dials=("update",), **settings):
    dials = dict.fromkeys(dials, "stage_order")
    given = {"stage_order": {"order": order, "first": 0.5, "size": 4, **settings}}
    if "sample" not in dials:
        given["fixed_group"] = {"size": 4}
    return make_recipe(reward="random", settings=given, **dials)


def test_a_step_of_imitation_trains_on_worked_answers_only():
    config = small_config(steps=2)
    history, _ = from_scratch(staged("sft_then_rl"), config)
    first, second = history["metrics"]
    task_groups = [g for g in history["groups"] if g["step"] == 1]
    assert all(not any(g["advantages"]) and len(g["completions"]) == 4 for g in task_groups)
    # A worked answer of these levels has 2 to 4 digits between two tags and an end.
    assert first["tokens_trained"] < second["tokens_trained"]
    assert first["loss"] > 0


def test_on_both_dials_it_samples_one_rollout_a_problem():
    config = small_config(steps=2)
    both, _ = from_scratch(staged("sft_then_rl", ("sample", "update")), config)
    sizes = [len(group["completions"]) for group in both["groups"]]
    assert sizes == [1] * 4 + [4] * 4
    alone, _ = from_scratch(staged("sft_then_rl"), config)
    spent, more = (h["metrics"][0]["tokens_generated"] for h in (both, alone))
    assert spent < more / 2


def test_trl_can_go_from_whole_groups_to_single_rollouts_but_not_the_other_way():
    config = small_config(steps=2)
    case = ("sample", "update")
    assert_alike(
        in_trl(staged("rl_then_sft", case), config),
        from_scratch(staged("rl_then_sft", case), config),
    )
    with pytest.raises(CurrlabError, match="'stage_order' plans 4 rollouts for 4 prompts"):
        in_trl(staged("sft_then_rl", case), config)


def test_both_factors_follow_the_clock_with_which_the_step_began():
    """With a budget of tokens the share grows while a step samples."""
    config = small_config(steps=50, token_budget=400, learning_rate=3e-3)
    got = from_scratch(recipe_of("chord", peak=0.9, valley=0.0), config)
    assert_alike(in_trl(recipe_of("chord", peak=0.9, valley=0.0), config), got)
    assert len(got[0]["metrics"]) > 2
