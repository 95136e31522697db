"""Telecom's test questions, answered by the pocket model or an adapter on it; the ground of `aa.py` and `variance.py`.

Answers go through the product's own store, so what a home holds already is not generated again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from entrypoints.steps.shared import outcomes
from entrypoints.steps.shared.model_under_test import find_version, settle
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.retrieved import RetrievedSplit, retrieve
from entrypoints.steps.shared.weights import load_base_model, load_version
from entrypoints.steps.shared.workspace import Workspace
from ragft.data.splits import balanced_subset
from ragft.judging.abstention import abstains
from ragft.judging.backend import LocalJudge
from ragft.judging.g_eval import Item
from ragft.judging.outcomes import harm_of, is_right, outcome_of
from ragft.models.answering import Writer, answer_questions
from ragft.models.generation import Generator
from ragft.models.loading import load_base
from ragft.models.messages import Generated, OnBatch
from ragft.params.scoring import EvaluateParams
from ragft.params.values import POCKET, TELECOM
from ragft.prompts.answer import load_answer_prompt
from ragft.store.datasets import Preparation
from ragft.types import DECIDING, WITHHELD, Answer, Context, Passage, Question, Split, digest

Numbers = Mapping[str, Mapping[str, float | None]]
"""Measure -> question id -> number, for the questions that it counts."""


@dataclass(frozen=True)
class Asked:
    """The questions with their passages, and the parameters under which they are asked."""

    params: EvaluateParams
    preparation: Preparation
    found: RetrievedSplit

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of the test split that are asked."""
        return self.found.questions


def ask(workspace: Workspace, questions: int = 0, split: Split = "test", *, withheld: bool = False) -> Asked:
    """Return so many questions of a split (0: all) with retrieved passages, and such as cannot answer them if asked."""
    params = settle(EvaluateParams(dataset=TELECOM, base=POCKET, context="retrieved,withheld"), None)
    preparation = ensure_prepared(params, workspace)
    every = preparation.splits[split]
    chosen = balanced_subset(every, questions) if questions else every
    found = retrieve(params, preparation, split, chosen, workspace, withheld=withheld)
    return Asked(params, preparation, found)


def generator(model: str) -> Generator:
    """Return the base (``base``) or a registered version, ready to answer."""
    version = find_version(EvaluateParams(model=model))
    return Generator(load_base_model(POCKET, "", "none") if version is None else load_version(version, "auto"))


def pocket_judge(max_new_tokens: int = 200) -> LocalJudge:
    """Return the pocket model as a judge."""
    from entrypoints.steps.shared.bases import base_path

    return LocalJudge(Generator(load_base(base_path(POCKET))), max_new_tokens=max_new_tokens)


class Sampler:
    """A model that answers at a temperature: another seed, other answers."""

    def __init__(self, model: Generator, temperature: float, seed: int) -> None:
        """Keep the model."""
        self._model, self._temperature, self._seed = model, temperature, seed
        self.fit_passages = model.fit_passages

    @property
    def identity(self) -> str:
        """The model's part of an answer's key."""
        return digest([self._model.identity, "sampled", self._temperature, self._seed])

    def generate(
        self, messages: Sequence[str], max_new_tokens: int, on_batch: OnBatch | None = None
    ) -> list[Generated]:
        """Return a reply to each message; it depends on the seed and the message alone."""
        replies: list[Generated] = []
        for start in range(0, len(messages), 256):
            part = messages[start : start + 256]
            seeds = [(int(digest([self._seed, message])[:15], 16),) for message in part]
            made = [own[0] for own in self._model.sample(part, "", 1, max_new_tokens, self._temperature, seeds)]
            if on_batch is not None:
                on_batch(list(enumerate(made, start)))
            replies += made
        return replies


def answers(
    asked: Asked,
    writer: Writer,
    workspace: Workspace,
    context: Context = DECIDING,
    order: Callable[[Sequence[Passage]], Sequence[Passage]] = lambda passages: passages,
) -> dict[str, Answer]:
    """Return question id -> answer in a context, the passages in the ``order`` in which they are shown."""
    passages = {name: order(each) for name, each in asked.found.context(context).items()}
    with workspace.progress("answer", part=f"({context})") as line:
        found = answer_questions(
            workspace.store,
            writer,
            load_answer_prompt(),
            [question for question in asked.questions if question.id in passages],
            passages,
            max_new_tokens=asked.params.max_new_tokens,
            golden=asked.found.kept_longest(context),
            on_progress=line.tell,
        )
    return {answer.question_id: answer for answer in found}


def items(asked: Asked, answered: Mapping[str, Answer]) -> list[Item]:
    """Return what a judge of accuracy and completeness sees of each question's answer, in their order."""
    return [Item(question.text, answered[question.id].text, question.references) for question in asked.questions]


def numbers(asked: Asked, answered: Mapping[Context, Mapping[str, Answer]]) -> dict[str, dict[str, float | None]]:
    """Return what is known without a judge, as `evaluate` counts it: right (in the deciding context) and both harms."""
    told: dict[str, dict[str, float | None]] = {name: {} for name in outcomes.MEASURES}
    for context, question, answer in _each(asked, answered):
        right = is_right(question, answer.text)
        outcome = outcome_of(
            right if question.answerable else False, None, abstained=abstains(answer.text, question.text)
        )
        if context == DECIDING:
            good = "right" if question.answerable else "abstained"
            told["right"][question.id] = None if outcome is None else float(outcome == good)
        if guard := outcomes.guard_of(asked.found, context, question, answer):
            told[guard][question.id] = harm_of(guard, outcome)
    return told


def _each(asked: Asked, answered: Mapping[Context, Mapping[str, Answer]]) -> Iterable[tuple[Context, Question, Answer]]:
    for context in (DECIDING, WITHHELD):
        for question in asked.questions:
            if question.id in answered.get(context, {}):
                yield context, question, answered[context][question.id]
