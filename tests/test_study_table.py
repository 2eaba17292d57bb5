"""The table of a study, from its numbers and from the command line; a study killed on the way."""

import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from currlab import study_grids
from currlab.cli import app
from currlab.errors import CurrlabError
from currlab.study_results import BASE, Results
from currlab.study_table import areas_under_the_curve, compare, compare_levels, table_text


def results_of(ends, tokens=(0, 50, 100)) -> Results:
    """Straight curves from 0 to the final accuracies `ends` [recipe][seed] on two levels."""
    rows = [{"recipe": BASE, "engine": "none", "seed": 0, "step": 0, "tokens": 0, "greedy": 0.0}]
    for recipe, finals in ends.items():
        for seed, end in finals.items():
            for step, spent in enumerate(tokens):
                greedy = end * spent / tokens[-1]
                where = {"engine": "scratch", "seed": seed, "step": step, "tokens": spent}
                rows.append({"recipe": recipe, **where, "greedy": greedy})
    evals = pd.concat(
        [pd.DataFrame(rows).assign(level=level, arm=f"sorting/{level}") for level in (1, 2)]
    )
    return Results(evals, pd.DataFrame(), {})


def fan(middle, seeds=8):
    return {seed: middle + 0.01 * seed for seed in range(seeds)}


def test_recipes_are_compared_pair_by_pair():
    table = compare(results_of({"uniform": fan(0.4), "sec": fan(0.6), "worst": fan(0.1)}))
    table = table.set_index("recipe")
    assert table.verdict.to_dict() == {"uniform": "baseline", "sec": "better", "worst": "worse"}
    sec = table.loc["sec"]
    # Every pair differs by 0.2, so the interval of the difference has no width; the final's has.
    assert tuple(sec[["difference", "difference_low", "difference_high"]]) == pytest.approx(
        (0.2, 0.2, 0.2)
    )
    assert sec.final == pytest.approx(0.635)
    assert sec.final_low < sec.final < sec.final_high
    assert (sec.improvement, sec.p_value) == (1.0, 2 * 2 / 2**8)
    assert sec.ratio == pytest.approx(
        np.median([(0.4 + s / 100) / (0.6 + s / 100) for s in range(8)])
    )
    assert table.loc["worst", "ratio"] == math.inf
    assert "never [never, never]" in table_text(table.reset_index())


def test_only_common_seeds_are_pairs():
    ends = {"uniform": fan(0.4), "apart": {s + 100: 0.9 for s in range(8)}, "few": fan(0.6, 3)}
    table = compare(results_of(ends)).set_index("recipe")
    assert table.seeds.to_dict() == {"uniform": 8, "apart": 0, "few": 3}
    assert table.verdict.tolist()[1:] == ["too few seeds"] * 2
    assert math.isnan(table.loc["apart", "difference"])
    assert table.loc["apart", "final"] == pytest.approx(0.9)
    assert " - " in table_text(table.reset_index()).splitlines()[2]


def test_areas_are_cut_at_the_smallest_budget():
    long = results_of({"uniform": {0: 0.8}}, tokens=(0, 100, 200)).evals
    short = results_of({"sec": {0: 0.4}}, tokens=(0, 100)).evals
    areas = areas_under_the_curve(Results(pd.concat([long, short]), pd.DataFrame(), {}))
    assert areas["uniform", 0] == pytest.approx(0.2)  # from 0 to 0.4 over 100 tokens
    assert areas["sec", 0] == pytest.approx(0.2)


def test_levels_have_intervals_and_no_verdict():
    levels = compare_levels(results_of({"uniform": fan(0.4), "sec": fan(0.6)}))
    assert levels[["recipe", "level"]].to_numpy().tolist() == [
        ["sec", "sorting/1"],
        ["sec", "sorting/2"],
    ]
    assert levels.difference.tolist() == pytest.approx([0.2, 0.2])
    assert "verdict" not in levels


def test_an_unknown_baseline_is_named():
    with pytest.raises(CurrlabError, match="'nobody' is not among the study's recipes: uniform"):
        compare(results_of({"uniform": fan(0.4)}), "nobody")


@pytest.mark.parametrize("name", study_grids.STUDIES)
def test_shipped_results_have_a_table(name):
    done = CliRunner().invoke(app, ["study", name, "--table"], catch_exceptions=False)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()[1:]
    labels = [contestant.label for contestant in study_grids.STUDIES[name].contestants]
    assert len(lines) == len(labels)
    for line, label in zip(lines, labels, strict=True):
        assert line.strip().startswith(f"{label} ")


# ---------------------------------------------------------------- the command


OPTIONS = ["--select", "uniform", "--select", "sec", "--levels", "sorting=1-2", "--seeds", "0-1"]
OPTIONS += ["--token-budget", "9000"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Name a study"),
        (["select", "--select", "sec"], "Name a study"),
        (["none.yaml"], "cannot be read"),
        (["--select", "alchemy"], "Unknown select strategy 'alchemy'"),
        (["--select", "sec", "--baseline", "uniform"], "baseline 'uniform' is not among"),
        (["--select", "uniform", "--levels", "sorting=99"], "no such level"),
        (["--select", "sec", "--levels", "sorting=1", "--levels", "sorting=2"], "once"),
        (["--levels", "sorting=1"], "at least one entry"),
        (["--select", "uniform", "--ship"], "have results in the package"),
    ],
)
def test_a_bad_study_is_one_sentence_and_nothing_is_written(tmp_path, arguments, sentence):
    done = CliRunner().invoke(app, ["study", *arguments, "--root", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def start(root, *more):
    command = [sys.executable, "-m", "currlab", "study", *OPTIONS, "--root", str(root), *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


@pytest.mark.slow
def test_a_killed_study_goes_on_and_two_workers_give_the_same_table(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(killed)
    folder = killed / "uniform-sec"
    while not (finished := list(folder.glob("*/results.json"))) and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 1 <= len(finished) < 4
    logs = [run.with_name("metrics.jsonl") for run in finished]
    # Every line has the seconds that its step took: a repeated run would not have the same bytes.
    before = [path.read_bytes() for path in logs]
    said, _ = start(killed).communicate()
    assert [path.read_bytes() for path in logs] == before
    assert f"/4 runs finished ({finished[0].parent.name})" not in said
    other, _ = start(whole, "--workers", "2").communicate()
    for name in ("uniform-sec.csv", "uniform-sec-recipes.csv", "uniform-sec-levels.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert said.splitlines()[-3:] == other.splitlines()[-3:]
    assert said.splitlines()[-1].startswith("    sec")
