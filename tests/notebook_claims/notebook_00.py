"""What results.json of notebook 00 must show."""

from currlab.evaluation import mean_accuracy


def claims(case, results):
    accuracy = results["accuracy"]
    assert all(row["pass_at_8"] == 0 for row in accuracy["cold base"])
    assert max(row["greedy"] for row in accuracy["warmed up"]) >= 0.8
    for strategy in case["strategies"]:
        rise = mean_accuracy(accuracy[strategy]) - mean_accuracy(accuracy["warmed up"])
        assert rise >= 0.05, strategy
        assert results["frontier"][strategy] > results["frontier_warm"]
    staged = results["staged"]
    assert sum(staged["end"].values()) < sum(staged["best"].values()) / 2, "staged forgets"
    assert results["sec_tokens_ratio"] < 1
