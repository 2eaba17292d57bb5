"""Base pre-training: what the corpus holds and never holds, and that its loss falls."""

import random
import re
from collections import Counter

import pytest
import torch

from currlab.errors import CurrlabError
from currlab.models import build_tokenizer, new_model
from currlab.models.pretrain import Corpus, encode_documents, pretrain, slip
from currlab.tasks import get_task
from currlab.tasks.base import is_test_prompt
from currlab.training.make_weights import CORPUS

TOKENIZER = build_tokenizer()


def documents(corpus, n=1500, seed=0):
    return [corpus.document(seed, i) for i in range(n)]


def question_and_answer(document):
    """(digits asked about, answer) of a sorting document without steps, whatever its format."""
    return re.findall(r"\d+", document)


def test_the_shipped_corpus_holds_no_chat_and_no_unknown_character():
    for document in documents(CORPUS):
        assert not re.search(r"<(user|assistant|think|/think|answer|/answer)>", document)
        assert TOKENIZER.unk_token_id not in TOKENIZER.encode(document, add_special_tokens=False)


def test_the_shipped_corpus_never_shows_more_than_six_digits_to_sort():
    asked = [re.findall(r"sort (\d+)", document) for document in documents(CORPUS)]
    lengths = Counter(len(digits) for found in asked for digits in found)
    assert set(lengths) == {2, 3, 4, 5, 6}


def test_test_problems_never_occur():
    asked = {d for doc in documents(CORPUS) for d in re.findall(r"sort \d+", doc)}
    assert len(asked) > 300
    assert not any(is_test_prompt(prompt) for prompt in asked)


@pytest.mark.parametrize(("level", "good"), [(1, 0.9), (3, 0.5)])
def test_the_share_of_right_documents_is_the_one_asked_for(level, good):
    corpus = Corpus({f"sorting/{level}": 1.0}, good=(good,) * level, written=0.0)
    pairs = [question_and_answer(document) for document in documents(corpus)]
    right = sum("".join(sorted(p[0])) == p[-1] and len(p) == 2 for p in pairs) / len(pairs)
    # A slip may happen to write the right character, and a guess the right answer.
    assert good - 0.04 < right < good + 0.15


def test_a_slip_leaves_one_character_out_or_writes_another():
    rng, seen = random.Random(0), Counter()
    for seed in range(200):
        problem = get_task("brackets").make(3, seed)
        answer, wrong = problem.answer, slip(problem, rng)
        if len(wrong) == len(answer):
            assert sum(a != b for a, b in zip(wrong, answer, strict=True)) <= 1
        else:
            assert wrong in {answer[:i] + answer[i + 1 :] for i in range(len(answer))}
        seen[len(wrong) - len(answer)] += 1
    assert set(seen) == {0, -1}
    assert min(seen.values()) > 50


def test_steps_are_written_as_often_as_asked():
    for written in (0.0, 1.0):
        corpus = Corpus({"sorting/3": 1.0}, written=written)
        assert all(("|" in document) == bool(written) for document in documents(corpus, 100))


def test_documents_depend_on_seed_and_index_only():
    assert documents(CORPUS, 50) == documents(CORPUS, 50)
    assert documents(CORPUS, 50) != documents(CORPUS, 50, seed=1)
    assert CORPUS.document(0, 7) == documents(CORPUS, 50)[7]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mixture": {}}, "at least one above 0"),
        ({"mixture": {"sorting/1": -1.0}}, "Weights of a mixture"),
        ({"mixture": {"sorting/1": 0.0}}, "at least one above 0"),
        ({"mixture": {"sorting/9": 1.0}}, "Arm 'sorting/9' of the corpus"),
        ({"mixture": {"sorting": 1.0}}, "must be 'task/level'"),
        ({"mixture": {"nothing/1": 1.0}}, "Unknown task 'nothing'"),
        ({"mixture": {"sorting/1": 1.0}, "slips": 1.5}, "are shares; got 1.5"),
    ],
)
def test_a_corpus_that_cannot_be_is_refused(settings, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        Corpus(**settings)


def test_padding_is_no_target_and_every_document_ends():
    batch = encode_documents(["sort 21 = 12", "ab"], TOKENIZER)
    assert batch["labels"].shape == (2, 13)
    assert batch["labels"][:, -1].tolist() == [TOKENIZER.eos_token_id, -100]
    assert batch["attention_mask"].sum(1).tolist() == [13, 3]
    assert batch["labels"][1, 2] == TOKENIZER.eos_token_id


def test_the_loss_falls_and_equal_seeds_give_equal_weights():
    def run(seed):
        model = new_model(seed=0)
        return pretrain(model, TOKENIZER, CORPUS, steps=12, batch=16, seed=seed), model

    (losses, model), (again, same), (_, other) = run(0), run(0), run(1)
    assert losses[-1] < 0.75 * losses[0]
    assert losses == again
    weights = [m.model.embed_tokens.weight for m in (model, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "'steps' must be at least 1"),
        ({"batch": -1}, "'batch' must be at least 1"),
        ({"learning_rate": 0.0}, "'learning_rate' must lie in"),
    ],
)
def test_impossible_settings_are_refused(settings, sentence):
    with pytest.raises(CurrlabError, match=sentence):
        pretrain(new_model(), TOKENIZER, CORPUS, **settings)
