"""What results.json of notebook 52 must show."""

import math


def claims(case, results):
    pulls = results["pull on a wrong token at ratio 3"]
    # A wrong token that has become likelier: the factor of the ratio, bounded or not.
    assert abs(pulls["GRPO"] + 1.5) < 0.01
    assert abs(pulls["NFT"] + 1.5) < 0.01
    assert abs(pulls["CISPO"] + 1.0) < 0.01
    assert abs(pulls["CPGD"] + 0.6) < 0.01
    assert {"loss_type", "epsilon_high", "importance_sampling_level"} <= {*results["trl settings"]}
    for row in results["double"].values():
        assert row["difference of values"] < 1e-10
        assert row["of gradients"] < 1e-6
    assert results["double"]["NFT"]["where a maximum holds"] > 1e-4, "a gradient let through"
    start, *_, end = results["cosines"].values()
    for name in ("no clip", "NFT", "CPGD", "Reg-GRPO"):
        assert start[name] > 0.999, "on-policy they are one"
    assert start["GSPO"] < min(start[name] for name in start if name != "GSPO")
    assert min(end.values()) < 0.99, "later they part"
    assert results["moved"] > 0
    assert all(0 <= value <= 1 for value in results["accuracy"].values())
    end = results["end"]
    assert all(math.isfinite(number) for row in end.values() for number in row.values())
    trained = {name: row["tokens_trained"] for name, row in end.items()}
    assert trained["NFT"] > 1.5 * trained["GRPO, one update"], "updates are not free"
