"""Rollback: make an earlier champion champion again."""

import mlflow

from entrypoints.steps.reporting import cards
from entrypoints.steps.shared.bases import require_base_of
from entrypoints.steps.shared.champion import champion_moves, champion_now
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.sources import require_name
from entrypoints.steps.shared.verifiers import how_it_is_checked
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verification.promise import PROMISE
from ragft.errors import DataError, PrerequisiteError
from ragft.params.versions import RollbackParams
from registry.history import ROLLED_BACK, kept_as, short
from registry.promotion import DecisionRecord, Promotion
from registry.versions import CHAMPION, Version, registered_name


def run(params: RollbackParams, workspace: Workspace) -> Version:
    """Return the champion after going back; a rollback that was interrupted is completed, and not done twice.

    Raises:
        PrerequisiteError: If nothing was promoted yet, the earlier champion cannot be served, somebody moved the
            champion while this waited, or the registry is shared and the lock is not.
    """
    require_name(params, workspace.store)
    name = registered_name(params.data_name, params.base)
    with step_run(params, f"{name}|rollback", {"ragft.step": "rollback"}, workspace.home) as run_:
        reason = params.reason or "rolled back by a person, who gave no reason"
        record = DecisionRecord(ROLLED_BACK, (reason,), comparison="rollback", run_id=run_.info.run_id)
        seen = champion_now(name)
        with champion_moves(name, workspace) as (promotion, mended):
            if mended is not None and mended.move == "rollback" and params.to in (0, mended.version):
                champion = promotion.champion()
                _say_how_it_is_checked(promotion, champion, workspace)
            else:
                if not params.to:
                    _require_seen(seen, champion_now(name), name)
                champion = _go_back(promotion, record, params.to, workspace)
            _say_what_is_left(promotion, workspace)
        mlflow.set_tag("ragft.version", champion.uri)
    return champion


def _require_seen(seen: int, now: int, name: str) -> None:
    """Check that the previous champion is still the one before the champion that was seen.

    Two people who see the same fault roll back at once, and the second must not go one champion further.

    Raises:
        PrerequisiteError: If another is champion by now.
    """
    if seen != now:
        raise PrerequisiteError(
            f"somebody moved {CHAMPION} of {name} from version {seen} to {now} meanwhile: look, then run rollback again"
        )


def _go_back(promotion: Promotion, record: DecisionRecord, to: int, workspace: Workspace) -> Version:
    target = promotion.target(to)
    before = promotion.champion()
    if target is None:
        workspace.say(f"{before.uri} is {CHAMPION} already, and stays so")
        return before
    require_base_of(target)
    champion = promotion.rollback(record, to=to)
    cards.log_as_described(before)
    mlflow.set_tag("ragft.rolled_back", before.uri)
    workspace.say(f"{champion.uri} is {CHAMPION} again; version {before.number} is marked as rolled back")
    if target.promise not in ("", champion.promise):
        workspace.say(
            f"what was promised of {champion.uri} since then is put aside, as no comparison with its successor saw it "
            f"(tag {kept_as(short(target.promise), PROMISE)}): to serve it so, make the promise again"
        )
    _say_how_it_is_checked(promotion, champion, workspace)
    return champion


def _say_how_it_is_checked(promotion: Promotion, champion: Version, workspace: Workspace) -> None:
    """Say by what answers are checked before they leave; nothing where nothing was promised in the earlier time."""
    if promotion.terms()[-1].promise is None:
        now = "what is promised now stays" if champion.promise else "nothing is now, so nothing is checked"
        workspace.say(f"what was promised of its answers in its earlier time was not noted: {now}")
    if not champion.promise:
        return
    try:
        workspace.say(how_it_is_checked(champion, open_registry().served_as(champion)))
    except (DataError, PrerequisiteError) as error:  # it was moved: who is told of an error would do it again
        workspace.say(f"whether its answers are checked is not known: {error}")


def _say_what_is_left(promotion: Promotion, workspace: Workspace) -> None:
    *earlier, champion = promotion.history()
    if earlier:
        said = f"champions before it: {', '.join(map(str, earlier))}; another rollback goes to version {earlier[-1]}"
    else:
        said = f"version {champion} is the first champion there was; another rollback changes nothing"
    workspace.say(said)
