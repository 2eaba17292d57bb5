"""WHO learns: tokenizer, tiny models with their shipped weights, models of the Hub."""

from currlab.models.load import load_model, save_model
from currlab.models.tiny import new_model, tiny_config
from currlab.models.tokenizer import build_tokenizer, chat_prompt, prompt_ids, text_ids

__all__ = [
    "build_tokenizer",
    "chat_prompt",
    "load_model",
    "new_model",
    "prompt_ids",
    "save_model",
    "text_ids",
    "tiny_config",
]
