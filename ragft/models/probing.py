"""Greedy and sampled replies to many messages, each kept in the store as soon as its batch is done."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ragft.models.generation import Generator
from ragft.models.messages import Generated
from ragft.result_versions import VERSIONS
from ragft.store.answers import find_answers, save_answers
from ragft.store.connection import Store
from ragft.types import Written, digest

SAMPLED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Replies:
    """What a model said to one message, greedily and sampled; ``whole`` are those that it ended itself."""

    greedy: str
    sampled: tuple[str, ...]
    whole: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How replies are sampled: how many per message, at which temperature, with which seed."""

    samples: int
    temperature: float
    seed: int


OnProgress = Callable[[int, int], None]


def reply(
    store: Store,
    generator: Generator,
    messages: Iterable[str],
    sampling: Sampling,
    max_new_tokens: int,
    on_progress: OnProgress | None = None,
) -> dict[str, Replies]:
    """Return message -> replies; what is in the store is not generated again, and a kill loses at most one batch."""
    asked = list(dict.fromkeys(messages))
    greedy = {
        message: digest([VERSIONS["answering"], generator.identity, message, max_new_tokens]) for message in asked
    }
    sampled = {message: _sampled_keys(generator, message, sampling, max_new_tokens) for message in asked}
    wanted = [*greedy.values(), *(key for keys in sampled.values() for key in keys)]
    there = find_answers(store, wanted)
    texts = {key: answer.text for key, answer in there.items()}
    missing = len(set(wanted) - set(texts))

    def keep(made: list[Written]) -> None:
        save_answers(store, made)
        there.update({answer.key: answer for answer in made})
        texts.update({answer.key: answer.text for answer in made})
        if on_progress is not None:
            on_progress(missing - len(set(wanted) - set(texts)), missing)

    _reply_greedily(generator, [m for m in asked if greedy[m] not in texts], greedy, max_new_tokens, keep)
    lacking = [message for message in asked if not all(key in texts for key in sampled[message])]
    for start in range(0, len(lacking), SAMPLED_AT_ONCE):
        part = lacking[start : start + SAMPLED_AT_ONCE]
        seeds = [[int(key[:15], 16) for key in sampled[message]] for message in part]
        replies = generator.sample(part, "", sampling.samples, max_new_tokens, sampling.temperature, seeds)
        keep(
            [
                _kept(key, message, made)
                for message, row in zip(part, replies, strict=True)
                for key, made in zip(sampled[message], row, strict=True)
            ]
        )
    return {
        m: Replies(
            texts[greedy[m]],
            tuple(texts[key] for key in sampled[m]),
            tuple(texts[key] for key in (greedy[m], *sampled[m]) if not there[key].cut),
        )
        for m in asked
    }


def _reply_greedily(
    generator: Generator,
    messages: Sequence[str],
    keys: dict[str, str],
    max_new_tokens: int,
    keep: Callable[[list[Written]], None],
) -> None:
    def on_batch(batch: list[tuple[int, Generated]]) -> None:
        keep([_kept(keys[messages[index]], messages[index], made) for index, made in batch])

    generator.generate(messages, max_new_tokens, on_batch=on_batch)


def _sampled_keys(generator: Generator, message: str, sampling: Sampling, max_new_tokens: int) -> list[str]:
    how = ["sampled", sampling.temperature, sampling.seed]
    made_by = [VERSIONS["answering"], generator.loaded.identity, *how, message, max_new_tokens]
    return [digest([*made_by, number]) for number in range(sampling.samples)]


def _kept(key: str, message: str, made: Generated) -> Written:
    return Written(key, message, made.text, made.prompt_tokens, made.tokens, made.cut)
