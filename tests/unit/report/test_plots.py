"""The figures that are logged hold what the page shows."""

import io
import re
from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from ragft.report import svg
from ragft.report.figures import Track, forest, rise_of, ticks
from ragft.report.page import render
from ragft.report.plots import bars_figure, forest_figure
from ragft.types import CONTEXTS
from tests.report_example import example, questions
from tests.unit.registry.test_gate import guard


def drawn(figure: Figure) -> str:
    """The figure as SVG, text kept as text."""
    out = io.BytesIO()
    figure.savefig(out, format="png")
    assert out.getvalue().startswith(b"\x89PNG")
    return " ".join(text.get_text() for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels()))


def test_the_forest_has_a_line_a_result() -> None:
    report = example(contexts=CONTEXTS)
    text = drawn(forest_figure(report.comparison))
    assert text.count("accuracy") >= len(CONTEXTS)
    plot = forest(report.comparison)
    assert sum(len(group.tracks) for group in plot.groups) == len(report.comparison.results)
    assert "one fact" in text


def test_a_rise_of_harm_is_drawn_to_the_right_with_the_margin_on_its_side() -> None:
    rise = rise_of(guard("false_answers"), "false answers")
    assert rise.value == pytest.approx(61)
    assert rise.says == "worse"
    loss = Track("answer F1", 9, -61, -67, -54, 5)
    drawn_rise, drawn_loss = svg.track(rise, 80, named=True), svg.track(loss, 80, named=True)
    assert "margin +5" in drawn_rise
    assert "margin −5.00" in drawn_loss
    middle = svg.NAMED_WIDTH / 2
    assert _margin_at(drawn_rise) > middle > _margin_at(drawn_loss)


def test_the_margin_is_not_written_over_the_zero() -> None:
    for harm in (True, False):
        line = Track("right", 9, 0.17, -0.3, 1.0, 0.05, harm=harm)
        zero, margin = re.findall(r'<text[^>]*x="([\d.]+)"[^>]*>', svg.track(line, 1.0, named=True))
        # Half a digit, and a little more.
        assert abs(float(zero) - float(margin)) >= 8


def _margin_at(drawing: str) -> float:
    """Where the line of the margin stands, from the left."""
    return float(re.search(r'class="margin"[^>]*x1="([\d.]+)"', drawing)[1])  # type: ignore[index]  # it is drawn


def test_slices_too_small_to_say_anything_are_counted_and_not_drawn() -> None:
    """One question at plus or minus four says nothing of a sort of question."""
    asked = questions(60)
    names = {"kind rare": {"q0000"}, "kind one document": {"q0000", "q0001", "q0002"}, "kind few": {"q0003", "q0007"}}
    report = example(slices={**names, "kind usual": {each.id for each in asked[20:40]}})
    plot = forest(report.comparison)
    shown = {line.label for group in plot.groups for line in group.tracks}
    assert "usual" in shown
    assert not shown & {"rare", "one document", "few"}
    assert plot.too_small == 3
    assert "3 slices of fewer than 5 questions or a single document are not drawn" in render(report)
    drawn_too = drawn(forest_figure(report.comparison))
    assert "rare" not in drawn_too


def test_a_small_slice_that_vetoes_is_drawn() -> None:
    report = example(slices={"kind rare": {"q0000", "q0003"}})
    results = tuple(
        replace(each, bounds=replace(each.bounds, veto_high=-1.0)) if each.slice and each.primary else each
        for each in report.comparison.results
    )
    plot = forest(replace(report.comparison, results=results))
    assert [line.label for group in plot.groups for line in group.tracks if line.vetoes] == ["rare", "rare"]


def test_names_that_look_like_mathematics_are_drawn_as_they_are() -> None:
    report = example()
    results = tuple(replace(each, slice=r"$\frac{1}") if each.slice else each for each in report.comparison.results)
    assert r"\$\frac{1}" in drawn(forest_figure(replace(report.comparison, results=results)))


def test_bars_show_both_means() -> None:
    report = example()
    (bars,) = report.bars
    one, other = bars.means["accuracy"]
    assert one.value is not None and other.value is not None
    text = drawn(bars_figure(bars, report.base, report.version))
    assert f"{one.value:.2f}" in text and f"{other.value:.2f}" in text


@pytest.mark.parametrize("reach", [0.0012, 0.05, 0.32, 1.0, 1.73, 4.2, 37.0])
def test_ticks_are_few_and_symmetric(reach: float) -> None:
    found = ticks(reach)
    assert 3 <= len(found) <= 7
    assert 0.0 in found
    assert found[0] == -found[-1] >= -reach


def test_values_are_never_cut_off_and_usual_intervals_neither() -> None:
    plot = forest(example().comparison)
    lines = [line for group in plot.groups for line in group.tracks]
    assert all(abs(line.value or 0) < plot.reach for line in lines)
    assert sum(max(-line.low, line.high) <= plot.reach for line in lines) >= len(lines) // 2
