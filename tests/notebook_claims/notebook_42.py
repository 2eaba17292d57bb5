"""What results.json of notebook 42 must show."""

EARLY, LATE = "short from the start", "right first, then short"


def claims(case, results):
    mixed, silent = results["mixed"], results["all_right"]
    assert mixed["concise"] == mixed["exact"], "one wrong answer, and length earns nothing"
    assert mixed["overlong"][5] > mixed["overlong"][3], "of two wrong answers the shorter one wins"
    assert mixed["levels: short"][:3] == sorted(mixed["levels: short"][:3])
    assert silent["exact"] == silent["levels: long"] == [0.0] * 4
    assert silent["concise"] == sorted(silent["concise"])
    assert silent["concise"][3] > 0 > silent["concise"][0]
    learner(results)
    runs(results)


def learner(results):
    """Sections 2 and 3: steps are a habit on level 1 and needed on level 4."""
    before = results["before"]
    steps = [before[str(level)]["writes steps"] for level in (1, 2, 3, 4)]
    assert steps == sorted(steps)
    assert before["1"]["right at once"] > 0.6
    at_once = before["4"]["right at once"]
    assert at_once is None or at_once < before["4"]["right with steps"]
    exits = results["exits"]
    assert exits["all"] > exits["up to 1/2"] + 0.1, "half of the steps is not half as good"
    informative = results["informative"]
    for level, share in informative["exact"].items():
        assert informative["concise"][level] >= share
    assert sum(informative["concise"].values()) > sum(informative["exact"].values())


def runs(results):
    """Section 4: the early penalty is the shortest and gives up the level that needs its steps."""
    after = results["after"]
    tokens = {name: sum(row["tokens"]) / 4 for name, row in after.items()}
    assert tokens[EARLY] < 0.8 * tokens["plain"]
    assert tokens[EARLY] < tokens[LATE] < tokens["before"]
    hard = {name: row["right"][-1] for name, row in after.items()}
    assert hard[EARLY] < hard["plain"] - 0.03
    assert hard[EARLY] < hard[LATE]
    low = {name: sum(row["right"][:2]) / 2 for name, row in after.items()}
    assert low[EARLY] > low["before"] - 0.1, "on the low levels the steps were a habit"
    assert results["steps"][EARLY] >= results["steps"]["plain"]
    assert set(results["asked"]) == {"short", "medium", "long (plain)"}
