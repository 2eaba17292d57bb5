"""The atlas: whole, true to the registry, searchable; the README's table is today's."""

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from currlab import atlas, atlas_tables, cli
from currlab.atlas import FILTERS, STATES, all_papers, find_paper, search_papers
from currlab.curricula import make_recipe, strategy_names
from currlab.curricula.registry import STRATEGIES, register
from currlab.curricula.select.static import Uniform
from currlab.errors import CurrlabError

ROOT = Path(__file__).parents[1]
PAPERS = all_papers()


def call(*words):
    return CliRunner().invoke(cli.app, list(map(str, words)))


def changed(which, /, **fields):
    """All papers, one of them with other fields."""
    return [dataclasses.replace(p, **fields) if p.name == which else p for p in PAPERS]


@pytest.fixture
def naming():
    """Register a select strategy that names papers; forgotten after the test."""
    before = dict(STRATEGIES)

    def add(*papers, state="implemented"):
        fields = {"name": "made_up", "papers": papers, "state": state, "title": "made up"}
        return register(type("MadeUp", (Uniform,), fields))

    yield add
    STRATEGIES.clear()
    STRATEGIES.update(before)


# ---------------------------------------------------------------- what the rows hold


def test_there_are_246_papers_and_nothing_is_wrong():
    assert len(PAPERS) == 246
    assert atlas_tables.inconsistencies(PAPERS) == []


def test_every_row_has_its_words():
    for paper in PAPERS:
        assert paper.title, paper.name
        assert 20 <= len(paper.idea) <= 220, paper.name
        assert paper.idea.endswith("."), paper.name
        assert paper.uncovered in ("", "not yet") or paper.uncovered.endswith("."), paper.name
        assert (2017 <= paper.year <= 2026) if paper.arxiv else paper.year is None


def test_titles_ideas_and_arxiv_numbers_are_each_paper_s_own():
    for field in ("title", "idea"):
        values = [getattr(paper, field) for paper in PAPERS]
        assert len(set(values)) == len(values), field
    numbers = [paper.arxiv for paper in PAPERS if paper.arxiv]
    assert len(set(numbers)) == len(numbers)


def test_papers_without_a_training_idea_are_documented_with_reasons_that_differ():
    without = [paper for paper in PAPERS if paper.paper_class == "E"]
    assert {paper.state for paper in without} == {"documented"}
    assert {paper.dials for paper in without} == {("none",)}
    assert len({paper.uncovered for paper in without}) > len(without) / 2


def test_another_modality_is_named_as_a_need_and_is_an_analogue_at_best():
    for paper in PAPERS:
        if paper.paper_class == "D":
            assert "modality" in paper.needs, paper.name
            assert paper.state in ("analogue", "not yet"), paper.name


# ---------------------------------------------------------------- the registry decides


def test_a_paper_s_state_is_that_of_the_strategies_that_name_it():
    for name, cls in STRATEGIES.items():
        for paper in map(find_paper, cls.papers):
            assert name in [cover.name for cover in paper.covers]
            best = min((c.state for c in paper.covers), key=STATES.index)
            assert paper.state == ("analogue" if paper.paper_class == "D" else best)


def test_a_new_strategy_changes_the_state_and_the_stale_mark_is_found(naming):
    assert find_paper("ThinkFL").state == "not yet"
    naming("ThinkFL", state="inspired")
    assert find_paper("ThinkFL").state == "inspired"
    (wrong,) = atlas_tables.inconsistencies(PAPERS)
    assert "ThinkFL" in wrong
    assert "not yet" in wrong
    assert atlas_tables.inconsistencies(changed("ThinkFL", uncovered="")) == []


def test_the_most_faithful_of_several_strategies_counts(naming):
    assert find_paper("QwenLong-L1").state == "inspired"
    naming("QwenLong-L1")
    assert find_paper("QwenLong-L1").state == "implemented"
    assert find_paper("QwenLong-L1").recipe["select"] == "made_up"


def test_a_strategy_that_names_an_unknown_paper_is_found(naming):
    naming("Alchemy")
    assert atlas_tables.inconsistencies(PAPERS) == [
        "'made_up' names 'Alchemy', which the atlas does not have."
    ]


def test_a_strategy_of_a_dial_that_the_paper_does_not_turn_is_found(naming):
    naming("Self-Rewarding PPO")
    (wrong,) = atlas_tables.inconsistencies(changed("Self-Rewarding PPO", uncovered=""))
    assert "turns reward, but 'made_up' turns select" in wrong


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"uncovered": ""}, "neither a strategy, nor a reason, nor 'not yet'"),
        ({"dials": ("chose",)}, "unknown dial 'chose'"),
        ({"dials": ()}, "no dial"),
        ({"needs": ("luck",)}, "unknown need 'luck'"),
        ({"axis": ("mood",)}, "unknown axis 'mood'"),
        ({"families": ("F99",)}, "unknown family 'F99'"),
        ({"paper_class": "Z"}, "unknown class 'Z'"),
        ({"missing": "all of it"}, "nothing covers it"),
        ({"name": "SEC"}, "Two papers are called 'SEC'"),
        ({"number": 8}, "not numbered"),
    ],
)
def test_a_broken_row_is_found(fields, told):
    wrong = atlas_tables.inconsistencies(changed("ThinkFL", **fields))
    assert any(told in sentence for sentence in wrong), wrong


