"""What every test starts from."""

import pytest


@pytest.fixture(autouse=True)
def no_experiment_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the experiment that a step chose in the environment, and a later test's processes would take it."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
