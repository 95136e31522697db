"""The step evaluate: VerifyParams in, a run with its artifacts out."""

from entrypoints.failed import name_run
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.scoring import VerifyParams


def main(params: VerifyParams) -> None:
    """Run the step and print what it made."""
    from entrypoints.parameter_checks import check

    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import evaluate, verify

        (verify if params.verify else evaluate).run(params, workspace)


command = step_command("evaluate", VerifyParams, main, name_run)

if __name__ == "__main__":
    command()
