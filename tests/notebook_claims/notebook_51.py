"""What results.json of notebook 51 must show."""

import math


def claims(case, results):
    signals(results)
    decisions(results)
    runs(case, results)
    study(results)
    forgetting(results)


def signals(results):
    """Sections 1 and 2: where either signal is, and when."""
    norms = results["gradient norms"]
    for row in norms:
        assert row["imitation"] > 0, "a worked answer always has a gradient"
        assert (row["reinforcement"] > 0) == (row["groups that teach"] > 0)
    assert norms[-1]["groups that teach"] == 0, "a hopeless level is silent"
    assert norms[0]["groups that teach"] > 0
    easy = results["wrong demonstrations"][str(norms[0]["level"])]
    assert easy["of another problem"] > 3 * easy["right"], "a wrong answer pulls as well"
    imitates, reinforces = results["imitates"], results["reinforces"]
    half = len(imitates["rl"]) // 2
    assert imitates["sft_then_rl"] == [True] * half + [False] * half
    assert imitates["rl_then_sft"] == [False] * half + [True] * half
    assert sum(imitates["interleaved"]) == half
    for order, told in imitates.items():
        both = [i and r for i, r in zip(told, reinforces[order], strict=True)]
        assert all(both) if order == "mixed" else not any(both)
    assert results["cosines with mixed"]["sft"] > 0.9 > results["cosines with mixed"]["rl"]
    assert all(imitates["sft"])
    assert not any(imitates["rl"])


def decisions(results):
    """Sections 3 and 4: what each hybrid does with a case by hand."""
    none, few, half, all_right = results["decisions"]
    assert [row["HPT"] for row in results["decisions"]] == ["imitate"] + ["reinforce"] * 3
    assert (
        none["ViSurf, true answer"] > few["ViSurf, true answer"] > half["ViSurf, true answer"] > 0
    )
    assert none["ViSurf, wrong"] < 0 == none["GRPO, wrong"], "all wrong ones are pushed"
    assert all_right["ViSurf, true answer"] == 0 == all_right["GRPO, right"]
    at = results["at a fifth"]
    assert at["HPT imitates, gate 0"] < 0.2 < 0.7 < at["HPT imitates, gate 2"]
    assert results["relift"] == [0, 0, 4, 0]
    assert results["amft"][-1] > results["amft"][0], "falling entropy raises the share"
    assert abs(results["sasr at equal norms"]["gamma 1"] - 0.5) < 1e-6
    assert results["phi"] == {"0": 0.0, "0.5": 0.25, "1": 0.0}
    start, _, end = results["kdrl weights"]
    assert start > end > 0


def runs(case, results):
    """Section 5: four runs at equal tokens."""
    contestants = ["rl", "sft_then_rl", "mixed", case.get("update", "hpt")]
    assert list(results["spent"]) == contestants
    assert set(results["final"]) == set(contestants)
    for row in results["spent"].values():
        total = row["tokens_generated"] + row["tokens_trained"]
        assert results["budget"] <= total < 1.5 * results["budget"], "equal, but for the last step"
    assert results["spent"]["sft_then_rl"]["step"] > 1.5 * results["spent"]["mixed"]["step"]
    assert all(0 <= value <= 1 for value in results["final"].values())


def study(results):
    """Section 6 reports what the shipped study says; the text claims little of it."""
    assert len(results["study recipes"]) == 13
    assert results["study seeds"] == 9
    assert set(results["verdicts"]) == set(results["study recipes"]) - {"rl"}
    updates, after = results["study updates"], results["study after 20"]
    assert updates["sft"] > 3 * updates["rl"], "several times as many steps"
    assert abs(after["mixed"] - after["sft"]) < 0.05, "equal updates, near each other"
    gains = results["gains"]
    assert all(math.isfinite(gain) for row in gains.values() for gain in row.values())
    assert set(results["bins"].values()) == set(gains["rl"])
    assert gains["sft"]["never"] > gains["rl"]["never"] + 0.2, "shown"
    assert results["largest gain of rl"] != "never"
    assert "never" in results["sft ahead of rl"]
    for recipe, path in results["dip"].items():
        assert min(path) < path[0] - 5, f"{recipe} loses accuracy first"
    assert results["dip"]["sft"][-1] > results["dip"]["sft"][1] + 10, "long imitation mends it"


def forgetting(results):
    """Section 7: a matrix a regime, from one start, and its sums."""
    starts = [matrix[0] for matrix in results["forgetting"].values()]
    assert all(start == starts[0] for start in starts)
    for regime, matrix in results["forgetting"].items():
        assert len(matrix) == 4
        assert all(0 <= value <= 1 for row in matrix for value in row.values())
        table = [list(row.values()) for row in matrix]
        later = sum(table[-1][j] - table[j + 1][j] for j in range(2)) / 2
        assert abs(results["forgetting summed up"][regime]["backward transfer"] - later) < 1e-9
    learnt = {
        r: row["learnt in its own stage"] for r, row in results["forgetting summed up"].items()
    }
    assert learnt["SFT"] > max(learnt["RL"], 0) + 0.03, "at equal tokens it learns more"
