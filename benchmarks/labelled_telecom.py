"""What few labels are worth on telecom: the pocket judge, corrected by a program that knows what is true.

The program takes people's place: 5 for a right answer and 1 for a wrong one. It knows every answer, so the true change
is known, and labels are drawn as `label` draws them, 400 times: uniformly, and by how unsure the judge is. Shown is how
often the interval of judge and labels together holds the true change, and how wide it is beside that of the same labels
alone.

    OMP_NUM_THREADS=1 python -m benchmarks.labelled_telecom --models models:/ragft-telecom-pocket/2
    python -m benchmarks.labelled_telecom --table

The answers are those of ``RAGFT_HOME``; what it lacks is computed first.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.bounds import deciding_bounds
from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.corrected import corrected_sums
from ragft.analysis.statistics.label_sampling import draw_questions, inclusion_probabilities
from ragft.analysis.statistics.resampling import draw, resample

OUTPUT = Path(__file__).with_name("results") / "labelled_telecom.json"
LABELS = (30, 60, 100, 200)
DRAWS, RESAMPLES, ALPHA = 400, 999, 0.025
RANGE = 4.0  # of a scale from 1 to 5


def drawn(
    judge: Array,
    people: Array,
    unsure: Array,
    same: Array,
    cluster: npt.NDArray[np.integer],
    budget: int,
    extreme: float = RANGE,
) -> dict[str, Any]:
    """Return coverage and half width with labels drawn ``DRAWS`` times, of judge and labels and of labels alone.

    Args:
        judge: The judge's changes, [questions]; NaN where it has none.
        people: The true ones, [questions].
        unsure: How unsure the judge is, [questions]; all alike for a uniform sample.
        same: 1.0 where both answers are the same, [questions].
        cluster: Number of each question's document, [questions].
        budget: How many labels.
        extreme: The largest change there can be.
    """
    rng = np.random.default_rng(budget)
    shape = (DRAWS, len(judge))
    probability = np.broadcast_to(inclusion_probabilities(unsure, budget, same=same), shape)
    asked = draw_questions(probability, cluster, rng)
    labels = np.where(asked, people, np.nan)
    weights = draw(int(cluster.max()) + 1, RESAMPLES, rng)
    found: dict[str, Any] = {}
    for name, scores in (("together", judge), ("alone", np.zeros(len(judge)))):
        sums = corrected_sums(
            np.broadcast_to(scores, shape), labels, probability, cluster, same=np.broadcast_to(same, shape)
        )
        ends = [
            sums.share * deciding_bounds(sums.sums, resample(sums.sums, weights), [level], extreme, told=sums.told)[0]
            for level in (ALPHA, 1 - ALPHA)
        ]
        holds = (ends[0] <= people.mean()) & (people.mean() <= ends[1])
        found[name] = {"covers": float(holds.mean()), "half_width": float(np.median(ends[1] - ends[0]) / 2)}
        found[name]["weight"] = float(np.median(sums.weight))
    return found


def measured(model: str, against: str, questions: int) -> dict[str, Any]:
    """Return what labels are worth for one version."""
    from entrypoints.environment import opened_workspace
    from entrypoints.steps import compare
    from entrypoints.steps.labelling.before import look
    from entrypoints.steps.shared.model_under_test import settle
    from ragft.params.verdict import CompareParams

    asked = CompareParams(
        model=model, against=against, context="retrieved", questions=questions, estimator="expected_no_rationale",
        traces="False",
    )  # fmt: skip
    with opened_workspace() as workspace:
        version, other = compare.versions_of(asked)
        task, sides = compare.both_sides(settle(asked, version), version, other, workspace)
        before = look(task, sides, compare.questions_of(task, sides), "telecom")
        (criterion,) = [each for each in before.criteria if each.name == "accuracy"]
        right = [
            {row.id: row.numbers.get("truth_right") for row in before.deciding[side.uri].rows}
            for side in (before.against, before.version)
        ]
        known = np.array([all(side[name] is not None for side in right) for name in before.ids])
        gain = np.array([RANGE * ((right[1][name] or 0.0) - (right[0][name] or 0.0)) for name in before.ids])[known]
        judge, unsure = before.gains(criterion)[known], before.unsure(criterion)[known]
        same = before.same[known]
        cluster = np.unique(before.documents[known], return_inverse=True)[1]
        lineage = version.lineage
    off = np.abs(gain - np.nan_to_num(judge))
    return {
        "adapter": f"{lineage.format}, {lineage.samples} samples",
        "questions": len(gain), "documents": int(cluster.max()) + 1, "same": float(same.mean()),
        "true": float(gain.mean()), "judge": float(np.nanmean(judge)),
        "unsure_is_off": float(np.corrcoef(unsure[same == 0], off[same == 0])[0, 1]),
        "draws": {
            sample: {str(n): drawn(judge, gain, size, same, cluster, n) for n in LABELS}
            for sample, size in (("uniform", np.ones(len(gain))), ("active", unsure))
        },
    }  # fmt: skip


def table(kept: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row for each adapter, sample and number of labels."""
    lines = [
        "| adapter | true change | by the judge | sample | labels | covers, judge and labels | covers, labels alone | "
        "half width, judge and labels | half width, labels alone |",
        f"|{'---|' * 9}",
    ]
    for each in kept:
        for sample, rows in each["draws"].items():
            for count, row in rows.items():
                one, other = row["together"], row["alone"]
                lines.append(
                    f"| {each['adapter']} | {each['true']:+.2f} | {each['judge']:+.2f} | {sample} | {count} | "
                    f"{one['covers']:.1%} | {other['covers']:.1%} | {one['half_width']:.2f} | "
                    f"{other['half_width']:.2f} |".replace("%", " %")
                )
    return lines


def main() -> None:
    """Measure, or print the table of what was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="models:/ragft-telecom-pocket/2")
    parser.add_argument("--against", default="models:/ragft-telecom-pocket/1")
    parser.add_argument("--questions", type=int, default=0)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        kept = [measured(model, asked.against, asked.questions) for model in asked.models.split(",")]
        OUTPUT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(json.loads(OUTPUT.read_text(encoding="utf-8")))))


if __name__ == "__main__":
    main()
