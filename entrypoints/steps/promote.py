"""Promote: compare, and act on the verdict in the registry."""

import mlflow

from entrypoints.steps import compare
from entrypoints.steps.reporting import cards
from entrypoints.steps.shared.champion import champion_moves
from entrypoints.steps.shared.compared import Compared
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.sources import require_name
from entrypoints.steps.shared.verifiers import promise_of
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verification.promise import PROMISE
from ragft.errors import ConfigError, DataError, PrerequisiteError, RejectedError
from ragft.params.values import ALL, DEFAULT_DATASET
from ragft.params.verdict import CompareParams, PromoteParams
from ragft.prompts.answer import load_answer_prompt
from ragft.served_as import ServedAs
from ragft.types import DECIDING, canonical_json
from registry.gate import Decision, force
from registry.promotion import DecisionRecord, Mended
from registry.versions import CHAMPION, Version, name_of

# A tag of a version holds 100,000 characters, and how it is served is kept in one.
MOST_OF_A_TEMPLATE = 90_000


def run(params: PromoteParams, workspace: Workspace) -> Decision | None:
    """Return the decision after acting on it: the champion is moved, or the version is marked with the reasons.

    None where an earlier command had decided to promote this version and was killed: its move is completed, and
    nothing is compared again.

    Raises:
        RejectedError: If the outcome is not promote and ``on_reject`` is fail.
        ConfigError: If the version would be compared without the checks that it is served with, or the other way round.
        PrerequisiteError: If the champion is no longer the one that was compared against, what is promised of the
            version has changed since, or the registry is shared and the lock is not.
    """
    require_name(params, workspace.store)
    name = f"{params.data_name or DEFAULT_DATASET}|promote"
    with step_run(params, name, {"ragft.step": "promote"}, workspace.home) as run_:
        _check_can_be_kept(params)
        address = compare.address_of(params)
        # Before hours of comparing: what was left half done, and whether the champion may be moved at all.
        with champion_moves(name_of(address), workspace) as (_, mended):
            done = _completed(mended, address)
        if done:
            mlflow.set_tags({"ragft.outcome": "promote", "ragft.version": done.uri})
            return None
        _check_compared_as_served(params)
        compared = compare.run(params.pick(CompareParams, on_reject="record"), workspace)
        decision = _decided(compared.decision, params, compared.version.uri, workspace)
        _act(compared, decision, params, workspace)
        mlflow.set_tags(
            {"ragft.outcome": decision.outcome, "ragft.version": compared.version.uri, "ragft.run": run_.info.run_id}
        )
    if decision.outcome != "promote" and params.on_reject == "fail":
        raise RejectedError(f"{compared.version.uri} is not promoted: {decision.headline}")
    return decision


def _decided(decision: Decision, params: PromoteParams, uri: str, workspace: Workspace) -> Decision:
    """Return the gate's decision, or what a person makes of it; who forces what is promoted anyway is told so."""
    if not params.force:
        return decision
    if decision.outcome == "promote":
        workspace.say(f"force was not needed: the verdict on {uri} is promote, and is recorded without the reason")
    return force(decision, params.reason)


def _check_compared_as_served(params: PromoteParams) -> None:
    """Refuse to compare a version without the checks that it is served with, or with checks that are not served.

    Raises:
        ConfigError: Saying how it is compared as it is served.
    """
    version, _ = compare.versions_of(params)
    if not (params.verify or version.promise):
        return
    promise = promise_of(version)
    if params.verify and promise.never_served:
        raise ConfigError(
            f"verify is true, but the promise of {version.uri} is not applied where it is served: "
            f"{promise.never_served} -P verify=True"
        )
    if not (params.verify or promise.never_served):
        raise ConfigError(
            f"{version.uri} is served with its verifier {promise.verifier}, by its promise, and verify is false: what "
            f"is promoted would not be what was compared; add -P verify=True -P collection={ALL}, or delete the "
            f"version's tag {PROMISE} in MLflow, and with it the promise"
        )


def _completed(mended: Mended | None, address: str) -> Version | None:
    """Return the version asked for, if it has just become champion by the move of an earlier command."""
    if mended is None or mended.move != "promotion":
        return None
    try:
        asked = open_registry().get(address)
    except PrerequisiteError:
        # The version is no longer the challenger, and there is no other.
        return open_registry().get(f"models:/{name_of(address)}/{mended.version}")
    return asked if asked.number == mended.version else None


