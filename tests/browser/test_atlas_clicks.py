"""The atlas in a real browser: papers picked by a seed run with one click each."""

import random
import re
from pathlib import Path

import nbformat
import pytest

from currlab.atlas import all_papers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SEED = 0


@pytest.fixture
def notebook(tmp_path):
    """Notebook 72 for a quick run."""
    notebook = nbformat.read(NOTEBOOKS / "72_atlas.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    cell.source = cell.source.replace('"cpu"', '"smoke"').replace(
        "steps: int = 0", "steps: int = 4"
    )
    cell.source = cell.source.replace('"runs/72"', repr(str(tmp_path / "out")))
    path = tmp_path / "72_atlas.ipynb"
    nbformat.write(notebook, path)
    return path


def test_five_papers_run_with_one_click_each(notebook, open_notebook, run_all):
    page = open_notebook(notebook)
    run_all(page)
    choices = page.locator(".jupyter-widgets select[size]")
    choices.wait_for()
    runnable = [paper for paper in all_papers() if paper.covers]
    for paper in random.Random(SEED).sample(runnable, 5):
        page.get_by_placeholder("such as bandit").fill(paper.title)
        page.keyboard.press("Tab")
        label = re.compile(rf"^{paper.number}\s·\s")
        option = choices.locator("option", has_text=label)
        option.wait_for(state="attached")
        # The same words may find other papers, too.
        choices.select_option(label=option.text_content())
        page.locator(".jupyter-widgets h3", has_text=label).wait_for()
        page.get_by_role("button", name="Run it now").click()
        page.get_by_text(f"{paper.name}: finished, 4 of 4 steps.").wait_for()
        figure = page.locator(f'img[alt*="{paper.name} on sorting"]').last
        figure.wait_for()
        assert figure.evaluate("image => image.naturalWidth") > 100
