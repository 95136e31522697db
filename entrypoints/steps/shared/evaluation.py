"""An evaluation as a record: the answers, what they were scored against, their scores, and who judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ragft.judging.abstention import abstains
from ragft.judging.calibration import Calibration
from ragft.judging.canaries import CanaryResult
from ragft.judging.outcomes import Guard, Outcome
from ragft.judging.overlap import OVERLAP
from ragft.judging.verbosity import Padded
from ragft.prompts.criterion import Criterion
from ragft.served_as import ServedAs
from ragft.types import Score

LOWER_IS_BETTER = ("truth_wrong", "truth_false_refusal", "false_answer", "false_refusal")


@dataclass(frozen=True)
class Scored:
    """An answer with all that it is scored against.

    Attributes:
        facts: What is known of the answer without judging it.
        numbers: Metrics computed already, None where one does not apply.
        right: Whether the answer is right by a rule that needs no judge; None where there is none.
        guard: Which harm the answer could do; "" for none that is counted.
        outcome: What became of the question; None before it is known, or where it cannot be told.
        given: False where a file of answers has none for the question: it is unscored, and no abstention.
    """

    id: str
    question: str
    answer: str
    references: tuple[str, ...]
    passages: tuple[str, ...]
    documents: tuple[str, ...] = ()
    kind: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    right: bool | None = None
    guard: Guard | Literal[""] = ""
    outcome: Outcome | None = None
    given: bool = True

    @property
    def abstained(self) -> bool:
        """Whether there is an answer, and it states nothing of what was asked."""
        return self.given and abstains(self.answer, self.question)

    @property
    def length(self) -> float:
        """How long the answer is: in tokens, or in words where another system wrote it."""
        return float(self.facts["answer_tokens"] if "answer_tokens" in self.facts else self.facts["answer_words"])

    def overlap(self, name: str) -> float | None:
        """Return a measure of the words shared with the references; None where there are none, or no answer."""
        return OVERLAP[name](self.answer, self.references) if self.references and self.given else None


@dataclass(frozen=True)
class JudgedBy:
    """The judge of an evaluation.

    Attributes:
        criteria: Complete with the steps it graded by.
        served_by: What its server called itself -> in how many judgements; empty in process.
    """

    name: str
    identity: str
    criteria: tuple[Criterion, ...]
    served_by: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """How answers were made.

    Attributes:
        served_as: Everything apart from the weights that decides what is written, and so how a version is served that
            is promoted on them.
        collection: Id of the collection that the passages came from; a served version's is of all documents.
        engine: What answered in place of this process, its version and precision; "" for none.
    """

    served_as: ServedAs
    collection: str
    engine: str


@dataclass(frozen=True)
class Evaluation:
    """One model in one context, as its run logged it.

    Attributes:
        scores: Criterion -> one score per row.
        conditions: What the other side of a comparison must share -> its identity.
        advisory: Why the judge is only advisory, one sentence per reason; empty where no canary fooled it.
        canaries: Criterion -> how the judge did on answers of known worth, for the criteria that these can check.
        padding: Criterion -> how padding to twice the length moved its scores, for the same criteria.
        judged_by: None where nothing was judged.
        data_sha256: Of the data set, or of the file of answers.
        calibrations: Criterion -> how the judge compares with people on this data, where that was measured.
        served_as: How the answers were made, and so how a version is served that is promoted on them.
        collection: Id of the collection that the passages came from.
        engine: What answered in place of this process, its version and precision; "" for none.
        model: What a person calls the model that answered: its address, or the name of a file of answers.
        model_id: Its LoggedModel in MLflow; "" for a served model, and for answers made elsewhere.
        checked: Hash of the promise by which answers were checked before they were scored; "" where they were not.
    """

    run_id: str
    metrics: Mapping[str, float]
    rows: Sequence[Scored] = ()
    scores: Mapping[str, Sequence[Score]] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    advisory: tuple[str, ...] = ()
    canaries: Mapping[str, CanaryResult] = field(default_factory=dict)
    padding: Mapping[str, Padded] = field(default_factory=dict)
    judged_by: JudgedBy | None = None
    data_sha256: str = ""
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    name: str = ""
    context: str = ""
    served_as: ServedAs | None = None
    collection: str = ""
    engine: str = ""
    model: str = ""
    model_id: str = ""
    checked: str = ""


def left_out(rows: Sequence[Scored]) -> str:
    """Return, in words, how many passages did not fit and were not seen; "" where all were seen."""
    dropped = [int(row.facts.get("dropped_passages", 0)) for row in rows]
    if not any(dropped):
        return ""
    seen = sum(len(row.passages) for row in rows) / len(rows)
    lost = sum(dropped) / len(rows)
    return (
        f"{seen:.1f} of {seen + lost:.1f} passages a question were seen; the rest did not fit the context window, in "
        f"{sum(number > 0 for number in dropped):,} of {len(rows):,} questions"
    )
