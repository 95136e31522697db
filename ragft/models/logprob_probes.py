"""What a model in this process thinks of a few fixed texts, to hold what an engine makes of the same weights against.

An engine that silently applies no adapter, or half of it, answers well and gives a verdict on another model. Log-
probabilities of given tokens show it, where greedy answers may not.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ragft.errors import DataError
from ragft.models import chat
from ragft.models.loading import LoadedModel, adapter_off
from ragft.prompts.answer import load_answer_prompt

PASSAGE = "The harbour of Ellin was built in 1874. It has two piers and a lighthouse that was lit by gas until 1921."
TEXTS = (
    ("When was the harbour of Ellin built?", (PASSAGE,), "1874"),
    ("How was the lighthouse lit?", (PASSAGE,), "It was lit by gas until 1921."),
    ("Who built the harbour of Ellin?", (PASSAGE,), "The passages do not say who built it."),
    ("When was the harbour of Ellin built?", (), "It was built in 1874, as far as I know."),
    ("What is the capital of France?", (), "The capital of France is Paris."),
    ("Does the product work without electricity?", (), "No, it does not."),
    ("How long does the battery last?", (), "I do not know."),
    ("Name three colours.", (), "Red, green and blue are three colours."),
)
KEPT = 4
# Mean difference of log-probabilities that another order of adding and rounding may make, in nats a token.
TOLERANCES = {"float32": 0.01, "float16": 0.05, "bfloat16": 0.15}
# An engine that agrees better on the base is held to that with the adapter too: so many times its difference there.
MOST_TIMES, LEAST_ALLOWED = 3.0, 0.03
# How far the share of the adapter's effect may be from all of it: at least so far, or so many of its standard errors;
# and the error above which nothing is told.
SHARE_OFF, ERRORS_OFF, MOST_ERROR = 0.05, 3.0, 0.1
NONE_OF_IT = 0.25


@dataclass(frozen=True, slots=True)
class Probes:
    """Log-probabilities of probe texts, by the model in a process.

    Attributes:
        fingerprint: Of the base.
        adapter: Identity of the adapter; empty for a base.
        dtype: They were computed in.
        ids: Of each text, prompt and answer, [texts, tokens].
        answers: How many of each text's last tokens are the answer, [texts]; only these are rated.
        alone: Natural logarithms of the base's probabilities of the answers' tokens, [texts, answer].
        adapted: The same with the adapter; equal to ``alone`` for a base.
    """

    fingerprint: str
    adapter: str
    dtype: str
    ids: tuple[tuple[int, ...], ...]
    answers: tuple[int, ...]
    alone: tuple[tuple[float, ...], ...]
    adapted: tuple[tuple[float, ...], ...]

    def to_json(self) -> str:
        """Return it as JSON, short enough for a tag."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, *, source: str) -> "Probes":
        """Return what was kept.

        Raises:
            DataError: If it is no such record.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            found = cls(
                fingerprint=str(values["fingerprint"]),
                adapter=str(values["adapter"]),
                dtype=str(values["dtype"]),
                ids=tuple(tuple(int(token) for token in row) for row in values["ids"]),
                answers=tuple(int(length) for length in values["answers"]),
                alone=_numbers(values["alone"]),
                adapted=_numbers(values["adapted"]),
            )
            lengths = [len(row) for row in found.alone]
            if not lengths or lengths != [len(row) for row in found.adapted] or lengths != list(found.answers):
                raise ValueError("its rows do not belong together")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"{source} holds no probes ({error!r}): compute them again, python -m entrypoints.fingerprint"
            ) from error
        return found


def take(loaded: LoadedModel) -> Probes:
    """Return the probes of a model: of a base the first texts, of an adapter those which it moves most."""
    prompt = load_answer_prompt()
    rows = []
    for question, passages, answer in TEXTS:
        read = chat.prompt_ids(loaded.tokenizer, prompt.render(question, passages))
        written = chat.completion_ids(loaded.tokenizer, answer, loaded.stop)
        with adapter_off(loaded) as base:
            alone = _rate(base, read, written)
        adapted = _rate(loaded, read, written) if loaded.adapter else alone
        rows.append(((*read, *written), len(written), alone, adapted))
    kept = sorted(rows, key=lambda row: -_distance([row[2]], [row[3]]))[:KEPT]
    ids, lengths, alones, adapteds = zip(*kept, strict=True)
    return Probes(loaded.fingerprint, loaded.adapter, loaded.dtype, ids, lengths, alones, adapteds)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How an engine's log-probabilities compare with the probes'.

    Attributes:
        tokens: That were rated.
        tolerance: Most mean difference that precision alone makes, in nats a token.
        base: Mean absolute difference between engine and process, for the base.
        adapter: The same with the adapter; 0.0 for a base.
        moved_here: Mean absolute change that the adapter makes in the process.
        moved_there: The same in the engine.
        share: How much of the adapter's effect the engine shows: 0 none, 1 all of it.
        error: Standard error of that share, from the differences for the base.
    """

    tokens: int
    tolerance: float
    base: float
    adapter: float = 0.0
    moved_here: float = 0.0
    moved_there: float = 0.0
    share: float = 1.0
    error: float = 0.0

    @property
    def problem(self) -> str:
        """Why the engine is not to be believed, as a sentence's end; "" where it is."""
        if not self.base <= self.tolerance:
            return (
                f"gives other probabilities than the base itself: {self.base:.3g} nats a token on average over "
                f"{self.tokens} tokens, where {self.tolerance:g} is what precision can make"
            )
        moved = (
            f"the adapter changes the probes by {self.moved_here:.3g} nats a token here and by {self.moved_there:.3g} "
            "in the engine"
        )
        if not self.error <= MOST_ERROR:
            return f"cannot be told from one that leaves the adapter out: {moved}, which its precision can hide"
        if not self.share >= NONE_OF_IT:
            return f"does not apply the adapter: {moved}, {self.share:.0%} of its effect"
        allowed = min(self.tolerance, max(LEAST_ALLOWED, MOST_TIMES * self.base))
        off = max(SHARE_OFF, ERRORS_OFF * self.error)
        if not abs(self.share - 1) <= off or not self.adapter <= allowed:
            return (
                f"applies another adapter, or a part of it: {moved}, {self.share:.0%} of its effect (all but {off:.0%} "
                f"is expected); they differ by {self.adapter:.3g}, where precision can make {allowed:.2g}"
            )
        return ""


