"""Where TRL's training loop meets the curriculum and the run: step ends, evaluations, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from accelerate.utils import gather_object
from safetensors.torch import save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from currlab.errors import CurrlabError
from currlab.evaluation import evaluate, mean_accuracy
from currlab.files import read_json, write_json_atomic
from currlab.runs import Run
from currlab.training.checkpoints import RECORD, REFERENCES, read_references
from currlab.training.loss_terms import LikelihoodTerm
from currlab.training.policy import LanguagePolicy
from currlab.training.records import group_metrics, group_record, learner_record, run_results
from currlab.training.rows import Row
from currlab.training.steering import Change, rebuilt

if TYPE_CHECKING:
    from currlab.training.grpo_trainer import CurriculumGRPOTrainer


class CurriculumCallback(TrainerCallback):
    """Observes and logs every step, evaluates when due, and completes the trainer's checkpoints.

    The trainer logs once a step: after the optimiser, before it saves or asks for new prompts. So
    what `on_log` lets the recipe observe is in the checkpoint and in the next choice. `history`
    holds everything logged, by stream; with a run it is on disk, too.
    """

    def __init__(self, trainer: CurriculumGRPOTrainer, run: Run | None) -> None:
        self.trainer, self.run = trainer, run
        streams = ("metrics", "groups", "eval", "steering")
        self.history: dict[str, list[dict[str, Any]]] = {stream: [] for stream in streams}
        self.on_step: Callable[[Mapping[str, float]], None] | None = None
        # What the whole run has cost all processes, and how much of it this one has counted in.
        self.costs = {"tokens_generated": 0, "tokens_forwarded": 0, "tokens_trained": 0}
        self._counted = (0, 0)
        # Where the logs ended at the checkpoint that is gone on from.
        self.offsets: Mapping[str, int] = {}
        self._first: dict[str, float] = {}
        self.started = False

    def start(self) -> None:
        """All of a checkpoint is loaded now: only then are the logs cut back to it."""
        self.started = True
        if self.run:
            self.run.note_learner(learner_record(self.trainer.processing_class))
            steering = self.run.records("steering")
            self.run.cut(self.offsets)
            self.history = {stream: self.run.records(stream) for stream in self.history}
            # What was changed after that checkpoint is changed again when its step comes.
            again = steering[len(self.history["steering"]) :]
            self.trainer.steering.planned = [Change.read(record) for record in again]
        if self.trainer.state.global_step == 0 and self.trainer.config.eval_every:
            self.evaluate(sampled=True)
        self.trainer.steering.boundary()

    def count_tokens(self, rows: Sequence[Row], terms: Sequence[LikelihoodTerm]) -> None:
        """Add what a step's rollouts, probes included, cost all processes, and its training rows."""
        trainer = self.trainer
        counters = (trainer.policy.tokens_generated, trainer.policy.tokens_forwarded)
        learnt = [row for row in rows if row.advantage or not trainer.skip_zero_advantage]
        learnt += [row for term in terms for row in term.rows]
        trained = trainer.config.iterations * sum(sum(row.mask) for row in learnt)
        here = (counters[0] - self._counted[0], counters[1] - self._counted[1], trained)
        self._counted = counters
        for spent in gather_object([here]):
            for name, tokens in zip(self.costs, spent, strict=True):
                self.costs[name] += tokens

    def skip_tokens(self) -> None:
        """Leave out what a probe has cost so far: every process repeats it, and the first counts it."""
        self._counted = (self.trainer.policy.tokens_generated, self.trainer.policy.tokens_forwarded)

    # ------------------------------------------------------------ events

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.step_began = perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop when the budget is spent; the trainer itself knows of the number of steps only."""
        self.seconds = perf_counter() - self.step_began
        if self.trainer.clock.share >= 1:
            control.should_training_stop = True
            control.should_save |= args.save_strategy == "steps"

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float],
        **_: Any,
    ) -> None:
        """Log and observe the step that just ended; the trainer's summary at the end has none.

        Of several updates on the same rollouts the first is logged, after the last one.
        """
        trainer, iterations = self.trainer, self.trainer.config.iterations
        if not trainer.groups:
            return
        if state.global_step % iterations == 1 % iterations:
            self._first = {name: logs[name] for name in ("loss", "grad_norm")}
        if state.global_step % iterations:
            return
        step, logs = state.global_step // iterations, self._first
        groups, trainer.groups = trainer.groups, []
        trainer.policy.references.follow()
        started, share = perf_counter(), trainer.clock.share
        metrics = {
            "step": step,
            **group_metrics(groups),
            "loss": logs["loss"],
            "grad_norm": logs["grad_norm"],
            "share": share,
            **self.costs,
        }
        trainer.recipe.observe(groups, metrics)
        bookkeeping = trainer.seconds["seconds_curriculum"]
        generation = trainer.seconds["seconds_generation"]
        metrics["seconds_generation"] = generation
        metrics["seconds_update"] = self.seconds - generation
        metrics["seconds_curriculum"] = bookkeeping + perf_counter() - started
        self.log("metrics", metrics)
        for group in groups:
            self.log("groups", group_record(group))
        every = trainer.config.eval_every
        if every and (share >= 1 or step % every == 0):
            self.evaluate(sampled=share >= 1)
        if self.on_step is not None:
            self.on_step(metrics)
        if share < 1:
            trainer.steering.boundary()
            control.should_training_stop |= trainer.steering.stopped

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Complete a checkpoint: only one that holds our record counts as whole."""
        self.trainer.accelerator.wait_for_everyone()
        if self.run:
            folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            record = {
                "engine": "trl",
                "processes": self.trainer.accelerator.num_processes,
                "step": state.global_step,
                "tokens": self.costs["tokens_generated"],
                "costs": self.costs,
                "recipe": self.trainer.recipe.state_dict(),
                "dials": self.trainer.recipe.describe(),
                "arms": self.trainer.collector.catalog.arms,
                "offsets": self.run.offsets(),
            }
            if references := self.trainer.policy.references.tensors():
                save_file(references, folder / REFERENCES)
            write_json_atomic(folder / RECORD, record)

    # ------------------------------------------------------------ logs and results

    def evaluate(self, sampled: bool) -> dict[str, float]:
        """Accuracy on held-out problems now, logged by process 0; its means over all levels."""
        trainer, config, clock = self.trainer, self.trainer.config, self.trainer.clock
        if not trainer.accelerator.is_main_process:
            return {}
        judge = LanguagePolicy(trainer.model, trainer.processing_class, config.max_new_tokens)
        rows = evaluate(judge, config.levels, config.eval_problems, sampled)
        for row in rows:
            self.log("eval", {"step": clock.step, "tokens": clock.tokens, **row})
        kinds = ("greedy", "sampled", "pass_at_8") if sampled else ("greedy",)
        return {f"eval_{kind}": mean_accuracy(rows, kind) for kind in kinds}

    def results(self) -> dict[str, Any]:
        """The run in short: recipe, costs and the last evaluation."""
        costs = {"share": self.trainer.clock.share, **self.costs}
        step = self.trainer.clock.step
        return run_results("trl", self.trainer.recipe, costs, self.history, step)

    def newest_checkpoint(self) -> Path | None:
        return self.run.newest_checkpoint() if self.run else None

    @contextmanager
    def restoring(self, checkpoint: str) -> Iterator[None]:
        """Restore the curriculum's part of a checkpoint; the block does the rest, and trains.

        CurrlabError if the checkpoint is another engine's, or if anything fails before the first
        step: then it is damaged, and nothing has been overwritten.
        """
        try:
            self._restore(checkpoint)
            yield
        except Exception as error:
            if self.started or isinstance(error, CurrlabError):
                raise
            raise CurrlabError(
                f"Checkpoint '{checkpoint}' is damaged ({error!r:.200}); nothing "
                "was overwritten. Move it away to go on from an older one."
            ) from error

    def _restore(self, checkpoint: str) -> None:
        record = read_json(Path(checkpoint) / RECORD)
        processes = self.trainer.accelerator.num_processes
        if record.get("engine") != "trl" or record.get("processes") != processes:
            raise CurrlabError(
                f"Checkpoint '{checkpoint}' was made by engine {record.get('engine')!r} with "
                f"{record.get('processes')} processes; this is engine 'trl' with {processes}."
            )
        catalog = self.trainer.collector.catalog
        adopted = rebuilt(self.trainer.recipe, catalog, record["dials"], record["arms"])
        self.trainer.steering.adopt(*adopted)
        self.trainer.recipe.load_state_dict(record["recipe"])
        self.trainer.policy.references.load(read_references(checkpoint))
        self.costs, self.offsets = record["costs"], record["offsets"]

    def log(self, stream: str, record: Mapping[str, Any]) -> None:
        """Add a line to a stream, on disk where this process keeps the run."""
        self.history[stream].append(dict(record))
        if self.run:
            self.run.log(stream, record)
