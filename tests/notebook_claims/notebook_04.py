"""What results.json of notebook 04 must show."""


def claims(case, results):
    assert results["largest_gradient_difference"] < 1e-6, "the derived step is the package's"
    mean = {label: kinds["greedy"] for label, kinds in results["mean_accuracy"].items()}
    if case.get("task", "sorting") == "sorting":
        assert mean["after coin flips"] < mean["after the warm-up"] / 2, "the control collapses"
        assert mean["after GRPO"] > mean["after coin flips"]
        # Forty steps: sampling gets better first. Greedy answers to 16 problems a level say little
        # yet, and another processor's rounding is enough to move them.
        rate = {label: kinds["T=1"] for label, kinds in results["mean_accuracy"].items()}
        assert rate["after GRPO"] > rate["after the warm-up"] + 0.03
