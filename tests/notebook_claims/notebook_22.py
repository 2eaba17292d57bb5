"""What results.json of notebook 22 must show."""


def claims(case, results):
    recall = list(results["recall_at_4"].values())
    assert recall[0] == 1.0, "with one hop the right fact comes first"
    assert recall == sorted(recall, reverse=True)
    assert recall[-1] < 0.6
    growth, whole = results["growth"], results["others"]
    for first, _, last in growth.values():
        assert first < last == whole
    assert growth["RAG-RL: min-max"][1] < 1, "none at half time, but for the split of the tests"
    assert whole / 4 < growth["RAG-RL: linear"][1] < whole
    assert growth["VideoTG-R1: relief"][0] < growth["VideoTG-R1: relief"][1] < whole
    gap, luck = results["gap"], list(results["luck"].values())
    assert gap["1"] > gap["8"] > gap["64"] >= 1
    assert gap["1"] > 3
    assert gap["64"] < 2
    assert luck == sorted(luck, reverse=True)
    assert luck[0] > 0.9 > 0.4 > luck[-1]
    half = list(results["half_time"].values())
    assert abs(half[0] - 0.25) < 0.01, "a base near one is a straight line"
    assert half == sorted(half, reverse=True), "a larger base waits longer"
    fragile = results["fragile"]
    assert fragile[0] > 0.85
    assert max(fragile[1:]) < fragile[0] / 2, "one field breaks a model that never saw any"
    accuracy = results["accuracy"]
    shown = accuracy["one field shown"]
    assert shown[1] > fragile[1] + 0.1, "the warm-up with a field teaches what a field is"
    # One seed, few problems: no collapse. Whether noise pays is what the text asks.
    for name in (results["present"], "clean prompts"):
        assert accuracy[name][0] > shown[0] - 0.2
        assert accuracy[name][1] > shown[1] - 0.2
    assert -0.4 < results["noise_gain"] < 0.6
    assert 0 <= results["zero_variance_clean prompts"] <= 1
