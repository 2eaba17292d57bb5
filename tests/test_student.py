"""The simulated student: what it learns, forgets and passes on, and every strategy played on it."""

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from currlab.curricula import Catalog, Group, Pick, View, make_recipe, strategy_names
from currlab.curricula.select.static import Uniform
from currlab.curricula.update.grpo import GRPO
from currlab.errors import CurrlabError
from currlab.student import Simulation, Student, StudentParameters, simulate
from currlab.student.fit import Observed, errors, fit, replay, rmse
from currlab.student.stand_ins import LazyProblem, SimulatedGroup, outcome
from currlab.tasks import get_task
from currlab.training.collect import with_advantages

CATALOG = Catalog.of({"sorting": range(1, 9)})
# Nothing learnt, nothing forgotten: chances .98 to .02, one half on level 5.
FROZEN = StudentParameters(
    edge=5, steepness=1, spread=0, ceiling=1, learning_rate=0, transfer=0, forgetting=0
)
IMPOSSIBLE = replace(FROZEN, edge=0, steepness=10, learning_rate=0.1)
TRIVIAL = replace(FROZEN, edge=30, steepness=10, learning_rate=0.1)


def play(name, parameters=None, catalog=CATALOG, steps=100, seed=0, settings=None, **more):
    recipe = make_recipe(name, seed=seed, settings={name: settings} if settings else None)
    return simulate(recipe, parameters, catalog, steps, seed=seed, **more)


# ---------------------------------------------------------------- the learner


def test_chances_follow_the_formula():
    p = StudentParameters(edge=3, steepness=2, spread=0, ceiling=0.9, heat=1.5)
    student = Student(CATALOG, p)
    student.ability[:] = 0.5
    for arm, level in enumerate(range(1, 9)):
        for temperature in (0.5, 1.0, 2.0):
            gap = 0.5 - 2 * (level - 3) - 1.5 * (temperature - 1)
            expected = 0.9 / (1 + np.exp(-gap))
            assert student.chances(np.array([arm]), [7], temperature)[0] == pytest.approx(expected)
            assert student.pass_rates(temperature)[arm] == pytest.approx(expected)


def test_an_arms_pass_rate_is_the_mean_over_its_problems():
    student = Student(CATALOG, StudentParameters(edge=4, steepness=1, spread=1.5, ceiling=0.9))
    seeds = list(range(4000))
    for arm, rate in enumerate(student.pass_rates()):
        chances = student.chances(np.full(len(seeds), arm), seeds)
        assert chances.mean() == pytest.approx(rate, abs=0.015)
    greedy = [(student.chances(np.full(4000, a), seeds, 0.0) > 0.5).mean() for a in range(8)]
    np.testing.assert_allclose(greedy, student.greedy_rates(), atol=0.03)


def test_a_problem_is_as_hard_whenever_it_is_asked():
    student = Student(CATALOG)
    arms, seeds = np.array([2, 4, 2]), [11, 11, 12]
    whole = student.chances(arms, seeds)
    assert whole[0] == student.chances(arms[:1], seeds[:1])[0]
    assert len(set(whole.tolist())) == 3


@pytest.mark.parametrize("seed", range(20))
def test_chances_stay_between_zero_and_the_ceiling_whatever_the_parameters(seed):
    rng = np.random.default_rng(seed)
    drawn = {
        f.name: float(rng.choice([f.metadata["low"], f.default, f.metadata["high"]]))
        for f in fields(StudentParameters)
    }
    student = Student(CATALOG, StudentParameters(**drawn))
    for _ in range(30):
        student.learn(rng.random(8) * 30, rng.integers(0, 9, 8))
        for rates in (student.pass_rates(), student.greedy_rates(), student.pass_rates(3.0)):
            assert np.isfinite(rates).all()
            assert (rates >= 0).all()
            assert (rates <= 1).all()
        assert student.pass_rates().max() <= drawn["ceiling"] + 1e-12


def test_transfer_spreads_by_levels_and_stays_inside_a_task():
    catalog = Catalog.of({"sorting": [1, 2, 3, 6], "reverse": [2, 3]})
    student = Student(catalog, replace(FROZEN, learning_rate=0.1, transfer=0.5))
    student.learn(np.array([0, 2.0, 0, 0, 0, 0]), np.ones(6))
    np.testing.assert_allclose(student.ability, [0.1, 0.2, 0.1, 0.0125, 0, 0])


