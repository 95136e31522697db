"""How often the promise of checked answers is broken: in simulated worlds whose truth is known, and on telecom.

Simulated: answers of a document are wrong with the document's own probability, which is beta distributed (intraclass
correlation rho), and a verifier's scores are normal, those of right answers higher by ``tells``. The share of wrong
answers above a threshold is then known exactly, and a promise is broken where a threshold is chosen at which it exceeds
the limit. A verifier that knows nothing, with just more wrong answers than are allowed, is the hardest case: every
threshold breaks the promise.

On telecom: the answers of dev and test together are the population. Its documents are drawn with replacement, as many
as dev has, a threshold is chosen on them, and the share of wrong ones above it in the population is the truth; beside
it stands what a second draw, of test's size, shows. Answers come from the store of ``RAGFT_HOME``.

    OMP_NUM_THREADS=1 python -m benchmarks.verified simulate --studies 500
    python -m entrypoints.finetune --samples 500 --epochs 5 --format retrieved
    OMP_NUM_THREADS=1 python -m benchmarks.verified telecom --models base,models:/ragft-telecom-pocket/2
    python -m benchmarks.verified table
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from ragft.analysis.statistics.clusters import Array, cluster
from ragft.analysis.verification.threshold import Checked, choose
from ragft.types import Question

OUTPUT = Path(__file__).with_name("results") / "verified.json"
LIMIT, CONFIDENCE = 0.1, 0.9
RESAMPLES = 200
# On telecom, where a tenth is more than some sides can promise.
LIMITS = (0.1, 0.2, 0.3)
SIDES = {"base": "the base", "models:/ragft-telecom-pocket/2": "an adapter trained with passages"}
# Above the limit by what rounding leaves.
EPSILON = 1e-9


@dataclass(frozen=True)
class World:
    """What is true of the answers.

    Attributes:
        questions: In dev, each with an answer.
        size: Mean number of questions of a document.
        rho: How alike answers of a document are in being wrong.
        wrong: The share that is.
        tells: By how many standard deviations the verifier's scores of right answers are higher.
    """

    questions: int
    size: int
    rho: float
    wrong: float
    tells: float

    def risk(self, threshold: float) -> float:
        """Return the share of wrong answers above a threshold."""
        wrong, right = self.wrong * norm.sf(threshold), (1 - self.wrong) * norm.sf(threshold - self.tells)
        return float(wrong / (wrong + right))

    def draw(self, rng: np.random.Generator) -> Checked:
        """Return the answers to the dev questions of a study; documents have 1 to twice the mean number but one."""
        sizes = rng.integers(1, 2 * self.size, size=self.questions) if self.size > 1 else np.ones(self.questions, int)
        documents = np.repeat(np.arange(self.questions), sizes)[: self.questions]
        spread = (1 - self.rho) / self.rho if self.rho else 0.0
        often = rng.beta(self.wrong * spread, (1 - self.wrong) * spread, self.questions) if self.rho else self.wrong
        wrong = (rng.random(self.questions) < np.broadcast_to(often, self.questions)[documents]).astype(np.float64)
        scores = rng.normal(size=self.questions) + self.tells * (1 - wrong)
        return Checked(scores, wrong, documents, self.questions)  # type: ignore[arg-type]  # numbers do as labels


WORLDS = [
    World(questions, size, rho, wrong, tells)
    for questions, (size, rho), (wrong, tells) in product(
        (50, 100, 200, 400),
        ((1, 0.0), (3, 0.0), (3, 0.2), (3, 0.5), (10, 0.0), (10, 0.2), (10, 0.5)),
        ((LIMIT + 1e-6, 0.0), (0.25, 2.5)),
    )
]


def simulate(studies: int) -> list[dict[str, Any]]:
    """Return how often each world promises, and breaks it."""
    found = []
    for number, world in enumerate(WORLDS):
        rng = np.random.default_rng([20260728, number])
        risks, coverage = [], []
        for _ in range(studies):
            drawn = world.draw(rng)
            chosen = choose(drawn, LIMIT, CONFIDENCE).chosen
            if chosen is not None:
                risks.append(world.risk(chosen.threshold))
                coverage.append(chosen.leaving.n / drawn.asked)
        broken = sum(risk > LIMIT + EPSILON for risk in risks)
        mean = float(np.mean(coverage)) if coverage else None
        found.append({**asdict(world), "studies": studies, "promised": len(risks), "broken": broken, "coverage": mean})
        print(found[-1], flush=True)
    return found


def resampled(rows: Sequence[Mapping[str, Any]], limit: float, sizes: tuple[int, int]) -> dict[str, Any]:
    """Return what ``RESAMPLES`` draws of documents promise, and how often it is broken.

    Args:
        rows: Questions, each with its document, and the score and outcome of its answer; no score for an abstention.
        limit: The most that may be wrong.
        sizes: How many documents a draw for dev has, and one for test.
    """
    documents: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        documents.setdefault(row["document"], []).append(row)
    names, whole = sorted(documents), _checked(list(_labelled(documents, sorted(documents))))
    rng = np.random.default_rng(20260728)
    broken, seen, coverage, promised = 0, 0, [], 0
    for _ in range(RESAMPLES):
        dev, test = ([names[place] for place in rng.integers(0, len(names), size)] for size in sizes)
        chosen = choose(_checked(list(_labelled(documents, dev))), limit, CONFIDENCE).chosen
        if chosen is None:
            continue
        promised += 1
        true, drawn = whole.above(chosen.threshold), _checked(list(_labelled(documents, test))).above(chosen.threshold)
        broken += true.share > limit + EPSILON
        seen += drawn.share > limit + EPSILON
        coverage.append(true.n / len(rows))
    mean = float(np.mean(coverage)) if coverage else None
    return {"limit": limit, "resamples": RESAMPLES, "promised": promised, "broken": int(broken), "seen": int(seen),
            "coverage": mean}  # fmt: skip


def _labelled(
    documents: Mapping[str, Sequence[Mapping[str, Any]]], drawn: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the questions of the documents drawn; one that is drawn twice is two documents."""
    for number, name in enumerate(drawn):
        yield from ((number, row) for row in documents[name])


