"""Pages open offline: nothing is loaded, nothing runs, hostile text is escaped."""

import re
from pathlib import Path

import nbformat
import pytest
from report_case import HOSTILE, Page, assert_offline

from currlab.errors import CurrlabError
from currlab.notebook_html import notebook_body, notebook_page
from currlab.page import clean, number, page, text
from currlab.report import report, write_report
from currlab.report_run import flatten
from currlab.runs import Run

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def page_of(folder):
    whole, broken = report([folder])
    assert not broken
    return whole


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
    found = assert_offline(page_of(run_folder))
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
    found = assert_offline(page_of(tmp_path / "run"))
    assert "nan" not in found.words


def test_run_page_of_a_run_that_has_just_begun(tmp_path):
    Run.open(tmp_path / "run", {"seed": 0}).close()
    found = assert_offline(page_of(tmp_path / "run"))
    assert "not finished; 0 steps" in found.words


def test_run_page_with_one_evaluation_and_one_level(tmp_path):
    with Run.open(tmp_path / "run", {"seed": 0}) as run:
        run.log("eval", rows(0, 0.0)[0])
        run.log("metrics", {"step": 1, "reward": float("nan")})
    assert_offline(page_of(tmp_path / "run"))


def test_write_report_replaces_its_own_file_only(run_folder):
    before = {p.name: p.read_bytes() for p in run_folder.iterdir() if p.is_file()}
    (written,) = write_report([run_folder])
    assert written.path == write_report([run_folder])[0].path == run_folder / "report.html"
    after = {p.name: p.read_bytes() for p in run_folder.iterdir() if p.is_file()}
    assert after.keys() - before.keys() == {"report.html"}
    assert all(after[name] == before[name] for name in before)


def test_folders_without_anything_to_report_are_refused(tmp_path):
    with pytest.raises(CurrlabError, match="neither a run"):
        report([tmp_path])
    with pytest.raises(CurrlabError, match="no folder"):
        report([tmp_path / "nowhere"])


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


def test_hostile_html_in_an_output_cannot_leave_its_place():
    hostile = "</main><script>alert(1)</script><style>*{display:none}</style><plaintext>" + HOSTILE
    hostile += '<a href="javascript:alert(3)">x</a><img src="http://host.invalid/x.png">'
    hostile += '<form action="http://host.invalid"><input></form><meta http-equiv=refresh>'
    hostile += '<p style="position:fixed;background:url(http://host.invalid)">red</p>'
    outputs = [
        nbformat.v4.new_output("display_data", {"text/html": hostile}),
        nbformat.v4.new_output("display_data", {"application/javascript": "alert(4)"}),
        nbformat.v4.new_output("display_data", {"text/markdown": hostile}),
        nbformat.v4.new_output("stream", text="after"),
    ]
    text = notebook_page(executed(*outputs, markdown="# A title\n\n" + hostile))
    # Nobody can describe these pictures; nbconvert says so.
    found = assert_offline(text.replace("No description", "No word"))
    assert len(found.all("main")) == 1
    assert text.index("after") < text.index("</main>") == text.rindex("</main>")
    assert not {"form", "input", "plaintext"} & {tag for tag, _ in found.tags}
    assert len(found.all("meta")) == 3, "those of the page itself"
    assert not any("javascript" in str(a.get("href")) for a in found.all("a"))
    for _, attributes in found.tags:
        assert not re.search("position|url", attributes.get("style") or "")


def test_the_state_of_widgets_is_not_text_on_the_page():
    notebook = executed()
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"1": {"value": "secret"}}}}
    notebook.metadata["widgets"] = state
    assert "secret" not in notebook_page(notebook)


def test_bare_pictures_and_formulas_among_the_outputs_can_be_read():
    picture = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo=\n"})
    formula = nbformat.v4.new_output("display_data", {"text/latex": r"$\frac{a}{b}$"})
    found = assert_offline(notebook_page(executed(picture, picture, formula)))
    first, second = (image["alt"] for image in found.all("img"))
    assert first != second
    assert found.all("mfrac")


def test_huge_outputs_are_cut_and_say_so():
    stream = nbformat.v4.new_output("stream", text="x" * 3_000_000)
    table = nbformat.v4.new_output("display_data", {"text/html": "<b>y</b>" * 1_000_000})
    text = notebook_page(executed(stream, table))
    assert len(text) < 500_000
    assert "3,000,000 characters" in text
    assert "8,000,000 characters is left out" in text


def test_a_notebook_inside_a_page_has_lower_headings_folded_code_and_links_that_lead_somewhere():
    markdown = "# A title\n\n## Part\n\n[next](04_next.ipynb#x), [words](GLOSSARY.md), "
    markdown += "[paper](https://arxiv.org/abs/2505.14970), [here](#part)"
    text = notebook_body(
        executed(markdown=markdown), shift=3, folded=True, inside={"04_next.ipynb": "#notebook-2"}
    )
    found = Page(text)
    assert [tag for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)] == ["h4", "h5"]
    assert found.all("details")[0]["class"] == "code"
    targets = [a.get("href") for a in found.all("a")]
    assert targets == ["#notebook-2", None, "https://arxiv.org/abs/2505.14970", None]


def test_cleaning_keeps_pictures_and_balances_tags():
    picture = '<img alt="a \'quoted\' &quot;curve&quot;" src="data:image/png;base64,AA==">'
    assert clean(picture).count("data:image/png;base64,AA==") == 1
    assert clean("<div><b>x") == "<div><b>x</b></div>"
    assert clean("</div></div>x").count("</div>") == 0 or "&lt;/div&gt;" in clean("</div></div>x")
    assert "data:text" not in clean('<img alt="x" src="data:text/html;base64,AA==">')
    assert clean('<img alt="x" src="#7">').count("data:,") == 1


def test_text_shows_controls_and_cuts_what_is_too_long():
    assert text("a\x00\x1b[31m<b>") == "a��[31m&lt;b&gt;"
    assert text("x" * 5000).endswith("… (5,000 characters)")
    assert number(24_980.5) == "24,980"
    assert number(1e300) == "1e+300"
    assert number(float("inf")) == "inf"


def test_title_is_escaped_and_settings_are_flattened():
    assert "<title>&lt;b&gt;</title>" in page("<b>", "")
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1, None]}) == {
        "a.b": "1",
        "a.c": "{}",
        "d": "[1, null]",
    }
