"""Recipes of the warm-up in the trainer: losses, hidden tokens, rows and chains of one's own."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM
from trl import SFTTrainer

import currlab.training.warm_up as module
from currlab.curricula import make_strategy
from currlab.errors import CurrlabError
from currlab.models import build_tokenizer, load_model, new_model, save_model
from currlab.training.warm_up import warm_up
from currlab.training.warm_up_losses import LOSSES
from currlab.training.warm_up_rows import row_of, worked_messages
from currlab.training.warm_up_trainer import MaskedThought

TOKENIZER = build_tokenizer()
SORTING = {"sorting/1": 1.0, "sorting/3": 1.0}


def trained(steps=3, start="tiny-base", **recipe):
    """A shipped model after a few steps, and the records."""
    model, _ = load_model(start)
    settings = {"steps": steps, "batch": 4, "log_every": 1, **recipe}
    records = warm_up(model, TOKENIZER, SORTING, **settings)
    return model, records


def same(one, other, tolerance):
    pairs = zip(one, other, strict=True)
    return all(torch.allclose(a, b, atol=tolerance, rtol=1e-3) for a, b in pairs)


@pytest.fixture
def first_gradient(monkeypatch):
    """The gradient of a warm-up's first batch, and its loss; AdamW blows up what is near 0."""
    found, step = [], SFTTrainer.training_step

    def spy(self, *args, **kwargs):
        loss = step(self, *args, **kwargs)
        found.append([p.grad.clone() for p in self.model.parameters()])
        return loss

    monkeypatch.setattr(SFTTrainer, "training_step", spy)

    def of(**recipe):
        found.clear()
        records = trained(1, **recipe)[1]
        return found[0], records[0]

    return of


@pytest.fixture
def seen(monkeypatch):
    """What the trainer computes its losses of, step by step."""
    found, compute = [], SFTTrainer.compute_loss

    def spy(self, model, inputs, *args, **kwargs):
        found.append({name: inputs[name].clone() for name in ("input_ids", "labels")})
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(SFTTrainer, "compute_loss", spy)
    return found


# ---------------------------------------------------------------- losses


