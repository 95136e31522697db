"""From which score on an answer counts as right: the judge's cut, beside a program that checks telecom's facts.

python -m benchmarks.cut    # from the scores that benchmarks.variance_scores keeps; as docs/metrics.md shows it
"""

import json
from collections.abc import Iterator

import numpy as np

from benchmarks.variance_scores import OUTPUT

CUTS = (3.0, 3.5, 4.0, 4.25, 4.5, 4.75)


def table() -> Iterator[str]:
    """Yield the lines: how often judge and program agree, and which way they differ, of base and adapter."""
    stored = json.loads(OUTPUT.read_text(encoding="utf-8"))
    scores = np.array(stored["one pass"]["scores"], dtype=float)
    right = np.array(stored["answers"]["right"], dtype=float) > 0
    yield f"| right from | agree, of {scores.shape[1]:,} each | wrong called right | right called wrong |"
    yield "|---|---|---|---|"
    for cut in CUTS:
        called = scores >= cut
        shares = [
            (np.mean(one == other), np.mean(one[~other]), np.mean(~one[other]))
            for one, other in zip(called, right, strict=True)
        ]
        cells = [
            ", ".join(f"{share:.1%}".replace("%", " %") for share in column) for column in zip(*shares, strict=True)
        ]
        yield f"| {cut:g} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(table()))
