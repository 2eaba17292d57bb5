"""What results.json of notebook 11 must show."""


def claims(case, results):
    for peak in results["peak"].values():
        assert abs(peak - 0.5) < 0.02
    assert results["measured_error"] < 0.05, "drawn groups agree with the formula"
    assert 0.45 < results["unit_ratio"] < 0.55
    assert results["middle"]["group"] > results["middle"]["none"]
    student = results["student"]
    assert student["SEC, defaults"] > student["uniform"] + 0.05
    assert student["SEC, tau .03"] < student["SEC, defaults"]
    assert abs(student["SEC, paid by progress"] - student["uniform"]) < 0.05
    for bandit in ("sec", "dump"):
        wasted = results["hopeless_share"][bandit]
        assert wasted == sorted(wasted), "more hopeless levels, more waste"
        assert 0.03 < wasted[-1] < results["hopeless_share"]["uniform"][-1] / 2
    for first, last in results["bonus"].values():
        assert last < first / 3
    select = case.get("select", "sec")
    assert results[f"zero_variance_{select}"] < results["zero_variance_uniform"] - 0.1
    # One seed and 16 problems a level: no collapse; that a bandit pays is the study's claim, below.
    assert results["accuracy"][select] > results["accuracy"]["after the warm-up"] - 0.08
    study = results["study"]
    assert min(study["sec"], study["dump"]) > study["uniform"] > study["easy_to_hard"]
    verdicts = results["verdicts"]
    assert verdicts["uniform"] == "baseline"
    assert {verdicts[name] for name in ("sec", "dump", "pcl")} == {"better"}
    assert {verdicts[name] for name in ("easy_to_hard", "bots")} == {"worse"}
    levels = results["study_levels"]
    assert levels["pcl"]["1"] < 0.2 < levels["sec"]["1"], "PCL forgets level 1"
    assert levels["pcl"]["10"] > levels["sec"]["10"]
