"""A reply that is read while it is written is the reply that is read at its end."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from ragft.errors import ConfigError
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel
from ragft.models.messages import Messages
from tests.tokenizer_families import CHATML, LLAMA_3, MISTRAL, Family, load_family

TEXT = "Größe \U0001f642 in 東京:\n\n1. é; User: no\nUser: the next question"


def test_the_last_of_a_stream_is_the_reply_and_every_text_begins_with_the_one_before(generator: Generator) -> None:
    messages = ["Short?", "What is the thing about? " * 12]
    for message, reply in zip(messages, generator.generate(messages, 24), strict=True):
        (alone,) = generator.generate([message], 24)
        *grown, last = generator.stream(message, 24)
        assert last == alone
        assert last.text == reply.text
        texts = [each.text for each in grown]
        assert len(texts) > 10
        assert all(after.startswith(before) and after != before for before, after in pairwise(texts))
        assert last.text.startswith(texts[-1])
        assert [each.tokens for each in grown] == sorted({each.tokens for each in grown})


def test_a_stream_ends_at_a_stop_token(tiny: LoadedModel, generator: Generator) -> None:
    *_, free = generator.stream("Short?", 6)
    whole = tiny.tokenizer(free.text, add_special_tokens=False).input_ids
    stopped = Generator(replace(tiny, stop=(*tiny.stop, whole[3])))
    *_, last = stopped.stream("Short?", 6)
    assert last == stopped.generate(["Short?"], 6)[0]
    assert (last.cut, free.cut) == (False, True)
    assert last.tokens < free.tokens


@pytest.mark.parametrize("family", [LLAMA_3, MISTRAL, CHATML], ids=["llama 3", "mistral", "chatml"])
@pytest.mark.parametrize("turns", [True, False], ids=["with a chat template", "without"])
def test_no_text_is_said_that_the_next_tokens_take_back(family: Family, turns: bool, tmp_path: Path) -> None:
    tokenizer = load_family(family, tmp_path)
    if not turns:
        tokenizer.chat_template = None
    messages = Messages(tokenizer, "a model", 1000, ())
    ids = tokenizer(TEXT, add_special_tokens=False).input_ids
    whole = messages.reply([], ids).text
    assert whole == (TEXT if turns else TEXT.partition("\nUser:")[0])
    said = [messages.settled([], ids[:end]).text for end in range(len(ids) + 1)]
    assert all(whole.startswith(text) for text in said)
    assert len(set(said)) > len(whole) / 2


def test_a_message_that_does_not_fit_is_refused(tiny: LoadedModel) -> None:
    with pytest.raises(ConfigError, match="do not fit the context window"):
        next(Generator(replace(tiny, context_window=40)).stream("word " * 60, 4))
