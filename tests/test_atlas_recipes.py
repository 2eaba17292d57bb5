"""Recipes of the atlas that are no strategies: their arguments are real, their papers are known."""

from inspect import signature

import pytest

from currlab.atlas import find_paper
from currlab.atlas_recipes import RECIPES
from currlab.training import warm_up_data
from currlab.training.warm_up import warm_up
from currlab.training.warm_up_losses import LOSSES, make_loss


@pytest.mark.parametrize("cover", RECIPES, ids=lambda cover: cover.name)
def test_a_recipe_s_arguments_are_the_warm_up_s_and_its_papers_name_it(cover):
    allowed = set(signature(warm_up).parameters) - {"model", "tokenizer", "seed", "steps"}
    assert set(cover.warm_up or {}) <= allowed
    assert "warm_up(model, tokenizer, " in cover.code
    assert cover.papers
    for name in cover.papers:
        assert cover in find_paper(name).covers


def test_every_loss_with_a_paper_has_a_recipe():
    covered = {cover.name.removeprefix("warm_up_") for cover in RECIPES}
    for name, loss in LOSSES.items():
        assert (name in covered) == bool(loss.papers)
        assert make_loss(name).name == name


def test_what_a_recipe_calls_beforehand_exists():
    for cover in RECIPES:
        first, *rest = cover.code.split("\n")
        if len(rest) == 2:
            called = first.partition(" = ")[2].partition("(")[0]
            assert callable(getattr(warm_up_data, called))
            assert first.endswith("currlab.training.warm_up_data")
