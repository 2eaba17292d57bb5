"""What the TRL engine promises beyond parity: timing of feedback, costs, refusals, adapters."""

from dataclasses import replace

import pytest
import torch
from peft import LoraConfig
from trl_case import open_run, small_config, small_recipe, small_trainer, without_seconds

from currlab.curricula import Pick, make_recipe
from currlab.curricula.core import Plan, Sample, Select
from currlab.curricula.reward.exact import Exact, Random
from currlab.curricula.update.grpo import GRPO
from currlab.errors import CurrlabError
from currlab.models.tiny import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.training.grpo_trainer import train_with_trl
from currlab.training.scratch import ScratchTrainer
from currlab.training.trl_data import check_recipe


class Diary:
    """Strategies that write down when they are called, and with what."""

    def __init__(self):
        diary = self.lines = []

        class Choosing(Select):
            name, title = "choosing", "writes down what it is asked"

            def choose(self, n, clock):
                diary.append(("select", clock.step, clock.tokens))
                return [Pick("sorting/2")] * n

            def observe(self, groups, metrics):
                assert all(group.advantages is not None for group in groups)
                diary.append(("observe", groups[0].step, len(groups), metrics["step"]))

        class Scoring(Random):
            name, title = "scoring", "writes down what it scores"

            def score(self, problem, rollouts, policy, clock):
                diary.append(("reward", clock.step, len(rollouts)))
                return super().score(problem, rollouts, policy, clock)

        self.recipe = small_recipe().with_dial("select", Choosing())
        self.recipe = self.recipe.with_dial("reward", Scoring())


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_every_choice_follows_the_observation_of_the_step_before(micro_batches):
    diary = Diary()
    small_trainer(recipe=diary.recipe, micro_batches=micro_batches).train()
    step = [("reward", 4)] * 4
    expected = []
    for k in range(3):
        # 16 rollouts of 6 tokens: a random model never ends in time.
        expected += [("select", k, 96 * k), *(("reward", k, 4) for _ in step)]
        expected.append(("observe", k, 4, k + 1))
    assert diary.lines == expected


class Wild(GRPO):
    name, title = "wild", "advantages that no reward could give"

    def advantages(self, groups):
        return [(3.0, 0.0, -1.5, 7.0) for _ in groups]


def test_the_update_dial_sets_the_advantages_and_groups_show_them():
    seen, observed = [], []
    recipe = small_recipe().with_dial("update", Wild())
    recipe.select.observe = lambda groups, metrics: observed.extend(groups)
    trainer = small_trainer(small_config(steps=1), recipe, skip_zero_advantage=False)
    common = trainer._generate_and_score_completions
    trainer._generate_and_score_completions = lambda rows: seen.append(common(rows)) or seen[0]
    trainer.train()
    assert seen[0]["advantages"].tolist() == [3.0, 0.0, -1.5, 7.0] * 4
    assert [group.advantages for group in observed] == [(3.0, 0.0, -1.5, 7.0)] * 4


def test_rows_without_advantage_are_left_out_of_the_forward():
    recipe, sizes = small_recipe().with_dial("update", Wild()), []
    trainer = small_trainer(small_config(steps=1), recipe)
    trainer.model.model.embed_tokens.register_forward_hook(
        lambda module, args, out: sizes.append(len(out)) if out.requires_grad else None
    )
    trainer.train()
    assert sizes == [12]
    assert trainer.journal.costs["tokens_trained"] == 72


@pytest.mark.parametrize("loss", ["grpo", "bnpo", "dr_grpo"])
def test_rows_stay_where_leaving_them_out_would_change_the_loss(loss):
    class Other(GRPO):
        name, title = "other", "another normaliser"

        def trainer_settings(self):
            return {"loss_type": loss}

    assert not small_trainer(recipe=small_recipe().with_dial("update", Other())).skip_zero_advantage
    assert small_trainer().skip_zero_advantage


# ---------------------------------------------------------------- logs, budget, evaluation


def test_logs_and_results_are_those_of_the_from_scratch_engine(tmp_path):
    config = small_config(eval_every=2)
    with open_run(tmp_path / "run") as run:
        results = train_with_trl(
            new_model("tiny", 0), build_tokenizer(), small_recipe(), config, run, progress=False
        )
        assert run.finished
        assert run.results == results
        logs = {s: without_seconds(run.records(s)) for s in ("metrics", "groups", "eval")}
    scratch = ScratchTrainer(new_model("tiny", 0), build_tokenizer(), small_recipe(), config)
    expected = scratch.train(progress=False)
    for stream, lines in logs.items():
        for got, line in zip(lines, without_seconds(scratch.history[stream]), strict=True):
            assert list(got) == list(line)
            assert {k: v for k, v in got.items() if not isinstance(v, float)} == {
                k: v for k, v in line.items() if not isinstance(v, float)
            }
    assert list(results) == list(expected)
    assert results["recipe"] == expected["recipe"]
    assert [line["step"] for line in logs["eval"]] == [s for s in (0, 2, 3) for _ in range(3)]


def test_a_token_budget_ends_the_run_with_a_checkpoint(tmp_path):
    config = small_config(steps=50, token_budget=180, checkpoint_every=40)
    with open_run(tmp_path / "run") as run:
        trainer = small_trainer(config, run=run)
        trainer.train()
        assert (
            trainer.journal.costs["tokens_generated"] == 192
        )  # two steps of 96: the first at or above
        assert [line["share"] for line in run.records("metrics")] == [96 / 180, 1.0]
        assert run.newest_checkpoint().name == "checkpoint-2"


