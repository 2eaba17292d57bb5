"""The benchmark measures what it says, on equal terms. What it measures is not tested: no timings."""

import json
from dataclasses import replace

import pytest
import torch

from currlab import benchmark
from currlab.curricula import make_recipe
from currlab.models import load_model
from currlab.training.scratch import ScratchTrainer


@pytest.fixture
def tiny_turns(monkeypatch):
    """Two prompts a step, two steps a turn."""
    whole = benchmark.configuration
    monkeypatch.setattr(benchmark, "STEPS_A_TURN", 2)
    small = {"prompts_per_step": 2, "max_new_tokens": 8}
    monkeypatch.setattr(benchmark, "configuration", lambda turn: replace(whole(turn), **small))


def test_every_engine_is_measured_and_the_numbers_are_written(tiny_turns, tmp_path, capsys):
    threads = torch.get_num_threads()
    benchmark.main(turns=2, out=tmp_path / "new" / "benchmark.json")
    assert torch.get_num_threads() == threads
    results = json.loads((tmp_path / "new" / "benchmark.json").read_text())
    engines = {"stock", "subclass", "subclass_rows_left_out", "scratch"}
    for kind in ("cpu_seconds_a_step", "wall_seconds_a_step"):
        assert set(results[kind]) == engines
    assert set(results["times_as_fast_as_stock"]) == engines - {"stock"}
    spreads = [
        *results["cpu_seconds_a_step"].values(),
        *results["times_as_fast_as_stock"].values(),
        results["curriculum_share_of_a_step"],
        results["rollouts_times_as_fast_as_generate"],
        results["programs_a_second"],
    ]
    for numbers in spreads:
        assert 0 < numbers["lowest"] <= numbers["median"] <= numbers["highest"]
    assert results["curriculum_share_of_a_step"]["highest"] < 1
    printed = capsys.readouterr().out
    for name in ("subclass rows left out", "curriculum share of a step", "generate"):
        assert name in printed
    assert f"{results['times_as_fast_as_stock']['scratch']['median']:.4g}" in printed


def test_stock_trains_on_the_problems_that_our_engines_train_on(tiny_turns):
    config = benchmark.configuration(3)
    trainer = ScratchTrainer(*load_model("tiny-warm"), make_recipe("uniform", seed=3), config)
    for _ in range(2):
        trainer.step()
    ours = [(g["arm"], g["seed"]) for g in trainer.history["groups"]]
    stock = [p for step in range(2) for p in benchmark.chosen_problems(3, step)]
    assert [(p.arm, p.seed) for p in stock] == ours


def test_stock_is_rewarded_as_our_engines_are():
    (problem, other, *_) = benchmark.chosen_problems(0, 0)
    texts = [f"<answer>{problem.answer}</answer>", f"<answer>{problem.answer}</answer>", ""]
    keys = zip(problem.key, other.key, problem.key, strict=True)
    assert benchmark.exact(texts, *map(list, keys)) == [1.0, 0.0, 0.0]


def test_ratios_pair_what_was_measured_in_the_same_turn():
    stock, ours = [[(8.0, 9.0), (4.0, 9.0), (4.0, 9.0)], [(6.0, 1.0)]], [[(2.0, 1.0)], [(1.0, 1.0)]]
    ratios = benchmark.ratios(benchmark.medians(stock, 0), benchmark.medians(ours, 0))
    assert ratios == [2.0, 6.0]
    assert benchmark.spread(ratios) == {"median": 4.0, "lowest": 2.0, "highest": 6.0}
