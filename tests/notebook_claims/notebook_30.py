"""What results.json of notebook 30 must show."""

VERDICTS = {"better", "worse", "no difference shown", "too few seeds"}
CONTESTANTS = {"dynamic_sampling", "reinforce_ada", "uncertainty_budget"}


def claims(case, results):
    agreement = results["agreement"]
    assert agreement["inside"] >= 0.6 * agreement["of"], "counted groups agree with the formula"
    above = [row["measured"] - row["formula"] for row in results["level"]]
    assert sum(above) / len(above) > 0, "a level is silent more often than its mean rate says"
    for pair, many in results["price"].values():
        assert pair < many, "no group is cheaper than a pair"
    assert results["by_hand"] == {"asked": 3, "again": 1}
    two_runs(case, results)
    study(results)
    decisions(results)


def two_runs(case, results):
    """Section 4: larger steps, fuller batches, equal tokens."""
    fixed, dynamic = results["runs"]["fixed_group"], results["runs"]["dynamic_sampling"]
    assert dynamic["tokens a step"] > 1.1 * fixed["tokens a step"]
    assert dynamic["steps"] < fixed["steps"]
    assert dynamic["batch that taught"] > fixed["batch that taught"] + 0.1
    assert fixed["groups sampled a step"] == 16
    assert dynamic["groups sampled a step"] <= 16 * (1 + results["refills"])
    assert abs(dynamic["tokens"] - fixed["tokens"]) < 0.25 * fixed["tokens"]
    need, ratio = results["need"], results["ratio"]
    if all(row["step"] and row["tokens"] for row in need.values()):
        for unit, name in (("step", "steps"), ("tokens", "tokens")):
            wanted = need["dynamic_sampling"][unit] / need["fixed_group"][unit]
            assert abs(ratio[name] - wanted) < 1e-6


def study(results):
    """Section 5 reports what the shipped study says; which way it goes is not claimed."""
    assert set(results["verdicts"]) == CONTESTANTS
    assert set(results["verdicts"].values()) <= VERDICTS
    for name, (middle, low, high) in results["differences"].items():
        assert low <= middle <= high, name
    tokens, steps = results["study_tokens_a_step"], results["study_steps"]
    assert tokens["dynamic_sampling"] > 1.5 * tokens["uniform"], "refills are paid for"
    assert steps["dynamic_sampling"] < steps["uniform"]
    assert set(results["sides"]) == CONTESTANTS


def decisions(results):
    """Sections 6 and 7: what each strategy decides on a case by hand."""
    rare, hopeless = results["ada"]["rare"], results["ada"]["hopeless"]
    assert rare["baseline, kept"] == 0.5
    assert rare["baseline, all"] < 0.2
    assert abs(rare["largest advantage"] - (1 - rare["baseline, all"])) < 1e-6
    assert hopeless["largest advantage"] == 0
    assert hopeless["rounds"] == 4
    assert hopeless["wants more"] == 1
    assert results["filter"]["kept at 0.3"] == [0, *[1] * 7, 0]
    assert results["filter"]["kept at 0.4"] == [0, 0, *[1] * 5, 0, 0]
    assert results["uncertainty_total"] == 64
    assert max(results["uncertainty"], key=results["uncertainty"].get) in ("sorting/4", "sorting/5")
    heat = results["temperature"]
    assert heat["H = 0.60"] < heat["H = 0.30"] == 1 < heat["H = 0.15"]
    assert results["rare"] == {"stored": [1, 2], "asked": 2}
