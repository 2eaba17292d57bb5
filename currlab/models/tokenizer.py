"""A character-level tokenizer: printable ASCII, newline, tags, spare ids. One character, one id."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<eos>", "<unk>")
# Ordinary tokens, not special ones: special tokens are stripped when a completion is decoded, and
# a verifier that never sees its tags gives reward 0 to everything.
TAGS = ("<user>", "<assistant>", "<think>", "</think>", "<answer>", "</answer>")
SPARE = tuple(f"<spare{i}>" for i in range(16))
CHARACTERS = ("\n", *map(chr, range(32, 127)))

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "<assistant>{{ message['content'] }}<eos>"
    "{% else %}<user>{{ message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of every tiny model; 121 ids, unknown characters become ``<unk>``."""
    vocabulary = {token: i for i, token in enumerate((*SPECIAL, *TAGS, *SPARE, *CHARACTERS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_tokens([*TAGS, *SPARE])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def chat_prompt(tokenizer: PreTrainedTokenizerBase, question: str) -> str:
    """The text that the model continues: the question in the tokenizer's chat template."""
    messages = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def text_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The ids of a text as it stands, nothing added."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()


def prompt_ids(question: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The ids that the model continues when it is asked `question` (its chat template applied)."""
    return text_ids(chat_prompt(tokenizer, question), tokenizer)
