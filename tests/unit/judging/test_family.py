"""Judges of the same family as a side are warned about."""

import pytest

from ragft.judging.family import family_of, family_warning


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Llama-3.2-1B-Instruct", "llama"),
        ("mistralai/Mixtral-8x7B-v0.1", "mistral"),
        ("/models/llama/Qwen2.5-7B", "qwen"),
        ("gpt-4o-mini", "gpt"),
        ("pocket", "pocket"),
        ("/data/my-model", "/data/my-model"),
    ],
)
def test_the_family_is_read_from_the_name(name: str, family: str) -> None:
    assert family_of(name) == family


def test_what_sharing_a_family_does_to_the_verdict_is_said() -> None:
    both = family_warning("meta-llama/Llama-3-8B", {"base": "llama-2-7b", "fine-tuned": "llama-2-7b"})
    assert "every side" in both and "against the fine-tuned side" in both
    one = family_warning("gpt-4o", {"gpt": "gpt-3.5-turbo", "fine-tuned": "mistral-7b"})
    assert "a verdict for gpt" in one
    assert family_warning("gpt-4o", {"base": "mistral-7b", "fine-tuned": "mistral-7b"}) == ""
