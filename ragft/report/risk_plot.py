"""How risk goes with coverage as a picture, each model a line with its intervals and the threshold that was chosen."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ragft.analysis.verification.curve import Point
from ragft.report.plots import BASE, VERSION, WORSE, plain, quiet


def risk_figure(curves: Mapping[str, tuple[Sequence[Point], Point | None]], limit: float) -> Figure:
    """Return the figure.

    Args:
        curves: Model -> its points, and the one that was chosen, if one was.
        limit: The share that may be wrong.
    """
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    colours = (VERSION,) if len(curves) == 1 else (BASE, VERSION)
    for (name, (points, chosen)), colour in zip(curves.items(), colours, strict=True):
        shown = [point for point in points if point.leaving]
        across = [100 * point.coverage for point in shown]
        axes.plot(across, [100 * point.risk for point in shown], "o-", color=colour, markersize=3, label=plain(name))
        axes.fill_between(
            across,
            [100 * point.low for point in shown],
            [100 * point.high for point in shown],
            color=colour,
            alpha=0.15,
        )
        if chosen is not None:
            axes.plot([100 * chosen.coverage], [100 * chosen.risk], "D", color=colour, markersize=9, fillstyle="none")
    axes.axhline(100 * limit, color=WORSE, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.set_xlabel("questions that get an answer, % (diamond: the threshold chosen on dev)")
    axes.set_ylabel("wrong answers among them, %")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    quiet(axes, ("top", "right"))
    return figure
