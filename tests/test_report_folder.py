"""A folder on one page: everything is found, compared and kept; what is broken is a row, not an end."""

import json
import os
import re
from itertools import pairwise

import nbformat
import pytest
from report_case import EVALUATION, HOSTILE, assert_offline, make_notebook, make_run, rows_of

from currlab.errors import CurrlabError
from currlab.report import report, write_report
from currlab.report_compare import levels_text
from currlab.report_entries import Broken, FoundNotebook, FoundRun, FoundStudy
from currlab.report_files import find
from currlab.study import load_results, save_results


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    for seed in (0, 1):
        make_run(folder / f"sec-{seed}", "sec", seed)
        make_run(folder / f"uniform-{seed}", "uniform", seed)
        make_notebook(
            folder / f"01_example-smoke-seed={seed}",
            seed=seed,
            accuracy={"after the warm-up": EVALUATION},
            costs={"uniform": {"tokens_generated": 1000 + seed}},
            ratio=0.25 + seed,
        )
    make_run(folder / "below" / "other", levels=(1, 2, 3, 6))
    return folder


@pytest.fixture
def undrawn(monkeypatch):
    """Pages without the time that figures take."""
    picture = '<img alt="a figure" src="data:image/png;base64,AA==">'
    monkeypatch.setattr("currlab.figures.to_html", lambda drawn: picture)


def whole(folder):
    text, broken = report([folder])
    return assert_offline(text), text, broken


# ---------------------------------------------------------------- what is found


def test_everything_below_the_folder_is_found(runs):
    (runs / "studies").mkdir()
    save_results(load_results("foundations"), runs / "studies" / "foundations.json")
    found = find([runs])
    assert [type(entry) for entry in found].count(FoundRun) == 5
    assert [type(entry) for entry in found].count(FoundNotebook) == 2
    assert [type(entry) for entry in found].count(FoundStudy) == 1
    assert not [entry for entry in found if isinstance(entry, Broken)]
    assert {"sec-0", "below/other", "01_example-smoke-seed=0"} <= {entry.name for entry in found}


def test_the_page_compares_keeps_and_links(runs):
    found, text, broken = whole(runs)
    assert not broken
    assert "2 notebooks: 2 finished; 5 runs: 5 finished." in found.words
    head, *table = rows_of(text, "Training runs")
    by_name = {row[0]: dict(zip(head, row, strict=True)) for row in table}
    assert by_name["sec-1"]["recipe"] == "sec"
    assert by_name["sec-1"]["seed"] == "1"
    assert by_name["sec-1"]["steps"] == "4 of 4"
    assert by_name["sec-1"]["tokens"] == "4,000 of 5,000"
    assert by_name["sec-1"]["greedy"] == "50.0%"
    assert by_name["sec-1"]["seconds"] == "2"
    assert by_name["below/other"]["levels"] == "sorting 1-3, 6"
    # Only runs over equal levels are laid over each other.
    assert text.count("The last evaluations, means over the runs of a recipe</caption>") == 1
    head, *table = rows_of(text, "The last evaluations")
    assert [row[:3] for row in table] == [["sec", "2", "0-1"], ["uniform", "2", "0-1"]]
    assert [row[head.index("greedy")] for row in table] == ["45.0%", "45.0%"]
    (curves,) = [i["alt"] for i in found.all("img") if i["alt"].startswith("Mean greedy")]
    assert "sec goes from" in curves
    assert "uniform goes from" in curves
    anchors = {a["id"] for _, a in found.tags if a.get("id")}
    targets = {a["href"][1:] for a in found.all("a") if a["href"].startswith("#")}
    assert targets <= anchors
    assert len(anchors) == len(re.findall(r'\bid="', text)), "an id is given once"
    assert found.all("math")


