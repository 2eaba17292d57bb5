"""What results.json of notebook 05 must show."""

from currlab.profiles import PROFILES


def claims(case, results):
    assert results["gradient_difference"] < 1e-6, "both engines take the same step"
    assert results["feedback_delay"] == {"ordinary loader": 1, "ours": 0}
    steps = case.get("steps") or PROFILES["smoke"].steps // 2
    assert results["same_steps"] == steps
    assert ("TRL with LoRA" in results["mean_accuracy"]) == case.get("lora", True)
