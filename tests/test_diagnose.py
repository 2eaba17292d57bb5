"""Detectors on runs written by hand: what they claim, what they must not claim, and hostile files.

Real runs of the clinic are in test_clinic.py.
"""

import json
import math
import random

import numpy as np
import pytest
from click.testing import CliRunner

from currlab import cli
from currlab.diagnose import diagnose
from currlab.errors import CurrlabError
from currlab.evidence import THRESHOLDS, Evidence
from currlab.models.tokenizer import TAGS, build_tokenizer
from currlab.runs import Run
from currlab.training.records import learner_record
from currlab.vital_signs import chart, group_table

CONFIG = {"training": {"max_new_tokens": 20, "learning_rate": 3e-4}}
LEARNER = learner_record(build_tokenizer())


def group(step, arm="sorting/3", right=4, n=8, **changes):
    """A healthy group: `right` of `n` rollouts are right, the others all differ, nothing is odd."""
    correct = [i < right for i in range(n)]
    texts = [
        "<answer>12</answer>" if ok else f"<answer>{i}</answer>" for i, ok in enumerate(correct)
    ]
    record = {
        "step": step,
        "arm": arm,
        "seed": step,
        "view": {},
        "prompt": "sort 21",
        "completions": texts,
        "rewards": [float(ok) for ok in correct],
        "correct": correct,
        "advantages": [0.5 if ok else -0.5 for ok in correct],
        "entropy": 0.3,
        "lengths": [5 + i % 2 for i in range(n)],
    }
    return {**record, **changes}


def write_run(folder, groups, learner=LEARNER, metrics=(), evaluations=(), config=CONFIG):
    with Run.open(folder, config) as run:
        if learner is not None:
            run.note_learner(learner)
        for name, lines in (("groups", groups), ("metrics", metrics), ("eval", evaluations)):
            for line in lines:
                run.log(name, line)
    return folder


def names(folder):
    return [finding.name for finding in diagnose(folder)]


def steps_of(make, steps=40, width=8):
    """`width` groups a step; `make(share of the run)` gives the changes of one."""
    return [group(step, **make(step / steps)) for step in range(1, steps + 1) for _ in range(width)]


# ---------------------------------------------------------------- healthy, and undecided


def test_an_ordinary_run_is_healthy_and_says_why(tmp_path):
    groups = steps_of(lambda share: {"right": round(3 + 3 * share)})
    rows = [{"step": s, "arm": "sorting/3", "greedy": g} for s, g in ((0, 0.4), (40, 0.8))]
    (finding,) = diagnose(write_run(tmp_path, groups, evaluations=rows))
    assert finding.name == "healthy"
    assert "pass rate 38% -> 71%" in finding.evidence
    assert "held-out greedy accuracy 40% -> 80%" in finding.evidence


def test_a_falling_pass_rate_under_a_curriculum_is_no_illness(tmp_path):
    def harder(share):
        return {"arm": "sorting/3", "right": 7} if share < 0.4 else {"arm": "sorting/9", "right": 1}

    groups = steps_of(harder)
    groups += [group(step, right=7) for step in range(1, 41) for _ in range(2)]  # level 3 goes on
    assert names(write_run(tmp_path, groups)) == ["healthy"]


def test_without_a_level_on_both_sides_nothing_is_claimed(tmp_path):
    groups = steps_of(
        lambda share: {"arm": f"sorting/{1 + int(8 * share)}", "right": 6 if share < 0.5 else 1}
    )
    (finding,) = diagnose(write_run(tmp_path, groups))
    assert finding.name == "undecided"
    assert "0 groups of the same levels" in finding.evidence


def test_a_short_run_is_undecided_whatever_its_curves_do(tmp_path):
    steps = THRESHOLDS.fewest_steps - 1
    crash = steps_of(lambda share: {"right": 6 if share < 0.3 else 0}, steps=steps)
    (finding,) = diagnose(write_run(tmp_path, crash))
    assert finding.name == "undecided"
    assert f"{steps} steps are too few" in finding.evidence


def test_hints_do_not_count_as_the_same_level(tmp_path):
    """A hint that fades makes the pass rate fall without any crash."""
    groups = steps_of(
        lambda share: {"view": {"hint": round(1 - share, 1)}, "right": round(8 - 7 * share)}
    )
    assert names(write_run(tmp_path, groups)) == ["undecided"]


# ---------------------------------------------------------------- one cause each


