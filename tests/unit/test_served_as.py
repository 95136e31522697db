"""How a version is served: kept as JSON, read back checked, told in words."""

import dataclasses
import json

import pytest

from ragft.errors import DataError
from ragft.prompts.answer import load_answer_prompt
from ragft.served_as import LATER, ServedAs
from ragft.types import Search

PROMPT = load_answer_prompt()
SERVED = ServedAs(
    prompt=PROMPT.with_passages,
    prompt_alone=PROMPT.without_passages,
    max_new_tokens=128,
    context_window=0,
    context="retrieved",
    top_k=5,
    chunk_chars=1500,
    collection="c" * 64,
    embedder="default",
    dtype="float32",
    quantization="none",
)


def test_it_comes_back_as_it_was_kept() -> None:
    assert ServedAs.from_json(SERVED.to_json(), source="a tag") == SERVED
    assert SERVED.answer_prompt.sha256 == PROMPT.sha256


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ServedAs)])
def test_every_setting_is_needed_and_checked(field: str) -> None:
    values = SERVED.as_dict()
    if field in LATER:
        assert field not in values
    else:
        with pytest.raises(DataError, match=f"{field} is missing"):
            ServedAs.from_dict({name: value for name, value in values.items() if name != field}, source="a tag")
    with pytest.raises(DataError, match=f"{field} is None, expected"):
        ServedAs.from_dict({**values, field: None}, source="a tag")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"evil": 1}'])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="a tag"):
        ServedAs.from_json(text, source="a tag")


def test_all_that_changes_is_told() -> None:
    other = dataclasses.replace(SERVED, prompt="$passages? $question", max_new_tokens=8, context_window=300)
    assert SERVED.changes(SERVED) == ""
    assert other.changes(SERVED) == (
        f"prompt {other.answer_prompt.sha256[:12]} (was {PROMPT.sha256[:12]}), max_new_tokens 8 (was 128), "
        "context_window 300 (was the model's)"
    )
    assert "collection" not in SERVED.words
    assert json.loads(SERVED.to_json())["collection"] == "c" * 64


def test_what_came_later_stands_only_where_it_is_not_usual() -> None:
    assert SERVED.to_json() == ServedAs.from_json(SERVED.to_json(), source="a tag").to_json()
    hybrid = dataclasses.replace(SERVED, retriever="hybrid", reranker="minilm", reranker_sha256="a" * 64)
    assert ServedAs.from_json(hybrid.to_json(), source="a tag") == hybrid
    assert hybrid.as_dict().keys() - SERVED.as_dict().keys() == {"retriever", "reranker", "reranker_sha256"}
    assert hybrid.search == Search("hybrid", reranker="minilm", reranker_sha256="a" * 64)
    assert hybrid.words == f"{SERVED.words}, retriever hybrid, reranker minilm (aaaaaaaaaaaa)"
    assert hybrid.changes(SERVED) == "retriever hybrid (was dense), reranker minilm (aaaaaaaaaaaa) (was none)"
    with pytest.raises(DataError, match="retriever is 'sparse', expected one of: dense, lexical, hybrid"):
        ServedAs.from_dict({**SERVED.as_dict(), "retriever": "sparse"}, source="a tag")