def test_forgetting_takes_what_is_not_practised_after_a_while():
    student = Student(CATALOG, replace(FROZEN, forgetting=0.5, memory=5.0))
    first = student.pass_rates()
    falls = []
    for _ in range(40):
        student.learn(np.zeros(8), np.array([4] + [0] * 7))
        falls.append(student.pass_rates())
    # One arm is shown in every step; its rehearsal holds at `memory`, so it loses next to nothing.
    assert falls[-1][0] > first[0] - 0.01
    assert falls[-1][1] < 0.2 < first[1]
    # Protected at first: the first steps cost less than later ones, while there is still much to lose.
    losses = -np.diff([first[1]] + [row[1] for row in falls])
    assert losses[:3].max() < losses[8:12].min()
    assert (losses > 0).all()


def test_without_signal_nothing_is_learnt():
    student = Student(CATALOG, replace(FROZEN, learning_rate=1.0, transfer=0.9))
    student.learn(np.zeros(8), np.full(8, 4))
    assert (student.ability == 0).all()


# ---------------------------------------------------------------- what the strategies see


@pytest.mark.parametrize("right", [0, 3, 8])
def test_a_simulated_group_says_what_a_real_one_would(right):
    problem = CATALOG.problem("sorting/3", 5)
    lazy = LazyProblem(CATALOG, "sorting/3", "sorting", 3, 5)
    for name in ("key", "arm", "task", "level", "seed", "prompt", "answer"):
        assert getattr(lazy, name) == getattr(problem, name)
    shared = outcome(8, right, 7)
    real = Group(problem, Pick("sorting/3"), shared["rollouts"], 4, (0.0,) * 8)
    fake = SimulatedGroup(lazy, Pick("sorting/3"), 4, shared)
    for name in ("arm", "rewards", "correct", "lengths", "pass_rate", "hinted", "informative"):
        assert getattr(fake, name) == getattr(real, name), name
    assert (fake.step, fake.pick, len(fake.rollouts)) == (real.step, real.pick, 8)


class Recorder(Uniform):
    """Uniform, and it keeps what it observed."""

    def observe(self, groups, metrics):
        self.memory.setdefault("seen", []).extend(groups)


def test_advantages_are_those_of_the_recipes_update():
    recipe = make_recipe().with_dial("select", Recorder())
    simulate(recipe, catalog=CATALOG, steps=5)
    seen = recipe.select.memory["seen"]
    assert len(seen) == 5 * 32
    real = [Group(g.problem, g.pick, g.rollouts, g.step) for g in seen]
    expected = [group.advantages for group in with_advantages(recipe, real)]
    assert [group.advantages for group in seen] == expected


class Other(GRPO):
    """An update that is not known to look at one group at a time."""


@pytest.mark.parametrize("scale", ["group", "none"])
def test_the_shortcut_for_grpo_changes_nothing(scale):
    histories = [
        simulate(make_recipe("sec").with_dial("update", cls(cls.Parameters(scale))), steps=40)
        for cls in (GRPO, Other)
    ]
    assert histories[0].frame().equals(histories[1].frame())


def test_a_step_learns_in_proportion_to_mean_absolute_advantage():
    p = replace(FROZEN, learning_rate=0.05, transfer=0.3)
    recipe = make_recipe().with_dial("select", Recorder())
    simulation = Simulation(recipe, CATALOG, p)
    simulation.step()
    expected = np.zeros(8)
    for group in recipe.select.memory["seen"]:
        level = group.problem.level
        gain = 0.05 * np.mean(np.abs(group.advantages))
        expected += [gain * 0.3 ** abs(level - other) for other in range(1, 9)]
    np.testing.assert_allclose(simulation.student.ability, expected)


def test_the_policy_answers_row_by_row_as_often_as_the_chance_says():
    simulation = Simulation(make_recipe(), CATALOG, replace(FROZEN, ceiling=0.8))
    watched = simulation.recipe.select.catalog
    problem = watched.problem("sorting/5", 3)
    views = [View(problem.prompt)] * 3000
    rows = simulation.policy.generate(views, range(3000), 1.0)
    right = [get_task("sorting").verify(problem, row.text) for row in rows]
    assert np.mean(right) == pytest.approx(0.4, abs=0.03)
    assert simulation.policy.generate(views[:1], [2999], 1.0)[0] == rows[2999]
    assert simulation.policy.tokens_generated == 3001 * 9
    easy = watched.problem("sorting/1", 3)
    sure, unsure = simulation.policy.generate(
        [View(easy.prompt), View(watched.problem("sorting/8", 1).prompt)], [0, 0], 0.0
    )
    assert get_task("sorting").verify(easy, sure.text)
    assert sure.entropy < unsure.entropy
    with pytest.raises(CurrlabError, match="only answer problems of its catalog"):
        simulation.policy.generate([View("who are you?")], [0], 1.0)


