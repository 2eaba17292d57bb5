"""Turns, order, spreads, ratios and text: the arithmetic of a benchmark. Nothing asserts on a time."""

import gc
import json
import time

import pytest
from click.testing import CliRunner

from currlab import benchmarks, cli
from currlab.benchmarks import measure as m
from currlab.benchmarks.pictures import dots, dots_in_words
from currlab.benchmarks.text import lines


def subject(parts):
    return m.Subject("made up", lambda scale: parts, lambda raw: dict(raw))


def test_parts_take_turns_forwards_and_backwards():
    order, done = [], []
    parts = {
        name: lambda turn, name=name: order.append((turn, name)) or {"x": [turn]} for name in "abc"
    }
    raw = m.measure(subject(parts), m.SCALES["cpu"], 3, done.append)
    assert "".join(name for _, name in order) == "abccbaabc"
    assert done == list(range(1, 10))
    assert raw == {name: {"x": [0, 1, 2]} for name in "abc"}


def test_several_numbers_of_a_turn_are_kept_in_order():
    raw = m.measure(subject({"a": lambda turn: {"x": [turn, turn + 0.5]}}), m.SCALES["cpu"], 2)
    assert raw == {"a": {"x": [0, 0.5, 1, 1.5]}}


def test_a_part_that_fails_leaves_the_collector_as_it_was():
    def broken(turn):
        raise RuntimeError("no")

    before = gc.get_freeze_count()
    with pytest.raises(RuntimeError):
        m.measure(subject({"a": broken}), m.SCALES["cpu"], 1)
    assert gc.get_freeze_count() == before


def test_cpu_seconds_do_not_count_waiting_and_wall_seconds_do():
    with m.stopwatch() as seconds:
        time.sleep(0.2)
    assert 0 <= seconds.cpu < 0.1 < seconds.wall


def test_ratios_pair_what_was_measured_in_the_same_turn():
    ratios = m.ratios([4.0, 6.0], [2.0, 1.0])
    assert ratios == [2.0, 6.0]
    assert m.spread(ratios) == {"median": 4.0, "lowest": 2.0, "highest": 6.0}
    with pytest.raises(ValueError, match="argument"):
        m.ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0, 2.0])
def test_growth_finds_the_exponent(exponent):
    sizes = [3, 10, 70, 1000]
    assert m.growth(sizes, [7 * size**exponent for size in sizes]) == pytest.approx(exponent)


def test_text_has_spreads_tables_and_names_as_in_the_file():
    spread = {"median": 2.0, "lowest": 1.0, "highest": 3.5}
    one = {"median": 4.0, "lowest": 4.0, "highest": 4.0}
    results = {
        "a_ratio": spread,
        "by_size": {10: {"my_way": spread, "other": one}, 20: {"my_way": one, "other": spread}},
        "by_name": {"my_way": one, "exponent": 0.25},
        "nothing": {},
        "limit": 50.0,
    }
    told = [" ".join(line.split()) for line in lines(results)]
    assert told == [
        "a_ratio 2 (1 to 3.5)",
        "by_size (medians)",
        "10 20",
        "my_way 2 4",
        "other 4 2",
        "by_name",
        "my_way 4",
        "exponent 0.25",
        "nothing: none",
        "limit 50",
    ]


def test_pictures_have_a_row_for_each_name_and_words_with_every_median():
    spread = {"median": 2.0, "lowest": 1.0, "highest": 3.5}
    columns = {"small": {"a": spread, "b": spread}, "large": {"a": spread, "b": spread}}
    figure = dots(columns, "ms", "Costs", ("limit", 50.0))
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_xscale() == "log"
    assert {line.get_label() for line in axes.lines} == {"small", "large", "limit"}
    told = dots_in_words(columns, "Costs")
    assert told == "Costs. a: 2 (small), 2 (large); b: 2 (small), 2 (large)."


# ---------------------------------------------------------------- the command


def call(*words):
    return CliRunner().invoke(cli.app, ["bench", *map(str, words)])


@pytest.fixture
def quick(monkeypatch):
    """Every subject is measured at once, and with a known result."""
    measured = []

    def fake(name, profile, turns):
        measured.append(name)
        return {"profile": profile, "x": m.spread([1.0] * turns)}

    monkeypatch.setattr(benchmarks, "measured", fake)
    return measured


def test_the_command_measures_what_is_asked_and_writes_where_and_when(quick, tmp_path):
    out = tmp_path / "new" / "b.json"
    done = call("rollouts", "start", "--turns", 2, "--profile", "smoke", "--out", out)
    assert done.exit_code == 0, done.output
    assert quick == ["rollouts", "start"]
    results = json.loads(out.read_text())
    assert set(results) == {
        *("profile", "turns", "threads", "date", "machine", "versions"),
        *("rollouts", "start"),
    }
    assert set(results["machine"]) == {"processor", "system", "cores", "memory_gibibytes"}
    assert results["machine"]["cores"] >= 1
    assert {"python", "torch", "trl", "numpy"} <= set(results["versions"])
    assert (results["turns"], results["profile"]) == (2, "smoke")
    assert str(out) in done.stdout


def test_without_a_subject_all_are_measured(quick, tmp_path):
    assert call("--out", tmp_path / "b.json").exit_code == 0
    assert quick == list(benchmarks.SUBJECTS)


def test_what_was_measured_is_kept_if_a_later_subject_fails(quick, monkeypatch, tmp_path):
    fake = benchmarks.measured

    def breaks(name, *rest):
        if name == "start":
            raise RuntimeError("no")
        return fake(name, *rest)

    monkeypatch.setattr(benchmarks, "measured", breaks)
    assert call("rollouts", "start", "--out", tmp_path / "b.json").exit_code == 1
    assert "rollouts" in json.loads((tmp_path / "b.json").read_text())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["speed"], "Unknown subject 'speed'; the subjects are engines, rollouts"),
        (["--profile", "gpu"], "must be one of smoke, cpu; got 'gpu'"),
        (["--turns", 0], "'turns' must be at least 1; got 0"),
        (["--out", "/dev/null/b.json"], "Cannot write to '/dev/null/b.json'"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_measured(quick, tmp_path, words, told):
    words = words if "--out" in words else [*words, "--out", tmp_path / "b.json"]
    done = call(*words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not quick
    assert not (tmp_path / "b.json").exists()


def test_the_help_names_every_subject():
    told = call("--help").stdout
    assert all(name in told for name in benchmarks.SUBJECTS)
    assert "Examples:" in told
