"""The share of hopeless problems: split by what was measured, never empty, evaluations untouched."""

from currlab.lab.mixture import mixture


def rows(rates, task="sorting", step=0):
    return [
        {"step": step, "arm": f"{task}/{level}", "task": task, "level": level, "pass_at_8": rate}
        for level, rate in rates.items()
    ]


def test_levels_are_split_by_the_evaluation_before_training():
    split = mixture(rows({3: 1.0, 5: 0.6, 6: 0.09, 7: 0.0}) + rows({3: 0.0}, step=25))
    assert split.reachable == ("sorting/3", "sorting/5")
    assert split.hopeless[:3] == ("sorting/6", "sorting/7", "sorting/8")
    assert split.arms(1) == ("sorting/3", "sorting/5", "sorting/6")
    assert split.share(2) == 0.5
    assert split.choices[0] == 0
    assert split.share(split.choices[-1]) <= 0.8
    assert split.count(("sorting/3", "sorting/6", "sorting/7")) == 2


def test_a_hopeless_level_below_a_reachable_one_is_hopeless_and_nothing_lies_beyond():
    split = mixture(rows({1: 0.0, 2: 1.0}))
    assert split.hopeless == ("sorting/1",)


def test_with_nothing_within_reach_something_can_still_be_picked():
    split = mixture(rows({15: 0.0, 16: 0.0}))
    assert split.choices == [1, 2]
    assert split.share(2) == 1.0


def test_without_a_measurement_there_is_no_split():
    assert mixture([]) is None
    assert mixture([{"step": 0, "arm": "sorting/1", "task": "sorting", "level": 1}]) is None
