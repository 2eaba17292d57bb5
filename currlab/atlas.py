"""The atlas: the 246 papers behind this project, which dial each turns, and what of it runs here.

`data/papers.tsv` holds what is known of every paper, the ideas in our own words. Whether a paper is
implemented is not in it: that is computed from the strategies that name the paper. A row without a
strategy says "not yet", or why it stays a mere row.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from currlab.atlas_recipes import RECIPES, Cover
from currlab.curricula.core import DIALS
from currlab.curricula.registry import STRATEGIES, dials_of
from currlab.errors import CurrlabError

STATES = ("implemented", "inspired", "analogue", "documented", "not yet")
CLASSES = {
    "A": "curriculum or data selection for text",
    "B": "SFT-RL interplay or warm-up",
    "C": "objective, reward or system technique",
    "D": "another modality, with an idea that carries over to text",
    "E": "no training idea to carry over",
}
FAMILIES = {
    "F00": "no training idea",
    "F01": "fixed difficulty order",
    "F02": "adaptive selection",
    "F03": "format ladder",
    "F04": "hints and prefixes",
    "F05": "context and noise",
    "F06": "masks and pretext tasks",
    "F07": "reward",
    "F08": "length and thinking",
    "F09": "capability stages",
    "F10": "mixture, skills, continual learning",
    "F11": "SFT-RL hybrids",
    "F12": "warm-up",
    "F13": "GRPO objective",
    "F14": "asynchronous systems",
    "F15": "self-evolving loops",
}
AXES = (
    "task difficulty",
    "ability",
    "entropy",
    "answer format",
    "hints",
    "context length",
    "noise",
    "masks",
    "reward strictness",
    "response length",
    "data mixture",
    "capability stage",
    "SFT-RL mix",
    "none",
)
NEEDS = {
    "labels": "problems sorted by difficulty, category or kind",
    "rollouts": "answers of the learner, scored",
    "logits": "the learner's probabilities, hidden states or gradients",
    "demonstrations": "worked answers or texts to imitate",
    "judge": "people, a strong language model or a reward model that judges or writes",
    "environment": "tools, a search engine, programs that run, or a world to act in",
    "modality": "images, video, audio, motion or actions of a robot",
    "scale": "billions of parameters or tokens, or a cluster",
}
FILTERS: dict[str, tuple[str, ...]] = {
    "state": STATES,
    "dial": (*DIALS, "none"),
    "family": tuple(FAMILIES),
    "class": tuple(CLASSES),
    "need": tuple(NEEDS),
    "axis": AXES,
}


@dataclass(frozen=True)
class Paper:
    """A row of the atlas.

    `missing` says what of the paper is not here although a strategy covers it; `uncovered` is
    empty, "not yet", or the reason why no strategy will cover it.
    """

    number: int
    name: str
    title: str
    arxiv: str
    paper_class: str
    families: tuple[str, ...]
    axis: tuple[str, ...]
    dials: tuple[str, ...]
    needs: tuple[str, ...]
    claim: str
    idea: str
    missing: str
    uncovered: str

    @property
    def year(self) -> int | None:
        """The year of the arXiv number; None where no number is known."""
        return 2000 + int(self.arxiv[:2]) if self.arxiv else None

    @property
    def covers(self) -> tuple[Cover, ...]:
        """The strategies and recipes that name the paper, the most faithful first."""
        named = [cover for cover in all_covers() if self.name in cover.papers]
        return tuple(sorted(named, key=lambda cover: (STATES.index(cover.state), cover.name)))

    @property
    def state(self) -> str:
        """One of `STATES`, computed from the registry.

        What another modality's paper does is done here on text, so it is an analogue at best.
        """
        if self.covers:
            return "analogue" if self.paper_class == "D" else self.covers[0].state
        return "not yet" if self.uncovered == "not yet" else "documented"

    @property
    def recipe(self) -> dict[str, str]:
        """The dials that this paper's strategies turn: arguments of `make_recipe`."""
        turned: dict[str, str] = {}
        for cover in self.covers:
            if cover.name in STRATEGIES:
                turned = dict.fromkeys(cover.dials, cover.name) | turned
        return turned

    @property
    def code(self) -> str:
        """The recipe as lines of Python; empty for a paper that nothing covers."""
        if self.recipe:
            return recipe_code(self.recipe)
        return self.covers[0].code if self.covers else ""

    def facets(self) -> dict[str, tuple[str, ...]]:
        """What the filters compare with, by the names in `FILTERS`."""
        return {
            "state": (self.state,),
            "dial": self.dials,
            "family": self.families,
            "class": (self.paper_class,),
            "need": self.needs,
            "axis": self.axis,
        }

    def as_dict(self) -> dict[str, Any]:
        """The row with everything computed, for JSON and tables."""
        row = asdict(self)
        row["class"] = row.pop("paper_class")
        row["strategies"] = [cover.name for cover in self.covers]
        uncovered = row.pop("uncovered")
        row["reason"] = uncovered if self.state == "documented" else ""
        return row | {"year": self.year, "state": self.state, "code": self.code}


