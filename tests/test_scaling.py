"""The cost of a step: cases by hand, planted costs found again, and what several processes share."""

from dataclasses import astuple, fields

import numpy as np
import pytest

from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.models import load_model, new_model, prompt_ids
from currlab.scaling import (
    PARTS,
    Costs,
    Link,
    Work,
    datasheet_costs,
    faster_generation,
    fit,
    step_seconds,
    work_of,
)
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer

PLANTED = Costs(2e-3, 3e-5, 1e-5, 4e-5, 7e-3, 6e-5, 1e-3)


def work(prompts=4, rollouts=2, length=10, prompt=5, rng=None):
    shape = (prompts, rollouts)
    lengths = np.full(shape, length) if rng is None else rng.integers(1, length + 1, shape)
    taught = np.ones(prompts, bool) if rng is None else rng.random(prompts) < 0.6
    return Work(lengths, np.full(prompts, prompt), taught)


def measured(one, costs=PLANTED, noise=1.0):
    return {
        "seconds_generation": costs.generation(one) * noise,
        "seconds_update": costs.updating(one) * noise,
        "seconds_curriculum": costs.curriculum,
    }


def plenty(rng):
    """Work of many kinds: prompts, rollouts, lengths and prompts' lengths all differ."""
    draws = zip(*(rng.integers(2, top, 40) for top in (40, 17, 60, 90)), strict=True)
    return [work(*map(int, draw), rng=rng) for draw in draws]


# ---------------------------------------------------------------- what there is to do


def test_amounts_by_hand():
    one = Work(np.array([[3, 5], [2, 2]]), np.array([4, 6]), np.array([True, False]))
    assert one.amounts() == {
        "position": 5.0,
        "token": 12.0,
        "prompt_token": 10.0,
        "row": 4.0,
        "update": 1.0,
        "trained_token": 16.0,  # (3 + 4) + (5 + 4); the other group taught nothing
    }


def test_many_rows_are_decoded_in_several_loops():
    assert work(prompts=32, rollouts=8).amounts()["position"] == 10
    assert work(prompts=33, rollouts=8).amounts()["position"] == 20


def test_parts_hold_every_prompt_once():
    whole = Work(np.arange(1, 15).reshape(7, 2), np.arange(7), np.arange(7) % 2 == 0)
    parts = [whole.part(rank, 3) for rank in range(3)]
    assert np.array_equal(np.concatenate([part.lengths for part in parts]), whole.lengths)
    assert np.array_equal(np.concatenate([part.taught for part in parts]), whole.taught)


@pytest.mark.parametrize("lengths", [np.zeros((0, 2)), np.array([3, 4]), np.array([[1, 0]])])
def test_work_refuses_lengths_that_cannot_be(lengths):
    with pytest.raises(CurrlabError, match="at least 1 token"):
        Work(lengths, np.ones(len(lengths)), np.ones(len(lengths), bool))


def test_work_refuses_numbers_of_other_prompts():
    with pytest.raises(CurrlabError, match="each of 2 prompts"):
        Work(np.ones((2, 2)), np.ones(3), np.ones(2, bool))


def test_the_work_of_a_real_run_is_what_it_logged():
    config = TrainingConfig(prompts_per_step=3, max_new_tokens=6, eval_every=0, checkpoint_every=0)
    _, tokenizer = load_model("tiny-warm")
    recipe = make_recipe("uniform", seed=0, reward="random")
    trainer = ScratchTrainer(new_model("tiny"), tokenizer, recipe, config)
    for _ in range(2):
        trainer.step()
    found = work_of(trainer.history["groups"], lambda prompt: len(prompt_ids(prompt, tokenizer)))
    assert list(found) == [1, 2]
    assert sum(one.lengths.sum() for one in found.values()) == trainer.policy.tokens_generated
    assert found[1].lengths.shape == (3, 8)
    trained = sum(one.lengths[one.taught].sum() for one in found.values())
    assert trained == trainer.tokens_trained


def test_groups_of_different_sizes_are_refused():
    rows = [{"step": 1, "lengths": [1] * n, "prompt": "", "advantages": []} for n in (2, 3)]
    with pytest.raises(CurrlabError, match="step 1 have different numbers"):
        work_of(rows, len)


# ---------------------------------------------------------------- the fit


def test_planted_costs_are_found_again():
    steps = [(one, measured(one)) for one in plenty(np.random.default_rng(0))]
    assert astuple(fit(steps)) == pytest.approx(astuple(PLANTED), rel=1e-6)


def test_noise_moves_predictions_little_and_no_cost_is_negative():
    rng = np.random.default_rng(1)
    steps = [(one, measured(one, noise=rng.uniform(0.8, 1.2))) for one in plenty(rng)]
    found = fit(steps)
    assert min(astuple(found)) >= 0
    larger = work(prompts=64, rollouts=16, length=100, prompt=50)  # than any that was fitted
    assert found.generation(larger) == pytest.approx(PLANTED.generation(larger), rel=0.15)
    assert found.updating(larger) == pytest.approx(PLANTED.updating(larger), rel=0.15)


