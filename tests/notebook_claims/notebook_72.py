"""What results.json of notebook 72 must show."""

from currlab.atlas import find_paper


def claims(case, results):
    assert results["papers"] == sum(results["states"].values()) == 246
    dials = results["dials"]
    assert max(dials, key=dials.get) == "update"
    assert min(dials, key=dials.get) == "sample"
    assert sum(dials.values()) > 246, "some papers turn several dials"
    assert sum(results["years"].values()) == 246
    recent = sum(n for year, n in results["years"].items() if year.isdigit() and int(year) >= 2025)
    assert recent > 246 / 2, "most papers are recent"
    example, paper = results["example"], find_paper(case["paper"])
    assert example["paper"] == paper.name
    assert example["state"] == paper.state
    assert [row["step"] for row in example["evals"]][-1] == example["steps"]
    at_start = {row["level"]: row["greedy"] for row in example["evals"] if row["step"] == 0}
    assert at_start[min(at_start)] > at_start[max(at_start)], "the levels straddle the frontier"
    long = [row for row in results["studies"] if row["study"] in ("foundations", "select")]
    for row in long:  # in the short studies nothing is claimed of a single paper
        assert row["final"] > row["uniform"]
        assert row["tokens ratio"] < 1