# ---------------------------------------------------------------- strategies on the student

# The student has neither logits nor hidden states, and these ask for nothing else.
PLAYABLE = sorted({*strategy_names("select")} - {"uds", "difficulty_probe", "token_curriculum"})


@pytest.mark.parametrize("name", PLAYABLE)
def test_equal_seeds_give_equal_histories(name):
    runs = [play(name, steps=20, seed=s, prompts=8).frame() for s in (1, 1, 2)]
    assert runs[0].equals(runs[1])
    assert not runs[0].equals(runs[2])


@pytest.mark.parametrize("name", PLAYABLE)
@pytest.mark.parametrize("pool", [None, 20])
@pytest.mark.parametrize("parameters", [IMPOSSIBLE, TRIVIAL], ids=["none solved", "all solved"])
def test_every_strategy_survives_a_run_without_signal(name, pool, parameters):
    catalog = Catalog.of({"sorting": range(4, 9)}, pool)
    history = play(name, parameters, catalog, steps=25, prompts=8)
    assert history.informative.sum() == 0
    assert (history.prompts.sum(1) == 8).all()
    np.testing.assert_array_equal(history.pass_rate, history.pass_rate[[0] * 26])


@pytest.mark.parametrize("name", ["sec", "dump"])
@pytest.mark.parametrize("edge", [2, 4, 7])
def test_a_bandit_finds_the_arm_nearest_one_half(name, edge):
    history = play(name, replace(FROZEN, edge=edge, steepness=2.5), steps=150)
    nearest = np.argmin(np.abs(history.pass_rate[0] - 0.5))
    assert np.argmax(history.prompts[-50:].sum(0)) == nearest == edge - 1


@pytest.mark.parametrize("seed", range(3))
def test_a_staged_order_stalls_where_a_stage_is_hopeless(seed):
    # Levels 1 to 3 can be learnt; nothing of them helps on level 4, which nobody ever solves.
    p = replace(FROZEN, edge=2.5, steepness=10.0, learning_rate=0.05)
    catalog = Catalog.of({"sorting": [1, 2, 4, 5]})
    history = play("stages", p, catalog, steps=200, seed=seed, settings={"stages": 4})
    assert history.prompts[:, :2].sum() > 0
    assert history.prompts[:, 3].sum() == 0
    assert (history.prompts[-100:, 2] == 32).all()
    assert history.informative[-100:].sum() == 0
    # The same student under uniform has no such end: it keeps seeing what it can learn from.
    assert (play("uniform", p, catalog, steps=200, seed=seed).prompts[-100:] > 0).any(0).all()


@pytest.mark.parametrize("seed", range(4))
def test_bots_finds_more_informative_groups_than_uniform(seed):
    bots, uniform = (play(name, steps=150, seed=seed) for name in ("bots", "uniform"))
    assert bots.informative_share > 1.2 * uniform.informative_share


def test_probes_cost_tokens():
    plain, probing = (play(name, steps=3, prompts=8) for name in ("uniform", "adcl"))
    # ADCL asks every problem of its pool several times before the first step.
    assert probing.tokens[0] - plain.tokens[0] > 4 * 32 * len(CATALOG.arms)


@pytest.mark.parametrize("seed", range(3))
def test_the_fitted_student_shows_what_the_real_runs_showed(seed):
    full = Catalog.of({"sorting": range(1, 13)})
    final = {
        name: play(name, None, full, 300, seed).pass_rate
        for name in ("uniform", "easy_to_hard", "sec", "target")
    }
    uniform, staged = final["uniform"], final["easy_to_hard"]
    # The frontier climbs: level 8 from hopeless to mostly solved, level 12 not at all.
    assert uniform[0, 7] < 0.1 < 0.4 < uniform[-1, 7]
    assert uniform[-1, 11] < 0.1
    assert final["sec"][-1].mean() > uniform[-1].mean()
    assert final["target"][-1].mean() > uniform[-1].mean()
    # Strict stages forget: what was solved at first is lost, and the mean is below the start.
    assert staged[0, 0] > 0.8
    assert staged[-1, 0] < 0.2
    assert staged[-1].mean() < staged[0].mean() < uniform[-1].mean()


# ---------------------------------------------------------------- use and misuse


def test_a_run_can_be_steered_between_steps():
    recipe = make_recipe("sec")
    simulation = Simulation(recipe, CATALOG, FROZEN, steps=60)
    for _ in range(30):
        simulation.step()
    recipe.select.parameters = replace(recipe.select.parameters, temperature=10.0)
    history = simulation.run()
    assert history.prompts.shape == (30, 8)
    assert history.prompts.sum(0).min() > 60