def test_each_cause_of_a_missing_format_is_told_from_the_others(tmp_path):
    bare = {"completions": ["12"] * 8, "right": 0}
    groups = steps_of(lambda _: bare)
    special = build_tokenizer()
    special.add_special_tokens({"extra_special_tokens": list(TAGS)})
    raw = build_tokenizer()
    raw.chat_template = "{{ messages[0]['content'] }}"
    wanted = {"no_warm_up": LEARNER, "vanishing_tags": learner_record(special)}
    for name, learner in wanted.items():
        assert names(write_run(tmp_path / name, groups, learner)) == [name]
    assert names(write_run(tmp_path / "raw", groups, learner_record(raw))) == [
        "no_chat_template",
        "no_warm_up",
    ]


def test_a_bare_question_that_the_model_was_warmed_up_with_is_no_fault(tmp_path):
    raw = build_tokenizer()
    raw.chat_template = "{{ messages[0]['content'] }}"
    groups = steps_of(lambda _: {})
    assert names(write_run(tmp_path, groups, learner_record(raw))) == ["healthy"]


def test_a_run_that_does_not_tell_what_was_read_gets_a_diagnosis_with_a_doubt(tmp_path):
    groups = steps_of(lambda _: {"completions": ["12"] * 8, "right": 0})
    (finding,) = diagnose(write_run(tmp_path, groups, learner=None))
    assert finding.name == "no_warm_up"
    assert "does not say" in finding.evidence


@pytest.mark.parametrize(
    ("right", "cure"),
    [
        (lambda _: 0, "easier"),
        (lambda _: 8, "harder"),
        (lambda share: 8 * (share * 20 % 1 < 0.5), "between"),
    ],
)
def test_groups_without_a_signal_are_said_to_be_solved_hopeless_or_both(tmp_path, right, cure):
    groups = steps_of(lambda share: {"right": right(share)})
    (finding,) = diagnose(write_run(tmp_path, groups))
    assert finding.name == "zero_variance"
    assert cure in finding.cure


def test_nine_of_ten_groups_without_a_signal_are_healthy_if_the_tenth_teaches(tmp_path):
    numbers = iter(range(10**6))
    groups = steps_of(lambda _: {"right": [0, 8, 8, 0, 8, 4, 0, 8, 8, 0][next(numbers) % 10]})
    assert names(write_run(tmp_path, groups)) == ["healthy"]


def paid(right, wrong_ones, n=8):
    """Rewards of a group whose first `right` rollouts are right, and `wrong_ones` others paid."""
    return [1.0 if i < right + wrong_ones else 0.0 for i in range(n)]


def test_paying_more_and_more_wrong_answers_is_a_hackable_verifier(tmp_path):
    groups = steps_of(lambda share: {"right": 2, "rewards": paid(2, round(6 * share))})
    (finding,) = diagnose(write_run(tmp_path, groups))
    assert finding.name == "hackable_verifier"
    assert "pass rate 25% -> 25%" in finding.evidence


def test_coin_flips_destroy_a_run_and_it_is_not_the_learning_rate(tmp_path):
    rng = random.Random(0)
    groups = steps_of(
        lambda share: {
            "right": round(4 * (1 - share)),
            "rewards": [float(rng.random() < 0.5) for _ in range(8)],
        }
    )
    assert names(write_run(tmp_path, groups)) == ["hackable_verifier"]


@pytest.mark.parametrize("pay", [(1.0, -1.0), (1.1, 0.1), (10.0, 1.0)])
def test_a_reward_on_another_scale_or_with_a_bonus_for_the_form_is_no_hack(tmp_path, pay):
    groups = steps_of(lambda _: {"right": 4, "rewards": [pay[0]] * 4 + [pay[1]] * 4})
    assert names(write_run(tmp_path, groups)) == ["healthy"]


def long_texts(share, paid_for):
    """Lengths that grow to the limit of 20; the longer half is paid, or the others are."""
    lengths = [min(20, round(5 + 40 * share) + i) for i in range(8)]
    return {
        "lengths": lengths,
        "advantages": [(1 if paid_for else -1) * (1 if i >= 4 else -1) * 0.5 for i in range(8)],
    }


def test_length_that_is_paid_runs_away_and_length_after_a_crash_does_not(tmp_path):
    groups = steps_of(lambda share: {"right": 3, **long_texts(share, True)})
    assert names(write_run(tmp_path / "away", groups)) == ["length_runaway"]
    crash = steps_of(lambda s: {"right": 4 if s < 0.2 else 0, **long_texts(s, False)})
    assert names(write_run(tmp_path / "crash", crash)) == ["learning_rate_too_high"]