def test_notebooks_that_differ_in_their_seed_alone_are_taken_together(runs, undrawn):
    found, text, _ = whole(runs)
    assert "01 · A title, seeds 0, 1" in found.words
    numbers = rows_of(text, "Numbers of results.json over 2 seeds")
    assert numbers[0] == ["number", "seed 0", "seed 1", "mean", "lowest", "highest"]
    assert ["ratio", "0.25", "1.25", "0.75", "0.25", "1.25"] in numbers
    assert ["uniform", "1,000"] in rows_of(text, "What the trainings have cost, means over 2 seeds")
    assert ["after the warm-up", "2", "25.0%", "50.0%"] in rows_of(text, "Accuracy of the models")


def test_settings_in_which_runs_of_one_recipe_differ_are_named(tmp_path, undrawn):
    make_run(tmp_path / "a", learning_rate=0.1, eval_every=5)
    make_run(tmp_path / "b", learning_rate=0.2, eval_every=6)
    _, text, _ = whole(tmp_path)
    labels = [row[0] for row in rows_of(text, "The last evaluations")[1:]]
    assert labels == ["sec, learning_rate 0.1", "sec, learning_rate 0.2"]


def test_runs_whose_labels_are_cut_stay_apart(tmp_path, undrawn):
    for name in ("one", "other"):
        make_run(tmp_path / name, note="x" * 100 + name)
    _, text, _ = whole(tmp_path)
    labels = [row[0] for row in rows_of(text, "The last evaluations")[1:]]
    assert len(set(labels)) == 2
    assert all(len(label) < 65 for label in labels)


def test_notebooks_of_other_code_and_seeds_done_twice_are_not_pooled(tmp_path, undrawn):
    for folder, seed, code in (("a", 0, "x"), ("b", 0, "x"), ("c", 1, "x"), ("d", 2, "y")):
        path = make_notebook(tmp_path / folder, seed=seed, accuracy={"sec": EVALUATION})
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.currlab.execution["package_sha256"] = code
        nbformat.write(notebook, path)
    found, _, _ = whole(tmp_path)
    assert "01 · A title, seeds 0, 1" in found.words
    assert "seeds 0, 1, 2" not in found.words


def test_accessible_headings_in_order_tables_with_heads_a_language_and_a_way_past_the_contents(
    runs,
):
    found, text, _ = whole(runs)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), levels
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(head.get("scope") in ("col", "row") for head in found.all("th"))
    assert found.all("html")[0]["lang"] == "en"
    assert found.all("a")[0] == {"class": "skip", "href": "#summary"}
    assert "prefers-color-scheme: dark" in text


def test_steering_is_told_and_a_steered_run_is_a_recipe_of_its_own(runs, undrawn):
    change = {"step": 2, "dial": "select", "change": "strategy", "strategy": "target"}
    change |= {"parameters": {"width": 0.2}, "seed": 0, "arms": ["sorting/1"]}
    (runs / "sec-0" / "steering.jsonl").write_text(json.dumps(change) + "\n")
    _, text, _ = whole(runs)
    rows = rows_of(text, "Changes made by hand")
    assert rows[1] == ["2", "select", "strategy", "target", "width 0.2", "sorting/1"]
    assert "sec (steered)" in [row[0] for row in rows_of(text, "The last evaluations")]


def test_a_study_has_its_verdicts_and_its_runs_are_not_listed_again(runs):
    (runs / "studies").mkdir()
    save_results(load_results("select"), runs / "studies" / "select.json")
    make_run(runs / "studies" / "select" / "sec-0")
    found, text, broken = whole(runs)
    assert not broken
    verdicts = {row[0]: row[-1] for row in rows_of(text, "Every recipe against 'uniform'")}
    assert verdicts["easy_to_hard"] == "worse"
    assert "1 runs of studies" in found.words
    assert len(rows_of(text, "Training runs")) == 6


