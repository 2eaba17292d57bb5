"""What results.json of notebook 40 must show."""


def claims(case, results):
    baseline, passes, differs = results["baseline"], results["passes"], results["differs"]
    assert baseline["strong"] > baseline["weak"] + 0.05
    for learner in ("weak", "strong"):
        assert passes[learner]["edge"] <= passes[learner]["basic"], (
            "harder tiers are passed less often"
        )
        assert abs(passes[learner]["edge"] - baseline[learner]) < 1e-6, "edge is the verdict"
    assert 0 < max(differs["weak"].values()) <= 1
    # The sign of the interaction is not claimed; that it is reported with its interval is.
    estimate, low, high = results["effects"]["interaction"]
    assert low <= estimate <= high
    assert results["verdict"] in ("better", "worse", "no difference shown", "too few seeds")
    assert set(results["grid"]) == {
        f"{learner}, {order}"
        for learner in ("weak", "strong")
        for order in ("easy first", "hard first")
    }
    assert results["grid"]["strong, easy first"] > results["grid"]["weak, easy first"]
    hard_first = results["chosen"]
    for learner, rate in baseline.items():
        if abs(rate - 0.3) > 0.05:
            assert hard_first[learner] == ("complex" if rate >= 0.3 else "basic")
