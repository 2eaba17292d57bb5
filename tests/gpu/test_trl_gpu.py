"""The TRL engine on CUDA: parity with the from-scratch loop, leaving rows out, resuming, bfloat16."""

import pytest
import torch

from currlab.curricula import make_recipe
from currlab.models.tiny import new_model
from currlab.models.tokenizer import build_tokenizer
from currlab.runs import Run
from currlab.training.config import TrainingConfig
from currlab.training.grpo_trainer import CurriculumGRPOTrainer
from currlab.training.scratch import ScratchTrainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


def config(**changes):
    settings = {"levels": {"sorting": (1, 2, 3)}, "steps": 1, "prompts_per_step": 4}
    never = {"max_new_tokens": 6, "eval_every": 0, "checkpoint_every": 0}
    return TrainingConfig(**{**settings, **never, **changes})


def recipe():
    return make_recipe("sec", reward="random", settings={"fixed_group": {"size": 4}})


def cuda_model(dtype=torch.float32):
    return new_model("tiny", 0).to("cuda", dtype)


def trained(settings=None, run=None, dtype=torch.float32, **options):
    model = cuda_model(dtype)
    trainer = CurriculumGRPOTrainer(
        model, build_tokenizer(), recipe(), settings or config(), run, **options
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize("options", [{}, {"skip_zero_advantage": False}, {"micro_batches": 2}])
def test_one_step_is_that_of_the_from_scratch_loop(options):
    trainer = trained(**options)
    scratch = ScratchTrainer(cuda_model(), build_tokenizer(), recipe(), config())
    scratch.step()
    assert trainer.journal.history["groups"] == scratch.history["groups"]
    line, expected = trainer.journal.history["metrics"][0], scratch.history["metrics"][0]
    for name in ("loss", "grad_norm", "reward", "entropy"):
        assert line[name] == pytest.approx(expected[name], abs=1e-4)
    for name, weight in scratch.model.named_parameters():
        got = dict(trainer.model.named_parameters())[name]
        assert got.is_cuda
        # A first step moves a weight by up to 3e-4.
        torch.testing.assert_close(got, weight, atol=5e-5, rtol=0)


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    with Run.open(tmp_path / "run", {}) as run:
        trained(config(steps=2, checkpoint_every=2), run)
    with Run.open(tmp_path / "run", {}) as run:
        trainer = trained(config(steps=4, checkpoint_every=2), run)
        assert [line["step"] for line in run.records("metrics")] == [1, 2, 3, 4]
        assert trainer.journal.costs["tokens_generated"] == 4 * 96


def test_the_models_dtype_is_used_throughout():
    trainer = trained(config(steps=2), dtype=torch.bfloat16)
    assert {weight.dtype for weight in trainer.model.parameters()} == {torch.bfloat16}
    assert all(line["grad_norm"] > 0 for line in trainer.journal.history["metrics"])
