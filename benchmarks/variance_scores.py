"""The scores behind `benchmarks/variance.py`: one pair of models, judged in every way that the table compares.

The pocket base and an adapter on it answer telecom's test questions with retrieved passages. Each way of scoring is
measured once, with its judgements and its seconds of processor time, and kept in the output, which goes on where it
was stopped. Train the adapter first, in the same home:

    python -m entrypoints.finetune --samples 200 --format retrieved --epochs 3 --learning_rate 1e-3
    RAGFT_HOME=FOLDER OMP_NUM_THREADS=1 python -m benchmarks.variance_scores
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import asked as pocket
from benchmarks.asked import Asked
from entrypoints.environment import opened_workspace, prepare_environment
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.statistics.clusters import cluster
from ragft.judging.backend import Estimator, LocalJudge
from ragft.judging.g_eval import Item, judge
from ragft.models.generation import Generator
from ragft.prompts.criterion import Criterion, load_criterion
from ragft.types import Answer, Passage

OUTPUT = Path(__file__).with_name("results") / "variance.json"
BASE, MORE = "base", "more"
REPEATS = 10
ACCURACY = load_criterion("accuracy")
# The criterion in other words: the same scale, legend and number of steps.
FORMS = {
    "form 2": (
        "How right the answer is: what it states agrees with the reference, and it states nothing wrong or misleading.",
        (
            "Look for the facts of the reference that were asked for.",
            "See whether each of them stands in the answer, in any words; compare numbers and names with care.",
            "Every wrong fact lowers the score.",
        ),
    ),
    "form 3": (
        "Whether the answer says what the reference says about the question, without a false or misleading fact.",
        (
            "Read the reference and note each fact that the question is about.",
            "Compare the answer with these facts, above all its numbers and names; other words for the same are fine.",
            "Take points off for every fact that is wrong.",
        ),
    ),
}
# In which order the passages are shown, beside that in which they were retrieved.
ORDERS: Mapping[str, Callable[[Sequence[Passage]], Sequence[Passage]]] = {
    "order 2": lambda passages: passages[::-1],
}


@dataclasses.dataclass(frozen=True)
class Ground:
    """What every measurement needs.

    Attributes:
        asked: The questions that both sides answer, and under `MORE` those that only the base answers.
        kept: Set of answers -> each side's, so that only the first measurement pays for them.
    """

    workspace: Workspace
    asked: Mapping[str, Asked]
    models: Sequence[Generator]
    judge: LocalJudge
    kept: dict[str, list[Mapping[str, Answer]]] = dataclasses.field(default_factory=dict)

    def sides(self, answers: str) -> list[Mapping[str, Answer]]:
        """Return each side's answers in a set of them: an order of the passages, or `MORE`."""
        if answers not in self.kept:
            models = self.models[:1] if answers == MORE else self.models
            self.kept[answers] = [
                pocket.answers(self.asked[answers], model, self.workspace, order=ORDERS.get(answers, tuple))
                for model in models
            ]
        return self.kept[answers]


@dataclasses.dataclass(frozen=True)
class Way:
    """One way of scoring; without a criterion only the answers are made, and what a rule says of them.

    Attributes:
        answers: Which set of answers.
        most: Only the first so many questions; 0: all.
    """

    name: str
    answers: str = ""
    criterion: Criterion | None = None
    estimator: Estimator = "expected_no_rationale"
    most: int = 0

    def measure(self, ground: Ground) -> dict[str, Any]:
        """Return the scores of each side, and how many judgements were asked for."""
        asked, sides = ground.asked[self.answers], ground.sides(self.answers)
        if self.criterion is None:
            told = [pocket.numbers(asked, {"retrieved": side})["right"] for side in sides]
            return {"right": [[side[question.id] for question in asked.questions] for side in told]}
        items: list[Item] = [item for side in sides for item in pocket.items(asked, side)[: self.most or None]]
        with ground.workspace.progress("judge", part=f"({self.name})") as line:
            judged = judge(
                ground.workspace.store, ground.judge, [self.criterion], items, estimator=self.estimator,
                repeats=REPEATS, on_progress=line.tell,
            )  # fmt: skip
        rows = judged.rows[self.criterion.name]
        found: dict[str, Any] = {"calls": judged.calls}
        found["scores"] = _halves([None if r.score.value is None else round(r.score.value, 4) for r in rows], sides)
        if self.estimator == "sampled":
            found["values"] = _halves([list(row.values) for row in rows], sides)
        return found


def ways(few: int, fewer: int) -> Iterator[Way]:
    """Yield every way of scoring; what is beside the point of 1,000 questions is measured on the first of them."""
    yield Way("answers")
    yield Way("one pass", criterion=ACCURACY)
    for name, (definition, steps) in FORMS.items():
        yield Way(name, criterion=dataclasses.replace(ACCURACY, definition=definition, steps=steps), most=few)
    yield Way("sampled", criterion=ACCURACY, estimator="sampled", most=fewer)
    yield Way("reasoned", criterion=ACCURACY, estimator="expected", most=fewer)
    for name in ORDERS:
        yield Way(f"answers, {name}", name)
        yield Way(name, name, ACCURACY)
    yield Way(f"answers, {MORE}", MORE)
    yield Way(MORE, MORE, ACCURACY)


def _halves(values: Sequence[Any], sides: Sequence[Any]) -> list[Sequence[Any]]:
    each = len(values) // len(sides)
    return [values[start : start + each] for start in range(0, len(values), each)]


def _questions(asked: Asked) -> dict[str, Any]:
    labels = cluster(asked.questions).labels
    places = {name: place for place, name in enumerate(sorted(set(labels.values())))}
    return {
        "groups": [places[labels[question.id]] for question in asked.questions],
        "forms": [question.kind for question in asked.questions],
    }


def main() -> None:
    """Measure what the output lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="models:/ragft-telecom-pocket@challenger")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument(
        "--few", type=int, default=500, help="questions of other forms and orders, and of the base alone"
    )
    parser.add_argument("--fewer", type=int, default=100, help="questions for which the judge writes reasons")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    stored = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
    prepare_environment()
    with opened_workspace() as workspace:
        test, part = (pocket.ask(workspace, many) for many in (options.questions, options.few))
        more = pocket.ask(workspace, options.few, "confirm")
        models = [pocket.generator(name) for name in (BASE, options.version)]
        ground = Ground(workspace, {"": test, **dict.fromkeys(ORDERS, part), MORE: more}, models, pocket.pocket_judge())
        stored["questions"], stored["more questions"] = _questions(test), _questions(more)
        for way in ways(options.few, options.fewer):
            if way.name in stored:
                continue
            if way.criterion is not None:
                ground.sides(way.answers)
            began = time.process_time()
            stored[way.name] = way.measure(ground)
            stored[way.name]["seconds"] = round(time.process_time() - began, 1)
            options.output.write_text(json.dumps(stored, sort_keys=True) + "\n", encoding="utf-8")
            print(f"{way.name}: {stored[way.name]['seconds']} s of processor time", flush=True)


if __name__ == "__main__":
    main()
