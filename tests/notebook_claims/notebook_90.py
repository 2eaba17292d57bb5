"""What results.json of notebook 90 must show. Of seconds only what no busy machine turns round."""

import math

from currlab.benchmarks import SUBJECTS
from currlab.benchmarks.selection import LIMIT
from currlab.curricula import strategy_names


def claims(case, results):
    found = results["found"]
    assert set(found) == set(case.get("subjects", SUBJECTS))
    check_clocks(results)
    check_arithmetic(results)
    assert results["turns"] == case.get("turns", 1)
    for spread in results["sheet"].values():
        assert 0 < spread["lowest"] <= spread["median"] <= spread["highest"] < math.inf
    checks = {
        "engines": check_engines,
        "rollouts": check_rollouts,
        "steps": check_steps,
        "difficulty": check_difficulty,
        "selection": check_selection,
        "start": check_start,
    }
    for name in found:
        checks[name](found[name], results)


def check_clocks(results):
    clocks = results["clocks"]
    assert clocks["waits"]["CPU"] < 0.1 < clocks["waits"]["wall"]
    other = clocks["lets another program compute"]
    assert other["CPU"] < other["wall"], "another program's work is not in this one's CPU time"
    for row in results["false_speed_up"].values():
        assert 0 < row["median of 15"] <= row["one timing"], "A against A"
    assert results["false_speed_up_in_turns"] > 0


def check_arithmetic(results):
    turns, blocks = (results["simulated_errors"][k] for k in ("in turns", "A first, then B"))
    best = turns["median of the turns' ratios"]
    assert best == min(turns.values())
    assert best < 0.05
    assert 3 * best < min(blocks.values()), "no average helps against a drift"
    slopes = results["slopes_with_a_fixed_cost"]
    assert slopes == sorted(slopes)
    assert slopes[0] < 0.1
    assert slopes[-1] > 0.95


def check_engines(engines, results):
    faster = engines["times_as_fast_as_stock"]
    assert set(faster) == {"subclass", "subclass_rows_left_out", "scratch"}
    assert faster["scratch"]["median"] > 1.2
    shares = {part: row["median"] for part, row in engines["share_of_a_step"].items()}
    assert 0.8 < sum(shares.values()) < 1.2
    assert shares["curriculum"] < min(0.2, shares["generation"], shares["update"])
    assert 1 < results["twice_as_fast"] < 2, "a part cannot make the whole as fast as itself"
    law = results["law"]
    assert 1 < law["expected"] < 2
    assert law["measured"]["median"] > 1.05, "twice the sampling is felt"
    assert 0.6 < law["measured"]["median"] / law["expected"] < 1.7, "the law holds"
    if "rollouts" in results["found"]:
        assert results["explained"]["with_generate"] > 1
    if "difficulty" in results["found"]:
        gains = results["step_gains"]
        assert gains["free"] == max(gains.values()) < 4
        assert gains["PCL on MATH"] < gains["PCL on DeepScaleR"] < gains["free"]
        assert gains["PCL on MATH"] > 0.6 * gains["free"], "cheaper still hardly matters"


def check_rollouts(rollouts, results):
    assert rollouts["times_as_fast_as_generate"]["median"] > 1.1


def check_steps(steps, results):
    for dial in ("group_size", "completion_length"):
        for half in ("generation", "update"):
            costs = list(steps[f"{half}_cpu_seconds_by_{dial}"].values())
            assert costs[-1]["median"] > costs[0]["median"], f"{half} grows with {dial}"
            assert 0 < steps[f"growth_with_{dial}"][half] < 2


def check_difficulty(difficulty, results):
    tokens = {name: row["median"] for name, row in difficulty["tokens_a_problem"].items()}
    assert tokens["value model on prompts"] == 0
    assert tokens["hidden states"] < tokens["entropy, first token"]
    assert tokens["entropy, first token"] < tokens["entropy, whole answer"]
    assert tokens["entropy, whole answer"] < tokens["filter, 8 rollouts"]
    cheap = {k: row["median"] for k, row in difficulty["times_as_cheap_as_the_filter"].items()}
    assert cheap["value model on prompts"] == max(cheap.values()) > 10
    assert cheap["hidden states"] > 1.5
    assert 0 < results["edco_saved"] < 1


def check_selection(selection, results):
    names = set(strategy_names("select"))
    by_items = selection["milliseconds_a_step_by_items"]
    assert "1000000" in by_items
    for row in (*by_items.values(), *selection["milliseconds_a_step_by_arms"].values()):
        assert set(row) == names
        assert all(0 < cell["lowest"] <= cell["highest"] < math.inf for cell in row.values())
    # The verdict of each strategy is computed from its median, and every slow one has a reason.
    medians = {name: cell["median"] for name, cell in by_items["1000000"].items()}
    slow = selection["slower_than_the_limit"]
    assert set(slow) == {name for name, cost in medians.items() if cost >= LIMIT}
    assert set(results["within_the_limit"]) == names - set(slow)
    assert len(slow) < len(names) / 2
    assert set(results["extrapolation"]) == names
    assert results["answers_per_item"]["edco"] == 1
    minutes = results["minutes_before_training"]
    assert minutes["adcl"] > minutes["edco"] > 1, "a million answers are not sampled in a minute"
    assert "sec" not in selection["asked_of_the_learner"]


def check_start(start, results):
    memory = {name: row["median"] for name, row in start["peak_mebibytes"].items()}
    training = max(value for name, value in memory.items() if "train" in name)
    assert training > memory["import torch"] > memory["currlab --help"]
    cpu = {name: row["median"] for name, row in start["cpu_seconds"].items()}
    assert cpu["import torch"] > cpu["import currlab"]
