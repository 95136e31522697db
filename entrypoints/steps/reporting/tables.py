"""Metrics side by side, as lines of text."""

from collections.abc import Mapping

MEAN = "/mean"


def metric_table(sides: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return one line per metric and one column per side; after a side's mean comes its change from the first side.

    Every line says how many answers were scored (the smallest number of any side) and how many could
    not be, since a mean over fewer answers is another mean.
    """
    first = next(iter(sides))
    names = sorted({name.removesuffix(MEAN) for metrics in sides.values() for name in metrics if name.endswith(MEAN)})
    head = f"{'metric':22}{'n':>6}{'unscored':>10}" + "".join(f"{side:>22}" for side in sides)
    lines = [head, "-" * len(head)]
    for name in names:
        scored = min(int(metrics.get(f"{name}/n_scored", 0)) for metrics in sides.values())
        unscored = sum(int(metrics.get(f"{name}/n_unscored", 0)) for metrics in sides.values())
        cells = [
            _cell(metrics.get(name + MEAN), sides[first].get(name + MEAN), side == first)
            for side, metrics in sides.items()
        ]
        lines.append(f"{name:22}{scored:>6}{unscored:>10}" + "".join(f"{cell:>22}" for cell in cells))
    return lines


def _cell(mean: float | None, against: float | None, is_first: bool) -> str:
    if mean is None:
        return "-"
    return f"{mean:.3f}" if is_first or against is None else f"{mean:.3f} ({mean - against:+.3f})"
