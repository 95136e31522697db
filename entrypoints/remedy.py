"""The step remedy: RemedyParams in; a run with its trials nested in it, and the comparison of the best one, out."""

import os

from entrypoints.failed import name_run
from entrypoints.launched import refuse_launcher
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.searches import RemedyParams


def main(params: RemedyParams) -> None:
    """Run the search for a remedy and print what it found."""
    from entrypoints.parameter_checks import check

    refuse_launcher("remedy", os.environ)
    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import remedy

        remedy.run(params, workspace)


command = step_command("remedy", RemedyParams, main, name_run)

if __name__ == "__main__":
    command()
