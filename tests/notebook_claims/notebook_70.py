"""What results.json of notebook 70 must show, whatever the ranking is."""

from currlab.statistics import BETTER, LEVEL, TOO_FEW, UNDECIDED, WORSE


def claims(case, results):
    comparisons, board = results["comparisons"], results["leaderboard"]
    needed = results["needed"]
    assert needed["1"] == 6
    assert needed[str(comparisons)] <= results["seeds"], "the study has seeds enough to decide"

    # Without effects: by the test's own level, and never more often after the correction.
    luck = results["luck"]
    assert 0 < luck["mean"] <= LEVEL * comparisons + 1e-9
    assert luck["any_holm"] <= LEVEL
    assert luck["any_holm"] < luck["any"]

    assert len(board) == sum(results["verdicts"].values()) == comparisons
    assert TOO_FEW not in results["verdicts"]
    for row in board:
        assert row["difference_low"] <= row["difference"] <= row["difference_high"], row
        assert row["verdict"] in (BETTER, WORSE, UNDECIDED)
        assert row["verdict"] != BETTER or row["difference"] > 0
        assert row["verdict"] != WORSE or row["difference"] < 0
    order = [row["difference"] for row in board]
    assert order == sorted(order, reverse=True)
    decided = results["verdicts"].get(BETTER, 0) + results["verdicts"].get(WORSE, 0)
    assert decided <= results["uncorrected"], "a correction takes verdicts away"
    assert all(0 <= share <= 1 for share in results["better_by_dial"].values())
    assert results["control"]["verdict"] != BETTER, "coin flips teach nothing"

    for ranks in results["ranks"].values():
        assert len(ranks) == comparisons + 1
        assert all(row["low"] <= row["high"] for row in ranks.values())
    assert -1 <= results["rank_correlation"] <= 1
    long_first, *_, long_last = results["long_ranks"].values()
    assert sorted(long_first.values()) == sorted(long_last.values())
    assert long_first != long_last, "ten times the budget is another order"

    for table in results["mixtures"].values():
        assert set(table) == {"target", "sec", "pcl"}
        for row in table.values():
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert results["wasted"]["tournament"] > results["wasted"]["mastered"]
    for gain in results["student_tops"].values():
        assert gain[-1] > 2 * max(gain[0], 0.01), "more hopeless levels, more to save"
    for gain in results["student_edges"].values():
        assert max(gain) > 0.05
        assert 0 < gain.index(max(gain)) < len(gain) - 1, "nothing to gain at either end"
        assert max(abs(gain[0]), abs(gain[-1])) < 0.02

    for gain in (*results["student_tops"].values(), *results["student_edges"].values()):
        assert min(gain) > -0.05, "the student hardly ever loses by choosing"
    hopeless = results["hopeless"]
    assert hopeless["uniform"] < 0.05 < max(hopeless.values()), "hints reach what luck does not"

    assert list(results["live"]) == case["contestants"]
    assert all(0.1 < value < 0.6 for value in results["live"].values())
    assert 0 <= results["one_seed"]["wrong_sign"] <= 1
    assert 1 <= results["one_seed"]["winners"] <= results["seeds"]
