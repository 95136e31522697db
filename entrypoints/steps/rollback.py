"""Rollback: the previous champion is champion again."""

import mlflow

from entrypoints.steps.champion import champion_moves
from entrypoints.steps.runs import step_run
from entrypoints.steps.sources import require_name
from entrypoints.steps.workspace import Workspace
from ragft.params import RollbackParams
from registry.promotion import Record
from registry.versions import CHAMPION, Version, registered_name


def run(params: RollbackParams, workspace: Workspace) -> Version:
    """Return the champion after going back; a rollback that was cut short is completed, and not done twice.

    Raises:
        PrerequisiteError: If there is no previous champion, or the registry is shared and the lock is not.
    """
    require_name(params, workspace.store)
    name = registered_name(params.data_name, params.base)
    with step_run(params, f"{name}|rollback", {"ragft.step": "rollback"}, workspace.home) as run_:
        reason = params.reason or "rolled back by a person, who gave no reason"
        record = Record("reject", (reason,), comparison="rollback", run_id=run_.info.run_id)
        with champion_moves(name, workspace) as (promotion, mended):
            completed = mended is not None and mended.move == "rollback"
            champion = promotion.champion() if completed else promotion.rollback(record)
        mlflow.set_tag("ragft.version", champion.uri)
        workspace.say(f"{champion.uri} is {CHAMPION} again")
    return champion
