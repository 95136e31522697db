"""What every test starts from."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_experiment_of_another_test() -> None:
    """MLflow keeps the experiment that a step chose in the environment, and a later test's processes would take it."""
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
