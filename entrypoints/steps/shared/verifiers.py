"""The verifier of answers: it is opened, and asked of an evaluation's answers."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from entrypoints.steps.shared import judges
from entrypoints.steps.shared.compared import Sides
from entrypoints.steps.shared.endpoints import open_endpoint
from entrypoints.steps.shared.evaluation import Evaluation, Made, Scored
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verification.promise import Promise
from ragft.analysis.verification.threshold import Checked
from ragft.errors import ConfigError, DataError
from ragft.judging.g_eval import Item
from ragft.lists import first_of
from ragft.params.scoring import ScoringParams, VerifyParams
from ragft.params.values import OVERLAP
from ragft.params.verdict import CompareParams
from ragft.served_as import ServedAs
from ragft.types import DECIDING, WITHHELD, digest
from ragft.verifying import FIRST, Asked, Checks, Overlap, Verifier, asked_at
from registry.versions import Version

# The share of the answers of which nobody may be able to tell whether they are right.
MOST_UNKNOWN = 0.05
# Among the conditions of a comparison: by which promise the version's answers were checked.
CHECKED = "checked"
# How answers were made -> their checks; None where they are not checked.
ChecksFor = Callable[[Made], Checks | None]


@dataclass(frozen=True)
class Verified:
    """An evaluation's answers with their scores.

    Attributes:
        rows: Those that state something.
        scores: One a row, None where the verifier has none.
        checked: The same as the statistics take them.
        unknown: Of how many nobody can tell whether they are right; they count as wrong.
    """

    evaluation: Evaluation
    rows: tuple[Scored, ...]
    scores: tuple[float | None, ...]
    checked: Checked
    unknown: int


def open_verifier(params: VerifyParams, workspace: Workspace, stack: ExitStack) -> Verifier:
    """Return the verifier, which can be asked; a served one stays open as long as ``stack``, its key is a judge's.

    Raises:
        JudgeError: If it is behind an address, and cannot be asked there.
    """
    if params.verifier == OVERLAP:
        return Overlap()
    asked = _asked(params, workspace, stack)
    asked.scores([FIRST])
    return asked


def _asked(params: VerifyParams, workspace: Workspace, stack: ExitStack) -> Asked:
    if params.verifier_url:
        endpoint = open_endpoint(params.verifier_url, params.verifier, "judge", params, workspace, stack)
        return asked_at(endpoint, workspace.store)
    usual = ScoringParams()
    asked = dataclasses.replace(
        params.pick(ScoringParams),
        judge=params.verifier,
        # No reply is written, and these would only make it another verifier.
        judge_max_new_tokens=usual.judge_max_new_tokens,
        top_logprobs=usual.top_logprobs,
    )
    judge = judges.open_judge(asked, None, workspace, stack)
    if judge is None:
        raise RuntimeError("a verifier is asked for, and there is none")
    return Asked(judge, workspace.store)


def promise_of(version: Version) -> Promise:
    """Return what is promised of a version's answers.

    Raises:
        ConfigError: If nothing is.
        DataError: If its tag holds no promise.
    """
    if not version.promise:
        raise ConfigError(
            f"verify is true, but nothing is promised of the answers of {version.uri}: make a promise first, "
            f"`mlflow run . -e evaluate -P model={version.uri} -P verify=True -P collection=all`"
        )
    return Promise.from_json(version.promise, source=f"the promise of {version.uri}")


def how_it_is_checked(version: Version, served_as: ServedAs) -> str:
    """Return whether and by what the answers of a version with a promise are checked where it is served so."""
    try:
        promise = promise_of(version)
    except DataError as error:
        return f"it cannot be served until its promise is made again: {error}"
    lineage = version.lineage
    why = promise.why_not(served_as, lineage.base_fingerprint, lineage.adapter_sha256)
    if why:
        return f"its promise is not applied as it is served, so nothing is checked: {why}"
    return f"its answers are checked before they leave: {promise.words}"


def checks_of_version(version: Version, params: CompareParams, workspace: Workspace, stack: ExitStack) -> ChecksFor:
    """Return the checks that a version's promise asks for; they refuse answers that were made otherwise.

    Raises:
        ConfigError: If nothing is promised of the version, or the verifier is not the one of the promise.
    """
    promise = promise_of(version)
    verifier = _verifier_of(promise, version, params, workspace, stack)
    if verifier.identity != promise.verifier_sha256:
        raise ConfigError(
            f"the verifier {promise.verifier} is not the one that the promise of {version.uri} was made with (another "
            "precision, weights or version of the rule): make the promise again"
        )

    def checks(made: Made) -> Checks:
        if why := otherwise(made, promise):
            raise ConfigError(
                f"verify is true, but the promise of {version.uri} was made under other conditions: {why}"
            )
        workspace.say(f"answers of {version.uri} are checked before they are scored: {promise.words}")
        return Checks(promise, verifier)

    return checks


def checks_of_other_side(
    against: Version, params: CompareParams, workspace: Workspace, stack: ExitStack
) -> ChecksFor | None:
    """Return the checks of what a version should replace: those of its own promise, if it has one.

    Where that was made for answers that were made otherwise, there are none, which is said.
    """
    if not against.promise:
        return None

    def checks(made: Made) -> Checks | None:
        try:
            promise = promise_of(against)
        except DataError as error:  # a damaged champion does not stop its successor
            workspace.say(f"answers of {against.uri} are not checked: {error}")
            return None
        why = promise.never_served or otherwise(made, promise)
        if not why:
            verifier = _verifier_of(promise, against, params, workspace, stack)
            if verifier.identity == promise.verifier_sha256:
                workspace.say(f"answers of {against.uri} are checked too, by its own promise")
                return Checks(promise, verifier)
            why = f"the verifier {promise.verifier} is not the one it was made with"
        workspace.say(f"answers of {against.uri} are not checked, although it has a promise: {why}")
        return None

    return checks


def _verifier_of(
    promise: Promise, version: Version, params: CompareParams, workspace: Workspace, stack: ExitStack
) -> Verifier:
    asked = {"model": version.uri, "verifier": promise.verifier, "verifier_url": promise.verifier_url}
    return open_verifier(params.pick(VerifyParams, **asked, verify=False), workspace, stack)


def with_checks(sides: Sides, uri: str) -> Mapping[str, Mapping[str, Evaluation]]:
    """Return the sides of a comparison, which say by whose promises answers were checked; ``uri`` is the version's."""
    by = {side: {each.checked for each in evaluations.values()} - {""} for side, evaluations in sides.items()}
    if not any(by.values()):
        return sides
    own = sorted(by[uri])
    others = sorted(each for side, found in by.items() if side != uri for each in found)
    known = {CHECKED: digest([own, others]) if others else own[0]}
    return {
        side: {
            context: dataclasses.replace(each, conditions={**each.conditions, **known})
            for context, each in evaluations.items()
        }
        for side, evaluations in sides.items()
    }


