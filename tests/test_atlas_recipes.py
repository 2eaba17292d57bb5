"""Recipes of the atlas that are no strategies: their arguments are real, their papers are known."""

import re
from importlib import import_module
from inspect import signature

import pytest

from currlab.atlas import find_paper
from currlab.atlas_recipes import RECIPES
from currlab.training.warm_up import warm_up
from currlab.training.warm_up_losses import LOSSES, make_loss


@pytest.mark.parametrize("cover", RECIPES, ids=lambda cover: cover.name)
def test_a_recipe_s_arguments_are_the_warm_up_s_and_its_papers_name_it(cover):
    allowed = set(signature(warm_up).parameters) - {"model", "tokenizer", "seed", "steps"}
    assert set(cover.warm_up or {}) <= allowed
    assert re.search(r"^(warm_up|prefer)\(model, tokenizer, ", cover.code, re.MULTILINE)
    assert cover.papers
    for name in cover.papers:
        assert cover in find_paper(name).covers


def test_every_loss_with_a_paper_has_a_recipe():
    covered = {cover.name.removeprefix("warm_up_") for cover in RECIPES}
    for name, loss in LOSSES.items():
        assert (name in covered) == bool(loss.papers)
        assert make_loss(name).name == name


def test_what_a_recipe_calls_exists():
    said = re.compile(r"^(?:.* = )?(\w+)\(.*  # (currlab\.\S+)$", re.MULTILINE)
    for cover in RECIPES:
        calls = said.findall(cover.code)
        assert calls, "the code says where a function is from"
        for function, module in calls:
            assert callable(getattr(import_module(module), function))
