"""What results.json of notebook 06 must show."""


def claims(case, results):
    found, first, last = results["found"], results["signs"]["first"], results["signs"]["last"]
    assert found["sick"][0] == results["patient"] == case["case"], "the failure is named first"
    assert results["healthy"] == found["cured"] == ["healthy"], "the cure works on another seed"
    assert last["entropy"] < first["entropy"], "entropy falls in a healthy run"
    assert last["wrong_variety"] > 0.3, "and its all-wrong groups still try different texts"
    assert last["opened"] > 0.8, "nearly all completions answer"
    # Groups without a signal are waste, and no illness as long as some are mixed.
    assert found["late"] == ["healthy"]
    assert results["late_equal"] > 0.7
    assert results["kinds"]["mixed"] > 0.05
    assert abs(sum(results["kinds"].values()) - 1) < 1e-9
    paid = results["paid_for_wrong"]
    if case["case"] == "hackable_verifier":
        assert paid > 0.1, "the reward leaves the pass rate"
    if case["case"] == "length_runaway":
        assert abs(paid) < 1e-9, "an exact verifier pays what is right"
        assert results["apart"]["length"] > 0.4, "length gives it away"
    assert all(row["true"] == row["diagnosed"] for row in results["verdicts"])
    assert not {0, 1, 2} & {row["seed"] for row in results["verdicts"]}, "seeds it was not set on"