def test_the_frame_has_a_row_a_step_and_arm():
    history = play("uniform", steps=7)
    frame = history.frame()
    assert len(frame) == 7 * 8
    last = frame[frame.step == 7]
    assert last.pass_rate.tolist() == history.pass_rate[-1].tolist()
    assert frame.prompts.sum() == 7 * 32


def test_group_size_overrides_the_plan():
    recipe = make_recipe().with_dial("select", Recorder())
    simulate(recipe, catalog=CATALOG, steps=1, group_size=4)
    assert {len(group.rewards) for group in recipe.select.memory["seen"]} == {4}


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(CurrlabError, match=r"'forgetting'.*between 0\.0 and"):
        simulate(make_recipe(), StudentParameters(forgetting=-1.0))
    for wrong in ({"steps": 0}, {"prompts": 0}, {"group_size": 1}):
        with pytest.raises(CurrlabError, match="at least"):
            simulate(make_recipe(), **wrong)
    with pytest.raises(CurrlabError, match="reward dial must be 'exact'"):
        simulate(make_recipe(reward="random"))


def test_nothing_heavy_is_imported():
    code = "import sys, currlab.student.fit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------- the fit

SMALL = Catalog.of({"sorting": range(1, 6)})
TRUTH = StudentParameters(
    edge=2.5, steepness=1.5, spread=1, learning_rate=0.03, transfer=0.4, forgetting=0.3, memory=5
)


def recorded(name, seed):
    """A run of the true student, as the records of a real one."""
    recipe = make_recipe(name, seed=seed)
    groups, evals = [], []

    class Kept(type(recipe.select)):
        def observe(self, seen, metrics):
            super().observe(seen, metrics)
            groups.extend({"step": g.step + 1, "arm": g.arm, "correct": g.correct} for g in seen)

    recipe = recipe.with_dial("select", Kept(seed=seed))
    simulation = Simulation(recipe, SMALL, TRUTH, steps=100, prompts=24, seed=seed)
    for step in range(1, 101):
        simulation.step()
        if step % 10 == 0:
            rates = simulation.student.greedy_rates().tolist()
            evals += [
                {"step": step, "arm": arm, "greedy": rate}
                for arm, rate in zip(SMALL.arms, rates, strict=True)
            ]
    return Observed.of(SMALL, groups, evals)


def test_the_fit_recovers_the_student_that_made_the_records():
    runs = [recorded("uniform", 0), recorded("easy_to_hard", 1)]
    start = replace(TRUTH, edge=3.5, learning_rate=0.01, transfer=0.7, forgetting=0.8)
    names = ["edge", "learning_rate", "transfer", "forgetting"]
    found = fit(runs, start, names)
    assert found.edge == pytest.approx(TRUTH.edge, abs=0.15)
    assert found.learning_rate == pytest.approx(TRUTH.learning_rate, rel=0.2)
    assert found.transfer == pytest.approx(TRUTH.transfer, abs=0.12)
    assert found.forgetting == pytest.approx(TRUTH.forgetting, rel=0.25)
    assert found.spread == TRUTH.spread
    fresh = recorded("uniform", 5)
    for name, error in rmse(found, fresh).items():
        assert error < 0.06, name
    assert rmse(start, fresh)["pass_rate"] > 2 * rmse(found, fresh)["pass_rate"]


def test_a_replay_is_the_mean_of_simulations():
    run = recorded("uniform", 0)
    mean = np.mean(
        [
            simulate(make_recipe(seed=seed), TRUTH, SMALL, 100, 24, seed=seed).pass_rate[-1]
            for seed in range(12)
        ],
        axis=0,
    )
    np.testing.assert_allclose(replay(TRUTH, run).pass_rate[-1], mean, atol=0.04)


def test_errors_are_zero_for_a_run_that_is_the_expectation_itself():
    run = recorded("uniform", 0)
    expected = replay(TRUTH, run)
    ideal = replace(
        run,
        right=run.prompts * expected.pass_rate[:-1],
        informative=run.prompts * expected.informative[:-1],
        greedy=((40, 2, float(expected.greedy[40, 2])),),
    )
    found = errors(TRUTH, ideal)
    for name in ("pass_rate", "informative", "greedy"):
        np.testing.assert_allclose(found[name], 0, atol=1e-12)


def test_the_fit_refuses_what_it_cannot_use():
    with pytest.raises(CurrlabError, match="at least one group"):
        Observed.of(SMALL, [])
    with pytest.raises(CurrlabError, match="no parameter 'wit'"):
        fit([recorded("uniform", 0)], free=["wit"])