def otherwise(made: Made, promise: Promise) -> str:
    """Return what differs where answers were made otherwise than a promise's, with the way out; "" if nothing does."""
    if changes := made.served_as.changes(promise.served_as):
        return f"{changes}; compare under those, or make the promise again under these"
    if made.engine != promise.engine:
        now, then = (engine or "this process" for engine in (made.engine, promise.engine))
        return f"answers of {now} (was {then}); let the same answer, or make the promise again with this one"
    # The dev questions' own documents are others than the split's, and yet the same condition.
    of_all = made.collection == made.served_as.collection
    if promise.of_all and not of_all:
        return (
            "passages of the questions' own documents, or of a file (was all documents); compare with "
            "-P collection=all, or make the promise again under these"
        )
    if not promise.of_all and of_all:
        return (
            "passages of all documents (was the questions' own ones, or a file); make the promise again with "
            "-P collection=all"
        )
    return ""


def verified(evaluation: Evaluation, clusters: Mapping[str, str], verifier: Verifier, workspace: Workspace) -> Verified:
    """Return the answers of an evaluation with their scores; ``clusters`` is question id -> its cluster.

    Where passages cannot answer, no answer is right unless a rule shows it, so nothing is unknown.

    Raises:
        DataError: If in the context that decides nobody can tell of too many answers whether they are right.
    """
    rows = tuple(row for row in evaluation.rows if not row.abstained)
    unknown = [row.id for row in rows if row.outcome is None and evaluation.context != WITHHELD]
    if evaluation.context == DECIDING and len(unknown) > MOST_UNKNOWN * len(rows):
        raise DataError(
            f"of {len(unknown)} of {len(rows)} answers ({evaluation.context}) nobody can tell whether they are right "
            f"({first_of(unknown)}), and at most {MOST_UNKNOWN:.0%} may be so: give short references that a rule can "
            "look for, or a judge with the criterion accuracy"
        )
    with workspace.progress("verify", part=f"({evaluation.context})") as line:
        scores = verifier.scores([item_of(row) for row in rows], line.tell)
    checked = Checked(
        scores=np.array([-np.inf if score is None else score for score in scores], dtype=np.float64),
        wrong=np.array([float(row.outcome != "right") for row in rows]),
        labels=[clusters[row.id] for row in rows],
        asked=len(evaluation.rows),
    )
    return Verified(evaluation, rows, tuple(scores), checked, len(unknown))


def item_of(row: Scored) -> Item:
    """Return what a verifier is asked about: never the reference."""
    return Item(row.question, row.answer, (), row.passages)
