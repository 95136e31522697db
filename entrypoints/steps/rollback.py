"""Rollback: the previous champion is champion again."""

import mlflow

from entrypoints.steps.runs import step_run
from entrypoints.steps.subjects import open_registry
from entrypoints.steps.workspace import Workspace
from ragft.params import RollbackParams
from registry.promotion import Promotion, Record
from registry.versions import CHAMPION, Version, registered_name


def run(params: RollbackParams, workspace: Workspace) -> Version:
    """Return the champion after going back.

    Raises:
        PrerequisiteError: If there is no previous champion.
    """
    name = registered_name(params.name or params.dataset, params.base)
    with step_run(params, f"{name}|rollback", {"ragft.step": "rollback"}, workspace.home) as run_:
        reason = params.reason or "rolled back by a person, who gave no reason"
        record = Record("reject", (reason,), comparison="rollback", run_id=run_.info.run_id)
        with workspace.store.lock(f"champion of {name}", workspace.say):
            promotion = Promotion(open_registry(), name)
            if found := promotion.mend():
                workspace.say(found)
            champion = promotion.rollback(record)
        mlflow.set_tag("ragft.version", champion.uri)
        workspace.say(f"{champion.uri} is {CHAMPION} again")
    return champion
