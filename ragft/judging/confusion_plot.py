"""People against the judge as a picture: how often each pair of levels occurs."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from ragft.judging.agreement import Agreement


def draw_confusion(agreement: Agreement) -> Figure | None:
    """Return the confusion of a criterion as a figure, people down and judge across; None where there is none."""
    if not agreement.confusion:
        return None
    levels = [f"{level:g}" for level in agreement.levels]
    figure = Figure(figsize=(1.5 + 0.8 * len(levels), 1.2 + 0.8 * len(levels)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(agreement.confusion, cmap=matplotlib.colormaps["Blues"], vmin=0)
    axes.set_xticks(range(len(levels)), levels)
    axes.set_yticks(range(len(levels)), levels)
    axes.set_xlabel("judge, nearest level")
    axes.set_ylabel("people, nearest level of their mean")
    axes.set_title(f"{agreement.criterion}: {agreement.n} answers", fontsize="medium")
    _write_counts(figure, agreement.confusion)
    return figure


def _write_counts(figure: Figure, confusion: Sequence[Sequence[int]]) -> None:
    most = max(max(row) for row in confusion)
    for y, row in enumerate(confusion):
        for x, count in enumerate(row):
            dark = count > most / 2
            figure.axes[0].text(x, y, str(count), ha="center", va="center", color="white" if dark else "black")
