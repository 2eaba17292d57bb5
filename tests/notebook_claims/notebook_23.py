"""What results.json of notebook 23 must show."""


def claims(case, results):
    one, every = results["guess"]
    assert one == 0.01, "two blanks of ten digits each"
    assert every < 1e-7
    strict, loose = results["late"]["threshold .05"], results["late"]["no threshold"]
    assert max(strict) == strict[2], "hard, but not hopeless"
    assert strict[3] < 0.15
    assert max(loose) == loose[3], "without a threshold the hopeless span is hidden most"
    jigsaw, expected = results["jigsaw"], results["jigsaw_expected"]
    assert jigsaw["exact"]["groups with an advantage"] < 0.1
    assert jigsaw["graded"]["groups with an advantage"] > 0.9
    assert abs(jigsaw["graded"]["mean reward"] - expected["graded"]) < 0.01
    assert jigsaw["graded"]["mean reward"] < 0.06, "a guesser cannot live on it"
    gains = results["gains"]
    assert gains["worked"] > gains["another question's"] + 0.1
    assert gains["worked"] > 0
    for entropies in results["entropy"].values():
        assert min(entropies) >= 0
        assert max(entropies) < 3
    accuracy, strategy = results["accuracy"], results["strategy"]
    # One seed, few problems: no collapse. Which run is better is what the text asks.
    start = accuracy["after the warm-up"]
    assert accuracy["plain"] > start - 0.15
    assert accuracy[strategy] > start - 0.3
    assert 0 <= results[f"zero_variance_{strategy}"] <= 1
    if strategy == "token_curriculum":
        assert results[f"reward_{strategy}"] > results["reward_plain"], "a forced start helps"
