"""The step finetune: FinetuneParams in, a run with its artifacts out."""

from ragft.cli import step_command
from ragft.params import FinetuneParams


def main(params: FinetuneParams) -> None:
    """Run the step and print what it made."""
    from entrypoints.early import check

    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        from entrypoints.steps import finetune

        finetune.run(params, workspace)


command = step_command("finetune", FinetuneParams, main)

if __name__ == "__main__":
    command()
