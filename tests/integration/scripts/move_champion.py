"""Promote a version or roll back, under the lock of a store, holding in a window if asked to."""

import os
import sys
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow

from ragft.store.kill_points import enable_kill_points
from ragft.store.server import open_store
from registry.promotion import Promotion, Record
from registry.store import Registry

_, tracking_uri, dsn, name, action, number, run_id, spec = sys.argv
mlflow.set_tracking_uri(tracking_uri)
enable_kill_points(spec)
registry = Registry(model_code=Path(), requirements=[])
with open_store(dsn, Path()) as store, store.lock(f"champion of {name}"):
    promotion = Promotion(registry, name)
    if mended := promotion.mend():
        sys.stdout.write(f"{mended.said}\n")
    if action == "promote":
        record = Record("promote", ("it is better",), comparison="c" * 64, run_id=run_id)
        version = registry.get(f"models:/{name}/{number}")
        champion = promotion.promote(version, against=promotion.champion(), record=record)
    else:
        champion = promotion.rollback(Record("rolled_back", ("too early",), comparison="rollback", run_id=run_id))
    sys.stdout.write(f"champion {champion.number}\n")
