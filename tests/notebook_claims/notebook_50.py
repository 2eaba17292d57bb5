"""What results.json of notebook 50 must show."""


def claims(case, results):
    pulls = results["pulls"]
    assert all(d <= n for d, n in zip(pulls["dft"], pulls["nll"], strict=True)), "weights below 1"
    assert pulls["dft"][0] < 0.01 * pulls["nll"][0], "an impossible token does not pull"
    answered = results["answered"]
    assert answered["dft"] == answered["base"] == 0, "nothing new comes in"
    assert answered["nll"] > 0.3
    assert results["hidden"]["of the question"] == 0
    assert abs(results["hidden"]["of ordinary tokens"] - 0.3) < 0.05

    recipes = case["recipes"]
    table = results["table"]
    assert list(table["greedy, after GRPO"]) == recipes
    imitated = results["imitated"]
    assert max(imitated.values()) < 1.1 * min(imitated.values()), "equal tokens to imitate"
    generated = results["generated"].values()
    assert max(generated) < 1.3 * min(generated), "equal tokens to generate"
    if "curio" in recipes:
        entropy = table["entropy, handed over"]
        assert entropy["curio"] > entropy["nll"] + 0.1
    assert table["greedy, handed over"]["nll"] > 0.15

    lengths = list(results["lengths"].values())
    assert lengths[-1]["handed over"] > lengths[0]["handed over"] + 0.1
    chains = results["chains"]
    assert chains["right"]["greedy, handed over"] > chains["wrong"]["greedy, handed over"] + 0.1
    split = results["split"]
    assert set(split) == {"by difficulty", "at random"}
    assert split["by difficulty"]["easy half"] > 0.1
    check_studies(results)


def check_studies(results):
    lengths, verdicts = results["length_study"], results["length_verdicts"]
    assert verdicts["100 steps"] == "baseline"
    assert verdicts["25 steps"] == verdicts["50 steps"] == "worse", "too short a warm-up costs"
    silent = lengths["zero_variance"]
    assert silent["25 steps"] > silent["50 steps"] > silent["100 steps"] < silent["400 steps"]
    chains = results["chains_study"]["greedy after"]
    assert chains["right"] > chains["half wrong"] > chains["wrong"], "content matters"
    assert results["chains_verdicts"]["shuffled"] == "no difference shown"
