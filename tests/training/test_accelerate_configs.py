"""The shipped accelerate configurations are accelerate's own, and doctor names them."""

import os
import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin, patch_environment
from accelerate.utils.launch import prepare_multi_gpu_env
from trl_case import small_trainer

from currlab import doctor
from currlab.errors import CurrlabError

FOLDER = Path(str(files("currlab") / "data" / "accelerate"))
CONFIGS = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def test_these_are_shipped():
    assert set(CONFIGS) == {"ddp", "ddp_machines", "fsdp"}
    packaged = (FOLDER.parents[2] / "pyproject.toml").read_text()
    assert '"data/accelerate/*"' in packaged


@pytest.mark.parametrize("name", CONFIGS)
def test_accelerate_reads_them(name):
    """An unknown key would be an error of accelerate's."""
    config = load_config_from_file(str(CONFIGS[name]))
    told = yaml.safe_load(CONFIGS[name].read_text())
    assert config.distributed_type.value == told["distributed_type"]
    assert config.num_processes % config.num_machines == 0
    assert not config.use_cpu
    # Weights and rollouts are in the model's own dtype: there is no autocast.
    assert config.mixed_precision == "no"


def launch_environment(name, *words):
    """What `accelerate launch` would hand to its processes."""
    parser = launch_command_parser()
    command = ["--config_file", str(CONFIGS[name]), *words, "-m", "currlab", "train"]
    arguments, _, _ = _validate_launch_command(parser.parse_args(command))
    return arguments, prepare_multi_gpu_env(arguments)


def test_the_launcher_takes_them():
    arguments, environment = launch_environment("ddp", "--num_processes", "2")
    assert arguments.multi_gpu
    assert arguments.nproc_per_node == "2"
    assert environment.get("ACCELERATE_USE_FSDP", "false") == "false"
    arguments, _ = launch_environment("ddp_machines", "--machine_rank", "3")
    assert (arguments.nnodes, arguments.nproc_per_node, arguments.node_rank) == ("8", "8", 3)


def test_the_launchers_fsdp_is_what_the_plugin_takes_and_grpo_refuses():
    arguments, environment = launch_environment("fsdp")
    assert arguments.use_fsdp
    new = {k: v for k, v in environment.items() if os.environ.get(k) != v}
    with patch_environment(**{k: v for k, v in new.items() if k.startswith(("ACC", "FSDP"))}):
        plugin = FullyShardedDataParallelPlugin()
        assert plugin.fsdp_version == 2
        assert plugin.reshard_after_forward is True
        with pytest.raises(CurrlabError, match="start with DDP"):
            small_trainer()


def test_doctor_names_a_configuration_that_is_there():
    status, detail = doctor.CHECKS["processes"]()
    assert status == "INFO"
    assert Path(re.search(r"--config_file (\S+)", detail)[1]).exists()
