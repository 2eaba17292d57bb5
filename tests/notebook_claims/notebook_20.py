"""What results.json of notebook 20 must show."""

LADDERS = {"cog_drift", "medcco", "curr_reft", "clpo_rewrites"}


def claims(case, results):
    check_variants(results)
    check_guessing(results)
    check_forms(results)
    check_runs(results)
    assert results["stages"] == {
        "medcco": ["choice4", "open"],
        "curr_reft": ["judge", "choice4", "open"],
    }
    assert results["clpo"] == ["simplify", "diversify", "leave"]
    assert max(results["simpler"]) < 0.1, "the rewrite does not touch the length"
    assert {"uniform", "cog_drift"} <= set(results["study"]) <= {"uniform", *LADDERS}
    assert results["verdicts"]["uniform"] == "baseline"
    check_ladders_study(results)


def check_ladders_study(results):
    assert set(results["forms"]) == {"uniform", "medcco", "curr_reft", "cog_drift"}
    assert results["forms_verdicts"]["uniform"] == "baseline"
    ends = results["forms_by_seed"]
    assert all(len(by_seed) == 8 for by_seed in ends.values())
    lost = [seed for seed, end in ends["uniform"].items() if end < 0.02]
    assert lost, "in some seeds plain GRPO has nothing to begin with"
    assert all(ends["cog_drift"][seed] >= 0.2 for seed in lost), "there the ladder leads out"


def check_variants(results):
    for form in ("choice4", "choice10"):
        shares = dict(results["valid"][form])
        assert abs(shares.pop("right option comes first") - 1 / int(form[6:])) < 0.1
        assert shares.pop("all equally long") > 0.9
        assert set(shares.values()) == {1}, "every set of options is valid"
    assert set(results["valid"]["cloze"].values()) == {1}
    looks = results["looks"]
    assert looks["choice4"] > 0.4, "the looks of the options give much away"
    assert 0.15 < looks["choice10"] < looks["choice4"]
    assert abs(results["signal"]["four options, guessed"] - 0.9) < 0.01
    assert results["signal"]["open, hopeless"] == 0


def check_guessing(results):
    literal, correct, above = results["one_visit"].values()
    assert abs(literal - 0.32) < 0.005
    assert abs(correct - 0.027) < 0.0005
    assert above < 1e-4
    for rule, row in results["guessing"].items():
        _, exact, simulated = row.values()
        spread = (exact * (1 - exact) / 1000) ** 0.5
        assert abs(simulated - exact) < 4 * spread + 0.001, rule
    *_, default = results["guessing"].values()
    assert list(default.values())[-1] <= 0.005, "at most 5 of 1,000 within 50 visits"
    for count, chance in zip(results["first_visit"].values(), (literal, correct, 0), strict=True):
        assert abs(count - 1000 * chance) <= 4 * (1000 * chance * (1 - chance)) ** 0.5
    guesser, learner = results["power"]["over 0.625, window 3"]
    assert guesser < 0.001
    assert learner > 0.99
    standing = results["looker"]
    assert standing["choice4"] < 0.5, "looks pass the first rung"
    assert standing["open"] < 0.05


def check_forms(results):
    shipped, saw = results["shipped"], results["saw_forms"]
    assert shipped["open"]["3"] > 0.6
    for form in ("choice4", "choice10", "cloze", "letter4"):
        assert shipped[form]["3"] < 0.1, "the shipped model reads no form"
    for form in ("choice4", "cloze"):
        assert saw[form]["3"] > 0.2, "after the warm-up on forms it reads them"
        assert saw[form][str(results["level"])] < 0.1, "and copies nothing that it cannot work out"
    assert saw["letter4"][str(results["level"])] < 0.5, "no letter is known, at best guessed"


def check_runs(results):
    after, level, near = results["after"], results["level"], results["near"]
    assert len(after) == 8
    for label in ("plain, shipped", "plain, saw forms"):
        assert after[f"level {level}, {label}"]["greedy"] < 0.15, "hopeless stays hopeless"
    rungs = [key.split(" | ") for key in results["asked"]]
    for where in (near, level):
        for start in ("shipped", "saw forms"):
            plain = [r[2] for r in rungs if r[:2] == [str(where), f"plain, {start}"]]
            assert plain == ["open"]
            assert any(r[:2] == [str(where), f"ladder, {start}"] for r in rungs)
    for costs in results["costs"].values():
        assert costs["tokens_generated"] > 0
