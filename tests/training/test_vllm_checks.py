"""Whether vLLM may be used: one sentence for each reason why not, and nothing written."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import PackageNotFoundError

import pytest
import torch
from click.testing import CliRunner

from currlab import cli
from currlab.curricula import make_recipe
from currlab.errors import CurrlabError
from currlab.training import vllm_checks
from currlab.training.config import TrainingConfig
from currlab.training.launch import launch
from currlab.training.vllm_checks import check_vllm, installed_vllm, supported_vllm


@pytest.fixture
def cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.fixture
def installed(cuda, monkeypatch):
    """Pretends that a version is installed."""

    def pretend(version="0.31.0"):
        monkeypatch.setattr(vllm_checks, "installed_vllm", lambda: version)

    pretend()
    return pretend


@pytest.fixture
def server():
    """A server on loopback that is well."""

    class Well(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Well) as well:
        thread = threading.Thread(target=well.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{well.server_port}"
        well.shutdown()
        thread.join()


def test_off_needs_nothing():
    check_vllm("off", "cpu")


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_a_cpu_is_refused(mode):
    with pytest.raises(CurrlabError, match="needs a CUDA device, and the device here is 'cpu'"):
        check_vllm(mode, "cpu")


def test_an_unknown_mode_names_the_known_ones():
    with pytest.raises(CurrlabError, match="modes are off, colocate, server"):
        check_vllm("on", "cuda")


def test_absent_is_told_with_the_command_that_installs_it(cuda, monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(vllm_checks, "version", absent)
    assert installed_vllm() is None
    with pytest.raises(CurrlabError, match=r"vLLM is not installed; `pip install -e '\.\[gpu\]'"):
        check_vllm("colocate", "cuda")


@pytest.mark.parametrize("version", ["0.1.0", "0.21.9", "0.32.0", "1.0.0"])
def test_a_version_out_of_range_is_named_with_the_range(installed, version):
    installed(version)
    with pytest.raises(CurrlabError, match=f"vLLM {version} is installed, and TRL .* takes vLLM"):
        check_vllm("colocate", "cuda")


@pytest.mark.parametrize("version", ["0.22.0", "0.31.0", "0.31.0+cu130"])
def test_versions_that_trl_takes_pass(installed, version):
    installed(version)
    check_vllm("colocate", "cuda")


def test_the_extra_installs_a_version_that_trl_takes():
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    ours = [Requirement(text) for text in requires("currlab")]
    [pin] = next(need.specifier for need in ours if need.name == "vllm")
    assert supported_vllm().contains(pin.version.replace("*", "0"))


def test_a_server_that_is_well_passes(installed, server):
    check_vllm("server", "cuda", server)
    check_vllm("server", "cuda", server + "/")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://127.0.0.1:9", "No vLLM server answers at http://127.0.0.1:9"),
        ("localhost:8000", "address is like http://localhost:8000"),
        ("file:///etc/passwd", "address is like"),
    ],
)
def test_a_server_that_does_not_answer_is_named(installed, address, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        check_vllm("server", "cuda", address)


def test_a_server_that_is_not_well_is_named(installed, server):
    with pytest.raises(CurrlabError, match=r"No vLLM server answers .*Not Found"):
        check_vllm("server", "cuda", f"{server}/elsewhere")


def test_a_server_serves_one_process(installed, server, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(CurrlabError, match="under torchrun use the vLLM mode 'colocate'"):
        check_vllm("server", "cuda", server)
    check_vllm("colocate", "cuda")


def test_the_scratch_engine_has_no_vllm(tmp_path):
    with pytest.raises(CurrlabError, match="vLLM mode 'colocate' needs the engine 'trl'"):
        launch(make_recipe("uniform"), TrainingConfig(), tmp_path / "run", vllm="colocate")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("mode", ["colocate", "on"])
def test_the_command_line_says_it_in_one_sentence_and_writes_nothing(mode, tmp_path):
    words = ["train", "--engine", "trl", "--vllm", mode, "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "vLLM" in done.stderr
    assert not (tmp_path / "run").exists()
