"""Strip notebooks of outputs, counts and everything that running them leaves behind.

`strip_notebooks.py FILE...` rewrites them; `--check` only names those that need it, and fails.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
CELL_KEYS = ("tags", "jupyter")
NOTEBOOK_KEYS = ("currlab",)


def stripped(text: str) -> str:
    """The notebook with sources, cell ids, tags and the project's own metadata only."""
    notebook = nbformat.reads(text, as_version=4)
    kept = {key: notebook.metadata[key] for key in NOTEBOOK_KEYS if key in notebook.metadata}
    notebook.metadata = nbformat.from_dict(
        {**kept, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in CELL_KEYS if key in cell.metadata}
        )
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def main(words: list[str]) -> int:
    paths = [Path(word) for word in words if word != "--check"]
    changed = [path for path in paths if stripped(path.read_text()) != path.read_text()]
    for path in changed:
        print(f"{path} {'is not stripped' if '--check' in words else 'stripped'}")
        if "--check" not in words:
            path.write_text(stripped(path.read_text()))
    return int(bool(changed) and "--check" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
