"""Begins a run of an experiment when it is told to by a line of its input, and names it at the next."""

import os
import sys
from pathlib import Path

import mlflow

from entrypoints.steps.shared import runs
from ragft import tracking

uri, home = sys.argv[1:]
os.chdir(home)  # MLflow makes ./mlruns
mlflow.set_tracking_uri(uri)
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.readline()
runs._choose_experiment("shared", Path(home))
with mlflow.start_run() as run:
    sys.stdout.write(f"{run.info.experiment_id}\n")
    sys.stdout.flush()
    sys.stdin.readline()
    tracking.name_run("named", {})
