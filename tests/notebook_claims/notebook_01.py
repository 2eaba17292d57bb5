"""What results.json of notebook 01 must show."""


def claims(case, results):
    ten = results["rewards"]["ten blocks"]
    assert ten["any block"] == 1
    assert ten["exactly one block"] == 0
    assert set(results["overlap"]["split by the prompt's hash"].values()) == {0}
    assert results["new_task_overlap"] == 0
    accepted = [label for label, verdict in results["accepted"].items() if verdict]
    assert accepted == ["the answer in its block", "a thought first"]