def test_what_never_varies_is_not_made_up():
    """All steps alike: costs cannot be told apart, yet the step itself is predicted."""
    one = work()
    found = fit([(one, measured(one))] * 6)
    assert found.generation(one) == pytest.approx(PLANTED.generation(one))


def test_a_fit_needs_enough_steps_that_took_time():
    one = work()
    with pytest.raises(CurrlabError, match="at least 5 measured steps; got 4"):
        fit([(one, measured(one))] * 4)
    with pytest.raises(CurrlabError, match="more than 0 seconds of update"):
        fit([(one, {**measured(one), "seconds_update": 0.0})] * 5)


# ---------------------------------------------------------------- several processes


def test_equal_work_is_shared_but_for_what_cannot_be():
    one, link = work(prompts=8), Link(1e6, latency=1e-3)
    alone, shared = step_seconds(PLANTED, one), step_seconds(PLANTED, one, 4, link, size=1e4)
    assert set(alone) == set(shared) == set(PARTS)
    fixed = PLANTED.position * 10
    assert shared["generation"] == pytest.approx(fixed + (alone["generation"] - fixed) / 4)
    per_token = (alone["update"] - PLANTED.update) / 4
    assert shared["update"] == pytest.approx(PLANTED.update + per_token)
    assert shared["exchange"] == pytest.approx(2 * 3 * (1e4 / 4 / 1e6 + 1e-3))
    assert shared["curriculum"] == alone["curriculum"]
    assert alone["exchange"] == 0
    assert alone["waiting"] == shared["waiting"] == 0


def test_the_step_lasts_as_long_as_the_process_with_the_longest_completion():
    lengths = np.full((4, 2), 10)
    lengths[3, 1] = 100
    one = Work(lengths, np.full(4, 5), np.zeros(4, bool))
    told = step_seconds(PLANTED, one, 4, Link(1e9))
    slowest = PLANTED.generation(one.part(3, 4))
    assert told["generation"] + told["waiting"] == pytest.approx(slowest)
    assert told["waiting"] > 0.5 * slowest


@pytest.mark.parametrize("processes", [0, 5])
def test_there_is_a_prompt_for_every_process(processes):
    with pytest.raises(CurrlabError, match="shared by 1 to 4 processes"):
        step_seconds(PLANTED, work(), processes, Link(1e9))


def test_several_processes_need_a_link_that_can_be():
    with pytest.raises(CurrlabError, match="give the link"):
        step_seconds(PLANTED, work(), 2)
    with pytest.raises(CurrlabError, match="more than 0 bytes"):
        Link(0.0)
    with pytest.raises(CurrlabError, match="latency of 0 or more"):
        Link(1.0, -1.0)


def test_an_all_reduce_of_many_takes_twice_its_size():
    assert Link(1e9).all_reduce(1e9, 1000) == pytest.approx(2, rel=2e-3)


# ---------------------------------------------------------------- from a datasheet


def test_a_datasheet_by_hand():
    found = datasheet_costs(10**9, 10**9, tflops=100, memory_gb_s=1000, utilisation=0.5)
    assert found.position == pytest.approx(2e-3)  # 2 GB at 1000 GB/s
    assert found.token == pytest.approx(4e-5)  # 2e9 operations at 50e12 a second
    assert found.trained_token == pytest.approx(3 * found.token)
    assert found.update == pytest.approx(16e-3)
    adapter = datasheet_costs(10**9, 10**6, tflops=100, memory_gb_s=1000, utilisation=0.5)
    assert adapter.trained_token == pytest.approx(2 * found.token, rel=1e-2)


@pytest.mark.parametrize("change", [{"utilisation": 0}, {"utilisation": 1.1}, {"tflops": 0}])
def test_a_datasheet_that_cannot_be_is_refused(change):
    numbers = {"tflops": 100, "memory_gb_s": 1000, "utilisation": 0.5, **change}
    with pytest.raises(CurrlabError, match="utilisation at most 1"):
        datasheet_costs(10, 10, **numbers)


def test_a_faster_sampler_leaves_the_update_alone():
    faster, one = faster_generation(PLANTED, 4), work()
    assert faster.generation(one) == pytest.approx(PLANTED.generation(one) / 4)
    assert faster.updating(one) == PLANTED.updating(one)
    with pytest.raises(CurrlabError, match="more than 0; got 0"):
        faster_generation(PLANTED, 0)


@pytest.mark.parametrize("name", [field.name for field in fields(Costs)])
def test_costs_are_seconds(name):
    numbers = {field.name: 0.0 for field in fields(Costs)}
    for wrong in (-1.0, float("nan")):
        with pytest.raises(CurrlabError, match=f"'{name}' must be 0 seconds or more"):
            Costs(**{**numbers, name: wrong})
