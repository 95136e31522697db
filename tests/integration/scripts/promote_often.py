"""Promote versions one after the other, each against the champion that was there before the lock was asked for."""

import os
import sys
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow

from ragft.errors import PrerequisiteError
from ragft.store.server import open_store
from registry.promotion import DecisionRecord, Promotion
from registry.store import Registry


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


_, tracking_uri, dsn, name, first, count = sys.argv
mlflow.set_tracking_uri(tracking_uri)
registry = Registry(model_code=Path(), requirements=[])
promotion = Promotion(registry, name)
with open_store(dsn, Path()) as store:
    tell("ready")
    sys.stdin.readline()
    for number in range(int(first), int(first) + int(count)):
        version = registry.get(f"models:/{name}/{number}")
        record = DecisionRecord(
            "promote", (f"{number} is better",), comparison=f"{number:064x}", run_id=f"run of {number}"
        )
        while True:
            against = promotion.champion()  # as a comparison of hours would have
            try:
                with store.lock(f"champion of {name}", lambda _line: None):
                    if mended := promotion.mend():
                        tell(f"mended {mended.said}")
                    promotion.promote(version, against=against, record=record)
            except PrerequisiteError as error:
                if "compare again" not in str(error):
                    raise
                tell("stale")
                continue
            tell(f"moved {against.number} {number}")
            break
