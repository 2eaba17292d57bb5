"""What results.json of notebook 80 must show."""

import math


def claims(case, results):
    model_and_data(case, results)
    verifier(results)
    memory(results)
    stages(results)
    adapter(case, results)
    gallery(results)


def model_and_data(case, results):
    """Sections 1 and 2: the tags come back, levels follow the proxy, the split is clean."""
    assert results["tags come back"]
    whole = case.get("whole_tags", True)
    assert all((n == 1) == whole for n in results["tokens of a tag"].values())
    assert results["shared prompts"] == 0
    numbers = results["numbers by level"]
    assert len(numbers) == 3
    assert numbers == sorted(numbers), "longer solutions have more to add, on average"
    assert numbers[-1] > numbers[0] + 0.5


def verifier(results):
    """Section 3: ours is never fooled, and refuses some right answers; lenient ones are fooled."""
    wrong, refused = (
        results["verifier mistakes"][k] for k in ("false positives", "false negatives")
    )
    ours, last, somewhere, same = wrong
    assert wrong[ours] == 0 < refused[ours]
    assert wrong[last] > 0
    assert wrong[somewhere] > wrong[last]
    assert wrong[same] == 0
    assert refused[same] > refused[ours], "equal text refuses more than equal numbers"


def memory(results):
    """Section 4: the published size, which remedy helps which model, and a measured update."""
    assert abs(results["parameters of the 0.5B"] - 494e6) < 1e6
    small, large = (results["saved"][name] for name in ("Qwen2.5-0.5B", "Qwen2.5-7B"))
    assert all(row["checkpointing"] > row["LoRA"] for row in (small, large))
    assert large["LoRA after checkpointing"] > 0.5 > 0.25 > small["LoRA after checkpointing"]
    left = results["estimates"]["Qwen2.5-0.5B"]["checkpointing"]
    assert left["logits"] > left["optimiser"] + left["gradients"], "a large vocabulary"
    for name, row in results["advice"].items():
        assert row["all weights"].endswith(".")
        assert "choose" in row["all weights"]
        assert (
            results["peaks, GiB"][name]["and 4 rows at once"] < results["peaks, GiB"][name]["LoRA"]
        )
    told = results["memory"]
    assert 0.5 < told["estimated"] / told["measured"] < 2
    for part, held in told["held"].items():
        assert held == told["estimated parts"][part], "counted to the byte"
    assert 0 < told["where"] < 1


def stages(results):
    """Section 5: silence without a first success, then a warm-up, then reinforcement."""
    untrained, accuracy = results["untrained"], results["accuracy"]
    assert untrained["teach"] == 0 == untrained["change"], "no differences, no gradient"
    assert untrained["groups"] > 0
    for kind in accuracy.values():
        assert kind["untrained"] == 0 < kind["warm-up"]
        assert all(0 <= share <= 1 for share in kind.values())
    assert accuracy["pass@8"]["warm-up"] > accuracy["T=1"]["warm-up"]
    assert results["reward"]["last quarter"] > results["reward"]["first quarter"]


def adapter(case, results):
    """Sections 6 and 7: only B moves at first, and nothing is lost in the files."""
    moved = results["moved"]
    assert moved["the model's own"]["trained"] == moved["the model's own"]["moved"] == 0
    assert moved["A"]["trained"] == moved["A"]["number"] > 0 == moved["A"]["moved"]
    assert moved["B"]["moved"] > 0
    assert results["adapter parameters"] == results["adapter counted"]
    assert moved["A"]["number"] % case.get("lora_rank", 8) == 0
    apart = results["differences"]
    assert apart["before training"] > 10 * apart["merged, saved and loaded"]
    assert all(math.isfinite(value) for value in apart.values())


def gallery(results):
    """Section 8: one sentence for each wrong input."""
    assert len(results["sentences"]) >= 12
    for label, sentence in results["sentences"].items():
        assert sentence, label
        assert sentence.endswith("."), label
        assert "\n" not in sentence, label