def test_longer_answers_that_are_better_are_no_illness(tmp_path):
    groups = steps_of(lambda share: {"right": round(1 + 6 * share), **long_texts(share, True)})
    assert names(write_run(tmp_path, groups)) == ["healthy"]


def test_without_a_token_limit_a_run_away_is_not_claimed(tmp_path):
    groups = steps_of(lambda share: {"right": 3, **long_texts(share, True)})
    assert names(write_run(tmp_path, groups, config={"seed": 0})) == ["healthy"]


def test_certain_where_it_is_wrong_is_collapse_and_where_it_is_right_is_not(tmp_path):
    def certain(share, right):
        same = {"completions": ["<answer>7</answer>"] * 8} if share > 0.5 and right == 0 else {}
        return {"right": right, "entropy": 0.4 * (1 - share) + 0.02, **same}

    numbers = iter(range(10**6))
    collapsed = steps_of(lambda s: certain(s, [0, 4][next(numbers) % 2]))
    assert names(write_run(tmp_path / "wrong", collapsed)) == ["entropy_collapse"]
    sharpened = steps_of(lambda s: {"right": [0, 7][next(numbers) % 2], "entropy": 0.4 * (1 - s)})
    assert names(write_run(tmp_path / "right", sharpened)) == ["healthy"]


def test_a_gradient_that_is_not_a_number_is_named_with_its_step(tmp_path):
    metrics = [
        {"step": s, "loss": 0.0, "grad_norm": math.nan if s > 7 else 1.0} for s in range(1, 30)
    ]
    (finding,) = diagnose(write_run(tmp_path, steps_of(lambda _: {}), metrics=metrics))
    assert finding.name == "learning_rate_too_high"
    assert "not a number at step 8" in finding.evidence
    assert "0.0003" in finding.evidence


# ---------------------------------------------------------------- the comparison


def test_change_agrees_with_a_plain_computation_of_its_formula(tmp_path):
    rng = random.Random(1)
    groups = [
        group(step, arm=f"sorting/{rng.randint(1, 4)}", right=rng.randint(0, 8))
        for step in range(1, 31)
        for _ in range(rng.randint(3, 9))
    ]
    evidence = Evidence(Run(write_run(tmp_path, groups)), THRESHOLDS)
    counted, last_early = 0, 0
    for step in range(1, 31):
        if counted < THRESHOLDS.early_groups:
            counted, last_early = counted + sum(g["step"] == step for g in groups), step
    sides = {
        "early": [g for g in groups if g["step"] <= last_early],
        "late": [g for g in groups if g["step"] > 22.5],
    }
    sums = np.zeros(3)
    for arm in {g["arm"] for g in groups}:
        rates = [
            [sum(g["correct"]) / 8 for g in side if g["arm"] == arm] for side in sides.values()
        ]
        weight = min(map(len, rates))
        if weight:
            sums += weight * np.array([np.mean(rates[0]), np.mean(rates[1]), 1])
    early, late, n = evidence.change("pass_rate")
    assert n == sums[2]
    assert early == pytest.approx(sums[0] / sums[2])
    assert late == pytest.approx(sums[1] / sums[2])


def test_the_table_of_a_group_by_hand(tmp_path):
    one = group(
        1,
        right=1,
        n=4,
        completions=["<answer>1</answer>", "2", "2", "<answer>"],
        rewards=[1.0, 0.5, 0.0, 0.0],
        advantages=[1.0, 0.0, 0.0, -1.0],
        lengths=[20, 5, 5, 10],
    )
    row = group_table(Run(write_run(tmp_path, [one]))).iloc[0]
    assert row["pass_rate"] == 0.25
    assert row["wrong_pay"] == pytest.approx(0.5 / 3)
    assert row["right_pay"] == row["best_pay"] == 1.0
    assert not row["equal"]
    assert row["opened"] == 0.5
    assert row["variety"] == pytest.approx(2 / 3)
    assert math.isnan(row["wrong_variety"])
    assert row["truncated"] == 0.25
    assert row["length_credit"] == pytest.approx(np.mean([10, 0, 0, 0]) / np.std([20, 5, 5, 10]))


def test_the_chart_has_six_panels_a_line_for_each_run_and_words(tmp_path):
    table = group_table(Run(write_run(tmp_path, steps_of(lambda _: {}))))
    figure = chart({"one": table, "two": table}, "Two runs")
    assert len(figure.axes) == 6
    assert all({"one", "two"} <= {line.get_label() for line in axes.lines} for axes in figure.axes)


