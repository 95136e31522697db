"""What every test starts from."""

import os

import pytest
from hypothesis import settings

# A busy machine is no fault of the code: no test has a clock.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def no_experiment_of_another_test() -> None:
    """MLflow keeps the experiment that a step chose in the environment, and a later test's processes would take it."""
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
