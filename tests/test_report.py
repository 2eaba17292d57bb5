"""Pages open offline: nothing is loaded, nothing runs, hostile text is escaped."""

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from currlab.errors import CurrlabError
from currlab.report import flatten, notebook_page, page, report, write_report
from currlab.runs import Run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LOADING = {"src", "srcset", "href", "data", "action", "poster"}


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


def rows(step, shift):
    return [
        {
            "step": step,
            "arm": f"sorting/{level}",
            "task": "sorting",
            "level": level,
            "n": 8,
            "greedy": max(0.0, 1 - level / 3 + shift),
            "sampled": 0.25,
            "pass_at_8": 0.5,
        }
        for level in (1, 2, 3)
    ]


@pytest.fixture
def run_folder(tmp_path):
    config = {"recipe": {"select": HOSTILE}, "levels": {"sorting": [1, 2, 3]}, "seed": 0}
    with Run.open(tmp_path / "sec<b>0", config) as run:
        for step in range(1, 5):
            metrics = {"step": step, "reward": step / 10, "tokens_generated": 1000 * step}
            run.log("metrics", {**metrics, "note": HOSTILE, "zero_variance": 0.5})
        for step, shift in ((0, 0.0), (4, 0.3)):
            for row in rows(step, shift):
                run.log("eval", row)
        run.finish({"greedy": 0.5})
    return run.folder


def test_run_page_tells_settings_versions_budgets_and_accuracy(run_folder):
    found = assert_offline(report(run_folder))
    assert "recipe.select" in found.words
    assert HOSTILE in found.words  # as text, and so never as tags
    assert "torch" in found.words
    assert "4,000" in found.words
    assert "The run is finished; 4 steps are logged." in found.words
    assert len(found.all("img")) == 4  # frontier, accuracy, and the two metrics that change
    assert len(found.all("table")) >= 5


def test_run_page_while_the_last_evaluation_is_greedy_only(tmp_path):
    with Run.open(tmp_path / "run", {"seed": 0}) as run:
        for row in rows(0, 0.0):
            run.log("eval", row)
        for row in rows(25, 0.3):
            run.log("eval", {key: row[key] for key in row if key not in ("sampled", "pass_at_8")})
    found = assert_offline(report(tmp_path / "run"))
    assert "nan" not in found.words


def test_run_page_of_a_run_that_has_just_begun(tmp_path):
    Run.open(tmp_path / "run", {"seed": 0}).close()
    found = assert_offline(report(tmp_path / "run"))
    assert "not finished; 0 steps" in found.words


def test_run_page_with_one_evaluation_and_one_level(tmp_path):
    with Run.open(tmp_path / "run", {"seed": 0}) as run:
        run.log("eval", rows(0, 0.0)[0])
        run.log("metrics", {"step": 1, "reward": float("nan")})
    assert_offline(report(tmp_path / "run"))


def test_write_report_replaces_its_own_file_only(run_folder):
    before = {p.name: p.read_bytes() for p in run_folder.iterdir() if p.is_file()}
    path = write_report(run_folder)
    assert path == write_report(run_folder)
    after = {p.name: p.read_bytes() for p in run_folder.iterdir() if p.is_file()}
    assert after.keys() - before.keys() == {"report.html"}
    assert all(after[name] == before[name] for name in before)


def test_folders_without_anything_to_report_are_refused(tmp_path):
    with pytest.raises(CurrlabError, match="neither a run"):
        report(tmp_path)
    with pytest.raises(CurrlabError, match="neither a run"):
        report(tmp_path / "nowhere")


def executed(*outputs, markdown="# A title\n\nProse."):
    cell = nbformat.v4.new_code_cell("print(1)", outputs=list(outputs), execution_count=1)
    cells = [nbformat.v4.new_markdown_cell(markdown), cell]
    return nbformat.v4.new_notebook(cells=cells)


def test_notebook_page_keeps_text_and_tables_and_escapes_text():
    stream = nbformat.v4.new_output("stream", text=HOSTILE)
    table = nbformat.v4.new_output(
        "display_data", {"text/html": "<table><tr><td>7</td></tr></table>"}
    )
    found = assert_offline(notebook_page(executed(stream, table)))
    assert HOSTILE in found.words
    assert "7" in found.words
    assert "A title" in found.words


def test_notebook_page_drops_widgets_and_keeps_what_follows():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    widget = nbformat.v4.new_output("display_data", view)
    figure = nbformat.v4.new_output(
        "display_data", {"text/html": '<img alt="a curve" src="data:image/png;base64,AA==">'}
    )
    found = assert_offline(notebook_page(executed(widget, figure)))
    assert "VBox" not in found.words
    assert found.all("img")[0]["alt"] == "a curve"


@pytest.mark.parametrize(
    "formula",
    [
        r"inline $\hat A_i = \frac{r_i - \bar r}{\sigma + \epsilon}$ text",
        "$$\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n$$",
        "\\begin{align*} a &= b \\\\ c &= d \\end{align*}",
        r"\\( x_1 \\)",
    ],
)
def test_formulas_become_mathml(formula):
    found = assert_offline(notebook_page(executed(markdown=formula)))
    assert found.all("math")
    assert "\\" not in found.words
    assert "&" not in found.words


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_of_the_notebooks_becomes_mathml(path):
    text = notebook_page(nbformat.read(path, as_version=4))
    formulas = re.findall(r"<math.*?</math>", text, re.DOTALL)
    for formula in formulas:
        assert "\\" not in re.sub("<[^>]+>", "", formula)
    prose = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", text, flags=re.DOTALL)
    assert not re.search(r"\$[^$<]+\$|\\\w", prose), "a formula that was left as typed"
    assert_offline(text)


def test_a_formula_that_cannot_be_converted_is_shown_as_typed():
    found = assert_offline(notebook_page(executed(markdown=r"see $\frac{<b>}{$ here")))
    assert r"\frac{<b>}{" in found.words


def test_title_is_escaped_and_settings_are_flattened():
    assert "<title>&lt;b&gt;</title>" in page("<b>", "")
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1, None]}) == {
        "a.b": "1",
        "a.c": "{}",
        "d": "[1, null]",
    }
