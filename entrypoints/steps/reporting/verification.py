"""What is said of checked answers: risk and coverage, the curve of both, and why no threshold would do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import mlflow

from entrypoints.steps.shared.verifiers import Verified
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.verification.curve import Point, curve, point
from ragft.analysis.verification.promise import percent
from ragft.analysis.verification.threshold import Choice, Tested, thresholds
from ragft.params.scoring import VerifyParams
from ragft.report.risk_plot import risk_figure
from ragft.types import DECIDING
from ragft.verifying import leaves

AUC_OF = "how often a right answer has a higher score than a wrong one"


@dataclass(frozen=True)
class VerifiedSide:
    """A model with its threshold.

    Attributes:
        dev: Its answers to the dev questions.
        split: Context -> its answers to the questions that are reported on.
        choice: The threshold, if there is one.
    """

    model: str
    dev: Verified
    split: Mapping[str, Verified]
    choice: Choice

    @property
    def points(self) -> list[Point]:
        """The curve on the split, in the context that decides, at thresholds of dev."""
        return curve(self.split[DECIDING].checked, thresholds(self.dev.checked.scores))

    def at_threshold(self, context: str = DECIDING) -> Point | None:
        """Return what leaves in a context; None without a threshold."""
        chosen = self.choice.chosen
        return point(self.split[context].checked, chosen.threshold) if chosen else None


def log(sides: Sequence[VerifiedSide], params: VerifyParams) -> None:
    """Log risk and coverage, the curve as table and picture, and each answer with its score, to the active run."""
    mlflow.set_tags({"ragft.verifier": params.verifier, "ragft.split": params.split, "ragft.model": sides[-1].model})
    for side in sides:
        mlflow.log_metrics(_metrics(side, "" if side is sides[-1] else "base_"))
    tracking.log_table([_row(side, each) for side in sides for each in side.points], "risk_coverage")
    tracking.log_table([row for side in sides for row in _answers(side)], "verified")
    curves = {side.model: (side.points, side.at_threshold()) for side in sides}
    mlflow.log_figure(risk_figure(curves, params.max_false_answers), "risk_coverage.png")


def tell(sides: Sequence[VerifiedSide], params: VerifyParams, workspace: Workspace) -> None:
    """Say the threshold of each side, and what leaves on the split with it and without."""
    limit, sure = percent(params.max_false_answers), percent(params.confidence)
    workspace.say(
        f"answers checked before they leave: verifier {params.verifier}, at most {limit} wrong promised with {sure} "
        "confidence, on questions like those of dev (intervals of 95%)"
    )
    for side in sides:
        auc = side.dev.checked.auc
        known = "" if auc is None else f", AUC {auc:.2f} on dev ({AUC_OF})"
        chosen = side.choice.chosen
        if unscored := side.dev.scores.count(None):
            known += f", no score for {unscored:,} of {len(side.dev.scores):,} answers there, which never leave"
        workspace.say(f"  {side.model}: {_threshold(chosen)}{known}")
        for context, answers in side.split.items():
            workspace.say(f"    {context}: {_leaving(point(answers.checked, None))} without a verifier")
            if found := side.at_threshold(context):
                beyond = " MORE THAN PROMISED" if context == DECIDING and found.risk > params.max_false_answers else ""
                workspace.say(f"    {context}: {_leaving(found)} with it{beyond}")
            if answers.unknown:
                workspace.say(f"      {answers.unknown} of which nobody can tell whether they are right count as wrong")
    if any(_exceeds(side, params) for side in sides):
        workspace.say(
            f"  more than promised is wrong on {params.split}: chance does that for {percent(1 - params.confidence)} "
            "of the samples that dev could have been, and so do questions that are not like those of dev, of which "
            "alone something is promised"
        )


def refusal(side: VerifiedSide, params: VerifyParams) -> str:
    """Return why no threshold keeps the promise, and what would."""
    choice, dev = side.choice, side.dev.checked
    limit, sure = percent(params.max_false_answers), percent(params.confidence)
    said = (
        f"no threshold of the verifier {params.verifier} promises with {sure} confidence that at most {limit} of the "
        f"answers of {side.model} that leave are wrong"
    )
    others = "-P max_false_answers= with a larger share, or another -P verifier="
    best = choice.best
    if best is None or not best.leaving.n:
        return f"{said}: none of the {dev.asked:,} dev questions has an answer with a score; use {others}"
    part = best.leaving
    found = f"of the {part.n:,} answers that it trusts most, {part.count:,} are wrong ({part.share:.0%})"
    if unscored := side.dev.scores.count(None):
        found += f", and for {unscored:,} of {len(side.dev.scores):,} it has no score"
    if choice.needed is None:
        found += ", and too many of every stricter part"
        return f"{said}: {found}, so no number of dev questions would do; use {others}"
    return (
        f"{said}: {found}; it would take about {choice.needed:,} dev questions, and there are {dev.asked:,}. Prepare "
        f"more, or use {others}"
    )


def _threshold(chosen: Tested | None) -> str:
    if chosen is None:
        return "no threshold keeps the promise"
    if chosen.threshold == float("-inf"):
        return "every answer leaves that has a score"
    return f"answers leave above {chosen.threshold:.4g}"


def _exceeds(side: VerifiedSide, params: VerifyParams) -> bool:
    found = side.at_threshold()
    return found is not None and found.risk > params.max_false_answers


def _leaving(found: Point) -> str:
    return (
        f"{found.leaving:,} answers leave ({found.coverage:.0%} of the questions), {found.wrong:,} of them wrong: "
        f"{found.risk:.1%} [{found.low:.1%}, {found.high:.1%}]"
    )


def _metrics(side: VerifiedSide, prefix: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, at in (("verified", side.at_threshold()), ("unverified", point(side.split[DECIDING].checked, None))):
        if at is not None:
            values = {"risk": at.risk, "risk_low": at.low, "risk_high": at.high, "coverage": at.coverage}
            found |= {f"{prefix}{name}_{key}": value for key, value in values.items()}
            found |= {f"{prefix}{name}_leaving": float(at.leaving), f"{prefix}{name}_wrong": float(at.wrong)}
    if side.choice.chosen and side.choice.chosen.threshold > float("-inf"):
        found[f"{prefix}verified_threshold"] = side.choice.chosen.threshold
    if side.dev.checked.auc is not None:
        found[f"{prefix}verifier_auc_dev"] = side.dev.checked.auc
    return found


def _row(side: VerifiedSide, found: Point) -> dict[str, Any]:
    chosen = side.choice.chosen
    values = asdict(found)
    if found.threshold == float("-inf"):
        values["threshold"] = None
    applied = chosen is not None and found.threshold == chosen.threshold
    return {"model": side.model, "verified": found.threshold is not None, **values, "chosen": applied}


def _answers(side: VerifiedSide) -> list[dict[str, Any]]:
    chosen = side.choice.chosen
    return [
        {
            "model": side.model,
            "context": context,
            "id": row.id,
            "input": row.question,
            "output": row.answer,
            "outcome": row.outcome,
            "score": score,
            "leaves": chosen is not None and leaves(score, chosen.threshold),
        }
        for context, answers in side.split.items()
        for row, score in zip(answers.rows, answers.scores, strict=True)
    ]
