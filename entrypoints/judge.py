"""The step judge: JudgeParams in; a sheet for people, or the judge's agreement with them, out."""

from entrypoints.failed import name_run
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.scoring import JudgeParams


def main(params: JudgeParams) -> None:
    """Run the step and print what it found."""
    from entrypoints.parameter_checks import check

    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import judge

        judge.run(params, workspace)


command = step_command("judge", JudgeParams, main, name_run)

if __name__ == "__main__":
    command()
