"""What a report is made from: plain records that the caller fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragft.analysis.statistics.mean_interval import Mean
from ragft.analysis.verdict.comparison import Comparison
from ragft.report.advice import Advice


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What one side answered to a question.

    Attributes:
        scores: Criterion -> score, None where it is unscored.
        reasons: Criterion -> the judge's reason; a criterion without one is left out.
        cut: True where the answer was cut off at the length limit.
    """

    text: str
    scores: Mapping[str, float | None]
    reasons: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the context that decides, with both answers; all texts may be hostile.

    Attributes:
        references: Accepted answers.
        passages: Texts of the passages that both sides were shown, in order.
        gain: Mean over the primary criteria of how much better the version scored; None where a score is missing.
    """

    id: str
    question: str
    kind: str
    references: tuple[str, ...]
    passages: tuple[str, ...]
    base: ShownAnswer
    version: ShownAnswer
    gain: float | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table metric | base | fine-tuned | change.

    Attributes:
        unscored: Answers that the judge could not score, both sides together; None where no judge is asked.
        change: Fine-tuned minus base on the questions that have both.
        higher_is_better: None where neither direction is better.
    """

    name: str
    base: Mean
    version: Mean
    change: Mean
    unscored: int | None
    higher_is_better: bool | None


@dataclass(frozen=True, slots=True)
class Bars:
    """The study's bar figure for one context: criterion -> (base, fine-tuned), and the ends of the scale."""

    context: str
    means: Mapping[str, tuple[Mean, Mean]]
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric of the training, as (step, value) for its steps."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """A version that was compared on these questions, this one included."""

    name: str
    outcome: str
    when: str
    this: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the report shows.

    Attributes:
        data: Name of the data set.
        split: Which of its questions were asked.
        base: What the side compared against is called ("base v1").
        version: What the version is called ("lora closed_book v2").
        trained: How the version was made, in words.
        left_out: How many passages did not fit and were not seen; empty where all were.
        title: What to do and why, in a manager's words.
        three: Better, safe, sure enough: each question with its answer.
        health: Whether the scores are to be believed at all, in a line; "" where nothing is known.
        because: Why the verdict is what it is, in a sentence.
        reasons: What it rests on, one sentence per reason.
        would_change: What would change it, one sentence per item.
        invented: Questions that the version answered without support and the base did not; the first of them.
        invented_of: How many such questions there are.
        questions: Every question of the context that decides.
        scales: Criterion -> least and largest legal score.
        forgotten: What the version forgot of what it was not trained on, in sentences; empty where it was not measured.
        curves: Of the version's training; empty where its run is not known.
        all_contexts: The command that evaluates every context.
        source: Where the complete rows lie, in words.
        provenance: Name -> value: hashes, versions, judge, estimator.
        asks: What the report answers, in a question.
        alike: What both sides had in common, as the end of a sentence.
    """

    data: str
    split: str
    base: str
    version: str
    trained: str
    left_out: str
    outcome: str
    title: str
    three: tuple[tuple[str, str], ...]
    health: str
    because: str
    reasons: tuple[str, ...]
    would_change: tuple[str, ...]
    advice: Advice
    comparison: Comparison
    bars: tuple[Bars, ...]
    metrics: tuple[Metric, ...]
    invented: tuple[Asked, ...]
    invented_of: int
    questions: tuple[Asked, ...]
    scales: Mapping[str, tuple[float, float]]
    forgotten: tuple[str, ...]
    curves: tuple[Curve, ...]
    tried: tuple[Tried, ...]
    all_contexts: str
    source: str
    provenance: tuple[tuple[str, str], ...]
    asks: str = ""
    alike: str = "with the same passages and prompts, scored in the same way"
