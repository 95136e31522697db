"""Remedy: what a rejection's causes call for is trained, dev chooses, and the best is compared once on test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlflow

from entrypoints.quick_imports import quick_imports
from entrypoints.steps.matrix import sharing
from entrypoints.steps.matrix.cells import Identities
from entrypoints.steps.search.rejection import Judged, judged
from entrypoints.steps.search.remedy import RemedySearch, remedy_search
from entrypoints.steps.search.sharing import Sharing, TrialRunner
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.verdict.worth import figures_of
from ragft.params.searches import RemedyParams
from ragft.report import remedies
from ragft.report.advice import command
from ragft.store.tune_trials import Record, TuneTrial
from ragft.store.working import Working
from ragft.types import CONTEXTS

MakeRunner = Callable[[RemedySearch, Workspace], TrialRunner]


@dataclass(frozen=True)
class Remedied:
    """What a search for a remedy found.

    Attributes:
        record: As `ragft.report.remedies` shows it; empty where nothing was searched.
        sentence: How it ended.
    """

    record: Mapping[str, Any]
    sentence: str


def run(params: RemedyParams, workspace: Workspace, runner: MakeRunner | None = None) -> Remedied:
    """Return what became of a rejected version; trials that are in the store are not computed again.

    Where it was not rejected, or no remedy is known, nothing is trained and the sentence says so. ``runner`` makes
    what computes trials, by default the steps of this process.

    Raises:
        ConfigError: If the version is a base or the one it should replace, or no training came to an adapter.
        PrerequisiteError: If it is not in the registry or was never compared, a run it needs is gone, or other code
            computes the same search.
    """
    found = judged(params)
    tags = {"ragft.step": "remedy", "ragft.remedied": found.version.uri, "ragft.comparison_run": found.run_id}
    with step_run(params, f"{found.version.lineage.data}|remedy {found.version.short}", tags, workspace.home):
        search = remedy_search(found, params, Identities(workspace)) if found.outcome == "reject" else None
        if search is None or not search.experiments:
            return _nothing(found, search, workspace)
        mlflow.set_tags({"ragft.remedy": search.key, "ragft.objective": search.objective})
        _announce(search, workspace)
        worker = sharing.this_worker()
        sharing.refuse_other_code(search.study, workspace, worker)
        with Working(workspace.store, worker) as working:
            make = partial(runner or _steps, search, workspace)
            part = Sharing(search, workspace, working, search.next, make)
            trials = part.work()
            best, verdict = part.compare_best(trials)
        return _told(record_of(search, trials, best, verdict), workspace)


def record_of(search: RemedySearch, trials: Sequence[TuneTrial], best: TuneTrial, verdict: Record) -> Record:
    """Return what is kept of the search, as JSON values."""
    found = search.judged
    return {
        "version": found.version.uri,
        "against": found.against.uri,
        "objective": search.objective,
        "causes": [{"name": each.name, "words": each.words} for each in search.causes],
        "before": {"figures": figures_of(found.comparison), "run": found.run_id},
        "trials": [
            {
                "remedies": list(search.experiments[trial.number].remedies),
                "changes": dict(trial.parameters),
                "figures": {},
                # Who computed it, and how long that took, would differ from one time to the next.
                **{name: value for name, value in (trial.result or {}).items() if name not in ("worker", "seconds")},
            }
            for trial in trials
        ],
        "chosen": best.number,
        "verdict": dict(verdict),
    }


def _steps(search: RemedySearch, workspace: Workspace) -> TrialRunner:
    # Torch and all that trains and judges are imported here, when something is to be computed.
    with quick_imports():
        from entrypoints.steps.search.remedy_runner import RemedyRunner

    return RemedyRunner(search, workspace)


def _nothing(found: Judged, search: RemedySearch | None, workspace: Workspace) -> Remedied:
    """Say why nothing is trained."""
    uri, against = found.version.uri, found.against.uri
    if search is None:
        said = f"{uri} was not rejected: against {against} on test the verdict is {found.outcome}; nothing to remedy"
    elif search.causes:
        names = ", ".join(each.name for each in search.causes)
        said = f"no remedy is left for {uri} ({names}): {search.way_out}"
    else:
        asked = command("compare", {"model": uri, "context": ",".join(CONTEXTS)})
        said = f"{uri} was rejected, and its comparison names no cause: every context may show one, {asked}"
    mlflow.set_tag("mlflow.note.content", said)
    workspace.say(said)
    return Remedied({}, said)


def _announce(search: RemedySearch, workspace: Workspace) -> None:
    """Say what is wrong, and what will be tried."""
    workspace.say(f"{search.judged.version.uri} was rejected against {search.judged.against.uri}:")
    for cause in search.causes:
        workspace.say(f"  - {cause.words}")
    left = len(search.experiments) - search.trials
    more = f"; {left} more with a larger budget" if left else ""
    workspace.say(
        f"{search.trials} of what these causes call for will be trained{more}; {search.objective} on dev chooses"
    )


def _told(record: Record, workspace: Workspace) -> Remedied:
    """Log and print the table, why the chosen one was chosen, and what test says of it."""
    verdict = record["verdict"]
    lines, sentence = remedies.table(record), remedies.outcome(record)
    mlflow.log_dict(record, remedies.FILE)
    tracking.log_table(list(_flat(record)), "remedies")
    tags = {"ragft.version": verdict["version"], "ragft.verdict": verdict["verdict"]}
    note = "\n".join([*lines, "", remedies.why(record), "", sentence])
    mlflow.set_tags({**tags, "ragft.best_trial": record["chosen"], "mlflow.note.content": note})
    for line in ("", *lines, "", remedies.why(record)):
        workspace.say(line)
    workspace.say(f"on test, against {verdict['against']}: {verdict['verdict']}, {verdict['title']}")
    workspace.say(sentence)
    if verdict["verdict"] == "promote":
        workspace.say(f"to act on it: {command('promote', {'model': verdict['version']})}")
    return Remedied(record, sentence)


def _flat(record: Record) -> list[dict[str, Any]]:
    """Return a row for each trial, its figures in columns."""
    causes = ", ".join(each["name"] for each in record["causes"])
    return [
        {
            "cause": causes,
            "remedy": " + ".join(trial["remedies"]),
            **{name: str(value) for name, value in trial["changes"].items()},
            record["objective"]: trial["value"],
            "failure": trial["failure"],
            "version": trial["version"],
            "verdict": record["verdict"]["verdict"] if number == record["chosen"] else "",
            **{f"{name}_{part}": value for name, figure in trial["figures"].items() for part, value in figure.items()},
        }
        for number, trial in enumerate(record["trials"])
    ]
