"""The embedded path needs no network: any attempt to reach one ends the process."""

import os
import subprocess
import sys

import pytest

# An audit hook sees every socket of the process, whichever library opens it; leaving at once keeps
# a library from catching the refusal and going on.
BLOCKED = """
import os, sys
def hook(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (
        event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple)
    ):
        sys.stderr.write(f"network: {event} {arguments}\\n")
        os._exit(97)
sys.addaudithook(hook)
"""

TRAIN = """
import sys
from currlab.curricula import make_recipe
from currlab.training.config import TrainingConfig
from currlab.training.launch import launch
config = TrainingConfig(
    levels={"sorting": (1, 2)}, steps=1, prompts_per_step=2, eval_problems=2, checkpoint_every=1
)
launch(make_recipe("sec"), config, sys.argv[1], engine=sys.argv[2], progress=False)
"""


def run_blocked(program, *words, home):
    # No hint that there is no network, and nothing cached: what a fresh machine looks like.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", BLOCKED + program, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home)


@pytest.mark.parametrize("engine", ["scratch", "trl"])
def test_training_and_evaluating_the_shipped_model_opens_no_connection(tmp_path, engine):
    done = run_blocked(TRAIN, tmp_path / "run", engine, home=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "results.json").exists()
    assert (tmp_path / "run" / "eval.jsonl").read_text().count("\n") >= 4


@pytest.mark.parametrize(
    "attempt",
    [
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9', timeout=1)",
        "import socket; socket.getaddrinfo('example.invalid', 80)",
        "import huggingface_hub as h; h.HfApi().model_info('a/b')",
    ],
)
def test_the_block_notices_an_attempt(tmp_path, attempt):
    swallowed = f"try:\n    {attempt}\nexcept Exception:\n    pass"
    assert run_blocked(swallowed, home=tmp_path).returncode == 97
