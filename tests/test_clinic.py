"""The clinic: a switch changes one thing, the failures are real, the shipped table is not stale."""

import copy
import math
from dataclasses import asdict

import pytest
import torch

from currlab import clinic, clinic_check
from currlab.clinic import FAILURES, HEALTHY
from currlab.curricula.data import Clock, Group, Pick, Rollout, Score, View
from currlab.curricula.update.grpo import GRPO
from currlab.diagnose import diagnose
from currlab.errors import CurrlabError
from currlab.evidence import THRESHOLDS
from currlab.files import read_json, write_json_atomic
from currlab.models import build_tokenizer
from currlab.tasks import get_task
from currlab.training.loss import LossBatch, grpo_loss

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trainers():
    """Every case but the one that trains before it begins, ready to start."""
    return {case: clinic.start(case) for case in [*FAILURES, *HEALTHY] if case != "late_stage"}


def parts(trainer):
    """What a run is made of, comparable part by part."""
    config, recipe = asdict(trainer.config), trainer.recipe.describe()
    tokenizer = trainer.tokenizer
    weights = {name: tensor.sum().item() for name, tensor in trainer.model.state_dict().items()}
    named = config.pop("model")
    return {
        **{f"config.{name}": value for name, value in config.items()},
        **{f"recipe.{dial}": value["strategy"] for dial, value in recipe.items()},
        "model": (named, weights),
        "template": tokenizer.chat_template,
        "special tokens": sorted(tokenizer.all_special_tokens),
    }


@pytest.mark.parametrize(
    ("case", "changed"),
    [
        ("no_warm_up", "model"),
        ("vanishing_tags", "special tokens"),
        ("no_chat_template", "template"),
        ("learning_rate_too_high", "config.learning_rate"),
        ("zero_variance", "config.levels"),
        ("entropy_collapse", "recipe.update"),
        ("length_runaway", "recipe.update"),
        ("hackable_verifier", "recipe.reward"),
        ("bandit", "recipe.select"),
    ],
)
def test_a_switch_changes_one_thing_and_nothing_else(trainers, case, changed):
    before, after = parts(trainers["uniform"]), parts(trainers[case])
    assert [name for name in before if before[name] != after[name]] == [changed]


def test_every_switch_says_what_is_wrong():
    assert len(FAILURES) == 8
    assert all(switch.__doc__ for switch in [*FAILURES.values(), *HEALTHY.values()])


def test_unknown_cases_and_tasks_are_one_sentence():
    with pytest.raises(CurrlabError, match="Unknown case 'flu'; the clinic has no_warm_up, "):
        clinic.start("flu")
    with pytest.raises(CurrlabError, match="Unknown task"):
        clinic.start("uniform", "juggling")


def test_a_task_that_nobody_measured_gets_levels_that_exist():
    for name in ("reverse", "modular_chain", "countdown"):
        ladder, levels = clinic.ladder(name), get_task(name).levels
        assert ladder.reach
        assert ladder.beyond
        assert {*ladder.reach, *ladder.beyond} <= {*levels}


def test_equal_seeds_give_equal_runs_and_the_learner_stays_untouched():
    weights = copy.deepcopy(clinic.learner("sorting")[1].state_dict())

    def two_steps(seed):
        trainer = clinic.start("length_runaway", seed=seed, steps=2)
        return [trainer.step()["reward"] for _ in range(2)], trainer.history["groups"]

    assert two_steps(5) == two_steps(5)
    assert two_steps(5) != two_steps(6)
    now = clinic.learner("sorting")[1].state_dict()
    assert all(torch.equal(weights[name], now[name]) for name in weights)


# ---------------------------------------------------------------- what the switches put on a dial


def group_of(texts, lengths=None, level=3):
    problem = get_task("sorting").make(level, 0)
    lengths = lengths or [5] * len(texts)
    rollouts = [
        Rollout(View(problem.prompt), text, (7,) * n)
        for text, n in zip(texts, lengths, strict=True)
    ]
    return problem, rollouts


def test_the_hurried_verifier_pays_parts_of_the_solution_and_knows_what_is_right():
    problem, _ = group_of(["x"])
    answers = (problem.answer, problem.answer[1:3], "", "999999", problem.answer + "0")
    texts = [f"<answer>{answer}</answer>" for answer in answers] + [problem.answer]
    _, rollouts = group_of(texts)
    scores = clinic.ContainedIsGood().score(problem, rollouts, None, Clock())
    assert [score.total for score in scores] == [1, 1, 1, 0, 0, 0]
    assert [score.correct for score in scores] == [True] + [False] * 5


def test_the_length_term_adds_half_a_standardised_length_and_leaves_equal_lengths_alone():
    def advantages(lengths, rewards):
        problem, rollouts = group_of(["x"] * len(lengths), lengths)
        scored = tuple(
            Rollout(r.view, r.text, r.token_ids, score=Score(reward, False))
            for r, reward in zip(rollouts, rewards, strict=True)
        )
        group = Group(problem, Pick(problem.arm), scored, 0)
        return clinic.LongIsGood().advantages([group])[0], GRPO().advantages([group])[0]

    mine, plain = advantages([2, 4, 6], [1.0, 0.0, 0.0])
    z = [-math.sqrt(1.5), 0.0, math.sqrt(1.5)]
    assert mine == pytest.approx([p + 0.5 * x for p, x in zip(plain, z, strict=True)], abs=1e-3)
    mine, plain = advantages([3, 3], [1.0, 0.0])
    assert mine == plain