def test_every_recipe_of_a_paper_can_be_made():
    covered = [paper for paper in PAPERS if paper.covers]
    assert len(covered) > 10
    for paper in covered:
        recipe = make_recipe(**paper.recipe)
        for dial, name in paper.recipe.items():
            assert getattr(recipe, dial).name == name
        assert "make_recipe(" in paper.code, paper.name
    assert all(paper.code == "" for paper in PAPERS if not paper.covers)


def test_code_of_a_recipe_names_the_dials():
    assert atlas.recipe_code({"sample": "b", "select": "a"}) == (
        'recipe = make_recipe("a", sample="b")'
    )


# ---------------------------------------------------------------- finding


def test_a_paper_is_found_by_number_and_by_name_in_any_case():
    assert find_paper("8") is find_paper("sec") is find_paper(" SEC ")
    for paper in PAPERS:
        assert find_paper(paper.name) is paper
        assert find_paper(str(paper.number)) is paper


@pytest.mark.parametrize(
    ("name", "told"), [("SECC", "SEC"), ("0", "lists them"), ("", "lists them"), ("\x00", "lists")]
)
def test_an_unknown_paper_gets_a_hint(name, told):
    with pytest.raises(CurrlabError, match=told):
        find_paper(name)


@pytest.mark.parametrize("facet", FILTERS)
def test_filters_keep_what_has_the_value_and_nothing_else(facet):
    for value, n in atlas.count(PAPERS, facet).items():
        found = search_papers(**{facet: value})
        assert len(found) == n
        assert all(value in paper.facets()[facet] for paper in found)
    with pytest.raises(CurrlabError, match=f"Unknown {facet} 'x'"):
        search_papers(**{facet: "x"})


def test_filters_and_words_must_all_hold():
    both = search_papers("ENTROPY reward", dial="update", need="logits")
    assert [paper.number for paper in both] == [
        p.number for p in search_papers("entropy reward", need="logits") if "update" in p.dials
    ]
    assert search_papers() == list(PAPERS)
    assert search_papers("no such words anywhere") == []
    with pytest.raises(CurrlabError, match="filters are state"):
        search_papers(colour="red")


# ---------------------------------------------------------------- the command and the README


def test_papers_as_json_has_every_row_with_its_computed_state():
    rows = json.loads(call("papers", "--json").stdout)
    assert [row["number"] for row in rows] == list(range(1, 247))
    assert [row["state"] for row in rows] == [paper.state for paper in PAPERS]
    assert all(row["reason"] for row in rows if row["state"] == "documented")
    left = json.loads(call("papers", "--state", "not yet", "--json").stdout)
    assert {row["name"] for row in left} == {p.name for p in PAPERS if p.uncovered == "not yet"}


def test_the_table_has_a_line_for_each_paper_and_the_counts():
    lines = call("papers", "--dial", "sample", "--search", "until").stdout.splitlines()
    found = search_papers("until", dial="sample")
    assert len(lines) == 1 + len(found) + 2
    assert lines[-1].startswith(f"{len(found)} papers: ")
    assert call("papers", "--search", "nothing at all like it").stdout.endswith("0 papers: none\n")


def test_one_paper_is_shown_whole():
    page = call("papers", "adcl + egsr").stdout
    paper = find_paper("ADCL + EGSR")
    code = 'make_recipe("adcl", present="egsr", sample="egsr")'
    for word in (paper.title, paper.arxiv, paper.missing, code):
        assert word in " ".join(page.split())
    assert find_paper("83").uncovered in call("papers", "83").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--state", "done"], "implemented, inspired, analogue, documented, not yet"),
        (["--dial", "chose"], "select, present"),
        (["--need", "luck"], "labels"),
        (["--class", "Z"], "A, B"),
        (["SECC"], "did you mean SEC"),
        (["SEC", "--dial", "select"], "not both"),
    ],
)
def test_bad_input_to_papers_is_one_sentence(words, told):
    done = call("papers", *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_strategies_show_their_papers_and_columns_do_not_run_into_each_other():
    page = call("strategies", "stages").stdout
    for name in STRATEGIES["stages"].papers:
        assert f"{find_paper(name).number} {name}: {find_paper(name).title}" in page
    assert "No paper" in call("strategies", "uniform").stdout
    page = call("strategies", "sec").stdout
    assert "family F02, adaptive selection" in page
    assert "temperature = 0.15, 0.01 to 10.0: " in page
    assert "the paper has 1.0" in page
    assert "decay_absent = False, one of False, True: " in page
    lines = call("strategies").stdout.splitlines()
    starts = {line.split()[0] for line in lines}
    assert set(strategy_names()) <= starts
    assert {line[lines[0].index("state") - 1] for line in lines} == {" "}


def test_the_readme_s_table_is_today_s():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == atlas_tables.fill_readme(text), "run: make readme"
    assert all(f"`{name}`" in text for name in strategy_names())


def test_the_readme_keeps_what_is_around_the_table_and_needs_its_marks():
    around = f"before\n{atlas_tables.BEGIN}\nold\n{atlas_tables.END}\nafter\n"
    filled = atlas_tables.fill_readme(around)
    assert filled.startswith("before\n")
    assert filled.endswith("\nafter\n")
    assert "\nold\n" not in filled
    assert atlas_tables.fill_readme(filled) == filled
    with pytest.raises(ValueError, match="no table"):
        atlas_tables.fill_readme("nothing here")
