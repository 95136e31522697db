"""The step label: LabelParams in; a sheet and a page for people, or what they said, out."""

from entrypoints.failed import name_run
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.verdict import LabelParams


def main(params: LabelParams) -> None:
    """Run the step and print what it found."""
    from entrypoints.parameter_checks import check

    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import label

        label.run(params, workspace)


command = step_command("label", LabelParams, main, name_run)

if __name__ == "__main__":
    command()