def test_an_evaluation_touches_neither_curriculum_nor_budget():
    trainer = small_trainer()
    trainer.train()
    recipe, costs = trainer.recipe.state_dict(), dict(trainer.journal.costs)
    scores = trainer.evaluate()
    assert set(scores) == {"eval_greedy", "eval_sampled", "eval_pass_at_8"}
    assert (trainer.recipe.state_dict(), trainer.journal.costs) == (recipe, costs)
    with pytest.raises(CurrlabError, match=r"use evaluate\(\)"):
        trainer.predict(trainer.train_dataset)


def test_equal_seeds_give_equal_runs_and_other_seeds_other_ones():
    def lines(seed):
        trainer = small_trainer(small_config(seed=seed))
        trainer.train()
        return without_seconds(trainer.journal.history["metrics"])

    assert lines(1) == lines(1) != lines(2)


def test_on_step_sees_every_line(capsys):
    seen = []
    arguments = (new_model("tiny", 0), build_tokenizer(), small_recipe(), small_config())
    train_with_trl(*arguments, on_step=seen.append)
    assert [line["step"] for line in seen] == [1, 2, 3]
    assert "3 of 3" in capsys.readouterr().err


# ---------------------------------------------------------------- what TRL cannot do


class Planned(Sample):
    name, title = "planned", "as told"

    def __init__(self, sizes, temperature=lambda clock: 1.0, rounds=0):
        super().__init__()
        self.sizes, self.temperature = sizes, temperature
        self.max_rounds = rounds

    def plan(self, picks, clock):
        sizes = [self.sizes[i % len(self.sizes)] for i in range(len(picks))]
        return Plan(tuple(sizes), self.temperature(clock))

    def after(self, groups, clock):
        wanted = self.max_rounds and len(groups) == 4
        return list(groups), [replace(groups[0].pick, seed=1)] if wanted else []


def planned(*arguments, **options):
    return small_recipe().with_dial("sample", Planned(*arguments, **options))


def test_rollouts_that_are_no_multiple_of_the_prompts_are_refused():
    with pytest.raises(
        CurrlabError, match=r"same number of rows.*'planned' plans 9 rollouts for 4"
    ):
        small_trainer(recipe=planned([2, 2, 2, 3]))
    with pytest.raises(CurrlabError, match="at least 2"):
        small_trainer(recipe=planned([1]))


def test_a_fixed_number_of_rollouts_can_be_spread_unevenly():
    trainer = small_trainer(recipe=planned([2, 6]))
    trainer.train()
    sizes = [len(line["rewards"]) for line in trainer.journal.history["groups"]]
    assert sizes == [2, 6] * 6


def test_the_temperature_may_change_between_steps():
    recipe = planned([4], lambda clock: 1.0 if clock.step < 1 else 0.5)
    trainer = small_trainer(recipe=recipe)
    trainer.train()
    assert trainer.temperature == 0.5
    assert len(trainer.journal.history["metrics"]) == 3


def test_more_rollouts_than_rows_are_refused():
    with pytest.raises(CurrlabError, match="20 rollouts where TRL has room for 16"):
        small_trainer(recipe=planned([4], rounds=1)).train()


def test_batches_that_cannot_be_shared_out_are_refused():
    config = small_config()
    with pytest.raises(CurrlabError, match="4 prompts a step cannot be shared equally by 3"):
        check_recipe(small_recipe(), config, 3, 1)
    with pytest.raises(CurrlabError, match=r"16 rows .* 3 micro-batches"):
        small_trainer(micro_batches=3)
    recipe = small_recipe().with_dial("update", type("Own", (GRPO,), {"objective": max})())
    with pytest.raises(CurrlabError, match="loss of its own"):
        small_trainer(recipe=recipe, micro_batches=2)


# ---------------------------------------------------------------- adapters


def test_lora_trains_the_adapters_alone_and_resumes(tmp_path):
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], lora_dropout=0.1)

    def train(folder, steps):
        config = small_config(steps=steps, checkpoint_every=2)
        with open_run(folder) as run:
            trainer = small_trainer(config, run=run, peft_config=lora)
            trainer.train()
        return trainer, without_seconds(trainer.journal.history["metrics"])

    trainer, lines = train(tmp_path / "straight", 4)
    base = new_model("tiny", 0).state_dict()
    for name, value in trainer.model.get_base_model().state_dict().items():
        if "lora" not in name:
            assert torch.equal(value, base[name.replace(".base_layer", "")]), name
    moved = [v for n, v in trainer.model.named_parameters() if "lora_B" in n]
    assert moved
    assert all(value.abs().sum() > 0 for value in moved)
    train(tmp_path / "halves", 2)
    assert train(tmp_path / "halves", 4)[1][-2:] == lines[-2:]


def test_a_recipe_that_earns_nothing_leaves_the_weights_alone():
    recipe = make_recipe("uniform", settings={"fixed_group": {"size": 4}})
    assert isinstance(recipe.reward, Exact)
    trainer = small_trainer(recipe=recipe)
    trainer.train()
    for name, value in new_model("tiny", 0).state_dict().items():
        assert torch.equal(value, trainer.model.state_dict()[name])
    assert {line["zero_variance"] for line in trainer.journal.history["metrics"]} == {1.0}
    assert {line["loss"] for line in trainer.journal.history["metrics"]} == {0.0}
