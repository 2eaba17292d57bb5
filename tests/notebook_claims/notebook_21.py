"""What results.json of notebook 21 must show."""

from itertools import pairwise


def claims(case, results):
    level = results["level"]
    digits = level + 1
    assert results["solved_in_64"] <= results["watched"] / 8, "the level is hopeless"
    rate = [results["by_given"][str(k)] for k in range(digits + 1)]
    assert rate[0] < 0.02
    assert rate[-1] > 0.1, "with everything given only the closing tag is left"
    assert results["first_given"] >= digits / 2, "the end comes first"
    assert max(results["mixed_by_given"].values()) > 0.2
    check_schedules(results, digits)
    check_credit(results)
    check_horizon(results)
    check_runs(case, results)
    assert set(results["study"]) == set(results["verdicts"])
    assert results["verdicts"]["uniform"] == "baseline"
    assert len(results["study"]) == 13, "two studies, plain GRPO in both"
    assert max(results["plain"]) < 0.02, "at this budget plain GRPO solves nothing"
    for name in ("uft", "uft-imitating"):
        assert results["study"][name]["sampled"] >= 0.2
        assert results["verdicts"][name] == "better"


def check_schedules(results, digits):
    assert results["schedule_error"] < 1
    lengths = results["lengths"]
    for name in ("UFT, cosine", "UFT, stages"):
        first, last = lengths[name]
        assert first > 0.8 * digits
        assert last == 0
    assert min(lengths["UFT, uniform (R3)"]) > 0.3 * digits
    assert all(a > b for a, b in pairwise(results["adhint"])), "longer hints for harder arms"
    assert results["adhint"][-1] == 0
    assert results["mirage"] == sorted(results["mirage"], reverse=True)
    assert results["mirage"][-1] == 0
    assert results["hint_as_merit"]["grpo"] > 0.8
    assert results["hint_as_merit"]["adhint"] < 1e-6
    kinds = results["kinds"]
    assert "7 plain" in kinds["prefix_rft"]
    assert "1 hybrid" in kinds["prefix_rft"]
    assert "guided" in kinds["egsr"]
    assert "guided" in kinds["expo"]
    assert "repaired" in kinds["intervention"]
    credited, given = results["credited_tokens"]
    assert 1 <= credited <= given / 2


def check_credit(results):
    first, second = results["recomputed"]
    assert first < 1e-5
    assert second > 1e-3
    assert results["kept_error"] < 1e-3
    assert results["kept_away"] > 0.05
    assert 0 < results["kept_outside"] <= 1


def check_horizon(results):
    # In units of a mean's deviation: 42 waits, of which the largest is looked at.
    assert results["wait_error"] < 4.5
    assert results["learn_error"] < 4.5
    slopes = results["slopes"]
    assert abs(slopes["first success/alone/1/2"] - 1) < 1e-6
    assert abs(slopes["first success/alone/1/3"] - 1.585) < 1e-3
    for label in ("1/2", "1/3"):
        assert slopes[f"first success/R3/{label}"] < slopes[f"first success/alone/{label}"] / 2
        end, spread, alone = (
            slopes[f"whole chain/{name}/{label}"] for name in ("from the end", "R3", "alone")
        )
        assert end < spread < alone


def check_runs(case, results):
    final = results["final"]
    present = case.get("present", "uft")
    assert set(final) == {"plain GRPO", present}
    assert final["plain GRPO"]["greedy"] < 0.15, "plain GRPO has next to nothing to begin with"
    idle = results["zero_variance"]
    assert idle["plain GRPO"] > 0.9
    assert idle[present] <= idle["plain GRPO"]
    assert set(results["easy_levels"]) == {"plain GRPO", present, "imitation alone"}
    for costs in results["costs"].values():
        assert costs["tokens_generated"] > 0
    if present == "uft":
        assert final["uft"]["greedy"] > final["plain GRPO"]["greedy"] + 0.1
        assert idle["uft"] < idle["plain GRPO"] - 0.2
        assert results["training_reward"]["uft"] > 0.1, "rewards that were earned with help"
        first, last = results["given"]
        assert first > 6 * last
