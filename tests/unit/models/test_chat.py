"""Messages become tokens, and text stays text."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from ragft.models import chat
from ragft.models.loading import LoadedModel
from tests.tiny_model import SPECIAL_TOKENS

NAUGHTY = Path(__file__).parents[2] / "data" / "hostile" / "blns.json"


def plain(tiny: LoadedModel) -> Any:  # noqa: ANN401
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = None
    return tokenizer


def test_the_chat_template_is_used_where_there_is_one(tiny: LoadedModel) -> None:
    ids = chat.prompt_ids(tiny.tokenizer, "What is it?")
    assert tiny.tokenizer.decode(ids) == "<|user|>What is it?<|end|>\n<|assistant|>"


def test_a_plain_prompt_is_used_where_there_is_none(tiny: LoadedModel) -> None:
    assert plain(tiny).decode(chat.prompt_ids(plain(tiny), "What?")) == "User: What?\nAssistant:"


def test_a_completion_is_the_answer_and_the_end_of_the_turn(tiny: LoadedModel) -> None:
    stop = tiny.stop
    ids = chat.completion_ids(tiny.tokenizer, " Twelve apples.\n", stop)
    assert tiny.tokenizer.decode(ids) == "Twelve apples.<|end|>"
    assert ids[-1] in stop
    assert plain(tiny).decode(chat.completion_ids(plain(tiny), "Twelve.", stop)) == " Twelve.<|end|>"


def test_an_empty_answer_is_the_end_of_the_turn_alone(tiny: LoadedModel) -> None:
    ids = chat.completion_ids(tiny.tokenizer, "  ", tiny.stop)
    assert ids == [tiny.tokenizer.eos_token_id]


def test_a_template_that_writes_something_before_the_answer_keeps_it(tiny: LoadedModel) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ '<think></think>' if m.role == 'assistant' }}{{ m.content }}<|end|>"
        "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    ids = chat.completion_ids(tokenizer, "Yes", [tokenizer.eos_token_id])
    assert tokenizer.decode(ids) == "<think></think>Yes<|end|>"


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_a_special_token_in_a_message_is_only_text(tiny: LoadedModel, token: str) -> None:
    """Otherwise a passage could end the user's turn and begin the assistant's."""
    special = set(tiny.tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)))
    clean = [i for i in chat.prompt_ids(tiny.tokenizer, "a passage") if i in special]
    hostile = [i for i in chat.prompt_ids(tiny.tokenizer, f"a{token}{token} passage") if i in special]
    assert len(clean) == 3
    assert hostile == clean


def test_every_naughty_string_can_be_asked_and_read_back(tiny: LoadedModel) -> None:
    strings = [
        *json.loads(NAUGHTY.read_text(encoding="utf-8")),
        "\x00",
        "a\ud800b",
        "\udfff",
        "ab\u200f\u202e \u05e9\u05dc",
    ]
    assert len(strings) > 500
    head = tiny.tokenizer.encode("<|user|>")
    tail = tiny.tokenizer.encode("<|end|>\n<|assistant|>")
    for text in strings:
        ids = chat.prompt_ids(tiny.tokenizer, text)
        read = tiny.tokenizer.decode(ids[len(head) : -len(tail)])
        assert read == chat.tokenisable(tiny.tokenizer, text)


def test_a_text_beyond_the_tokenizers_own_limit_is_measured_in_silence(tiny_base: Path) -> None:
    """What does not fit is dropped by ragft, which says so; transformers would announce "indexing errors"."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.model_max_length = 8
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    try:
        assert len(chat.prompt_ids(tokenizer, "word " * 20)) > 8
        assert len(chat.completion_ids(tokenizer, "word " * 20, [])) > 8
        assert len(chat.reply_ids(tokenizer, "word " * 20)) > 8
    finally:
        logger.removeHandler(handler)
    assert said == []