def _checked(rows: Sequence[tuple[int, Mapping[str, Any]]]) -> Checked:
    stated = [(number, row) for number, row in rows if row["outcome"] != "abstained"]
    scores: Array = np.array([-np.inf if row["score"] is None else row["score"] for _, row in stated])
    wrong: Array = np.array([float(row["outcome"] != "right") for _, row in stated])
    return Checked(scores, wrong, [number for number, _ in stated], len(rows))  # type: ignore[misc]  # as above


def on_telecom(models: Sequence[str], verifiers: Sequence[str]) -> list[dict[str, Any]]:
    """Return AUC on dev and test, and the resamples, of each model and verifier."""
    from entrypoints.environment import opened_workspace
    from entrypoints.steps import evaluate
    from entrypoints.steps.shared.verifiers import open_verifier, verified
    from ragft.params.scoring import EvaluateParams, VerifyParams

    found = []
    with opened_workspace() as workspace, ExitStack() as stack:
        for model in models:
            asked = EvaluateParams(model=model, context="retrieved", judge="none")
            sides = {split: evaluate.run(replace(asked, split=split), workspace)[0] for split in ("dev", "test")}
            for name in verifiers:
                params = VerifyParams(dataset="telecom", base="pocket", verifier=name, judge="none")
                verifier = open_verifier(params, workspace, stack)
                labels = {split: _labels(split, side.rows) for split, side in sides.items()}
                checked = {s: verified(side, labels[s], verifier, workspace) for s, side in sides.items()}
                scores = {row.id: score for each in checked.values()
                          for row, score in zip(each.rows, each.scores, strict=True)}  # fmt: skip
                rows = [{"document": labels[s][row.id], "score": scores.get(row.id),
                         "outcome": "abstained" if row.abstained else row.outcome}
                        for s, side in sides.items() for row in side.rows]  # fmt: skip
                sizes = (len(set(labels["dev"].values())), len(set(labels["test"].values())))
                found.append({"model": model, "verifier": name, "auc": {s: checked[s].checked.auc for s in sides},
                              "documents": sizes, "wrong": _share_of_wrong(rows),
                              "draws": [resampled(rows, limit, sizes) for limit in LIMITS]})  # fmt: skip
                print(found[-1], flush=True)
    return found


