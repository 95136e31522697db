"""The lifecycle on the embedded default, which `make demo` runs; it ends in a table of base and adapters."""

from entrypoints.failed import name_run
from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.searches import DemoParams


def main(params: DemoParams) -> None:
    """Run the lifecycle and say where to look at it."""
    from entrypoints.parameter_checks import check

    check(params)
    from entrypoints.environment import opened_workspace

    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import demo

        demo.run(params, workspace)


command = step_command("demo", DemoParams, main, name_run)

if __name__ == "__main__":
    command()
