"""A tune as pictures: what was found when, and which parameter it depended on."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ragft.report.plots import BASE, VERSION, WORSE


def history_figure(values: Sequence[float | None], measure: str, *, maximise: bool) -> Figure:
    """Return each trial's value by its number, and the best so far; None is a trial that failed."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    known = [(number, value) for number, value in enumerate(values) if value is not None]
    axes.plot([number for number, _ in known], [value for _, value in known], "o", color=VERSION, label="a trial")
    best: list[float] = []
    for _, value in known:
        best.append(value if not best else max(best[-1], value) if maximise else min(best[-1], value))
    axes.step([number for number, _ in known], best, where="post", color=BASE, label="the best so far")
    failed = [number for number, value in enumerate(values) if value is None]
    if failed:
        axes.plot(failed, [0.03] * len(failed), "x", color=WORSE, label="failed", transform=axes.get_xaxis_transform())
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{measure} on dev, {'larger' if maximise else 'smaller'} is better")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def importance_figure(shares: Mapping[str, float], measure: str) -> Figure:
    """Return a bar for each parameter: the share of the differences in value that it explains, largest on top."""
    figure = Figure(figsize=(7, 0.9 + 0.4 * len(shares)), layout="constrained")
    axes = figure.subplots()
    names = sorted(shares, key=lambda name: shares[name])
    bars = axes.barh(names, [shares[name] for name in names], color=VERSION)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xlim(0, 1.1)
    axes.set_xlabel(f"share of the differences in {measure} on dev (fANOVA)")
    return figure
