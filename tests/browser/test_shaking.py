"""Ten sliders shaken while a model trains: nothing breaks, and the training hardly notices.

How much it slows down depends on the machine, so it is printed and not asserted. A browser that
draws without a graphics card takes more than one core while keys are pressed. To measure what that
costs the training, give each a core of its own, on a machine that does nothing else:
``CURRLAB_SHAKE=20 CURRLAB_CORE=0 taskset -c 1 pytest -s tests/browser/test_shaking.py``; without the
core and `taskset`, browser and training compete for all of them.
"""

import os
import time

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
SECONDS = float(os.environ.get("CURRLAB_SHAKE", "3"))
TURNS = 1 if SECONDS < 10 else 3
CORE = os.environ.get("CURRLAB_CORE", "")
PIN = f"import os; os.sched_setaffinity(0, {{{CORE}}})" if CORE else ""
CELL = f"""{PIN}
from currlab import lab
from currlab.curricula import make_recipe
from currlab.models import load_model
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer

# Next to no learning: a step costs the same from the first to the last.
recipe = make_recipe("difficulty_split", sample="entropy_temperature")
config = TrainingConfig(steps=100_000, learning_rate=1e-9, eval_every=0, eval_problems=4, checkpoint_every=0)
session = lab.live(ScratchTrainer(*load_model("tiny-warm"), recipe, config))
"""


def test_ten_sliders_shaken_reach_the_training_and_do_not_hold_it_up(
    tmp_path, open_notebook, ask, until
):
    path = tmp_path / "shaking.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)
    page = open_notebook(path)
    page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    cockpit = page.locator(".currlab-cockpit")
    cockpit.wait_for()
    sliders = [s for s in cockpit.locator("[role=slider]").element_handles() if s.is_visible()][:10]
    assert len(sliders) == 10

    def spent():
        """Generated tokens so far, and the clock of the process that generates them."""
        return ask(path.name, "[session.trainer.clock.tokens, __import__('time').perf_counter()]")

    def quiet(seconds):
        time.sleep(seconds)

    def shake(seconds):
        """Every slider once a second, one step up and in the next second one step down.

        Keys as fast as the browser takes them would measure how busy a browser can be.
        """
        began = time.monotonic()
        for second in range(round(seconds)):
            for i, slider in enumerate(sliders):
                time.sleep(max(0.0, began + second + i / len(sliders) - time.monotonic()))
                slider.focus()
                page.keyboard.press("ArrowLeft" if second % 2 else "ArrowRight")

    until(lambda: spent()[0] > 0, "the first step was taken")
    speeds = {quiet: [], shake: []}
    for _ in range(TURNS):
        for hands in (quiet, shake):
            tokens, began = spent()
            hands(SECONDS)
            more, ended = spent()
            assert more > tokens, "the training stood still"
            speeds[hands].append((more - tokens) / (ended - began))
    changes = ask(path.name, "[dict(line) for line in session.snapshot().steering]")
    told = {(c["dial"], name) for c in changes for name in (c["parameters"] or {})}
    assert len(told) >= 9, "every slider but the mixture's turns a parameter"
    assert ask(path.name, "session.state") == "running"
    assert cockpit.locator(".trouble").count() == 0
    still, shaken = (sorted(speeds[hands])[len(speeds[hands]) // 2] for hands in (quiet, shake))
    print(
        f"\n{len(changes)} changes in {TURNS * SECONDS:.0f} s; tokens a second: {still:,.0f} quiet, "
        f"{shaken:,.0f} shaken ({shaken / still:.2f})"
    )
    cockpit.get_by_role("button", name="Stop").click()
    until(lambda: ask(path.name, "session.done"), "the session stopped")
