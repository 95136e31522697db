"""The name of a run whose step failed before it could name the run itself."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from entrypoints.quick_imports import quick_imports
from ragft.params.data import NameParams


def name_run(step: str, values: Mapping[str, Any]) -> None:
    """Name the run that ``mlflow run`` made after data and step, if the step failed before it could do so.

    Args:
        step: Name of the step.
        values: The parameters as far as they could be read.
    """
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return
    with quick_imports():
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

    # What went wrong was already said; a store that cannot be reached now adds nothing to it.
    with suppress(MlflowException):
        client = MlflowClient()
        if "ragft.step" in client.get_run(run_id).data.tags:
            return
        named = {field: str(values.get(field, "")) for field in ("dataset", "path", "name")}
        data = NameParams(**named).data_name
        client.set_tag(run_id, "mlflow.runName", f"{data}|{step}" if data else step)
        client.set_tag(run_id, "ragft.step", step)
