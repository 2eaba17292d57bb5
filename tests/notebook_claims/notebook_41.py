"""What results.json of notebook 41 must show."""


def claims(case, results):
    group = results["one_group"]
    for name in ("graded, by overlap", "hackable"):
        assert group[name][2] > group["graded"][2], "overlap is blind to order"
    assert abs(group["diversity"][0] - group["diversity"][1]) < 1e-9
    assert group["diversity"][0] < 0.7 < group["exact"][0]
    informative = results["informative"]
    exact, graded, _ = informative.values()
    assert graded > exact + 0.08
    assert max(results["separation"].values()) > 0.6, "closeness means something"
    for shares in results["awake"].values():
        assert shares[0] > shares[-1], "a tighter criterion silences groups"
    answering = results["answering"]
    assert answering["fine"] < answering["no fine"] - 0.1, "a fine silences"
    assert answering["silence costs more"] > answering["fine"] + 0.2, "the order cures"
    accuracy = results["accuracy"]
    assert min(accuracy["no fine"], accuracy["gentle"]) > accuracy["fine"] + 0.03, "gentle cures"
    assert results["cured early"] > results["cured late"]
    rewards, rates = results["hacked"]["reward"], results["hacked"]["pass_rate"]
    assert rewards[1] > rewards[0] + 0.1
    assert rates[1] < rates[0] - 0.1, "reward up, accuracy down"
    assert results["hacked"]["length"][1] > 2 * results["hacked"]["length"][0]
    flat, full = results["hero_all_wrong"].values()
    assert flat == 0
    assert full > 0.5
