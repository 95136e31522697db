"""Evaluation steps that the judge writes itself, once for each criterion (G-Eval's chain of thought)."""

from importlib.resources import files
from string import Template
from typing import Protocol

from ragft.errors import JudgeError
from ragft.prompts.criterion import Criterion, read_steps
from ragft.store.connection import Store
from ragft.store.judgements import find_judgements, save_judgements
from ragft.types import Judgement, digest

LEAST_STEPS = 2
MOST_TOKENS = 300
_MESSAGE = Template((files("ragft.prompts") / "steps.txt").read_text(encoding="utf-8").strip())


class StepsWriter(Protocol):
    """A judge that can be asked for prose (`LocalJudge`, `ServedJudge`)."""

    @property
    def identity(self) -> str:
        """Hash of the model and of how its replies are made."""

    def write(self, message: str, max_new_tokens: int) -> str:
        """Return the greedy reply."""


def with_steps(store: Store, judge: StepsWriter, criterion: Criterion) -> Criterion:
    """Return the criterion with steps: its own, those the judge wrote before, or new ones, which are then kept.

    The first reply freezes them, so that every evaluation with this store and judge grades by
    the same steps; their hash is in the criterion's.

    Raises:
        JudgeError: If the reply is not a list of at least two steps.
    """
    if criterion.steps:
        return criterion
    message = steps_message(criterion)
    key = digest([judge.identity, message, "evaluation steps"])
    if not find_judgements(store, [key]):
        reply = judge.write(message, MOST_TOKENS)
        if len(read_steps(reply)) < LEAST_STEPS:
            raise JudgeError(
                f"the judge wrote no evaluation steps for criterion {criterion.name}, but {reply[:80]!r}: "
                "add a '## Steps' list to its file, or use a stronger judge"
            )
        save_judgements(store, [Judgement(key, 0, reply, None)])
    # Read back: of two processes that wrote at once, the first one's steps are kept.
    return criterion.with_steps(read_steps(find_judgements(store, [key])[key][0].reply))


def steps_message(criterion: Criterion) -> str:
    """Return the message that asks for the steps; it holds nothing of the evaluated data."""
    sights = "".join(f", the {sight}" for sight in criterion.sees)
    return _MESSAGE.substitute(sights=sights, criterion=criterion.render())
