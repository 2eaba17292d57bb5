"""What results.json of notebook 81 must show; of seconds only what no busy machine turns round."""

from itertools import pairwise

import numpy as np
import pytest


def claims(case, results):
    step(results)
    sharing(results)
    batch(results)
    memory(results)
    planner(case, results)


def step(results):
    """Sections 1 and 2: the bookkeeping hardly shows, and the model is of use where it was not fitted."""
    shares = results["shares"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["curriculum"] < 0.1
    # A neighbour may double a step; a model that is wrong in kind is off by more.
    assert all(error < 1 for error in results["median_error"].values())


def sharing(results):
    """Section 3: more processes are faster, and never as many times as they are many."""
    speed_up = {int(n): times for n, times in results["speed_up"].items()}
    counts = sorted(speed_up)
    assert speed_up[1] == 1
    assert all(speed_up[a] < speed_up[b] for a, b in pairwise(counts[:4]))
    assert all(speed_up[n] < n for n in counts[1:])


def batch(results):
    """Section 4: uniform does not care, the adaptive ones lose most of their lead."""
    ends = {
        name: {int(n): np.array(row) for n, row in rows.items()}
        for name, rows in results["batch"].items()
    }
    few, many = min(ends["sec"]), max(ends["sec"])
    assert abs(ends["uniform"][few].mean() - ends["uniform"][many].mean()) < 0.03
    for name in ("sec", "target"):
        lead = {n: (ends[name][n] - ends["uniform"][n]).mean() for n in ends[name]}
        assert lead[few] > 0.08
        assert lead[many] < lead[few] / 2
        assert lead[128] > 0.9 * lead[few], "in moderation a larger batch is no harm"


def memory(results):
    """Section 5: sharding divides, LoRA saves, and a full 7B does not fit on one GPU of 80 GiB."""
    gib = results["gib"]["Qwen2.5-7B"]
    whole, sharded = gib["all weights, on each GPU"], gib["all weights, sharded over 8"]
    assert sharded < whole
    assert gib["LoRA, on each GPU"] < whole
    assert results["gib"]["Qwen2.5-0.5B"]["all weights, on each GPU"] < 80


def planner(case, results):
    """Section 6: with a slow network the exchange takes over among many."""
    heaviest = results["heaviest"]
    assert heaviest["1"] != "exchange"
    if case.get("link_gb_s") == 0.5:
        assert heaviest["64"] == "exchange"
