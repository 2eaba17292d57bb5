"""The glossary explains every number that a run logs, and every link to it leads somewhere."""

import re
from pathlib import Path

import nbformat
import pytest

from currlab.curricula import make_recipe
from currlab.models import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.training.config import TrainingConfig
from currlab.training.scratch import ScratchTrainer

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
GLOSSARY = (NOTEBOOKS / "GLOSSARY.md").read_text(encoding="utf-8")
# What a line of the evaluation's log says about itself; everything else in it is a measurement.
LABELS = {"step", "tokens", "arm", "task", "level", "n"}


def entries():
    """Heading -> text of every entry."""
    parts = re.split(r"^### (.+)$", GLOSSARY, flags=re.MULTILINE)[1:]
    return {
        heading: body.split("\n## ")[0]
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }


def logged_names(body):
    """The names in an entry's "Logged as" line."""
    line = re.search(r"^- \*\*Logged as:\*\* (.*)$", body, flags=re.MULTILINE)
    return re.findall(r"`(\w+)`", line[1]) if line else []


def anchor(heading):
    """The anchor of a heading, which is the same in JupyterLab and on a Git host."""
    return heading.replace(" ", "-")


@pytest.fixture(scope="module")
def trainer():
    config = TrainingConfig(
        levels={"sorting": (1,)}, prompts_per_step=2, max_new_tokens=4, eval_problems=1, steps=1
    )
    recipe = make_recipe(settings={"fixed_group": {"size": 2}})
    trainer = ScratchTrainer(new_model("tiny", 0), build_tokenizer(), recipe, config)
    trainer.step()
    trainer.evaluate(sampled=True)
    return trainer


def test_every_number_that_a_run_logs_has_exactly_one_entry_and_no_entry_is_of_the_past(trainer):
    (line,), (row,) = trainer.history["metrics"], trainer.history["eval"]
    explained = [name for body in entries().values() for name in logged_names(body)]
    assert sorted(explained) == sorted({*line} | ({*row} - LABELS))


def test_every_logged_number_has_a_unit_a_healthy_range_and_advice():
    for heading, body in entries().items():
        if logged_names(body):
            unit = re.search(r"^- \*\*Logged as:\*\* .* · (.+)$", body, flags=re.MULTILINE)
            assert unit, heading
            for part in ("Healthy", "Unhealthy"):
                told = re.search(rf"^- \*\*{part}:\*\* (.+)", body, flags=re.MULTILINE)
                assert told, (heading, part)


@pytest.mark.parametrize("log", ["eval", "groups"])
def test_the_fields_of_the_other_logs_are_those_that_are_written(log, trainer):
    (fields,) = re.findall(rf"^\| `{log}\.jsonl` \|.*\| (.*) \|$", GLOSSARY, flags=re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", fields)) == sorted(trainer.history[log][0])


def test_headings_give_the_same_anchor_everywhere_and_differ():
    headings = re.findall(r"^##+ (.+)$", GLOSSARY, flags=re.MULTILINE)
    for heading in entries():
        assert re.fullmatch(r"[a-z0-9 -]+", heading), heading
    assert len({anchor(heading.lower()) for heading in headings}) == len(headings)


def test_every_link_to_the_glossary_leads_to_a_heading():
    anchors = {anchor(h) for h in re.findall(r"^##+ (.+)$", GLOSSARY, flags=re.MULTILINE)}
    links = [("GLOSSARY.md", name) for name in re.findall(r"\]\(#([^)]+)\)", GLOSSARY)]
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            links += [(path.name, n) for n in re.findall(r"GLOSSARY\.md#([^)\"'\s]+)", cell.source)]
    assert len({name for name, _ in links}) > 1, "no notebook links to the glossary"
    assert [link for link in links if link[1] not in anchors] == []


def test_every_entry_is_in_the_list_at_the_top():
    top = GLOSSARY.split("\n---\n")[0]
    listed = set(re.findall(r"\]\(#([^)]+)\)", top))
    assert {anchor(heading) for heading in entries()} <= listed
