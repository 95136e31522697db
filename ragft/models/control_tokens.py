"""Control tokens in a text that somebody wrote are broken up, so that it can neither end a turn nor begin one."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The first pass breaks tokens up; what a tokenizer then still reads as a token is removed.
PASSES = 3
REPLACEMENT = "\ufffd"
# A served model's tokenizer is not known here: the spellings of the common families.
_KNOWN = re.compile(
    r"<(?=[|｜][^<>|｜\s]{1,40}[|｜]>)"
    r"|<(?=/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|<SYS>)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"
)


def without_controls(tokenizer: "PreTrainedTokenizerBase", text: str) -> str:
    """Return ``text`` so that the tokenizer finds none of its special tokens in it.

    Text that spells out a token gets a space after its first visible character. The tokenizer itself is asked where
    tokens are, since it may change the text first: one that folds full-width letters reads ``＜|end|＞`` as an end.
    """
    controls = _controls(tokenizer)
    changed_before = any(token.special and token.normalized for token in tokenizer.added_tokens_decoder.values())
    if not changed_before and not any(spelling in text for spelling in controls.values()):
        return text
    if not tokenizer.is_fast:
        return _without_spellings(text, list(controls.values()))
    for number in range(PASSES):
        spans = _spans(tokenizer, text, controls)
        if not spans:
            break
        for start, end in reversed(spans):
            text = text[:start] + (_broken(text[start:end]) if number == 0 else REPLACEMENT) + text[end:]
    return text


def without_turns(text: str, after: str) -> str:
    """Return ``text`` without the words by which a template begins the model's turn.

    Args:
        text: What somebody wrote.
        after: What the template writes between a message and the reply, as ``[/INST]`` where that is no token.
    """
    for word in dict.fromkeys(after.split()):
        if re.search(r"\w", word) and re.search(r"\W", word):  # a word alone is prose
            text = text.replace(word, re.sub(r"\b(?!^)", " ", word, count=1))
    return text


def without_known_controls(text: str) -> str:
    """Return ``text`` with the control tokens of the common families broken up, for a tokenizer that is not known."""
    return _KNOWN.sub(lambda match: f"{match[0]} ", text)


def _controls(tokenizer: "PreTrainedTokenizerBase") -> dict[int, str]:
    """Return id -> spelling of every special token, listed in ``all_special_tokens`` or only marked so."""
    listed = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    marked = {number: token.content for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return dict(listed) | marked


def _spans(tokenizer: "PreTrainedTokenizerBase", text: str, controls: dict[int, str]) -> list[tuple[int, int]]:
    """Return where the tokenizer reads control tokens, in order."""
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [
        (start, end)
        for number, (start, end) in zip(read["input_ids"], read["offset_mapping"], strict=True)
        # An unknown character is read as the token for unknown ones; only that token spelled out counts as one.
        if number in controls and (number != tokenizer.unk_token_id or text[start:end].strip() == controls[number])
    ]


def _broken(token: str) -> str:
    first = len(token) - len(token.lstrip())
    return f"{token[: first + 1]} {token[first + 1 :]}"


def _without_spellings(text: str, spellings: list[str]) -> str:
    pattern = re.compile("|".join(map(re.escape, sorted(spellings, key=len, reverse=True))))
    for _ in range(PASSES):  # breaking one up may leave another that overlapped it
        text = pattern.sub(lambda match: _broken(match[0]) if len(match[0]) > 1 else REPLACEMENT, text)
    return text
