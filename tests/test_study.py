"""Studies: the grid, what is read back from its runs, and whether shipped results are stale."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from currlab import study as studies
from currlab import study_grids, study_run
from currlab.errors import CurrlabError
from currlab.runs import Run
from currlab.study_plan import Contestant, Study
from currlab.study_results import BASE, Results, first_crossing
from currlab.training.config import TrainingConfig

SMALL = Study(
    "small",
    TrainingConfig(levels={"sorting": (1, 2)}, steps=2, prompts_per_step=2, eval_problems=2),
    (Contestant("uniform", "uniform"), Contestant("sec", "sec", seeds=(0,))),
    seeds=(0, 1),
)


def fake_run(study, root, contestant, seed, finished=True):
    """A run folder as an engine leaves it: accuracy grows by 10 points an evaluation."""
    with Run.open(study.folder(root, contestant, seed), {"seed": seed}) as run:
        speed = 2 if contestant.label == "sec" else 1
        for step in range(4):
            for level in (1, 2):
                row = {"arm": f"sorting/{level}", "task": "sorting", "level": level, "n": 2}
                row["greedy"] = 0.1 * step * speed + 0.1 * seed
                run.log("eval", {"step": step, "tokens": 100 * step, **row})
            metrics = dict.fromkeys(studies.STEP_COLUMNS, 0.5)
            run.log("metrics", {**metrics, "step": step, "more": 1})
        if finished:
            run.finish({})


@pytest.fixture
def results(tmp_path) -> Results:
    for contestant, seed in SMALL.runs():
        fake_run(SMALL, tmp_path, contestant, seed)
    return studies.gather(SMALL, tmp_path)


def test_the_grid_goes_seed_by_seed_so_that_pairs_are_whole():
    assert [(c.label, seed) for c, seed in SMALL.runs()] == [
        ("uniform", 0),
        ("sec", 0),
        ("uniform", 1),
    ]


def test_tokens_to_reach_is_read_off_the_paired_curves(results):
    table = results.tokens_to_reach("sec")
    assert table.seed.tolist() == [0]
    assert table.tokens.tolist() == pytest.approx([150.0])
    assert table.ratio.tolist() == pytest.approx([0.5])
    assert results.tokens_to_reach("uniform").ratio.tolist() == pytest.approx([1.0, 1.0])


def test_a_height_never_reached_is_not_a_number(results):
    assert results.tokens_to_reach("uniform", against="sec").ratio.isna().tolist() == [True]
    assert results.tokens_to_reach("nobody").empty


@pytest.mark.parametrize(
    ("y", "height", "x"),
    [
        ([0, 1], 0.25, 2.5),
        ([0.5, 1], 0.2, 0.0),
        ([0, 1, 0, 1], 1.0, 10.0),
        ([0, 0.4, 0.3], 0.4, 10.0),
    ],
)
def test_first_crossing(y, height, x):
    assert first_crossing(10 * np.arange(len(y)), y, height) == pytest.approx(x)


def test_final_rows_are_the_last_of_each_run(results):
    final = results.final()
    assert set(final[final.recipe != BASE].step) == {3}
    assert len(final) == 3 * 2 + 2


def test_the_summary_tells_every_stage_with_its_interval(results):
    table = results.summary()
    assert list(table) == ["before the warm-up", "after the warm-up", "uniform", "sec"]
    assert table["before the warm-up"].tolist() == ["0%", "0%"]
    # Seeds 0 and 1 end at 0.3 and 0.4: t(0.975, 1) = 12.71 and the standard error is 0.05.
    assert table["uniform"].tolist() == ["35% [0, 99]"] * 2
    assert table["sec"].tolist() == ["60%"] * 2


def test_the_shipped_study_shows_what_the_notebooks_say():
    """Levels that the warm-up left at nothing are solved; SEC gets there with fewer tokens."""
    results = studies.load_results("foundations")
    warm = results.evals[(results.evals.step == 0) & (results.evals.recipe == "sec")]
    start = warm.groupby("level")["greedy"].mean()
    end = results.final().query("recipe == 'sec'").groupby("level")["greedy"].mean()
    assert ((start < 0.02) & (end >= 0.6)).sum() >= 2
    assert results.tokens_to_reach("sec")["ratio"].median() <= 0.65
    staged = results.final().query("recipe == 'staged'")["greedy"]
    assert staged.mean() < start.mean()


def test_results_survive_being_shipped(results, tmp_path, monkeypatch):
    results.evals.loc[0, "pass_at_8"] = 0.123456
    path = tmp_path / "small.json"
    studies.save_results(results, path)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # NaN is not JSON
    monkeypatch.setattr(studies, "shipped_path", lambda name: path)
    monkeypatch.setitem(study_grids.STUDIES, "small", SMALL)
    loaded = studies.load_results("small")
    expected = results.evals.round(4)
    pd.testing.assert_frame_equal(loaded.evals, expected, check_dtype=False)
    assert loaded.meta == json.loads(json.dumps(results.meta))


def test_an_unfinished_run_is_named(tmp_path):
    for contestant, seed in SMALL.runs():
        fake_run(SMALL, tmp_path, contestant, seed, finished=(contestant.label, seed) != ("sec", 0))
    with pytest.raises(CurrlabError, match="sec-0' is not finished"):
        studies.gather(SMALL, tmp_path)


def test_unknown_studies_are_named():
    with pytest.raises(
        CurrlabError, match="Unknown study 'x'; known studies are foundations, select"
    ):
        study_grids.find_study("x")


def test_the_hash_of_the_code_ignores_words_and_notices_logic(tmp_path):
    package = tmp_path / "package"
    for part in ("tasks", "models", "curricula", "training"):
        (package / part).mkdir(parents=True)
    (package / "evaluation.py").write_text("x = 1\n")
    code = package / "tasks" / "a.py"
    code.write_text('"""Words."""\ndef f(x):\n    return x + 1\n')
    before = studies.code_hash(package)
    code.write_text('"""Other words."""\n\n\ndef f(x):  # a remark\n    return x + 1\n')
    assert studies.code_hash(package) == before
    code.write_text('"""Words."""\ndef f(x):\n    return x + 2\n')
    assert studies.code_hash(package) != before
    shutil.rmtree(package / "tasks")
    assert studies.code_hash(package) != before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_runs_resumes_and_says_how_long(tmp_path, workers, capsys):
    tiny = replace(SMALL, config=replace(SMALL.config, eval_every=0, max_new_tokens=8))
    results = study_run.run_study(tiny, tmp_path, workers)
    said = capsys.readouterr().out.splitlines()
    assert len([line for line in said if "runs finished" in line]) == 3
    assert said[-1].startswith("3/3 runs finished")
    assert [line.split() for line in said[-3:-1]] == [
        ["uniform", "2", "0", "0"],
        ["sec", "1", "0", "0"],
    ]
    again = study_run.run_study(tiny, tmp_path, workers)
    assert capsys.readouterr().out == ""
    pd.testing.assert_frame_equal(results.evals, again.evals)
    pd.testing.assert_frame_equal(results.steps, again.steps)


def test_a_contestant_may_imitate_first_and_equal_warm_ups_are_done_once(tmp_path):
    """Equal contestants but for a warm-up: other weights, and a resumed run gives the same."""
    config = replace(SMALL.config, max_new_tokens=8, eval_every=1, checkpoint_every=1)
    first = {"mixture": {"sorting/3": 1.0}, "steps": 3, "batch": 8, "learning_rate": 1e-3}
    plain, warmed = Contestant("plain", "uniform"), Contestant("warm", "uniform", warm_up=first)
    other = Contestant("other", "sec", warm_up=first)
    study = replace(SMALL, config=config, contestants=(plain, warmed, other), seeds=(0,))
    for contestant in study.contestants:
        study_run.run_one(study, contestant, 0, tmp_path)
    [made] = [path for path in (tmp_path / "small" / ".warm").iterdir() if path.is_dir()]
    runs = {c.label: Run(study.folder(tmp_path, c, 0)) for c in study.contestants}
    assert runs["warm"].config["warm_up"] == first
    assert "warm_up" not in runs["plain"].config
    losses = {name: [line["loss"] for line in run.records("metrics")] for name, run in runs.items()}
    assert losses["warm"] != losses["plain"]
    done = [runs["warm"].records(stream) for stream in ("eval", "metrics")]
    shutil.rmtree(runs["warm"].checkpoints / "checkpoint-2")
    (runs["warm"].folder / "results.json").unlink()
    shutil.rmtree(made)
    study_run.run_one(study, warmed, 0, tmp_path)
    again = [Run(runs["warm"].folder).records(stream) for stream in ("eval", "metrics")]
    assert [row["greedy"] for row in again[0]] == [row["greedy"] for row in done[0]]
    assert [line["loss"] for line in again[1]] == [line["loss"] for line in done[1]]


def test_a_run_that_a_worker_of_a_killed_study_still_writes_is_waited_for(tmp_path):
    contestant, seed = SMALL.runs()[0]
    study_run.run_one(SMALL, contestant, seed, tmp_path)
    folder = SMALL.folder(tmp_path, contestant, seed)
    settings = Run(folder).config
    finished = (folder / "results.json").read_bytes()
    (folder / "results.json").unlink()
    with ThreadPoolExecutor(1) as pool:
        with Run.open(folder, settings):
            waiting = pool.submit(study_run.run_one, SMALL, contestant, seed, tmp_path)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1.5)
            (folder / "results.json").write_bytes(finished)
        assert waiting.result(timeout=30) == "uniform-0"
    assert (folder / "results.json").read_bytes() == finished


def test_a_dask_cluster_gives_the_same_table(tmp_path):
    """Two workers on loopback, without a dashboard."""
    from distributed import LocalCluster

    tiny = replace(SMALL, config=replace(SMALL.config, eval_every=0, max_new_tokens=8))
    here = study_run.run_study(tiny, tmp_path / "here", said=lambda text: None)
    said = []
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        there = study_run.run_study(
            tiny, tmp_path / "there", said=said.append, scheduler=cluster.scheduler_address
        )
    pd.testing.assert_frame_equal(here.evals, there.evals)
    pd.testing.assert_frame_equal(here.steps, there.steps)
    assert "3/3 runs finished" in said[-1]


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(study_run, "SECONDS_TO_CONNECT", 0.3)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(CurrlabError, match=f"No Dask scheduler answers at '{address}'"):
            study_run.run_study(SMALL, tmp_path, scheduler=address)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", study_grids.STUDIES)
def test_shipped_results_are_not_stale(name, tmp_path):
    """The shipped runs' first step must be what this code gives, and their grid today's grid.

    The hash of the code says whether anything changed at all; if it did, one step of every scratch
    contestant is run again, and equal numbers mean that the change did not touch the results. Of those
    that imitate first, one is: a warm-up takes up to minutes.
    """
    study, results = study_grids.find_study(name), studies.load_results(name)
    remake = f"the shipped results of '{name}' are stale: run `make study`"
    assert studies.complete(results.meta["study"]) == studies.study_meta(study)["study"], remake
    if results.meta["code"] == studies.code_hash():
        return
    one_step = replace(
        study, config=replace(study.config, steps=1, token_budget=None, eval_every=0)
    )
    warmed = [c for c in study.contestants if c.warm_up]
    tried = [c for c in study.contestants if c.engine == "scratch" and not c.warm_up]
    tried += sorted(warmed, key=lambda contestant: contestant.warm_up["steps"])[:1]
    for contestant in tried:
        seed = study.seeds[0]
        study_run.run_one(one_step, contestant, seed, tmp_path)
        [line] = Run(one_step.folder(tmp_path, contestant, seed)).records("metrics")
        shipped = results.steps
        shipped = shipped[(shipped.recipe == contestant.label) & (shipped.seed == seed)].iloc[0]
        for column in studies.STEP_COLUMNS:
            assert line[column] == pytest.approx(shipped[column], abs=2e-3), (column, remake)


def test_the_shipped_select_study_shows_what_the_notebooks_say():
    """Among many hopeless levels a bandit beats uniform, and a staged order ends at nothing."""
    results = studies.load_results("select")
    final = results.final().groupby(["recipe", "seed"])["greedy"].mean().unstack(0)
    assert len(final) == 8
    for bandit in ("sec", "dump"):
        assert (final[bandit] > final["uniform"]).all()
        assert results.tokens_to_reach(bandit)["ratio"].max() < 1
    assert final["easy_to_hard"].max() < 0.05
