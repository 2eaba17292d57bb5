"""Make the README's pictures anew: what the browser tests see, in few colours so that they are small.

python .ci/screenshots.py FOLDER
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

# The picture's name, as a test of tests/browser leaves it, and its name in the folder.
PICTURES = {"cockpit-11.png": "cockpit.png", "playground.png": "playground.png"}
WIDTH, COLOURS = 1000, 96

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory() as folder:
    tests = [sys.executable, "-m", "pytest", "-q", "-m", "browser", "tests/browser"]
    which = ["-k", "bandits or playground", f"--basetemp={folder}/pytest"]
    subprocess.run(tests + which, check=True, env={**os.environ, "CURRLAB_PICTURE_AT": "60"})
    for made, name in PICTURES.items():
        (found,) = [p for p in Path(folder).rglob(made) if not p.parent.is_symlink()]
        picture = Image.open(found).convert("RGB")
        width = min(WIDTH, picture.width)
        small = picture.resize((width, round(picture.height * width / picture.width)))
        small.quantize(COLOURS).save(out / name, optimize=True)
        print(out / name, (out / name).stat().st_size, "bytes")
