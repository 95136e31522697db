"""What few labels are worth where a rule says what is right: on the answers of docs/real.md that were read.

What was read takes people's place. It is known of every answer, so the true change is known, and labels are drawn as
`label` draws them, uniformly, 400 times. Shown is how often the interval of rule and labels together holds the true
change, and how wide it is beside that of the same labels alone.

    OMP_NUM_THREADS=1 python -m benchmarks.labelled_right
    python -m benchmarks.labelled_right --table
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.labelled_telecom import drawn
from benchmarks.real_read import Reading, compared, readings
from ragft.types import DECIDING

OUTPUT = Path(__file__).with_name("results") / "labelled_right.json"
LABELS = (30, 60)


def measured(found: Sequence[Reading]) -> list[dict[str, Any]]:
    """Return what labels are worth for each adapter, with retrieved passages."""
    return [
        _measured(name, *sides) for name, _, sides in compared([each for each in found if each.context == DECIDING])
    ]


def _measured(name: str, base: Mapping[str, Reading], own: Mapping[str, Reading]) -> dict[str, Any]:
    pairs = [(base[key], own[key]) for key in sorted(base)]
    rule = np.array([float(new.told) - float(old.told) for old, new in pairs])
    read = np.array([float(new.read) - float(old.read) for old, new in pairs])
    same = np.array([float(old is new) for old, new in pairs])
    cluster = np.unique([old.group for old, _ in pairs], return_inverse=True)[1]
    return {
        "adapter": name, "questions": len(pairs), "documents": int(cluster.max()) + 1, "same": float(same.mean()),
        "true": float(read.mean()), "rule": float(rule.mean()),
        "draws": {
            str(n): drawn(rule, read, np.ones(len(pairs)), same, cluster, n, extreme=1.0) for n in LABELS
        },
    }  # fmt: skip


def table(kept: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row for each adapter and number of labels, in points of 100."""
    lines = [
        "| adapter | change as read | by the rule | labels | covers, rule and labels | covers, labels alone | "
        "half width, rule and labels | half width, labels alone |",
        f"|{'---|' * 8}",
    ]
    for each in kept:
        for count, row in each["draws"].items():
            one, other = row["together"], row["alone"]
            lines.append(
                f"| {each['adapter']} | {100 * each['true']:+.0f} | {100 * each['rule']:+.0f} | {count} | "
                f"{one['covers']:.1%} | {other['covers']:.1%} | {100 * one['half_width']:.0f} | "
                f"{100 * other['half_width']:.0f} |".replace("%", " %").replace("-", "−")
            )
    return lines


def main() -> None:
    """Measure, or print the table of what was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true")
    if not parser.parse_args().table:
        OUTPUT.write_text(json.dumps(measured(readings()), indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(json.loads(OUTPUT.read_text(encoding="utf-8")))))


if __name__ == "__main__":
    main()