def test_the_entropy_term_lowers_entropy_where_the_bonus_would_raise_it():
    """Its gradient is GRPO's plus that of the mean entropy; a bonus would have minus."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, generator=generator, requires_grad=True)
    log_p = logits.log_softmax(-1)
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    entropies = -(log_p.exp() * log_p).sum(-1)
    batch = LossBatch(
        log_p[:, :, 0], log_p[:, :, 0].detach(), torch.tensor([1.0, -1.0]), mask, entropies
    )
    mine = clinic.CertainIsGood().objective(batch, [])
    policy = grpo_loss(batch.log_probabilities, batch.old_log_probabilities, batch.advantages, mask)
    (a,) = torch.autograd.grad(mine - policy, logits, retain_graph=True)
    mean_entropy = sum(entropies[r, t] for r, t in mask.nonzero().tolist()) / 5
    (b,) = torch.autograd.grad(mean_entropy, logits)
    assert torch.allclose(a, b, atol=1e-6)
    stepped = (logits - 0.1 * a).log_softmax(-1)
    after = (-(stepped.exp() * stepped).sum(-1) * mask).sum()
    assert after < (entropies * mask).sum()


def test_special_tags_vanish_and_a_bare_template_leaves_the_question(trainers):
    text = "<answer>12</answer>"
    tokenizer = trainers["vanishing_tags"].tokenizer
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == build_tokenizer()(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "12"
    bare = trainers["no_chat_template"].tokenizer
    asked = [{"role": "user", "content": "sort 21"}]
    assert bare.apply_chat_template(asked, tokenize=False, add_generation_prompt=True) == "sort 21"


# ---------------------------------------------------------------- a real run, diagnosed


def test_a_real_failure_is_named_and_a_finished_run_is_read_and_not_made_again(tmp_path):
    row = clinic_check.examine("vanishing_tags", "sorting", 0, tmp_path / "run")
    assert row["found"] == ["vanishing_tags"]
    assert row["right"]
    assert row["zero_variance"] == 1.0
    written = (tmp_path / "run" / "groups.jsonl").stat().st_mtime_ns
    assert clinic_check.examine("vanishing_tags", "sorting", 0, tmp_path / "run") == row
    assert (tmp_path / "run" / "groups.jsonl").stat().st_mtime_ns == written
    # The switch is not read: without the recipe and the model's name nothing changes.
    head = read_json(tmp_path / "run" / "config.json")
    write_json_atomic(tmp_path / "run" / "config.json", {**head, "config": {}})
    assert [finding.name for finding in diagnose(tmp_path / "run")] == row["found"]


def test_the_measured_seeds_are_not_those_that_the_thresholds_saw():
    assert not {0, 1, 2} & {*clinic_check.SEEDS}
    assert {"sorting"} < {*clinic_check.TASKS}


def test_the_summary_counts_the_first_finding():
    rows = [
        {"case": "uniform", "task": "sorting", "right": True},
        {"case": "uniform", "task": "sorting", "right": False},
        {"case": "uniform", "task": "brackets", "right": True},
    ]
    table = clinic_check.summary(rows)
    assert table.loc["uniform"].to_dict() == {"sorting": "1 of 2", "brackets": "1 of 1"}


# ---------------------------------------------------------------- the measurement that is shipped


@pytest.fixture(scope="module")
def measured():
    return clinic_check.shipped()


def test_the_shipped_measurement_is_whole_and_of_today_s_thresholds(measured):
    remake = "run `python -m currlab.clinic_check --ship`"
    assert measured["meta"]["thresholds"] == asdict(THRESHOLDS), remake
    places = {(row["case"], row["task"], row["seed"]) for row in measured["rows"]}
    cases = [*FAILURES, *HEALTHY]
    tasks, seeds = clinic_check.TASKS, clinic_check.SEEDS
    assert places == {(c, task, seed) for c in cases for task in tasks for seed in seeds}, remake
    for row in measured["rows"]:
        assert row["right"] == (row["found"][0] == row["expected"])


@pytest.mark.parametrize("task", clinic_check.TASKS)
@pytest.mark.parametrize("seed", clinic_check.SEEDS)
def test_unseen_failures_are_named_seven_times_in_eight_without_a_false_alarm(measured, task, seed):
    mine = [row for row in measured["rows"] if (row["task"], row["seed"]) == (task, seed)]
    failures = [row for row in mine if row["expected"] != "healthy"]
    assert len(failures) == 8
    assert sum(row["right"] for row in failures) >= 7, [r for r in failures if not r["right"]]
    alarms = [row for row in mine if row["expected"] == "healthy" and row["found"] != ["healthy"]]
    assert not alarms


def test_a_healthy_run_that_wastes_most_of_its_groups_is_among_the_measured(measured):
    late = [row for row in measured["rows"] if row["case"] == "late_stage"]
    assert any(row["zero_variance"] > 0.8 and row["found"] == ["healthy"] for row in late)


def test_the_shipped_rows_are_what_the_code_gives(measured, tmp_path):
    """One cheap case again; the others would take minutes."""
    row = clinic_check.examine("vanishing_tags", "sorting", 3, tmp_path / "run")
    place = ("vanishing_tags", "sorting", 3)
    (stored,) = (r for r in measured["rows"] if (r["case"], r["task"], r["seed"]) == place)
    assert row["found"] == stored["found"]
    assert row["zero_variance"] == pytest.approx(stored["zero_variance"], abs=0.02)
