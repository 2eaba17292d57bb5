"""Folders to report, and what to look for on their pages."""

import html
import json
import re
from html.parser import HTMLParser

import nbformat

from currlab.runs import Run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
LOADING = {"src", "srcset", "href", "data", "action", "poster"}
RECIPE = {
    "select": {"strategy": "sec", "parameters": {"temperature": 0.15}, "seed": 0},
    "update": {"strategy": "grpo", "parameters": {}, "seed": 0},
}


def make_run(folder, select="sec", seed=0, levels=(1, 2), steps=4, finish=True, **training):
    recipe = json.loads(json.dumps(RECIPE))
    recipe["select"] |= {"strategy": select, "seed": seed}
    config = {
        "engine": "scratch",
        "training": {
            "levels": {"sorting": list(levels)},
            "model": "tiny-warm",
            "seed": seed,
            "steps": steps,
            "token_budget": 5000,
            **training,
        },
        "recipe": recipe,
    }
    with Run.open(folder, config) as run:
        for step in range(1, steps + 1):
            run.log(
                "metrics",
                {
                    "step": step,
                    "reward": step / 10,
                    "tokens_generated": 1000 * step,
                    "seconds_update": 0.5,
                },
            )
        for step in (0, steps):
            for level in levels:
                row = {"step": step, "tokens": 1000 * step, "task": "sorting", "level": level}
                greedy = min(1.0, (step + seed) / 10)
                run.log("eval", {**row, "arm": f"sorting/{level}", "n": 16, "greedy": greedy})
        if finish:
            run.finish({"steps": steps})
    return folder


def make_notebook(
    folder, name="01_example", seed=0, status="finished", source="print(1)", **results
):
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "status": status,
        "seconds": 12.5,
        "notebook": f"{name}.ipynb",
        "parameters": {"profile": "smoke", "seed": seed, "levels": [1, 2, 3]},
        "versions": {"torch": "2.13.0"},
    }
    if status == "failed":
        told["error"] = f"Notebook '{name}.ipynb' failed at In [1] with ValueError: <b>no</b>."
    cells = [
        nbformat.v4.new_markdown_cell(f"# {name[:2]} · A title\n\nwith $x^2$"),
        nbformat.v4.new_code_cell(source, execution_count=1),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"currlab": {"execution": told}})
    suffix = {"finished": "", "failed": ".failed", "not finished": ".unfinished"}[status]
    path = folder / f"{name}{suffix}.ipynb"
    nbformat.write(notebook, path)
    if status == "finished":
        (folder / "results.json").write_text(json.dumps({**results, "execution": told}))
    return path


EVALUATION = [
    {"step": 4, "task": "sorting", "level": level, "n": 16, "greedy": 0.5, "sampled": 0.25}
    for level in (1, 2)
]


# ---------------------------------------------------------------- pages


class Page(HTMLParser):
    """What a browser would find: tags, their attributes, the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def assert_offline(text):
    found = Page(text)
    (policy,) = [
        m["content"] for m in found.all("meta") if "content" in m and "src" in m["content"]
    ]
    assert policy.startswith("default-src 'none'")
    assert not found.all("script")
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in LOADING & attributes.keys():
            assert tag == "a" or attributes[name].startswith("data:"), (tag, attributes)
    assert not re.search(r"@import|url\(", text)
    for image in found.all("img"):
        assert image.get("alt"), "a figure without alt text"
        assert "No description" not in image["alt"]
    return found


def rows_of(text, caption):
    """The rows of the table with this caption, as lists of words."""
    wanted = re.escape(html.escape(caption))
    (inside,) = re.findall(rf"<caption>{wanted}.*?</table>", text, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in inside.split("<tr>")[1:]]
    return [[re.sub("<[^>]*>", "", cell) for cell in row] for row in cells]
