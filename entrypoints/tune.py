"""The step tune: TuneParams in; a run with its trials nested in it, and the comparison of the best one, out."""

import os

from entrypoints.failed import name_run
from entrypoints.launched import refuse_launcher
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.searches import TuneParams


def main(params: TuneParams) -> None:
    """Run the tune and print what it found."""
    from entrypoints.parameter_checks import check
    from entrypoints.steps.search.asked import checked_space, compared_on_test
    from entrypoints.steps.search.sampler import require_optuna

    refuse_launcher("tune", os.environ)
    require_optuna()
    checked_space(params)
    check(params)
    check(compared_on_test(params))
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import tune

        tune.run(params, workspace)


command = step_command("tune", TuneParams, main, name_run)

if __name__ == "__main__":
    command()