def _labels(split: str, rows: Sequence[Any]) -> dict[str, str]:
    """Return question id -> its documents, those that others share with it included."""
    asked = [Question(row.id, row.question, row.references, row.documents) for row in rows]
    return {question: f"{split} {label}" for question, label in cluster(asked).labels.items()}


def _share_of_wrong(rows: Sequence[Mapping[str, Any]]) -> float:
    stated = [row["outcome"] for row in rows if row["outcome"] != "abstained"]
    return float(np.mean([outcome != "right" for outcome in stated]))


def main() -> None:
    """Run one part and keep its output beside the other's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("simulate", "telecom", "table"))
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--models", default="base")
    parser.add_argument("--verifiers", default="overlap,base")
    asked = parser.parse_args()
    kept = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else {}
    if asked.part == "table":
        print("\n\n".join((simulated_table(kept), telecom_table(kept))))
        return
    if asked.part == "simulate":
        kept["simulated"] = simulate(asked.studies)
    else:
        kept["telecom"] = on_telecom(asked.models.split(","), asked.verifiers.split(","))
    OUTPUT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def simulated_table(kept: Mapping[str, Any]) -> str:
    """Return the simulated worlds by their documents, a verifier that knows nothing beside one that tells."""
    lines = ["| dev questions | questions a document | rho | knows nothing: broken | tells: promised | tells: broken | "
             "tells: coverage |", f"|{'---|' * 7}"]  # fmt: skip
    cells: dict[tuple[int, int, float], list[Mapping[str, Any]]] = {}
    for each in kept["simulated"]:
        cells.setdefault((each["questions"], each["size"], each["rho"]), []).append(each)
    for (questions, size, rho), (nothing, tells) in cells.items():
        coverage = "" if tells["coverage"] is None else f"{100 * tells['coverage']:.0f} %"
        told = " | ".join(_share(tells, key) for key in ("promised", "broken"))
        lines.append(f"| {questions} | {size} | {rho:g} | {_share(nothing, 'broken')} | {told} | {coverage} |")
    return "\n".join(lines)


def telecom_table(kept: Mapping[str, Any]) -> str:
    """Return the draws on telecom."""
    lines = ["| answers of | wrong | verifier | AUC on dev, test | promised at most | draws with a promise | broken | "
             "seen | coverage |", f"|{'---|' * 9}"]  # fmt: skip
    for each in kept["telecom"]:
        auc = ", ".join(f"{each['auc'][split]:.2f}" for split in ("dev", "test"))
        for draw in each["draws"]:
            coverage = "" if draw["coverage"] is None else f"{100 * draw['coverage']:.0f} %"
            counts = " | ".join(f"{draw[key]} of {draw['resamples']}" for key in ("promised", "broken", "seen"))
            known = (
                f"{SIDES.get(each['model'], each['model'])} | {100 * each['wrong']:.0f} % | {each['verifier']} | {auc}"
            )
            lines.append(f"| {known} | {100 * draw['limit']:.0f} % | {counts} | {coverage} |")
    return "\n".join(lines)


def _share(each: Mapping[str, Any], key: str) -> str:
    return f"{100 * each[key] / each['studies']:.1f} %"


if __name__ == "__main__":
    main()