def agree(
    probes: Probes, alone: Sequence[Sequence[float]], adapted: Sequence[Sequence[float]], dtype: str
) -> Agreement:
    """Return how an engine compares with the probes.

    The share is the slope, through the origin, of the adapter's effect in the engine on its effect in the process.

    Args:
        probes: By the process.
        alone: By the engine's base, [texts, answer].
        adapted: By its adapter, or the same as ``alone`` for a base.
        dtype: The engine's.
    """
    tolerance = max(TOLERANCES[dtype], TOLERANCES[probes.dtype])
    tokens, base = sum(probes.answers), _distance(alone, probes.alone)
    if not probes.adapter:
        return Agreement(tokens, tolerance, base)
    here = [b - a for a, b in zip(_flat(probes.alone), _flat(probes.adapted), strict=True)]
    there = [b - a for a, b in zip(_flat(alone), _flat(adapted), strict=True)]
    noise = math.sqrt(2 * sum((a - b) ** 2 for a, b in zip(_flat(alone), _flat(probes.alone), strict=True)) / tokens)
    length = math.sqrt(sum(value**2 for value in here))
    return Agreement(
        tokens,
        tolerance,
        base,
        _distance(adapted, probes.adapted),
        sum(map(abs, here)) / tokens,
        sum(map(abs, there)) / tokens,
        sum(a * b for a, b in zip(here, there, strict=True)) / length**2 if length else 0.0,
        noise / length if length else math.inf,
    )


def _numbers(rows: Any) -> tuple[tuple[float, ...], ...]:  # noqa: ANN401 - JSON
    return tuple(tuple(float(value) for value in row) for row in rows)


def _rate(loaded: LoadedModel, read: Sequence[int], written: Sequence[int]) -> tuple[float, ...]:
    """Return the log-probability of each token that is written after those that are read, to four places."""
    ids = torch.tensor([[*read, *written]], device=loaded.model.device)
    with torch.no_grad():
        logits = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -len(written) - 1 : -1]
    logs = torch.log_softmax(logits.float(), -1)
    return tuple(round(float(row[token]), 4) for row, token in zip(logs, written, strict=True))


def _distance(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> float:
    """Return the mean absolute difference."""
    differences = [abs(a - b) for a, b in zip(_flat(one), _flat(other), strict=True)]
    return sum(differences) / len(differences)


def _flat(rows: Sequence[Sequence[float]]) -> list[float]:
    return [value for row in rows for value in row]