def test_several_folders_on_one_page_and_pages_of_single_ones(runs, undrawn, tmp_path):
    out = tmp_path / "both.html"
    (written,) = write_report([runs / "sec-0", runs / "uniform-0"], out)
    assert written.path == out
    text = out.read_text()
    names = [row[0] for row in rows_of(text, "Training runs")[1:]]
    assert names == ["sec-0", "uniform-0"]
    single = write_report([runs / "sec-0", runs / "01_example-smoke-seed=0"])
    assert [r.path.parent.name for r in single] == ["sec-0", "01_example-smoke-seed=0"]
    assert "<h1>Run sec-0</h1>" in single[0].path.read_text()
    assert "01 · A title" in single[1].path.read_text()


def test_levels_in_short():
    assert levels_text({"sorting": [3, 1, 2, 7], "b": [5]}) == "sorting 1-3, 7; b 5"
    assert levels_text("all") == "–"
    assert levels_text({"sorting": "all"}) == "sorting all"


# ---------------------------------------------------------------- failed and unfinished


def test_failed_and_unfinished_ones_are_rows_with_their_words(tmp_path, undrawn):
    make_notebook(tmp_path / "01_example-smoke", status="failed")
    make_notebook(tmp_path / "02_example-smoke", "02_example", status="not finished")
    make_run(tmp_path / "begun", finish=False)
    found, text, broken = whole(tmp_path)
    assert not broken
    statuses = {row[0]: row[-1] for row in rows_of(text, "Notebooks")[1:]}
    assert statuses == {
        "01_example-smoke (failed)": "failed",
        "02_example-smoke (not finished)": "not finished",
    }
    assert "failed at In [1] with ValueError: <b>no</b>." in found.words
    assert rows_of(text, "Training runs")[1][-1] == "not finished"


BREAK = {
    "config is a list": lambda f: (f / "sec-0" / "config.json").write_text("[]"),
    "config is no JSON": lambda f: (f / "sec-0" / "config.json").write_bytes(b"\xff\xfe{"),
    "config is deep": lambda f: (f / "sec-0" / "config.json").write_text("[" * 100_000),
    "config of strings": lambda f: (f / "sec-0" / "config.json").write_text(
        '{"config": "x", "versions": "y"}'
    ),
    "results are cut": lambda f: (f / "sec-0" / "results.json").write_text('{"steps": '),
    "a log of lists": lambda f: (f / "sec-0" / "eval.jsonl").write_text("[1]\n"),
    "a log without steps": lambda f: (f / "sec-0" / "metrics.jsonl").write_text('{"a": 1}\n'),
    "steps of text": lambda f: (f / "sec-0" / "metrics.jsonl").write_text('{"step": "x"}\n'),
    "a log in Latin-1": lambda f: (f / "sec-0" / "metrics.jsonl").write_bytes(
        '{"step": 1, "note": "é"}\n'.encode("latin-1")
    ),
    "steering of numbers": lambda f: (f / "sec-0" / "steering.jsonl").write_text("3\n"),
    "a number without end": lambda f: (f / "sec-0" / "eval.jsonl").write_text(
        '{"step": 0, "level": 1, "greedy": 1' + "0" * 400 + "}\n"
    ),
    "a notebook is text": lambda f: (f / "sec-0" / "x.ipynb").write_text("no notebook"),
    "a notebook is a list": lambda f: (f / "sec-0" / "x.ipynb").write_text("[]"),
    "a study is cut": lambda f: (f / "study.json").write_text('{"meta": {"study": {"name": 3}'),
    "a study without rows": lambda f: (f / "study.json").write_text(
        '{"meta": {"study": {"name": "x"}}, "evals": {}, "steps": {}}'
    ),
    "a notebook is lost": lambda f: next((f / "01_example-smoke-seed=0").glob("*.ipynb")).unlink(),
}


@pytest.mark.parametrize("what", BREAK)
def test_what_is_broken_is_a_row_and_the_rest_is_there(runs, undrawn, what):
    BREAK[what](runs)
    found, text, broken = whole(runs)
    assert len(broken) == 1
    _, kind, status, why = rows_of(text, "What could not be read")[1]
    assert status == "failed"
    assert kind in ("run", "notebook", "study")
    assert why
    assert "uniform-1" in [row[0] for row in rows_of(text, "Training runs")]
    assert "1 that could not be read" in found.words


