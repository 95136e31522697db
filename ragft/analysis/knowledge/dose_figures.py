"""The published pair of curves, and the dose figure."""

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ragft.analysis.knowledge.dose import DoseCurve, Point, Slope

# Okabe and Ito's colours, which everybody can tell apart.
KNOWN_COLOUR, UNKNOWN_COLOUR = "#0072B2", "#D55E00"
DOSE_COLOURS = ("#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#0072B2", "#D55E00")

Read = Callable[[Point], float | None]


def training_curves(curves: Sequence[DoseCurve], title: str) -> Figure:
    """Return how fast Known and Unknown examples are fitted (left), and what happens to held-out Known facts (right).

    Thin lines are runs, thick ones means over the runs of a dose.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    reads: tuple[tuple[str, str, Read], ...] = (
        ("Known", KNOWN_COLOUR, lambda point: point.fitted_known),
        ("Unknown", UNKNOWN_COLOUR, lambda point: point.fitted_unknown),
    )
    for name, colour, read in reads:
        _lines(left, curves, read, colour, f"{name} examples")
    left.set(xlabel="epoch", ylabel="share of training examples fitted", ylim=(-0.02, 1.02), title="Fitting")
    for number, (dose, runs) in enumerate(_by_dose(curves)):
        colour = DOSE_COLOURS[number % len(DOSE_COLOURS)]
        _lines(right, runs, lambda point: point.held_out_right, colour, f"right, {dose:.0%} Unknown")
        _lines(right, runs, lambda point: point.held_out_false, colour, f"false, {dose:.0%} Unknown", style="--")
    right.set(xlabel="epoch", ylabel="share of held-out Known facts", ylim=(-0.02, 1.02), title="What was known before")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_lines():
            axes.legend(fontsize=8)
    figure.suptitle(title)
    return figure


def dose_figure(curves: Sequence[DoseCurve], slope: Slope | None, title: str) -> Figure:
    """Return false answers about held-out Known facts over fitted Unknown examples, one point per epoch."""
    figure = Figure(figsize=(6, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (dose, runs) in enumerate(_by_dose(curves)):
        points = [(dose * (p.fitted_unknown or 0.0), p.held_out_false) for run in runs for p in run.points]
        shown = [(x, y) for x, y in points if y is not None]
        if shown:
            colour = DOSE_COLOURS[number % len(DOSE_COLOURS)]
            places, heights = zip(*shown, strict=True)
            axes.scatter(places, heights, s=22, color=colour, alpha=0.8, label=f"{dose:.0%} Unknown")
    said = "its share never changes: no slope"
    if slope is not None:
        said = f"slope {slope.value:+.2f} ({slope.low:+.2f} to {slope.high:+.2f}), {slope.runs} runs"
    axes.set(
        xlabel="fitted Unknown examples, share of all samples",
        ylabel="held-out Known facts answered falsely",
        title=f"{title}\n{said}",
    )
    axes.grid(alpha=0.3)
    if axes.collections:
        axes.legend(fontsize=8)
    return figure


def _by_dose(curves: Sequence[DoseCurve]) -> list[tuple[float, list[DoseCurve]]]:
    ordered = sorted(curves, key=lambda curve: (curve.unknown_share, curve.seed))
    return [(dose, list(runs)) for dose, runs in groupby(ordered, key=lambda curve: curve.unknown_share)]


def _lines(axes: Axes, curves: Sequence[DoseCurve], read: Read, colour: str, label: str, style: str = "-") -> None:
    by_epoch: dict[float, list[float]] = {}
    for curve in curves:
        points = [(point.epoch, value) for point in curve.points if (value := read(point)) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=0.7, alpha=0.5, linestyle=style)
        for epoch, value in points:
            by_epoch.setdefault(epoch, []).append(value)
    if by_epoch:
        epochs = sorted(by_epoch)
        means = [float(np.mean(by_epoch[epoch])) for epoch in epochs]
        axes.plot(epochs, means, color=colour, linewidth=2.2, linestyle=style, label=label)