def _act(compared: Compared, decision: Decision, params: PromoteParams, workspace: Workspace) -> None:
    version, evaluation = compared.version, compared.sides[compared.version.uri][DECIDING]
    made = evaluation.served_as
    if made is None:
        raise RuntimeError(f"{version.uri} was compared, and nobody knows how its answers were made")
    record = DecisionRecord(
        outcome=decision.outcome,
        reasons=(decision.headline, *decision.reasons),
        comparison=decision.comparison,
        run_id=compared.run_id,
        forced=decision.forced,
        card=cards.log(version, compare.verdict_of(compared, decision, params)),
        served_as=made.to_json(),
    )
    if decision.outcome == "promote" and made.search.made_of:
        open_registry().check_program(version, "finds passages by their vectors alone")
    with champion_moves(version.name, workspace) as (promotion, _):
        if decision.outcome == "promote":
            _check_same_promise(version)
            before = _served_before(compared.against, workspace)
            champion = promotion.promote(version, against=compared.against, record=record)
            workspace.say(f"{champion.uri} is {CHAMPION} now; version {compared.against.number} is kept as previous")
            _say_how_it_is_served(made, before, evaluation, compared, params.retrieved.strip(), workspace)
            _say_how_it_is_checked(compared, before, params, workspace)
        else:
            promotion.record(version, record)
            workspace.say(
                f"{CHAMPION} stays version {promotion.champion().number}; the reasons are tags of {version.uri}"
            )


def _check_same_promise(version: Version) -> None:
    """Check that a version is promised now what it was when it was compared.

    Raises:
        PrerequisiteError: If a promise was made or taken away meanwhile.
    """
    if open_registry().get(version.uri).promise != version.promise:
        raise PrerequisiteError(
            f"what is promised of the answers of {version.uri} changed while it was compared: compare again"
        )


def _say_how_it_is_checked(
    compared: Compared, before: ServedAs | None, params: PromoteParams, workspace: Workspace
) -> None:
    """Say whether answers are checked before they leave, and where that changes from how the old champion is served."""
    version, against = compared.version, compared.against
    if params.verify:
        workspace.say(f"its answers are checked before they leave: {promise_of(version).words}")
    elif version.promise:
        why = promise_of(version).never_served
        workspace.say(f"its promise is not applied where it is served, so nothing is checked: {why}")
    elif before and _claims(against, before):
        workspace.say(
            f"answers of version {against.number} are checked where it is served, and were not in the comparison; "
            f"those of {version.uri} are not: to compare both as they are served, make a promise for it and add "
            "-P verify=True"
        )


def _claims(version: Version, served_as: ServedAs) -> bool:
    """Return whether a version's answers are checked where it is served so."""
    try:
        promise = promise_of(version) if version.promise else None
    except DataError:  # a damaged champion does not stop its successor
        return False
    lineage = version.lineage
    return promise is not None and not promise.why_not(served_as, lineage.base_fingerprint, lineage.adapter_sha256)


def _served_before(champion: Version, workspace: Workspace) -> ServedAs | None:
    """Return how the old champion is served; a damaged one does not stop its successor."""
    try:
        return open_registry().served_as(champion)
    except (DataError, PrerequisiteError) as error:
        workspace.say(f"how {champion.uri} was served is not known: {error}")
        return None


def _say_how_it_is_served(
    made: ServedAs,
    before: ServedAs | None,
    evaluation: Evaluation,
    compared: Compared,
    given: str,
    workspace: Workspace,
) -> None:
    """Say that what was compared is what is served, and what changes from how the old champion was served.

    ``given`` is the file that the passages of the comparison came from, "" where they were retrieved here.
    """
    workspace.say(f"it is served as it was compared: {made.words}")
    if before and (changes := made.changes(before)):
        workspace.say(
            f"version {compared.against.number}, which was compared in the same way, was served otherwise: {changes}"
        )
    if given:
        served = "with passages of its own documents" if made.collection else "without passages: it has no documents"
        workspace.say(f"in the comparison the passages were those of {given}; the version is served {served}")
    elif evaluation.collection != made.collection:
        workspace.say(
            "passages are served from all documents; in the comparison they came from the documents of the split's own "
            "questions: -P collection=all compares as it is served"
        )


def _check_can_be_kept(params: PromoteParams) -> None:
    """Refuse a prompt that is too long for a tag, before hours of comparing.

    Raises:
        ConfigError: If the template is too long.
    """
    length = len(canonical_json(load_answer_prompt(params.prompt).with_passages))
    if length > MOST_OF_A_TEMPLATE:
        raise ConfigError(
            f"prompt {params.prompt} is {length:,} characters as JSON, and a version that is promoted keeps at most "
            f"{MOST_OF_A_TEMPLATE:,}: shorten it"
        )
