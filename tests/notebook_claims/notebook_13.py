"""What results.json of notebook 13 must show."""


def claims(case, results):
    found = results["estimates"]
    assert len(found) == 8
    everything = {
        kind: {name: row[kind] for name, row in found.items()}
        for row in found.values()
        for kind in row
    }
    order, use = everything["rank correlation"], everything["AUC"]
    within, price = everything["within a level"], everything["tokens a problem"]
    brier = everything["Brier score"]

    for name in ("PCL, prompt", "PCL, states", "probe: success", "probe: level"):
        assert order[name] > 0.75, f"{name} orders problems nearly as well as asking does"
        assert order["filter"] > order[name]
        assert use[name] > 0.75
        assert within["filter"] > within[name] + 0.05, f"{name} knows little beyond the level"
        assert brier[name] < 0.17, f"{name} is far better than saying one half"
    assert price["PCL, prompt"] == 0
    assert 2 * price["PCL, states"] < price["filter"]
    assert price["PUDF, crowd"] > price["EDCO, whole"]
    assert order["PUDF, crowd"] > 0.6

    assert use["EDCO, whole"] < 0.7, "unsure is not the same as intermediate"
    assert results["hopeless entropy"] > results["intermediate entropy"]
    assert within["EDCO, whole"] > max(0.2, within["PCL, states"]), "but a hint within a level"
    edco = list(results["edco"].values())
    assert edco[0]["saved tokens"] > 0.6
    assert price["EDCO, 1 token"] > 0.5 * price["EDCO, whole"], "the prompt is read in any case"
    assert edco[-1]["order"] > edco[0]["order"]

    layers = results["layers"]
    assert layers["level, against the level"][0] == 0, "the embedding knows nothing"
    assert layers["level, against the level"][1] > 0.9, "one layer sees the length of the list"
    factors = results["speed"]["tokens"]
    assert factors == sorted(factors), "the factor grows with the length of the answer"
    assert factors[-1] > 5 * factors[0]
    pairs = [row for row in results["by length"] if row["learner"] == "writes steps"]
    asked, states, prompt = (
        [row for row in pairs if row["guess"] == guess]
        for guess in ("filter", "PCL, states", "PCL, prompt")
    )
    assert [row["answer"] for row in asked] == sorted(row["answer"] for row in asked)
    assert asked[-1]["answer"] > 1.5 * asked[0]["answer"]
    assert {row["tokens"] for row in prompt} == {0.0}, "no model is run"
    dearer = [a["tokens"] / s["tokens"] for a, s in zip(asked, states, strict=True)]
    assert dearer == sorted(dearer), "longer answers, a dearer filter"
    assert dearer[0] > 4
    assert all(row["order"] > 0.3 for row in asked)
    study = results["study"]
    assert study["uniform"] < study["pcl"] < study["sec"]
    assert results["verdicts"]["pcl"] == results["verdicts"]["sec"] == "better"
