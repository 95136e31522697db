"""Fetches the newest report from MLflow; `make report` runs it."""

import sys
import webbrowser
from dataclasses import dataclass

from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.params.base import Params


@dataclass(frozen=True, kw_only=True)
class ReportParams(Params):
    """Fetch the report of the newest comparison, print where it is, and open it if there is a terminal."""


def main(_: ReportParams) -> None:
    """Print the address of the report; open it in a browser if somebody is at the terminal."""
    from entrypoints.environment import prepare_environment

    home = prepare_environment()
    with quick_imports():
        from entrypoints.steps.reporting.latest_report import fetch_newest

    address = fetch_newest(home).as_uri()
    print(address)
    if sys.stdout.isatty():
        webbrowser.open(address)


command = step_command("report", ReportParams, main)

if __name__ == "__main__":
    command()
