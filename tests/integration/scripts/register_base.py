"""Register a base, holding at the kill point between its version and its alias."""

import json
import os
import sys
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow

from ragft.store.kill_points import enable_kill_points
from registry.store import Registry
from registry.versions import Lineage

_, tracking_uri, model_code, tags = sys.argv
mlflow.set_tracking_uri(tracking_uri)
mlflow.set_experiment("registry")
enable_kill_points("register.base")
with mlflow.start_run():
    lineage = Lineage.from_tags(json.loads(tags), source="the argument")
    Registry(model_code=Path(model_code), requirements=["mlflow"]).register_base(lineage, {})
