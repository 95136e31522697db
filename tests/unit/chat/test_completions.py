"""What a chat asks, and what is said where it asks nothing that can be answered."""

from collections.abc import Iterator

import pytest

from ragft.chat.completions import Answered, Source, Turn, chunks, completion, turn
from ragft.errors import DataError

SOURCES = [Source("p1", "d1", "The gate is red.")]


def test_the_last_message_is_the_question_and_the_others_are_counted() -> None:
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "Which gate is red?"},
    ]
    assert turn(messages) == Turn("Which gate is red?", 3)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (None, "messages is None, expected a list"),
        ([], r"messages is \[\], expected a list"),
        ("Which?", "messages is 'Which\\?', expected a list"),
        (["Which?"], r"message 1 is 'Which\?', expected role \(one of system"),
        ([{"role": "robot", "content": "Which?"}], "message 1 is .*robot"),
        ([{"role": "assistant", "content": "Yes?"}], "the last message is .*'Yes\\?'.* it is the question"),
        ([{"role": "user", "content": "  "}], "the last message is"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "the last message is .*image_url"),
    ],
)
def test_what_is_no_chat_is_refused_with_what_was_given(messages: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        turn(messages)


def test_the_pieces_make_up_the_whole() -> None:
    def growing() -> Iterator[Answered]:
        for number, text in enumerate(["It", "It is", "It is", "It is the red."], 1):
            yield Answered(text, 9, number, number == 4, SOURCES)

    asked = Turn("Which?", 0)
    whole = completion(Answered("It is the red.", 9, 4, cut=True, sources=SOURCES), asked, "models:/m/2")
    *pieces, end = chunks(growing(), asked, "models:/m/2")
    assert [piece["choices"][0]["delta"] for piece in pieces] == [
        {"role": "assistant", "content": "It"},
        {"content": " is"},
        {"content": " the red."},
    ]
    assert end["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
    assert [end[key] for key in ("usage", "custom_outputs")] == [whole[key] for key in ("usage", "custom_outputs")]
    assert whole["usage"] == {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    assert whole["custom_outputs"]["sources"] == [{"id": "p1", "document": "d1", "text": "The gate is red."}]
    assert len({piece["id"] for piece in (*pieces, end)}) == 1


def test_an_answer_of_no_words_is_still_a_message() -> None:
    (end,) = chunks(iter([Answered("", 9, 1, cut=False, sources=[])]), Turn("Which?", 0), "m")
    assert end["choices"] == [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": "stop"}]
