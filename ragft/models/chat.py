"""How a message becomes tokens: the model's own chat template, or a plain one."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from ragft.folding import without_lone_surrogates
from ragft.models.control_tokens import without_controls, without_turns

PLAIN_PROMPT = "User: {message}\nAssistant:"
PLAIN_STOP = "\nUser:"
PLACE = "?the message?"


def prompt_ids(tokenizer: PreTrainedTokenizerBase, message: str) -> list[int]:
    """Return the tokens a model reads before it answers ``message``."""
    message = tokenisable(tokenizer, message)
    if tokenizer.chat_template is None:
        message = without_turns(message, f"{PLAIN_STOP}{PLAIN_PROMPT.partition('{message}')[2]}")
        return _ids(tokenizer, PLAIN_PROMPT.format(message=message), add_special_tokens=True)
    after = _render(tokenizer, [_turn("user", PLACE)], add_generation_prompt=True).rpartition(PLACE)[2]
    message = without_turns(message, after)
    return _ids(tokenizer, _render(tokenizer, [_turn("user", message)], add_generation_prompt=True))


def completion_ids(tokenizer: PreTrainedTokenizerBase, answer: str, stop: Sequence[int]) -> list[int]:
    """Return the tokens of an answer as the model should write it: the text, then the end of the turn.

    The answer is tokenised apart from the prompt, because that is how it is generated. ``stop`` are
    the tokens that end generation; the one the chat template writes after an answer is taken.
    """
    answer = tokenisable(tokenizer, answer.strip())
    if tokenizer.chat_template is None:
        return [*_ids(tokenizer, f" {answer}"), tokenizer.eos_token_id]
    asked = [_turn("user", "?")]
    prompt = _render(tokenizer, asked, add_generation_prompt=True)
    whole = _render(tokenizer, [*asked, _turn("assistant", answer)], add_generation_prompt=False)
    if not whole.startswith(prompt) or answer not in whole[len(prompt) :]:
        return [*_ids(tokenizer, answer), tokenizer.eos_token_id]
    before, after = whole[len(prompt) :].rsplit(answer, 1) if answer else ("", whole[len(prompt) :])
    written = _ids(tokenizer, before + answer)
    ending = [token for token in _ids(tokenizer, after) if token in stop][:1] or [tokenizer.eos_token_id]
    return [*written, *ending]


def reply_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the tokens of the beginning of a reply, without any special token."""
    return _ids(tokenizer, tokenisable(tokenizer, text))


def stop_ids(configured: int | Sequence[int] | None, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Return every token that ends generation: those of the model's generation configuration, and the tokenizer's."""
    found = [configured] if isinstance(configured, int) else list(configured or [])
    if tokenizer.eos_token_id is not None:
        found.append(tokenizer.eos_token_id)
    return tuple(dict.fromkeys(found))


def tokenisable(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return ``text`` as the tokenizer can read it and as nothing but text.

    Lone surrogates become U+FFFD. A special token that was written out, such as an end of turn in a
    passage, is broken up: whoever wrote it cannot end the user's turn.
    """
    return without_controls(tokenizer, without_lone_surrogates(text))


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, str]], *, add_generation_prompt: bool
) -> str:
    text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=add_generation_prompt)
    return str(text)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, add_special_tokens: bool = False) -> list[int]:
    # `verbose` would announce "indexing errors" for a text that is only measured, to be shortened if it does not fit.
    return list(tokenizer.encode(text, add_special_tokens=add_special_tokens, verbose=False))
