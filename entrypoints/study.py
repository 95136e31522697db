"""The step study: StudyParams in; a run with its cells nested in it, and one report, out."""

import os

from entrypoints.failed import name_run
from entrypoints.launched import refuse_launcher
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.searches import StudyParams


def main(params: StudyParams) -> None:
    """Run the study and print what it found."""
    from entrypoints.parameter_checks import check
    from entrypoints.steps.matrix.cells import cells_of
    from entrypoints.steps.matrix.presets import matrix_of

    refuse_launcher("study", os.environ)
    cells = cells_of(params, matrix_of(params))
    # A plan can be made of a study whose models are on another machine.
    for finetune, compare in set() if params.dry_run else {(cell.finetune, cell.compare) for cell in cells}:
        check(finetune)
        check(compare)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import study

        executor = None
        if params.executor == "ray":
            with quick_imports():
                from entrypoints.on_ray import RayExecutor

            executor = RayExecutor(params, workspace)
        study.run(params, workspace, executor=executor)


command = step_command("study", StudyParams, main, name_run)

if __name__ == "__main__":
    command()
