"""What results.json of notebook 14 must show."""


def claims(case, results):
    classes = results["classes_end"]
    assert classes["medium_items"] < min(classes["easy_items"], classes["hard_items"])
    assert results["adcl"]["new"] > results["adcl"]["old"] + 0.05
    assert results["adcl_probes"] > 0
    retire = results["retire"]
    gone, back, uniform = (
        retire[name] for name in ("retired for good", "with a way back", "uniform")
    )
    assert gone["levels 1-4"] < uniform["levels 1-4"] - 0.1, "retired for good, it decays unseen"
    assert back["levels 1-4"] > gone["levels 1-4"] + 0.1
    assert back["levels 5-8"] > uniform["levels 5-8"]
    assert back["all"] > max(gone["all"], uniform["all"])
    assert 0 < results["best_probe_share"] < 0.4
    assert results["rank"]["all"] > 0.6, "the coarse order stays"
    assert results["moved"] > 0.05, "pass rates move"
    select = case.get("select", "reward_pool")
    assert set(results["accuracy"]) == {"after the warm-up", select, "uniform"}
    if select == "difficulty_split":
        assert results["wasted"][select] < results["wasted"]["uniform"]
    else:
        assert results["retired"] > 0
    assert min(results["norm_rank"].values()) > 0.7, "the norm is a length in disguise"
    top = results["uds_top_share"]
    assert top["norm alone"] > top["UDS"] > top["uniform"]
    learnt = results["uds_accuracy"]
    assert learnt["norm alone"] < learnt["uniform"]
