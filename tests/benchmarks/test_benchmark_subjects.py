"""Every subject measures what it says, on equal terms, on a tiny scale. No time is asserted on."""

import sys

import numpy as np
import pytest
import torch

from currlab import benchmarks
from currlab.benchmarks import difficulty, engines, measure, rollouts, selection, start, steps
from currlab.benchmarks.stand_in import PATIENCE, ImpatientCatalog, OutOfPatienceError, StandIn
from currlab.curricula import Clock, make_recipe, strategy_names
from currlab.errors import CurrlabError
from currlab.models import load_model
from currlab.training.scratch import ScratchTrainer

TINY = measure.Scale(
    steps=2,
    prompts=2,
    pools=(100, 1000),
    arms=(4, 8),
    groups=(2, 4),
    lengths=(2, 4),
    problems=12,
    repeats=2,
    engines=("scratch",),
)


def measured(subject, turns=2):
    return subject.summary(measure.measure(subject, TINY, turns))


def spreads(value):
    """All spreads of a nested result; each must be in order."""
    if "median" in value:
        assert value["lowest"] <= value["median"] <= value["highest"]
        return [value["median"]]
    return [s for inner in value.values() if isinstance(inner, dict) for s in spreads(inner)]


def test_all_subjects_are_there_and_threads_are_given_back(monkeypatch):
    monkeypatch.setitem(measure.SCALES, "tiny", TINY)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = benchmarks.measured("rollouts", "tiny", 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert found["times_as_fast_as_generate"]["median"] > 0
    for name in benchmarks.SUBJECTS:
        module = sys.modules.get(f"currlab.benchmarks.{name}")
        assert module is not None
        assert module.SUBJECT.name == name


# ---------------------------------------------------------------- engines


def test_every_engine_is_measured():
    found = measured(engines.SUBJECT)
    names = {"stock", "subclass", "subclass_rows_left_out", "scratch"}
    for kind in ("cpu_seconds_a_step", "wall_seconds_a_step"):
        assert set(found[kind]) == names
    assert set(found["times_as_fast_as_stock"]) == names - {"stock"}
    assert min(spreads(found)) > 0
    shares = found["share_of_a_step"]
    assert set(shares) == {"generation", "update", "curriculum"}
    assert all(share["highest"] < 1 for share in shares.values())


def test_stock_trains_on_the_problems_that_our_engines_train_on():
    config = engines.configuration(TINY, 3)
    trainer = ScratchTrainer(*load_model("tiny-warm"), make_recipe("uniform", seed=3), config)
    for _ in range(TINY.steps):
        trainer.step()
    ours = [(g["arm"], g["seed"]) for g in trainer.history["groups"]]
    assert [(p.arm, p.seed) for p in engines.chosen_problems(TINY, 3)] == ours


def test_stock_is_rewarded_as_our_engines_are():
    (problem, other, *_) = engines.chosen_problems(TINY, 0)
    texts = [f"<answer>{problem.answer}</answer>", f"<answer>{problem.answer}</answer>", ""]
    keys = zip(problem.key, other.key, problem.key, strict=True)
    assert engines.exact(texts, *map(list, keys)) == [1.0, 0.0, 0.0]


# ---------------------------------------------------------------- rollouts, steps, difficulty


def test_both_samplers_sample_the_same_rows():
    samplers = rollouts.samplers(TINY, 0)
    counts = {name: [sample() for _ in range(3)] for name, sample in samplers.items()}
    rows = TINY.prompts * rollouts.GROUP
    longest = engines.configuration(TINY, 0).max_new_tokens
    for name in ("fast", "generate"):
        assert all(rows <= count <= rows * longest for count in counts[name])
    # Other draws of the same distribution: lengths agree on average.
    assert np.mean(counts["fast"]) == pytest.approx(np.mean(counts["generate"]), rel=0.2)


def test_steps_are_measured_at_every_size():
    found = measured(steps.SUBJECT, turns=1)
    for half in ("generation", "update"):
        assert set(found[f"{half}_cpu_seconds_by_group_size"]) == set(TINY.groups)
        assert set(found[f"{half}_cpu_seconds_by_completion_length"]) == set(TINY.lengths)
    assert min(spreads(found)) > 0
    for growth in (found["growth_with_group_size"], found["growth_with_completion_length"]):
        assert all(np.isfinite(list(growth.values())))


def test_forced_completions_have_their_length_and_train_the_model(monkeypatch):
    seen = {}

    def watch(trainer, generate, count):
        groups = generate()
        seen["lengths"] = {n for group in groups for n in group.lengths}
        seen["advantages"] = {a != 0 for group in groups for a in group.advantages}
        return {}

    monkeypatch.setattr(steps, "generated_and_updated", watch)
    steps.completion_length(TINY, 5)(0)
    assert seen == {"lengths": {5}, "advantages": {True}}


def test_every_estimator_has_its_price_in_tokens():
    found = measured(difficulty.SUBJECT, turns=1)
    tokens = {name: row["median"] for name, row in found["tokens_a_problem"].items()}
    assert tokens["value model on prompts"] == 0
    assert tokens["hidden states"] + 1 == pytest.approx(tokens["entropy, first token"])
    assert tokens["hidden states"] < tokens["entropy, whole answer"] < tokens["filter, 8 rollouts"]
    cheaper = found["times_as_cheap_as_the_filter"]
    # Reading a line of arithmetic against eight rollouts: orders of magnitude.
    assert cheaper["value model on prompts"]["median"] > 2


# ---------------------------------------------------------------- selection


@pytest.fixture(scope="module")
def selected():
    return measured(selection.SUBJECT, turns=1)


def test_every_select_strategy_is_measured_at_every_size(selected):
    names = set(strategy_names("select"))
    for sizes, key in (
        (TINY.pools, "milliseconds_a_step_by_items"),
        (TINY.arms, "milliseconds_a_step_by_arms"),
    ):
        assert set(selected[key]) == set(sizes)
        assert all(set(row) == names for row in selected[key].values())
    assert set(selected["growth_with_items"]) == names
    assert min(spreads(selected)) > 0


def test_what_is_asked_of_the_learner_is_counted(selected):
    asked = selected["asked_of_the_learner"]
    whole_pool = {
        name
        for name, told in asked.items()
        if told.get("answers_before_the_first_step", 0) >= told.get("in_a_pool_of", np.inf)
    }
    assert {"edco", "adcl", "pudf"} <= whole_pool
    assert asked["edco"]["answers_before_the_first_step"] == asked["edco"]["in_a_pool_of"]
    assert "bots" not in whole_pool, "it asks some problems of each arm"
    assert asked["uds"] == {"prompts_read_a_step": 4 * selection.PROMPTS}
    assert "sec" not in asked


def test_a_strategy_that_is_too_slow_is_named_with_the_reason(monkeypatch):
    monkeypatch.setattr(selection, "LIMIT", 0.0)
    tiny = measure.Scale(pools=(100, 200), arms=())
    monkeypatch.setattr(selection, "strategy_names", lambda dial: ["uniform", "bots"])
    found = selection.summary(measure.measure(selection.SUBJECT, tiny, 1))
    assert set(found["slower_than_the_limit"]) == {"uniform", "bots"}
    assert "observing" in found["slower_than_the_limit"]["bots"]


def test_a_probe_of_a_huge_pool_is_broken_off_and_choosing_is_measured_all_the_same():
    numbers = selection.some_steps("edco", ["sorting/3"], PATIENCE + 1, 0)
    assert numbers["whole"] == [0.0]
    assert len(numbers["choose"]) == len(numbers["observe"]) == selection.STEPS - 1
    told = selection.asked({10: {"edco": selection.some_steps("edco", ["sorting/3"], 10, 0)}})
    assert told["edco"]["answers_before_the_first_step"] == 10


def test_patience_is_for_probes_only():
    catalog = ImpatientCatalog(("sorting/2",))

    def many():
        return [catalog.problem("sorting/2", seed) for seed in range(PATIENCE + 1)]

    with pytest.raises(OutOfPatienceError), catalog.hurry():
        many()
    assert len(many()) == PATIENCE + 1


def test_the_stand_in_answers_all_questions_of_a_strategy():
    catalog = ImpatientCatalog(("sorting/2", "sorting/3"))
    policy = StandIn(catalog)
    assert policy.hidden(["a", "b"]).shape == (2, 4, 96)
    assert [row.shape[0] for row in policy.logits(["a"] * 2, ["12", ""])] == [3, 1]
    assert policy.prompts_read == 4
    recipe = make_recipe("bots")
    recipe.select.bind(catalog)
    recipe.select.probe(policy, Clock())
    assert policy.answers == 2 * 16


# ---------------------------------------------------------------- start


def test_processes_are_timed_and_their_memory_is_seen():
    grown = start.run(["-c", "import time; x = bytearray(80 * 2**20); time.sleep(0.3)"])
    idle = start.run(["-c", "import time; time.sleep(0.3)"])
    assert grown["memory"] > idle["memory"] + 60
    assert idle["wall"] >= 0.3 > idle["cpu"] > 0


def test_a_process_that_fails_is_named_with_what_it_said():
    with pytest.raises(CurrlabError, match=r"python -c 1/0.*ZeroDivisionError"):
        start.run(["-c", "1/0"])


def test_start_up_has_its_ratios(monkeypatch):
    monkeypatch.setattr(start, "SLOW", {})
    monkeypatch.setattr(start, "TRAINING", ("-c", "pass"))
    found = measured(start.SUBJECT, turns=1)
    assert set(found["times_as_long_as_python_alone"]) == set(start.QUICK) - {start.NOTHING}
    assert min(spreads(found)) > 0
    assert found["peak_mebibytes"]["import currlab.curricula"]["median"] > 20