def test_dft_is_trl_s_own(monkeypatch, first_gradient):
    ours, record = first_gradient(loss="dft")
    settings = module._trainer_settings

    def with_dft(*arguments):
        made = settings(*arguments)
        made.loss_type = "dft"
        return made

    monkeypatch.setattr(module, "_trainer_settings", with_dft)
    theirs, expected = first_gradient()
    assert same(ours, theirs, 1e-6)
    assert record == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "settings", "plain"),
    [
        ("curio", {"weight": 0.0}, "nll"),
        ("asft", {"anchor": 0.0}, "dft"),
        # Bounds of 0 make every weight of the rest 1.
        ("pear", {"low": 0.0, "high": 0.0, "decay": 1.0}, "nll"),
    ],
)
def test_a_loss_without_its_extra_is_the_plain_one(loss, settings, plain, first_gradient):
    gradient, record = first_gradient(loss=loss, loss_settings=settings)
    expected, plain_record = first_gradient(loss=plain)
    assert same(gradient, expected, 1e-6)
    assert record == pytest.approx(plain_record, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_and_equal_seeds_give_equal_weights(loss):
    before, _ = load_model("tiny-base")
    (one, records), (again, _) = trained(loss=loss), trained(loss=loss)
    assert all(record["loss"] > 0 for record in records)
    assert all(map(torch.equal, one.parameters(), again.parameters()))
    assert not same(one.parameters(), before.parameters(), 1e-6)
    assert not one.training


def test_the_anchor_holds_the_model_near_its_start():
    start, _ = load_model("tiny-warm")
    ids = torch.tensor([TOKENIZER.encode("<user>sort 31<assistant>", add_special_tokens=False)])

    def away(anchor):
        settings = {"anchor": anchor}
        model, _ = trained(15, "tiny-warm", loss="asft", loss_settings=settings, thought=True)
        with torch.no_grad():
            first, second = (m(ids).logits.log_softmax(-1) for m in (start, model))
        return (first.exp() * (first - second)).sum(-1).max().item()

    assert away(10.0) < 0.5 * away(0.0)


def test_the_anchor_is_the_model_as_it_was(monkeypatch):
    kept = []
    minimise = module.WarmUpTrainer.minimise

    def watch(self, loss, references, seed):
        kept.append(references["start"])
        minimise(self, loss, references, seed)

    monkeypatch.setattr(module.WarmUpTrainer, "minimise", watch)
    trained(loss="asft")
    assert all(map(torch.equal, kept[0].parameters(), load_model("tiny-base")[0].parameters()))


def test_a_generator_with_another_vocabulary_is_refused(tmp_path):
    config = copy.deepcopy(new_model().config)
    config.vocab_size += 1
    save_model(AutoModelForCausalLM.from_config(config), TOKENIZER, tmp_path)
    with pytest.raises(CurrlabError, match="must share their tokenizer"):
        trained(loss="pear", loss_settings={"generator": str(tmp_path)})


# ---------------------------------------------------------------- hidden tokens


def test_hidden_tokens_are_ordinary_ones_of_the_answers_and_labels_stay(seen):
    trained(6, hidden=0.4, thought=True)
    trained(6, thought=True)
    masked, plain = seen[:6], seen[6:]
    hidden = ordinary = 0
    kept = {TOKENIZER.eos_token_id, *TOKENIZER.get_added_vocab().values()}
    for a, b in zip(masked, plain, strict=True):
        assert torch.equal(a["labels"], b["labels"])
        changed = a["input_ids"] != b["input_ids"]
        assert (a["input_ids"][changed] == TOKENIZER.pad_token_id).all()
        assert not changed[b["labels"] == -100].any(), "the question stays"
        assert not kept & set(b["input_ids"][changed].tolist()), "the tags stay"
        free = (b["labels"] != -100) & ~torch.isin(b["input_ids"], torch.tensor(sorted(kept)))
        hidden, ordinary = hidden + int(changed.sum()), ordinary + int(free.sum())
    assert hidden / ordinary == pytest.approx(0.4, abs=0.06)


def test_all_or_nothing_can_be_hidden():
    ids = torch.tensor([TOKENIZER.encode("<user>sort 10<answer>01</answer><eos>")])
    labels = ids.clone()
    labels[:, :8] = -100
    all_hidden = MaskedThought(TOKENIZER, 1.0, 0)(ids, labels)
    assert (all_hidden != ids).sum() == 2
    assert torch.equal(MaskedThought(TOKENIZER, 0.0, 0)(ids, labels), ids)


def test_equal_seeds_hide_equal_tokens(seen):
    for seed in (0, 0, 1):
        trained(2, hidden=0.5, rows=[row_of("sort 3120", "<answer>0123</answer>")] * 4, seed=seed)
    first, same_seed, other = (
        torch.cat([s["input_ids"] for s in seen[i : i + 2]]) for i in (0, 2, 4)
    )
    assert torch.equal(first, same_seed)
    assert not torch.equal(first, other)


# ---------------------------------------------------------------- rows and chains


def test_rows_of_one_s_own_are_what_is_imitated(seen):
    rows = [row_of(f"sort {i}0", f"<answer>0{i}</answer>") for i in range(1, 5)]
    trained(2, rows=rows)
    wanted = sorted(row["completion"][0]["content"] for row in rows)
    for step in seen:
        read = TOKENIZER.batch_decode(step["input_ids"], skip_special_tokens=True)
        assert sorted(text.partition("<assistant>")[2] for text in read) == wanted


@pytest.mark.parametrize("select", [None, "easy_to_hard"])
def test_planted_chains_are_what_is_imitated(select, seen):
    chosen = select and make_strategy(select)
    trained(2, chains={"backtracks": 1}, select=chosen)
    for step in seen:
        texts = TOKENIZER.batch_decode(step["input_ids"], skip_special_tokens=True)
        # Two equal digits leave no wrong step.
        assert sum(text.count(" !") for text in texts) in (3, 4)


def test_chains_that_plant_nothing_are_the_worked_solutions(seen):
    trained(2, chains={})
    trained(2, thought=True)
    for a, b in zip(seen[:2], seen[2:], strict=True):
        assert torch.equal(a["input_ids"], b["input_ids"])


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ({"rows": []}, "must not be empty"),
        ({"rows": worked_messages(SORTING, 1, 0, False), "chains": {}}, "go with no 'select' or"),
        ({"chains": {"backtrack": 1}}, "no parameter 'backtrack'"),
        ({"hidden": 1.5}, "A share lies between 0 and 1"),
        ({"hidden": float("nan")}, "A share lies between 0 and 1"),
        ({"loss": "ntl"}, "Unknown warm-up loss"),
    ],
)
def test_bad_recipes_are_refused_in_a_sentence(recipe, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        trained(**recipe)