# ---------------------------------------------------------------- hostile files


@pytest.mark.parametrize(
    "damage",
    [
        {"completions": []},
        {"completions": "text"},
        {"completions": [1] * 8},
        {"rewards": [0.0] * 7},
        {"rewards": ["1"] * 8},
        {"rewards": [math.nan] * 8},
        {"rewards": [10**400] * 8},
        {"rewards": None},
        {"correct": ["yes"] * 8},
        {"correct": [[]] * 8},
        {"correct": [1.5] * 8},
        {"advantages": [0.0]},
        {"advantages": 3},
        {"lengths": [{}] * 8},
        {"entropy": "hot"},
        {"entropy": math.inf},
        {"step": 0},
        {"step": "1"},
        {"step": True},
    ],
)
def test_a_damaged_group_is_one_sentence_that_names_the_line(tmp_path, damage):
    folder = write_run(tmp_path, [group(1), {**group(1), **damage}, group(2)])
    with pytest.raises(
        CurrlabError, match=r"Line 2 of '.*groups\.jsonl' is not a group's record"
    ) as e:
        diagnose(folder)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("line", ["[]", "3", "null", '"text"', "{}"])
def test_a_line_that_is_no_group_at_all_is_named(tmp_path, line):
    folder = write_run(tmp_path, [group(1)])
    with (folder / "groups.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CurrlabError, match="Line 2"):
        diagnose(folder)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("eval", '{"step": "a", "greedy": 1}'),
        ("eval", "[]"),
        ("eval", '{"step": 1}'),
        ("metrics", "7"),
    ],
)
def test_other_damaged_logs_are_named_too(tmp_path, name, line):
    folder = write_run(tmp_path, steps_of(lambda _: {}))
    with (folder / f"{name}.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CurrlabError, match=rf"Line 1 of '.*{name}\.jsonl'"):
        diagnose(folder)


@pytest.mark.parametrize("learner", [[], "text", {"question": 1}, {}])
def test_a_damaged_note_about_the_learner_is_named(tmp_path, learner):
    folder = write_run(tmp_path, steps_of(lambda _: {}), learner=None)
    head = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**head, "learner": learner}))
    with pytest.raises(CurrlabError, match=r"'learner' in '.*config\.json' must hold the texts"):
        diagnose(folder)


def test_no_run_no_groups_and_a_line_that_was_not_finished(tmp_path):
    with pytest.raises(CurrlabError, match="There is no file"):
        diagnose(tmp_path / "nowhere")
    with pytest.raises(CurrlabError, match="has no groups yet"):
        diagnose(write_run(tmp_path / "empty", []))
    folder = write_run(tmp_path / "torn", steps_of(lambda _: {}))
    with (folder / "groups.jsonl").open("a") as file:
        file.write('{"step": 41, "comp')
    assert names(folder) == ["healthy"]


def test_odd_settings_are_ignored_where_they_cannot_be_read(tmp_path):
    for i, config in enumerate(({"training": 3}, {"training": {"max_new_tokens": "many"}}, {})):
        folder = write_run(tmp_path / str(i), steps_of(lambda _: {}), config=config)
        assert names(folder) == ["healthy"]


# ---------------------------------------------------------------- the command


def call(*words):
    return CliRunner().invoke(cli.app, ["diagnose", *map(str, words)])


def test_the_command_prints_each_run_and_fails_if_one_is_sick(tmp_path):
    well = write_run(tmp_path / "well", steps_of(lambda _: {}))
    sick = write_run(tmp_path / "sick", steps_of(lambda _: {"right": 0}))
    done = call(well)
    assert done.exit_code == 0, done.output
    assert f"{well}: healthy" in done.output
    done = call(well, sick)
    assert done.exit_code == 1
    assert f"{sick}: zero_variance" in done.output
    assert "easier levels" in done.output


def test_the_command_s_json_holds_everything(tmp_path):
    sick = write_run(tmp_path / "sick", steps_of(lambda _: {"right": 0}))
    done = call(sick, "--json")
    (run,) = json.loads(done.stdout)
    assert run["run"] == str(sick)
    assert [set(f) for f in run["findings"]] == [{"name", "evidence", "cure"}]


def test_a_folder_that_is_no_run_ends_the_command_with_one_sentence(tmp_path):
    done = call(tmp_path)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