def test_hostile_text_is_text(runs, undrawn):
    make_run(runs / "<b>bold<script>", select=HOSTILE)
    long = {"step": 4, "arm": HOSTILE, "prompt": HOSTILE, "completions": [HOSTILE + "\udcff\x00"]}
    long |= {"rewards": [1.0], "correct": [True]}
    folder = runs / "<b>bold<script>"
    (folder / "groups.jsonl").write_text(json.dumps(long) + "\n")
    make_notebook(runs / "nb", source=HOSTILE, accuracy={HOSTILE: EVALUATION}, **{HOSTILE: 1})
    notebook = nbformat.read(runs / "nb" / "01_example.ipynb", as_version=4)
    notebook.metadata.currlab.execution.parameters[HOSTILE] = HOSTILE
    nbformat.write(notebook, runs / "nb" / "01_example.ipynb")
    found, _, broken = whole(runs)
    assert not broken
    assert found.words.count(HOSTILE) >= 6
    (written,) = write_report([runs])
    written.path.read_bytes().decode()


def test_huge_fields_make_no_huge_page(runs, undrawn):
    config = json.loads((runs / "sec-0" / "config.json").read_text())
    config["config"]["note"] = "x" * 20_000_000
    (runs / "sec-0" / "config.json").write_text(json.dumps(config))
    with (runs / "sec-0" / "groups.jsonl").open("w") as file:
        file.write(json.dumps({"completions": ["y" * 50_000_000]}) + "\n")
    _, text, broken = whole(runs)
    assert not broken
    assert "20,000,000 characters" in text
    assert len(text) < 3_000_000


def test_links_in_circles_pipes_and_model_folders_do_no_harm(runs, undrawn):
    (runs / "loop").symlink_to(runs)
    (runs / "sec-0" / "up").symlink_to(runs)
    (runs / "pipe").mkdir()
    os.mkfifo(runs / "pipe" / "config.json")
    (runs / "model").mkdir()
    (runs / "model" / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    _, text, broken = whole(runs)
    assert not broken
    assert len(rows_of(text, "Training runs")) == 6


def test_a_folder_that_cannot_be_opened_is_a_row(runs, undrawn, monkeypatch):
    scan = os.scandir

    def refused(path):
        if str(path).endswith("below"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    _, text, broken = whole(runs)
    assert [entry.name for entry in broken] == ["below"]
    assert "Permission denied" in text


def test_a_folder_without_anything_and_too_many_things_are_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CurrlabError, match="neither a run"):
        report([tmp_path])
    monkeypatch.setattr("currlab.report_files.MOST_ENTRIES", 2)
    for seed in range(3):
        make_run(tmp_path / str(seed), seed=seed)
    with pytest.raises(CurrlabError, match="more than 2"):
        report([tmp_path])


def test_a_page_that_cannot_be_written_is_one_sentence(runs, undrawn):
    with pytest.raises(CurrlabError, match="Cannot write"):
        write_report([runs], runs / "nowhere" / "page.html")


def test_many_runs_stay_a_page_of_reasonable_size_that_says_what_is_left_out(tmp_path, undrawn):
    for seed in range(150):
        make_run(tmp_path / f"sec-{seed:03}", seed=seed, steps=2)
    for seed in range(3):
        make_notebook(tmp_path / f"nb-{seed}", seed=seed, source="#" * 11_000_000)
    found, text, _ = whole(tmp_path)
    assert len(rows_of(text, "Training runs")) == 151
    assert "138 more runs are in the tables only" in found.words
    assert "Not on this page" in found.words
    assert rows_of(text, "The last evaluations")[1][:3] == ["sec", "150", "0-149"]
    assert len(text) < 30_000_000
