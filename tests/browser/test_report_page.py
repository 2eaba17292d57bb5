"""A report in a real browser without a network: nothing is asked for, all can be read."""

import json
import re

import nbformat
import pytest
from report_case import EVALUATION, HOSTILE, make_notebook, make_run

from currlab.report import write_report

pytestmark = pytest.mark.browser

FORMULA = r"$$\nabla J \approx \frac{1}{n} \sum_{i=1}^{n} r_i \nabla \log \pi(a_i)$$"
OUTSIDE = (
    '<img src="http://host.invalid/a.png"><img src="//host.invalid/b.png"><link rel=stylesheet '
    'href="http://host.invalid/c.css"><iframe src="http://host.invalid"></iframe>'
    '<video poster="http://host.invalid/d.png" src="http://host.invalid/e.mp4"></video>'
    '<p style="background-image:url(http://host.invalid/f.png)">styled</p>'
    "<style>@import url(http://host.invalid/g.css); body { display: none }</style>"
    "<script>document.title = 'taken over'; fetch('http://host.invalid/h')</script>"
    "<svg onload=\"fetch('http://host.invalid/i')\"></svg></main></body>"
)
LUMINANCE = """(colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""
CONTRAST = f"""(element) => {{
  const luminance = {LUMINANCE};
  let behind = element;
  const clear = e => getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)';
  while (behind.parentElement && clear(behind)) behind = behind.parentElement;
  const pair = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
  const [low, high] = pair.map(luminance).sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}}"""
READ = "main p, main li, td, th, caption, summary, h1, h2, h3, h4, pre, pre span:not(.w), a[href], math mi"


@pytest.fixture(scope="module")
def report_file(tmp_path_factory):
    """The page on two runs, one of them steered, a notebook with formulas, and hostile text."""
    folder = tmp_path_factory.mktemp("reports") / "runs"
    make_run(folder / "sec-0")
    make_run(folder / "<b>hostile<script>", select=HOSTILE, seed=1)
    change = {"step": 2, "dial": "select", "change": "strategy", "strategy": "target"}
    (folder / "sec-0" / "steering.jsonl").write_text(
        json.dumps({**change, "parameters": {}, "seed": 0, "arms": ["sorting/1"]}) + "\n"
    )
    source = "@cache\ndef f(x: int) -> str:\n    # a comment\n    return f'{len(x)!r} is {1.5}'"
    path = make_notebook(folder / "01_example-smoke", source=source, accuracy={"sec": EVALUATION})
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += f"\n\n{FORMULA}\n\n{OUTSIDE}\n\n[other](04_other.ipynb)"
    notebook.cells[1].outputs = [
        nbformat.v4.new_output("display_data", {"text/html": OUTSIDE}),
        nbformat.v4.new_output("stream", text=HOSTILE),
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
    ]
    nbformat.write(notebook, path)
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text(f'["{OUTSIDE[:10]}')
    (written,) = write_report([folder])
    return written.path


@pytest.fixture(params=["light", "dark"])
def opened(request, chromium, report_file):
    """The page in a browser that is offline, and everything that it asked for or complained of."""
    context = chromium.new_context(offline=True, color_scheme=request.param)
    page = context.new_page()
    heard = {"requests": [], "failures": [], "console": [], "dialogs": []}
    page.on("request", lambda r: heard["requests"].append(r.url))
    page.on("requestfailed", lambda r: heard["failures"].append(r.url))
    page.on("console", lambda message: heard["console"].append(message.text))
    page.on("dialog", lambda dialog: (heard["dialogs"].append(dialog.message), dialog.dismiss()))
    page.goto(report_file.as_uri())
    yield page, heard, request.param
    context.close()


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(300)


def test_it_asks_for_nothing_and_runs_nothing(opened, report_file):
    page, heard, _ = opened
    unfold(page)
    page.mouse.wheel(0, 100_000)
    page.wait_for_timeout(300)
    asked = [url for url in heard["requests"] if not url.startswith("data:")]
    assert asked == [report_file.as_uri()]
    assert heard["failures"] == heard["console"] == heard["dialogs"] == []
    assert page.title() == "Report on runs"
    assert page.locator("script, iframe, link[href^=http], form").count() == 0
    assert page.get_by_text(HOSTILE).count() >= 2


def test_formulas_and_figures_are_drawn(opened):
    page, _, _ = opened
    unfold(page)
    formula = page.locator("math[display=block]").first
    box = formula.bounding_box()
    assert box["width"] > 100
    assert box["height"] > 25, "a fraction and a sum are taller than a line"
    assert page.locator("math munderover").count() >= 1
    figures = page.locator("figure img").all()
    assert len(figures) >= 4
    for figure in figures:
        assert figure.evaluate("image => image.naturalWidth") > 300
        assert re.search(r"\w+", figure.get_attribute("alt"))


def test_everything_can_be_read_in_light_and_dark(opened):
    page, _, scheme = opened
    unfold(page)
    luminance = page.evaluate(f"({LUMINANCE})(getComputedStyle(document.body).backgroundColor)")
    assert (luminance < 0.05) == (scheme == "dark")
    read = page.locator(READ).all()
    assert len(read) > 100
    weak = {}
    for element in read:
        contrast = element.evaluate(CONTRAST)
        if contrast < 4.5:
            weak[element.evaluate("e => e.outerHTML.slice(0, 80)")] = contrast
    assert not weak
    white = page.locator("figure img").first.evaluate("i => getComputedStyle(i).backgroundColor")
    assert white == "rgb(255, 255, 255)", "figures are drawn for white"


def test_a_link_opens_what_it_leads_to_and_a_narrow_screen_scrolls_tables_only(opened):
    page, _, _ = opened
    body = page.get_by_text("with", exact=False).locator("math").first
    assert not body.is_visible()
    page.get_by_role("link", name="01_example-smoke").click()
    body.wait_for(state="visible")
    page.set_viewport_size({"width": 390, "height": 800})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Home")
    assert page.locator("a.skip").evaluate("a => a.getBoundingClientRect().left") < 0
    page.evaluate("document.activeElement.blur()")