def recipe_code(recipe: Mapping[str, str]) -> str:
    """The line that makes a recipe.

    >>> recipe_code({"select": "sec"})
    'recipe = make_recipe("sec")'
    """
    ordered = [dial for dial in DIALS if dial in recipe]
    words = [("" if dial == "select" else f"{dial}=") + f'"{recipe[dial]}"' for dial in ordered]
    return f"recipe = make_recipe({', '.join(words)})"


# ---------------------------------------------------------------- the tables


@cache
def all_papers() -> tuple[Paper, ...]:
    """All papers, by number."""
    text = (files("currlab") / "data" / "papers.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(_paper(row) for row in rows)


def _paper(row: Mapping[str, str]) -> Paper:
    lists = {
        key: tuple(part.strip() for part in row[key].split(",") if part.strip())
        for key in ("families", "axis", "dials", "needs")
    }
    same = ("name", "title", "arxiv", "claim", "idea", "missing", "uncovered")
    words = {key: row[key] for key in same}
    return Paper(number=int(row["number"]), paper_class=row["class"], **lists, **words)


def all_covers() -> tuple[Cover, ...]:
    """Every registered strategy, whether it names papers or not, and the recipes beside them."""
    return tuple(cover_of(name) for name in sorted(STRATEGIES)) + RECIPES


def cover_of(name: str) -> Cover:
    """A registered strategy as the atlas lists it."""
    cls = STRATEGIES[name]
    dials = dials_of(cls)
    code = recipe_code(dict.fromkeys(dials, name))
    return Cover(cls.name, cls.title, dials, cls.state, tuple(cls.papers), code)


def find_paper(name: str) -> Paper:
    """A paper by its number or short name; upper and lower case do not matter.

    >>> find_paper("8").name, find_paper("sec").number
    ('SEC', 8)
    """
    for paper in all_papers():
        if name.strip().lower() in (paper.name.lower(), str(paper.number)):
            return paper
    by_name = {paper.name.lower(): paper.name for paper in all_papers()}
    near = [by_name[match] for match in get_close_matches(name.strip().lower(), by_name)]
    hint = f"did you mean {' or '.join(near)}?" if near else "`currlab papers` lists them."
    raise CurrlabError(f"Unknown paper '{name}': neither a number nor a short name; {hint}")


def search_papers(text: str = "", **wanted: str | None) -> list[Paper]:
    """Papers whose facets hold every value in `wanted` and whose words hold every word of `text`.

    >>> [paper.name for paper in search_papers("bandit", dial="select")]
    ['SEC']
    """
    for facet, value in wanted.items():
        if facet not in FILTERS:
            raise CurrlabError(f"Unknown filter '{facet}'; the filters are {', '.join(FILTERS)}.")
        if value is not None and value not in FILTERS[facet]:
            allowed = ", ".join(FILTERS[facet])
            raise CurrlabError(f"Unknown {facet} '{value}'; it must be one of {allowed}.")
    asked = {facet: value for facet, value in wanted.items() if value is not None}
    return [
        paper
        for paper in all_papers()
        if all(value in paper.facets()[facet] for facet, value in asked.items())
        and all(word in _words(paper) for word in text.lower().split())
    ]


def _words(paper: Paper) -> str:
    parts = (paper.name, paper.title, paper.idea, paper.claim, *(c.name for c in paper.covers))
    return " ".join(parts).lower()


def count(papers: Sequence[Paper], facet: str) -> dict[str, int]:
    """How many papers have each value of a facet, in the facet's own order."""
    return {v: sum(v in paper.facets()[facet] for paper in papers) for v in FILTERS[facet]}
