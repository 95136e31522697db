"""The step prepare: PrepareParams in, a run with its artifacts out."""

from entrypoints.failed import name_run
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.data import PrepareParams
from ragft.params.training import FinetuneParams


def main(params: PrepareParams) -> None:
    """Run the step and print what it made."""
    from entrypoints.parameter_checks import check

    check(params)
    if params.check:
        from entrypoints.steps.shared import data_check
        from entrypoints.steps.shared.workspace import say

        data_check.run(params, say)
        return
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import prepare
            from ragft.report.advice import next_command

        train = prepare.run(params, workspace).splits["train"]
        if train:
            samples = min(FinetuneParams().samples, len(train))
            workspace.say(f"next: {next_command('finetune', params, FinetuneParams, samples=samples)}")


command = step_command("prepare", PrepareParams, main, name_run)

if __name__ == "__main__":
    command()
