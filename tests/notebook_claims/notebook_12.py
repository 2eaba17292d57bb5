"""What results.json of notebook 12 must show."""


def claims(case, results):
    widths = [results[f"width_{groups}"] for groups in (0, 1, 5, 25)]
    assert widths == sorted(widths, reverse=True), "evidence narrows a belief"
    lag = results["lag"]
    assert lag["0.4"] < lag["0.1"] < lag["0.0"], "old evidence lags behind a learner that moves"
    assert results["distance"]["a draw"] < results["distance"]["the mean"] - 0.03
    crowding = results["crowding"]
    assert crowding["0.0"][0] > 0.6, "at temperature 0 one level takes the batch"
    assert crowding["0.1"][0] < crowding["0.0"][0]
    assert crowding["0.0"][1] < crowding["0.5"][1], "it wastes the fewest groups"
    assert crowding["0.1"][2] > crowding["0.0"][2] + 0.03, "and still teaches less"
    hopeless = results["hopeless"]
    assert hopeless["rho .5"]["believed"] > hopeless["rho 0"]["believed"] + 0.05
    assert hopeless["rho .5"]["asked"] > hopeless["rho 0"]["asked"]
    assert hopeless["rho 0"]["true"] < 0.02
    inside, beyond = results["propagation"].values()
    assert inside["rank correlation"] > 0.7
    assert beyond["mean error"] > inside["mean error"] + 0.2
    shares = [row[2] for row in results["items"].values()]
    assert shares == sorted(shares, reverse=True), "a larger pool has less evidence an item"
    wasted = results["zero_variance"]
    assert wasted["bots"] < wasted["uniform"] - 0.1
    assert results["accuracy"]["bots"] > results["accuracy"]["after the warm-up"] - 0.02
    study = results["study"]
    assert study["bots"] < study["uniform"] < min(study["bots-soft"], study["sec"])
    assert results["verdicts"]["bots-soft"] == "better"
    assert results["verdicts"]["bots"] == "worse"
