"""Promote: compare, and act on the verdict in the registry."""

import mlflow

from entrypoints.steps import cards, compare
from entrypoints.steps.champion import champion_moves
from entrypoints.steps.compare import Compared
from entrypoints.steps.runs import step_run
from entrypoints.steps.sources import DEFAULT_DATASET, require_name
from entrypoints.steps.subjects import open_registry
from entrypoints.steps.workspace import Workspace
from ragft.errors import PrerequisiteError, RejectedError
from ragft.params import CompareParams, PromoteParams
from registry.gate import Decision, force
from registry.promotion import Mended, Record
from registry.versions import CHAMPION, Version, name_of


def run(params: PromoteParams, workspace: Workspace) -> Decision | None:
    """Return the decision, carried out: the champion moved, or the version marked with the reasons.

    None where an earlier command had decided to promote this version and was killed: its move is completed, and
    nothing is compared again.

    Raises:
        RejectedError: If the outcome is not promote and ``on_reject`` is fail.
        PrerequisiteError: If the champion is no longer the one that was compared against, or the registry is shared
            and the lock is not.
    """
    require_name(params, workspace.store)
    name = f"{params.data_name or DEFAULT_DATASET}|promote"
    with step_run(params, name, {"ragft.step": "promote"}, workspace.home) as run_:
        address = compare.address_of(params)
        # Before hours of comparing: what was left half done, and whether the champion may be moved at all.
        with champion_moves(name_of(address), workspace) as (_, mended):
            done = _completed(mended, address)
        if done:
            mlflow.set_tags({"ragft.outcome": "promote", "ragft.version": done.uri})
            return None
        compared = compare.run(params.pick(CompareParams), workspace)
        decision = force(compared.decision, params.reason) if params.force else compared.decision
        _act(compared, decision, params, workspace)
        mlflow.set_tags(
            {"ragft.outcome": decision.outcome, "ragft.version": compared.version.uri, "ragft.run": run_.info.run_id}
        )
    if decision.outcome != "promote" and params.on_reject == "fail":
        raise RejectedError(f"{compared.version.uri} is not promoted: {decision.headline}")
    return decision


def _completed(mended: Mended | None, address: str) -> Version | None:
    """Return the version asked for where it became champion just now, by the move of an earlier command."""
    if mended is None or mended.move != "promotion":
        return None
    try:
        asked = open_registry().get(address)
    except PrerequisiteError:
        # The challenger it was is no challenger any more, and there is no other.
        return open_registry().get(f"models:/{name_of(address)}/{mended.version}")
    return asked if asked.number == mended.version else None


def _act(compared: Compared, decision: Decision, params: PromoteParams, workspace: Workspace) -> None:
    version = compared.version
    record = Record(
        outcome=decision.outcome,
        reasons=(decision.headline, *decision.reasons),
        comparison=decision.comparison,
        run_id=compared.run_id,
        forced=decision.forced,
        card=cards.log(version, compare.verdict_of(compared, decision, params)),
    )
    with champion_moves(version.name, workspace) as (promotion, _):
        if decision.outcome == "promote":
            champion = promotion.promote(version, against=compared.against, record=record)
            workspace.say(f"{champion.uri} is {CHAMPION} now; version {compared.against.number} is kept as previous")
        else:
            promotion.record(version, record)
            workspace.say(
                f"{CHAMPION} stays version {promotion.champion().number}; the reasons are tags of {version.uri}"
            )
