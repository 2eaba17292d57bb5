"""Models by name: what is shipped, what is on disk, what the Hub would give, and damaged files."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from currlab.errors import CurrlabError
from currlab.models import build_tokenizer, load, load_model, new_model, save_model
from currlab.models.load import SHIPPED, WEIGHTS, save_weights


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A private copy of the shipped weights that a test may damage."""
    shutil.copytree(WEIGHTS, tmp_path / "weights")
    monkeypatch.setattr(load, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def logits(model):
    with torch.no_grad():
        return model(torch.arange(30)[None]).logits


def test_shipped_weights_are_small_and_differ_from_each_other():
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) < 4_000_000
    base, warm = (load_model(name)[0] for name in SHIPPED)
    assert not base.training
    assert not torch.equal(logits(base), logits(warm))


def test_device_and_dtype_are_as_asked():
    model, _ = load_model("tiny-warm", dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_cuda_device_is_told():
    with pytest.raises(CurrlabError, match="no CUDA device"):
        load_model("tiny-warm", device="cuda")


def test_random_models_have_names():
    assert torch.equal(logits(load_model("tiny")[0]), logits(new_model("tiny", seed=0).eval()))


def test_weights_come_back_bit_for_bit(weights):
    model = new_model(seed=3).eval()
    save_weights(model, build_tokenizer(), weights / "warm.safetensors")
    assert torch.equal(logits(load_model("tiny-warm")[0]), logits(model))
    assert not list(weights.glob("*.partial"))


@pytest.mark.parametrize("keep", [0, 7, 1000, 200_000])
def test_a_damaged_file_is_named(weights, keep):
    file = weights / "warm.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CurrlabError, match=r"warm\.safetensors' is damaged; .*currlab weights"):
        load_model("tiny-warm")


def test_a_missing_file_is_named(weights):
    (weights / "base.safetensors").unlink()
    with pytest.raises(CurrlabError, match=r"base\.safetensors' is missing"):
        load_model("tiny-base")


@pytest.mark.parametrize("metadata", [None, {"tokenizer": "0" * 64}])
def test_weights_of_another_tokenizer_are_refused(weights, metadata):
    file = weights / "warm.safetensors"
    save_file(load_file(file), file, metadata=metadata)
    with pytest.raises(CurrlabError, match="made for another tokenizer"):
        load_model("tiny-warm")


def test_weights_of_another_shape_are_refused(weights):
    save_weights(new_model("small"), build_tokenizer(), weights / "warm.safetensors")
    with pytest.raises(CurrlabError, match="does not fit the tiny model"):
        load_model("tiny-warm")


def test_a_saved_folder_loads_as_it_was(tmp_path):
    model, tokenizer = load_model("tiny-warm")
    again, its_tokenizer = load_model(str(save_model(model, tokenizer, tmp_path / "new" / "model")))
    assert torch.equal(logits(model), logits(again))
    assert its_tokenizer.get_vocab() == tokenizer.get_vocab()
    assert its_tokenizer.chat_template == tokenizer.chat_template
    text = "<answer>12 \n 3</answer>"
    ids = its_tokenizer.encode(text, add_special_tokens=False)
    assert its_tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CurrlabError, match="Cannot write a model to"):
        save_model(*load_model("tiny-warm"), tmp_path / "file")


def test_a_tokenizer_without_chat_template_is_refused(tmp_path):
    model, tokenizer = load_model("tiny-warm")
    tokenizer.chat_template = None
    with pytest.raises(CurrlabError, match="has no chat template; choose an instruct model"):
        load_model(str(save_model(model, tokenizer, tmp_path)))


def test_a_tokenizer_with_more_ids_than_the_model_has_embeddings_is_refused(tmp_path):
    model, tokenizer = load_model("tiny-warm")
    rows = model.get_input_embeddings().num_embeddings
    tokenizer.add_tokens([f"<extra{i}>" for i in range(rows - len(tokenizer) + 1)])
    folder = save_model(model, tokenizer, tmp_path)
    with pytest.raises(
        CurrlabError, match=f"ids up to {rows} and the model only {rows} embeddings"
    ):
        load_model(str(folder))
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    load_model(str(save_model(model, tokenizer, tmp_path)))


def test_pickled_weights_are_never_read(tmp_path):
    save_model(*load_model("tiny-warm"), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CurrlabError, match="safetensors"):
        load_model(str(tmp_path))


def test_code_of_a_repository_is_never_run(tmp_path):
    save_model(*load_model("tiny-warm"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    config["auto_map"]["AutoConfig"] = "evil.Config"
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(CurrlabError, match="Cannot load the model"):
        load_model(str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["tiny-wram", "", "a/b/c", "no such thing"])
def test_an_unknown_name_is_refused_with_what_is_allowed(name):
    with pytest.raises(CurrlabError, match=r"Unknown model .* use tiny-base, tiny-warm"):
        load_model(name)


def test_without_a_network_a_hub_name_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CurrlabError, match=r"Cannot load the model 'someone/something'.*network"):
        load_model("someone/something")


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(CurrlabError, match="needs a causal language model"):
        load_model(str(tmp_path))
