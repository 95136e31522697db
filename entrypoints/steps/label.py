"""Label: a sheet and a page of the answers whose labels say most about a verdict, and the labels read back."""

from pathlib import Path

from entrypoints.steps import compare, compare_files
from entrypoints.steps.labelling.asking import ask
from entrypoints.steps.labelling.before import Before, look
from entrypoints.steps.labelling.reading import read
from entrypoints.steps.reporting.file_report import data_name
from entrypoints.steps.shared.model_under_test import settle
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.sources import require_name
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.lists import entries
from ragft.params.verdict import CompareParams, LabelParams


def run(params: LabelParams, workspace: Workspace) -> None:
    """Write the sheet and the page; with ``ratings``, keep what people wrote and say how wide the interval is now.

    What both sides lack is computed first, as `compare` does; nothing here is a look at the verdict.

    Raises:
        ConfigError: If the sides cannot be compared, people can grade no primary, or another file is where the sheet
            belongs.
        PrerequisiteError: If one of the versions is not in the registry.
        DataError: If a file cannot be read, or people's labels are of none of these answers.
    """
    of_files = params.answers.strip()
    with step_run(params, f"{params.data_name or 'answers'}|label", {"ragft.step": "label"}, workspace.home):
        before = _files(params, workspace) if of_files else _versions(params, workspace)
        tags = {"ragft.version": before.version.uri, "ragft.against": before.against.uri, "ragft.split": params.split}
        tracking.name_run(tracking.run_name(before.data, 0, f"{before.version.short} labels"), tags)
        if paths := [Path(path) for path in entries(params.ratings)]:
            read(before, paths, workspace)
        else:
            ask(before, params, workspace)


def _versions(params: LabelParams, workspace: Workspace) -> Before:
    require_name(params, workspace.store)
    version, against = compare.versions_of(params)
    settled = settle(params.pick(CompareParams), version)
    task, sides = compare.both_sides(settled, version, against, workspace)
    return look(task, sides, compare.questions_of(task, sides), task.preparation.name)


def _files(params: LabelParams, workspace: Workspace) -> Before:
    given = params.pick(CompareParams)
    task, sides = compare_files.both_sides(given, workspace)
    return look(task, sides, compare_files.questions_of(task), data_name(given))
