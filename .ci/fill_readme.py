"""Write the table of strategies into the README, between its two marks."""

import sys
from pathlib import Path

from currlab.atlas_tables import fill_readme

path = Path(sys.argv[1])
path.write_text(fill_readme(path.read_text(encoding="utf-8")), encoding="utf-8")
