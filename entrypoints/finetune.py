"""The step finetune: FinetuneParams in, a run with its artifacts out."""

import os

from entrypoints.failed import name_run
from entrypoints.launched import under_launcher
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.training import FinetuneParams
from ragft.params.values import NO_JUDGE, SMOLLM2
from ragft.params.verdict import CompareParams


def main(params: FinetuneParams) -> None:
    """Run the step and print what it made."""
    from entrypoints.parameter_checks import check

    if (launched := under_launcher(params, os.environ)) is None:
        return
    params = launched
    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import finetune
            from ragft.report.advice import next_command

        made = finetune.run(params, workspace)
        judge = {"judge": NO_JUDGE} if params.base == SMOLLM2 else {}  # it answers, and never judges
        follows = next_command("compare", params, CompareParams, model=made.version.uri, **judge)
        workspace.say(f"next: {follows}")


command = step_command("finetune", FinetuneParams, main, name_run)

if __name__ == "__main__":
    command()
