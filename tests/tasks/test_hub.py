"""Question/answer data sets as tasks: columns, presets, splits, levels, the verifier, bad input."""

import json

import pytest
from datasets import Dataset

from currlab.curricula.data import Catalog
from currlab.errors import CurrlabError
from currlab.headless import parse_levels
from currlab.tasks import get_task
from currlab.tasks.answers import as_number, equal_answers, last_boxed


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def sums(n, solution="{}"):
    return [
        {"question": f"{i} + 1?", "answer": ("1" * (i % 7)) + solution.format(i + 1)}
        for i in range(n)
    ]


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def block(answer):
    return f"<answer>{answer}</answer>"


def test_a_file_is_a_task_whose_sides_never_share_a_prompt(tmp_path):
    path = written(tmp_path / "sums.jsonl", sums(200, " #### {}"))
    task = get_task(f"hub:{path}?preset=gsm8k&levels=3")
    assert task.max_level == 3
    for level in task.levels:
        train = {task.make(level, seed).prompt for seed in range(40)}
        test = {task.make(level, -1 - seed).prompt for seed in range(40)}
        assert train.isdisjoint(test)
    problem = task.make(2, 5)
    assert problem == task.make(2, 5)
    assert task.verify(problem, task.completion(problem))
    assert task.verify(problem, block(f" {problem.answer}.0"))
    assert not task.verify(problem, block(problem.answer + "1"))
    assert not task.verify(problem, problem.answer)


def test_its_levels_are_levels_of_a_run(tmp_path):
    path = written(tmp_path / "sums.jsonl", sums(100))
    levels = parse_levels([f"hub:{path}?levels=2=1-2"])
    assert Catalog.of(levels).arms == (f"hub:{path}?levels=2/1", f"hub:{path}?levels=2/2")


def test_csv_and_parquet_read_alike(tmp_path):
    data = Dataset.from_list([{"q": f"{i} + 1?", "a": str(i + 1)} for i in range(60)])
    data.to_csv(tmp_path / "d.csv")
    data.to_parquet(tmp_path / "d.parquet")
    made = [
        get_task(f"hub:{tmp_path}/d.{kind}?question=q&answer=a&levels=1")
        for kind in ("csv", "parquet")
    ]
    assert len(made[0].make(1, 0).answer)
    assert {made[0].make(1, s).prompt for s in range(300)} == {
        made[1].make(1, s).prompt for s in range(300)
    }


def test_a_folder_keeps_its_own_test_split_without_what_was_trained_on(tmp_path):
    written(tmp_path / "train.jsonl", sums(20))
    written(tmp_path / "test.jsonl", sums(24))
    task = get_task(f"hub:{tmp_path}?levels=1")
    asked = {task.make(1, -1 - seed).prompt.split()[0] for seed in range(60)}
    assert asked == {"20", "21", "22", "23"}


def test_a_level_column_is_sorted_as_people_do(tmp_path):
    rows = [{**row, "hard": f"Level {1 + i % 10}"} for i, row in enumerate(sums(200))]
    task = get_task(f"hub:{written(tmp_path / 'd.jsonl', rows)}?level=hard")
    assert task.max_level == 10
    number = int(task.make(10, 0).prompt.split()[0])
    assert number % 10 == 9


def test_math_takes_the_last_box(tmp_path):
    rows = [
        {"problem": f"half of {i}?", "solution": rf"\boxed{{0}}, no: \boxed{{\frac{{{i}}}{{2}}}}"}
        for i in range(40)
    ]
    task = get_task(f"hub:{written(tmp_path / 'd.jsonl', rows)}?preset=math&levels=1")
    problem = task.make(1, 0)
    assert problem.answer.startswith(r"\frac{")
    assert task.verify(problem, task.completion(problem))


def test_countdown_accepts_any_right_expression_and_only_those(tmp_path):
    rows = [{"nums": [i, 3, 4], "target": (i + 3) * 4} for i in range(1, 40)]
    task = get_task(f"hub:{written(tmp_path / 'd.jsonl', rows)}?preset=countdown")
    problem = task.make(1, 0)
    first = problem.prompt.split(" from ")[1].split()[0]
    assert task.verify(problem, task.completion(problem))
    assert task.verify(problem, block(f"4*(3+{first})"))
    for wrong in (f"4*3+{first}", str((int(first) + 3) * 4), "", "__import__('os')"):
        assert not task.verify(problem, block(wrong))


@pytest.mark.parametrize(
    ("reference", "right", "wrong"),
    [
        ("1,200", ["1200", "$1200.00", "1200."], ["120", "1,20,0", "12e2", "١٢٠٠"]),
        ("1/2", ["0.5", "2/4"], ["1/0", "1/3", "half", ""]),
        ("x + 1", ["x+1"], ["x+2", "9^9^9^9^9^9", "1" * 10_000]),
    ],
)
def test_equal_answers(reference, right, wrong):
    assert all(equal_answers(reference, answer) for answer in right)
    assert not any(equal_answers(reference, answer) for answer in wrong)


def test_numbers_and_boxes_that_are_none():
    assert as_number("nan") is as_number("1/0") is None
    assert last_boxed(r"\boxed{1") is last_boxed("none") is None


@pytest.mark.parametrize(
    ("rows", "query", "sentence"),
    [
        (sums(9), "?answer=solution", r"no column 'solution' for the answer; .* question, answer"),
        (sums(9), "?preset=gsm9k", "Unknown preset 'gsm9k'; presets are plain, gsm8k"),
        (sums(9), "?colour=red", "unknown 'colour'; options are preset"),
        (sums(9), "?levels=0", "'levels' must be a number"),
        ([], "", "empty|Cannot read"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, rows, query, sentence):
    path = written(tmp_path / "d.jsonl", rows)
    with pytest.raises(CurrlabError, match=sentence):
        get_task(f"hub:{path}{query}")


def test_unreadable_and_missing_sources_are_told(tmp_path):
    (tmp_path / "d.jsonl").write_text("{not json")
    (tmp_path / "e.pkl").write_bytes(b"")
    for source, sentence in (
        (tmp_path / "d.jsonl", "Cannot read the data set"),
        (tmp_path / "e.pkl", "must hold files of one kind"),
        (tmp_path / "none.csv", "no file or folder"),
    ):
        with pytest.raises(CurrlabError, match=sentence):
            get_task(f"hub:{source}")


def test_a_row_without_final_answer_is_told(tmp_path):
    path = written(tmp_path / "d.jsonl", sums(40))
    with pytest.raises(CurrlabError, match="no final answer of the form '####'"):
        get_task(f"hub:{path}?preset=gsm8k&levels=1").make(1, 0)


@pytest.mark.parametrize("hole", [{"question": "2 + 2?"}, {"question": None, "answer": "4"}])
def test_rows_with_holes_are_counted_and_the_first_is_named(tmp_path, hole):
    path = written(tmp_path / "d.jsonl", [*sums(20), hole, hole])
    with pytest.raises(CurrlabError, match=r"has 2 train rows with nothing .*the first is row 21"):
        get_task(f"hub:{path}")


def test_an_empty_cell_of_a_csv_file_is_a_hole(tmp_path):
    (tmp_path / "d.csv").write_text("question,answer\n1 + 1?,2\n1 + 2?,\n")
    with pytest.raises(CurrlabError, match=r"1 train rows .*column 'answer' .*row 2"):
        get_task(f"hub:{tmp_path}/d.csv")
