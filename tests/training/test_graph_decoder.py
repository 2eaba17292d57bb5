"""The decoder of fixed shapes, without a GPU: the same completions as the other fast decoder."""

import gc
from contextlib import contextmanager

import pytest
import torch

from currlab.models import load_model
from currlab.training import decoders, graph_decoder, rollouts
from currlab.training.graph_decoder import LENGTH_STEP, SHAPES_KEPT, GraphedLlamaDecoder
from currlab.training.rollouts import sample_completions
from tests.training.test_rollouts import END, PROMPTS, SEEDS, small_llama


@pytest.fixture(autouse=True)
def nothing_kept():
    graph_decoder._kept.clear()


@pytest.fixture
def graphed(monkeypatch):
    """`sample_completions` as it is on a GPU."""

    def sample(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(rollouts, "decoder_for", GraphedLlamaDecoder)
            return sample_completions(*arguments)

    return sample


def assert_same(ours, theirs):
    assert [c.token_ids for c in ours] == [c.token_ids for c in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
        assert one.entropy == pytest.approx(other.entropy, abs=1e-4)


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_completions_are_those_of_the_other_decoder(graphed, temperature):
    model = small_llama()
    arguments = (model, PROMPTS, SEEDS, 30, temperature, END)
    assert_same(graphed(*arguments), sample_completions(*arguments))


def test_the_shipped_model_answers_alike(graphed):
    model, tokenizer = load_model("tiny-warm")
    prompts = [tuple(range(5, 5 + n)) for n in (3, 9, 20)] * 11
    arguments = (model, prompts, range(33), 24, 1.0, tokenizer.eos_token_id)
    assert_same(graphed(*arguments), sample_completions(*arguments))


def test_a_shape_is_kept_and_sees_new_weights_and_other_prompts(graphed):
    model = small_llama()
    graphed(model, PROMPTS, SEEDS, 12, 1.0, END)
    [kept] = graph_decoder._kept[model].values()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.8)
    other = [prompt[::-1] for prompt in PROMPTS[:5]]
    arguments = (model, other, SEEDS[:5], 12, 1.0, END)
    assert_same(graphed(*arguments), sample_completions(*arguments))
    assert [kept] == list(graph_decoder._kept[model].values())


def test_what_an_earlier_batch_left_is_not_seen(graphed):
    model = small_llama()
    graphed(model, PROMPTS, SEEDS, 12, 1.0, END)
    with torch.inference_mode():
        for kept in graph_decoder._kept[model].values():
            kept.cache.fill_(float("nan"))
    arguments = (model, PROMPTS, SEEDS, 12, 1.0, END)
    assert_same(graphed(*arguments), sample_completions(*arguments))


def test_weights_that_were_put_elsewhere_get_a_decoder_of_their_own(graphed):
    model = small_llama()
    graphed(model, PROMPTS, SEEDS, 12, 1.0, END)
    # Not in place: a graph would go on reading the old memory.
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach() * -1)
    arguments = (model, PROMPTS, SEEDS, 12, 1.0, END)
    assert_same(graphed(*arguments), sample_completions(*arguments))
    assert len(graph_decoder._kept[model]) == 2


def test_few_shapes_are_kept_and_none_when_the_model_is_gone(graphed):
    model = small_llama(max_position_embeddings=1000)
    for length in range(1, 1 + LENGTH_STEP * (SHAPES_KEPT + 2), LENGTH_STEP):
        graphed(model, PROMPTS, SEEDS, length, 1.0, -1)
    assert len(graph_decoder._kept[model]) == SHAPES_KEPT
    del model
    gc.collect()
    assert not len(graph_decoder._kept)


def test_rows_stay_although_they_have_ended(graphed):
    model = small_llama()
    short = graphed(model, PROMPTS * 40, range(240), 30, 1.0, END)
    assert len({len(c.token_ids) for c in short}) > 3
    assert_same(short, sample_completions(model, PROMPTS * 40, range(240), 30, 1.0, END))


class Recording:
    """What torch.cuda is for `_capture`: a graph that can only be replayed after a recording."""

    def __init__(self):
        self.replays, self.recorded = 0, False

    def replay(self):
        assert self.recorded
        self.replays += 1
        self.decoder.logits = self.decoder._next()


def test_a_step_is_recorded_once_and_replayed_for_every_token(monkeypatch):
    class Stream:
        def wait_stream(self, other):
            assert isinstance(other, Stream)

    @contextmanager
    def graph(recording, capture_error_mode):
        assert capture_error_mode == "thread_local"
        yield
        recording.recorded = True

    @contextmanager
    def stream(aside):
        yield

    for name, stand_in in (
        ("Stream", Stream),
        ("current_stream", Stream),
        ("stream", stream),
        ("graph", graph),
        ("CUDAGraph", Recording),
    ):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    model = small_llama()
    reader = decoders.LlamaDecoder(model, 8)
    with torch.inference_mode():
        static = graph_decoder.StaticDecoder(model, (4, LENGTH_STEP))
        static.graph = static._capture()
        static.graph.decoder = static
        logits = reader.prefill([(1, 2, 4), (5,)])
        rows = torch.tensor([0, 1, 1])
        static.fill(reader, rows)
        reader.expand(rows)
        tokens = logits[rows].argmax(-1)
        for _ in range(3):
            expected = reader.step(tokens)
            assert torch.allclose(static.step(tokens)[:3], expected, atol=1e-5)
            tokens = expected.argmax(-1)
    assert static.graph.replays == 3


def test_a_gpu_gets_the_graphed_decoder(monkeypatch):
    """`decoder_for` asks the model's device; none of it needs a GPU until something is read."""
    model = small_llama()
    monkeypatch.setattr(type(model), "device", torch.device("cuda"))
    assert isinstance(decoders.decoder_for(model, 4), GraphedLlamaDecoder)
