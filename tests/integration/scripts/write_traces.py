"""Writes an evaluation's answers as traces; it may be held at a kill point."""

import sys
from pathlib import Path

import mlflow

from ragft.store.kill_points import enable_kill_points
from ragft.store.server import open_store
from tests.integration import traced

dsn, uri, experiment, kill_point = sys.argv[1:]
mlflow.set_tracking_uri(uri)
enable_kill_points(kill_point)
with open_store(dsn, Path.cwd()) as store:
    traced.write(experiment, store)
