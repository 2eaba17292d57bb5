"""Studies from YAML and from options: what they mean, and one sentence for what is wrong."""

import pytest

from currlab.errors import CurrlabError
from currlab.study_files import make_studies, parse_levels, read_studies
from currlab.study_plan import Contestant

GOOD = """
seeds: 0-2, 7
levels: {sorting: 1-4}
token_budget: 5000
learning_rate: 0.001
contestants:
  - uniform
  - {label: hot, select: sec, settings: {sec: {temperature: 0.5}}, seeds: [0, 1]}
"""


def test_a_file_is_a_study_of_its_name(tmp_path):
    path = tmp_path / "heat.yaml"
    path.write_text(GOOD)
    [study] = read_studies(path)
    assert (study.name, study.seeds) == ("heat", (0, 1, 2, 7))
    assert study.config.levels == {"sorting": (1, 2, 3, 4)}
    assert (study.config.token_budget, study.config.learning_rate) == (5000, 0.001)
    hot = {"sec": {"temperature": 0.5}}
    assert study.contestants == (
        Contestant("uniform", "uniform"),
        Contestant("hot", "sec", hot, seeds=(0, 1)),
    )
    assert len(study.runs()) == 6


def test_several_models_are_several_studies():
    one = {"name": "sizes", "contestants": ["uniform"], "models": ["tiny", "small"]}
    assert [(s.name, s.config.model) for s in make_studies(one)] == [
        ("sizes-tiny", "tiny"),
        ("sizes-small", "small"),
    ]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("contestants", ["alchemy"], "Unknown select strategy 'alchemy'"),
        ("contestants", [], "at least one entry"),
        ("contestants", "sec", "must be a list"),
        ("contestants", [3], "'select'"),
        ("contestants", ["sec", "sec"], "label of its own"),
        ("contestants", [{"select": "sec", "label": "base"}], "before training"),
        ("contestants", [{"select": "sec", "label": "../up"}], "A label has letters"),
        ("contestants", [{"select": "sec", "engine": "steam"}], "Unknown engine 'steam'"),
        ("contestants", [{"select": "sec", "colour": 1}], "no key 'colour'"),
        ("contestants", [{"select": "sec", "settings": {"sec": {"heat": 1}}}], "no parameter"),
        ("contestants", [{"select": "sec", "settings": {"sec": 1}}], "parameters by strategy"),
        ("contestants", [{"select": "sec", "warm_up": 80}], "arguments of a warm-up"),
        ("contestants", [{"select": "sec", "warm_up": {"steeps": 80}}], "no key 'steeps'"),
        ("contestants", [{"select": "sec", "warm_up": {"seed": 1}}], "no key 'seed'"),
        ("levels", {"sorting": "1-99"}, "no such level"),
        ("levels", {"alchemy": "1"}, "alchemy"),
        ("levels", {"sorting": "all"}, "whole numbers"),
        ("levels", ["sorting"], "tasks and levels"),
        ("seeds", "7-0", "whole numbers"),
        ("seeds", "0-999999999", "whole numbers"),
        ("seeds", "0,0", "different numbers"),
        ("seeds", [], "at least one"),
        ("seeds", [True], "whole numbers"),
        ("models", [{"tiny": 1}], "Unknown model"),
        ("models", ["giant"], "Unknown model 'giant'"),
        ("token_budget", "much", "'token_budget' must be of type int"),
        ("token_budget", 0, "at least 1"),
        ("steps", True, "'steps' must be of type int"),
        ("adam_betas", 0.9, "adam_betas"),
        ("name", "a/b", "A study's name"),
        ("budget", 1, "no key 'budget'"),
        ("seed", 1, "no key 'seed'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(key, value, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        make_studies({"name": "mine", "contestants": ["uniform"], key: value})


@pytest.mark.parametrize("text", ["", "- a", "seeds: [", "a: !!python/object:os.system {}", "\0"])
def test_a_file_that_is_not_a_study_is_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(CurrlabError, match=r"bad\.yaml"):
        read_studies(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CurrlabError, match=r"none\.yaml' cannot be read"):
        read_studies(tmp_path / "none.yaml")


def test_levels_of_the_command_line():
    assert parse_levels("sorting=1-12") == ("sorting", "1-12")
    with pytest.raises(CurrlabError, match="sorting=1-12; got 'sorting'"):
        parse_levels("sorting")
