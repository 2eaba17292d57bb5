"""A live cell under papermill: it trains in the foreground, ends, and leaves a picture, every time."""

import re

import nbformat
import papermill
import pytest

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(600)]
REPETITIONS = 3
SECONDS = 180  # a cell that hangs is ended by papermill, which then raises
CELL = """
import torch

from currlab import lab
from currlab.curricula import make_recipe
from currlab.models import load_model
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer

torch.set_num_threads(1)
config = TrainingConfig(levels={"sorting": (3, 5)}, steps=3, prompts_per_step=4, eval_every=0,
                        checkpoint_every=0)
session = lab.live(ScratchTrainer(*load_model("tiny-warm"), make_recipe("sec"), config), "live")
"""


@pytest.fixture
def one_cell(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "one_cell.ipynb")
    return tmp_path / "one_cell.ipynb"


def test_a_live_cell_never_hangs_and_ends_in_a_picture(one_cell, tmp_path):
    for number in range(1, REPETITIONS + 1):
        out = tmp_path / f"{number}.ipynb"
        papermill.execute_notebook(
            str(one_cell),
            str(out),
            kernel_name="python3",
            cwd=tmp_path,
            execution_timeout=SECONDS,
            progress_bar=False,
        )
        (cell,) = nbformat.read(out, as_version=4).cells
        pages = [o.data["text/html"] for o in cell.outputs if "text/html" in o.get("data", {})]
        assert len(pages) == 1
        assert re.search(r'<img [^>]*alt="Pass rate of each level\. Up to step 3', pages[0])
        assert not any("widget-view" in kind for o in cell.outputs for kind in o.get("data", {}))
        assert (tmp_path / "live" / str(number) / "results.json").exists()
