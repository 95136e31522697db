"""Draws the questions that people are asked about, and writes them on a sheet and on a page."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np

from entrypoints.steps.labelling.before import Before
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.label_sampling import draw_questions, expected_half_width, inclusion_probabilities
from ragft.errors import ConfigError
from ragft.judging.g_eval import Item
from ragft.judging.labels import item_key, pair_key, scale_of
from ragft.judging.outcomes import RIGHT
from ragft.judging.sheet import columns_of, row_of, write_rows
from ragft.params.verdict import LabelParams
from ragft.prompts.criterion import Criterion
from ragft.report.label_page import LabelRow, render
from ragft.store.connection import Store
from ragft.store.labels import Sampled, find_labels, save_sample
from ragft.types import digest

_BY_JUDGE = "people differ from the judge as much as it is unsure"
# Nothing is known of how sure an outcome is; half a step of its scale is what a coarse judge is taken for.
_BY_OUTCOME = "people differ from the outcome in a third of these questions"
# The run that asked says how wide it expected each interval to be, under this tag's value.
SAMPLE = "ragft.label_sample"


@dataclass(frozen=True)
class Sample:
    """The questions that people are asked about.

    Attributes:
        id: Hash of the pairs, their probabilities and the budget.
        probability: With which each question of `Before.ids` was to be asked; 0 where nobody has to be.
        drawn: Which were drawn, in the same order.
    """

    id: str
    probability: Array
    drawn: Sequence[bool]


def ask(before: Before, params: LabelParams, workspace: Workspace) -> None:
    """Write the sheet and the page, keep how the questions were drawn, and say how wide the interval will be.

    Raises:
        ConfigError: If all answers of both sides are the same, or another file is where the sheet belongs.
    """
    if before.same.all():
        raise ConfigError(
            f"{before.version.uri} and {before.against.uri} gave the same answer to all {len(before.ids)} questions: "
            "there is nothing to label"
        )
    sample = draw(before, params.budget, workspace.store)
    criteria, secret = before.criteria, workspace.store.secret
    asked = [name for name, drawn in zip(before.ids, sample.drawn, strict=True) if drawn]
    rows = rows_of(before, asked, params.asked_twice, workspace.store)
    keep(before, sample, workspace.store)
    mlflow.set_tag(SAMPLE, sample.id)
    if not rows:
        workspace.say(f"all {len(asked)} questions that were drawn are labelled: nobody has to be asked, run compare")
        return
    cells = [row_of(secret, item, criteria, again=again) for item, again in rows]
    # What is on it is in its name: a sheet that people wrote in is never in the way of the next one.
    name = digest([sample.id, [cell[0] for cell in cells]])[:12]
    path = Path(params.sheet) if params.sheet else workspace.home / "sheets" / f"labels-{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, cells, criteria)
    page = path.with_suffix(".html")
    shown = [LabelRow(cell, item) for cell, (item, _) in zip(cells, rows, strict=True)]
    title = f"{len(asked)} questions of {before.data}"
    page.write_text(render(title, columns_of(criteria), shown, criteria), encoding="utf-8")
    for file in (path, page):
        mlflow.log_artifact(str(file))
    mlflow.log_metrics({"labels_asked": len(asked), "sheet_rows": len(rows)})
    needed = int((before.same == 0).sum())
    workspace.say(
        f"wrote {page} and {path}: {len(rows)} answers to {len(asked)} of the {needed} questions whose answers differ, "
        "shuffled, without side or score"
    )
    for criterion in criteria:
        wide = expect(before, sample, criterion)
        mlflow.log_metric(f"expected_half_width_{criterion.name}", wide)
        workspace.say(
            f"  {criterion.name}: with these labels the 95 % interval of the change will be about "
            f"±{points(criterion, wide)}, if {_BY_OUTCOME if criterion == RIGHT else _BY_JUDGE}"
        )
    workspace.say("Open the page, grade by keyboard, save; then the same command with -P ratings=<the saved files>")


def draw(before: Before, budget: int, store: Store) -> Sample:
    """Return the sample; the same answers, scores and budget give the same one."""
    unsure = np.mean([before.unsure(criterion) / criterion.range for criterion in before.criteria], axis=0)
    probability = inclusion_probabilities(unsure, budget, same=before.same)
    pairs = [pair_key(*before.items[name]) for name in before.ids]
    sample = digest([sorted(zip(pairs, probability.round(9).tolist(), strict=True)), budget])
    seed = int.from_bytes(hmac.new(store.secret, f"labels {sample}".encode(), hashlib.sha256).digest()[:8], "big")
    drawn = draw_questions(probability[None], before.documents, np.random.default_rng(seed))[0]
    return Sample(sample, probability, [bool(each) for each in drawn])


def keep(before: Before, sample: Sample, store: Store) -> None:
    """Write the sample where `compare` looks for it."""
    kept: dict[str, Sampled] = {}
    for name, probability, drawn in zip(before.ids, sample.probability, sample.drawn, strict=True):
        if probability > 0:
            key = pair_key(*before.items[name])
            # A question that stands twice with the same two answers is asked about once either of them is drawn.
            other = kept.get(key, Sampled(0.0, False))
            kept[key] = Sampled(1 - (1 - float(probability)) * (1 - other.probability), drawn or other.drawn)
    save_sample(store, sample.id, kept)


def rows_of(before: Before, asked: Sequence[str], asked_twice: int, store: Store) -> list[tuple[Item, bool]]:
    """Return the answers in the order of the sheet, each with whether it is there for the second time.

    Both answers of a question follow each other, in an order that says nothing. A question is left out where somebody
    labelled both under every criterion. The last ``asked_twice`` questions are the first ones once more, which shows a
    person's own noise.
    """
    labels = find_labels(store, {item_key(item) for name in asked for item in before.items[name]})
    scales = {criterion.name: scale_of(criterion) for criterion in before.criteria}
    known = {(each.item, each.criterion, each.annotator) for each in labels if each.scale == scales.get(each.criterion)}
    people = {annotator for _, _, annotator in known}

    def is_labelled(name: str) -> bool:
        wanted = [(item_key(item), criterion) for item in before.items[name] for criterion in scales]
        return any(all((*each, person) in known for each in wanted) for person in people)

    left = [name for name in asked if not is_labelled(name)]
    groups = []
    there: set[str] = set()
    for name in sorted(left, key=lambda name: _keyed(store.secret, pair_key(*before.items[name]))):
        both = sorted(set(before.items[name]), key=lambda item: _keyed(store.secret, item_key(item)))
        # Two questions of the same words may have an answer in common.
        fresh = [item for item in both if item_key(item) not in there]
        there |= {item_key(item) for item in fresh}
        groups += [fresh] if fresh else []
    # Where nearly everything would be asked twice, the second showing would follow the first.
    again = groups[: min(asked_twice, len(groups) // 2)]
    return [
        *((item, False) for group in groups for item in group),
        *((item, True) for group in again for item in group),
    ]


def expect(before: Before, sample: Sample, criterion: Criterion) -> float:
    """Return how wide half of the interval will be, in score points over all questions."""
    needed = before.same == 0
    steps = np.diff(sorted(criterion.scores.values()))
    unsure = np.maximum(before.unsure(criterion), float(steps.min()) / 2)
    wide = expected_half_width(
        before.gains(criterion)[needed],
        unsure[needed],
        sample.probability[needed],
        before.documents[needed],
        extreme=criterion.range,
        step=float(steps.min()),
    )
    return wide * float(needed.mean())


def points(criterion: Criterion, half_width: float) -> str:
    """Return half of an interval in words: in score points, or in points of 100 right answers."""
    return f"{100 * half_width:.0f} points of 100" if criterion == RIGHT else f"{half_width:.2f} points"


def _keyed(secret: bytes, key: str) -> bytes:
    return hmac.new(secret, f"label order {key}".encode(), hashlib.sha256).digest()
