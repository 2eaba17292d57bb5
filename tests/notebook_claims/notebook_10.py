"""What results.json of notebook 10 must show."""


def claims(case, results):
    late = results["level_1_late"]
    assert late["classic"] == 0 < late["gaussian"] < late["balanced"]
    stages = results["stages"]
    assert stages["threshold 0.99"]["last"] == 1, "above the learner's ceiling, never passed"
    assert stages["threshold 0.3"]["wasted"] > 0.7, "left too early, the next stage has no signal"
    assert stages["threshold 0.3"]["wasted"] > stages["threshold 0.7"]["wasted"] + 0.05
    ends = results["ends"]
    assert ends["uniform"]["mean"] > ends["easy first"]["mean"] + 0.2, "strict stages forget"
    assert ends["easy first"]["levels 1-4"] < 0.4 < ends["uniform"]["levels 1-4"]
    assert ends["gaussian"]["levels 9-12"] == max(row["levels 9-12"] for row in ends.values())
    carried, plain = ends["stages, carried"], ends["two stages"]
    assert carried["mean"] > plain["mean"] + 0.1
    accuracy, first = results["accuracy"], results["first_level"]
    assert set(accuracy) == {"after the warm-up", case.get("order", "easy_to_hard"), "uniform"}
    if case.get("order", "easy_to_hard") == "easy_to_hard":
        assert accuracy["easy_to_hard"] < accuracy["uniform"]
        assert first["easy_to_hard"] < first["uniform"]
    assert results["student_error"]["uniform"]["pass_rate"] < 0.3
    refit = results["refit"]
    assert refit["fitted to uniform"]["uniform: error"] < refit["defaults"]["uniform: error"]
    imitation, easiest = results["imitation"], results["imitation_level_1"]
    assert imitation["itool"] < 0.25 < min(imitation["uniform"], imitation["climb"])
    assert easiest["itool"] < easiest["uniform"], "a sorted warm-up overwrites what came first"
