"""Cells of an imagined study, as a runner would return them."""

import numpy as np

from ragft.analysis.study.findings import CellResult, CellScores, SideScores, Work, change_of

QUESTIONS = tuple(f"q{i:02d}" for i in range(40))
LABELS = tuple(f"d{i // 4}" for i in range(40))
AXES = {
    "dataset": "telecom", "base": "pocket", "method": "lora", "format": "closed_book", "samples": "200",
    "epochs": "3", "learning_rate": "0.001", "seed": "0", "split": "test", "embedder": "default", "top_k": "3",
    "chunk_chars": "400", "prompt": "default", "judge": "base", "estimator": "expected_no_rationale",
}  # fmt: skip


def cell(gain: float, *, role: str = "cell", outcome: str = "hold", noise: float = 0.1, **axes: str) -> CellResult:
    """Return a cell whose adapter scores ``gain`` points more than its base, in both criteria."""
    rng = np.random.default_rng([int(axes.get("seed", "0")), round(1000 * abs(gain))])
    base = np.clip(3 + rng.normal(size=40), 1, 5).round(3)
    version = np.clip(base + gain + noise * rng.normal(size=40), 1, 5).round(3)
    columns = SideScores(tuple(map(float, base)), tuple(map(float, version)))
    changes = tuple(
        change_of("retrieved", measure, [columns], LABELS, decides=True) for measure in ("accuracy", "completeness")
    )
    return CellResult(
        name=f"telecom|{axes}",
        role=role,
        axes={**AXES, **axes},
        outcome=outcome,
        headline=f"{outcome}, because <b>it was so</b>.",
        because="<b>it was so</b>.",
        advisory=("accuracy: the judge is fooled by <script>",),
        margin=0.2,
        questions=40,
        smallest={"accuracy": 0.2, "completeness": 0.2},
        changes=changes,
        pairs=CellScores(QUESTIONS, LABELS, {"retrieved": {"accuracy": columns, "completeness": columns}}),
        work=(Work("judge", "base of pocket, expected_no_rationale", 80, 4.0, "here"),),
        seconds=12.5,
    )
