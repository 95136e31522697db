"""What a base model was found to know of a data set, question by question."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragft.store.connection import Store, replayed
from ragft.store.kill_points import kill_point
from ragft.types import digest


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """One way of probing one base on one data set, and everything found in this way so far.

    Attributes:
        model: Fingerprint of the base's weights.
        dataset: The sha256 of the data set's content.
        settings: How it was asked: numbers of sets, samples and examples, temperature, seed, messages.
        record: Question id -> counts, JSON values only.
    """

    model: str
    dataset: str
    settings: Mapping[str, Any]
    record: Mapping[str, Mapping[str, int]]

    @property
    def key(self) -> str:
        """The hash of base, data and settings."""
        return digest([self.model, self.dataset, dict(self.settings)])


@replayed
def save_probe(store: Store, probe: ProbeRecord) -> ProbeRecord:
    """Add what was found to what the same way of probing found before, and return it all; it is then the latest."""
    with store.transaction() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [probe.key])
        row = cursor.execute("SELECT record::text FROM probes WHERE key = %s", [probe.key]).fetchone()
        merged = {**(json.loads(row[0]) if row else {}), **{name: dict(v) for name, v in probe.record.items()}}
        cursor.execute(
            "INSERT INTO probes (key, model, dataset, settings, record) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT (key) DO UPDATE SET record = EXCLUDED.record, used = clock_timestamp()",
            [probe.key, probe.model, probe.dataset, json.dumps(dict(probe.settings)), json.dumps(merged)],
        )
        kill_point("probe.save")
    return ProbeRecord(probe.model, probe.dataset, probe.settings, merged)


@replayed
def find_probe(store: Store, model: str, dataset: str) -> ProbeRecord | None:
    """Return the latest probe of a base (its fingerprint) on a data set (its sha256); None if there is none."""
    with store.transaction() as cursor:
        row = cursor.execute(
            "SELECT settings::text, record::text FROM probes WHERE model = %s AND dataset = %s "
            "ORDER BY used DESC LIMIT 1",
            [model, dataset],
        ).fetchone()
    return None if row is None else ProbeRecord(model, dataset, json.loads(row[0]), json.loads(row[1]))
