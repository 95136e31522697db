"""The step rollback: RollbackParams in, a run with its artifacts out."""

from entrypoints.failed import name_run
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.versions import RollbackParams


def main(params: RollbackParams) -> None:
    """Run the step and print what it made."""
    from entrypoints.parameter_checks import check

    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import rollback

        rollback.run(params, workspace)


command = step_command("rollback", RollbackParams, main, name_run)

if __name__ == "__main__":
    command()
