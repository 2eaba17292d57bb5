"""What results.json of notebook 03 must show."""

from notebook_claims.common import gain


def claims(case, results):
    assert results["zero_variance_cold"] == 1
    assert results["zero_variance_warm"] < 0.95
    assert results["reward"]["cold"] == [0, 0]
    assert results["reward"]["warmed up"][1] > results["reward"]["warmed up"][0] > 0
    assert results["costs"]["cold"]["tokens_trained"] == 0
    if case["task"] == "sorting":
        cold, warm, trained = results["accuracy"].values()
        assert gain(warm, cold) >= 0.8
        assert gain(trained, warm, "sampled") >= 0.1
