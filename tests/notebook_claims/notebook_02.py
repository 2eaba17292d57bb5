"""What results.json of notebook 02 must show."""


def claims(case, results):
    assert results["reward_if_special"] == 0
    assert results["parameters"] > 300_000
    assert results["loss_last"] < results["loss_first"] / 2
    assert max(row["pass_at_8"] for row in results["raw"]["shipped"]) >= 0.5
    assert all(row["pass_at_8"] == 0 for row in results["chat"])
