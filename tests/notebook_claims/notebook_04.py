"""What results.json of notebook 04 must show."""

from notebook_claims.common import gain


def claims(case, results):
    assert results["largest_gradient_difference"] < 1e-6, "the derived step is the package's"
    mean = {label: kinds["greedy"] for label, kinds in results["mean_accuracy"].items()}
    if case.get("task", "sorting") == "sorting":
        assert mean["after coin flips"] < mean["after the warm-up"] / 2, "the control collapses"
        assert mean["after GRPO"] > mean["after coin flips"]
        before, after = (results["evaluations"][k] for k in ("after the warm-up", "after GRPO"))
        assert gain(after, before) >= 0.1
