"""Promote: compare, and act on the verdict in the registry."""

import mlflow

from entrypoints.steps import compare
from entrypoints.steps.compare import Compared
from entrypoints.steps.runs import step_run
from entrypoints.steps.subjects import open_registry
from entrypoints.steps.workspace import Workspace
from ragft.errors import RejectedError
from ragft.params import CompareParams, PromoteParams
from registry.gate import Decision, force
from registry.promotion import Promotion, Record
from registry.versions import CHAMPION


def run(params: PromoteParams, workspace: Workspace) -> Decision:
    """Return the decision, carried out: the champion moved, or the version marked with the reasons.

    Raises:
        RejectedError: If the outcome is not promote and ``on_reject`` is fail.
        PrerequisiteError: If the champion is no longer the one that was compared against.
    """
    with step_run(params, "promote", {"ragft.step": "promote"}, workspace.home) as run_:
        compared = compare.run(params.pick(CompareParams), workspace)
        decision = force(compared.decision, params.reason) if params.force else compared.decision
        _act(compared, decision, workspace)
        mlflow.set_tags(
            {"ragft.outcome": decision.outcome, "ragft.version": compared.version.uri, "ragft.run": run_.info.run_id}
        )
    if decision.outcome != "promote" and params.on_reject == "fail":
        raise RejectedError(f"{compared.version.uri} is not promoted: {decision.headline}")
    return decision


def _act(compared: Compared, decision: Decision, workspace: Workspace) -> None:
    version = compared.version
    record = Record(
        outcome=decision.outcome,
        reasons=(decision.headline, *decision.reasons),
        comparison=decision.comparison,
        run_id=compared.run_id,
        forced=decision.forced,
    )
    with workspace.store.lock(f"champion of {version.name}", workspace.say):
        promotion = Promotion(open_registry(), version.name)
        if found := promotion.mend():
            workspace.say(found)
        if decision.outcome == "promote":
            champion = promotion.promote(version, against=compared.against, record=record)
            workspace.say(f"{champion.uri} is {CHAMPION} now; version {compared.against.number} is kept as previous")
        else:
            promotion.record(version, record)
            workspace.say(
                f"{CHAMPION} stays version {promotion.champion().number}; the reasons are tags of {version.uri}"
            )
