"""Figures as SVG: geometry only; colours and sizes of text come from the page's style sheet."""

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

from ragft.analysis.statistics.mean_interval import Mean
from ragft.report.figures import Forest, Track
from ragft.report.page_data import Bars, Curve
from ragft.report.words import clean, interval, label, number, signed

TRACK_WIDTH, NAMED_WIDTH, TRACK_HEIGHT = 400, 260, 26
BAR_WIDTH, BAR_HEIGHT, BAR_BOTTOM = 360, 210, 182
CURVE_WIDTH, CURVE_HEIGHT = 360, 200


def track(line: Track, reach: float, *, named: bool = False) -> Markup:
    """Return one line of a forest plot; where it stands alone, ``named`` writes 0 and the margin below it."""
    width = NAMED_WIDTH if named else TRACK_WIDTH

    def at(value: float) -> float:
        return _x(value, reach, width)

    name = f"{line.label}: change {signed(line.value)}, 95 % interval {interval(line.low, line.high)}"
    middle = TRACK_HEIGHT / 2
    parts = [_line("zero", at(0), 0, at(0), TRACK_HEIGHT)]
    limit = line.limit
    if limit is not None:
        parts.append(_line("margin", at(limit), 0, at(limit), TRACK_HEIGHT))
    if line.value is None:
        name = f"{line.label}: nothing was scored"
    else:
        low, high = max(line.low, -reach), min(line.high, reach)
        parts.append(_line(f"whisker {line.says}", at(low), middle, at(high), middle))
        parts += [
            _arrow(at(end), middle, sign, line.says)
            for end, sign, beyond in ((low, -1, line.low < -reach), (high, 1, line.high > reach))
            if beyond
        ]
        x = at(max(min(line.value, reach), -reach))
        parts.append(f'<circle class="point {line.says}" cx="{x:.1f}" cy="{middle:.1f}" r="5"/>')
    height = TRACK_HEIGHT
    if named:
        height += 16
        parts.append(_text("tick", at(0), height - 2, "0", "middle"))
        if limit is not None:
            text = f"margin +{limit:g}" if line.harm else f"margin {signed(limit)}"
            # Centred below its line, unless it would run into the 0 or out of the figure.
            near = abs(at(0) - at(limit)) < 60
            beside = (max(at(limit) + 4, at(0) + 8), "start") if line.harm else (min(at(limit) + 4, at(0) - 8), "end")
            inside = min(max(at(limit), 42), width - 42)
            x, anchor = beside if near else (inside, "middle")
            parts.append(_text("tick", x, height - 2, text, anchor))
    return _svg("track", width, height, name, parts)


def axis(plot: Forest) -> Markup:
    """Return the scale below a forest plot."""
    parts = [_line("axis", _x(-plot.reach, plot.reach), 1, _x(plot.reach, plot.reach), 1)]
    for value in plot.ticks:
        x = _x(value, plot.reach)
        digits = 1 if all(abs(round(tick, 1) - tick) < 1e-9 for tick in plot.ticks) else 2
        parts.append(_line("axis", x, 1, x, 6))
        parts.append(_text("tick", x, 20, signed(value, digits), "middle"))
    ends = f"scale from {signed(-plot.reach)} to {signed(plot.reach)} points"
    return _svg("track scale", TRACK_WIDTH, TRACK_HEIGHT, ends, parts)


def bars(figure: Bars, base: str, version: str) -> Markup:
    """Return the study's bar figure: each criterion, base beside fine-tuned, with intervals."""
    top, bottom, left = 18, BAR_BOTTOM, 26
    span = max(figure.most - figure.least, 1e-9)

    def y(value: float) -> float:
        return bottom - (min(max(value, figure.least), figure.most) - figure.least) / span * (bottom - top)

    parts, said = [], []
    for step in range(5):
        value = figure.least + span * step / 4
        parts.append(_line("grid", left, y(value), BAR_WIDTH, y(value)))
        parts.append(_text("tick", left - 6, y(value) + 4, number(value, 0 if span >= 4 else 2), "end"))
    each = (BAR_WIDTH - left) / max(len(figure.means), 1)
    width = min(46.0, each / 3)
    for index, (criterion, pair) in enumerate(figure.means.items()):
        centre = left + each * (index + 0.5)
        for mean, kind, x in zip(pair, ("base", "version"), (centre - width - 3, centre + 3), strict=True):
            parts += _bar(mean, kind, x, width, y)
        parts.append(_text("name", centre, BAR_HEIGHT - 8, label(criterion), "middle"))
        said.append(f"{label(criterion)} {number(pair[0].value)} for {base}, {number(pair[1].value)} for {version}")
    return _svg("figure", BAR_WIDTH, BAR_HEIGHT, "; ".join(said), parts)


def curves(lines: Sequence[Curve], names: Mapping[str, str]) -> Markup:
    """Return training curves, each with its name at its end."""
    points = [point for line in lines for point in line.points]
    steps, values = [step for step, _ in points], [value for _, value in points]
    first, last, most = min(steps), max(steps), max(max(values) * 1.05, 1e-9)
    top, bottom, left, right = 12, CURVE_HEIGHT - 26, 34, CURVE_WIDTH - 12

    def x(step: float) -> float:
        return left + (step - first) / max(last - first, 1) * (right - left)

    def y(value: float) -> float:
        return bottom - max(value, 0.0) / most * (bottom - top)

    parts, said = [], []
    for share in range(4):
        value = most * share / 3
        parts.append(_line("grid", left, y(value), right, y(value)))
        parts.append(_text("tick", left - 6, y(value) + 4, number(value), "end"))
    for index, line in enumerate(lines):
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in line.points)
        parts.append(f'<polyline class="curve c{index % 2}" points="{path}"/>')
        if len(line.points) < 20:
            parts += [
                f'<circle class="dot c{index % 2}" cx="{x(s):.1f}" cy="{y(v):.1f}" r="3"/>' for s, v in line.points
            ]
        ends = f"from {number(line.points[0][1])} to {number(line.points[-1][1])}"
        said.append(f"{names.get(line.name, line.name)} {ends}")
    parts.append(_text("tick", left, CURVE_HEIGHT - 8, f"step {first:,}", "start"))
    parts.append(_text("tick", right, CURVE_HEIGHT - 8, f"{last:,}", "end"))
    return _svg("figure", CURVE_WIDTH, CURVE_HEIGHT, "; ".join(said), parts)


def _bar(mean: Mean, kind: str, x: float, width: float, y: Callable[[float], float]) -> list[str]:
    bottom = BAR_BOTTOM
    if mean.value is None:
        return [_text("tick", x + width / 2, bottom - 6, "none", "middle")]
    top = y(mean.value)
    parts = [
        f'<rect class="bar {kind}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(bottom - top, 1):.1f}"/>'
    ]
    highest = top
    if mean.low is not None and mean.high is not None:
        highest, lowest, middle = y(mean.high), y(mean.low), x + width / 2
        parts.append(_line("whisker bars", middle, highest, middle, lowest))
    parts.append(_text("value", x + width / 2, highest - 5, number(mean.value), "middle"))
    return parts


def _x(value: float, reach: float, width: int = TRACK_WIDTH) -> float:
    return width / 2 + value / reach * (width / 2 - 12)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(kind: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _arrow(x: float, y: float, sign: int, kind: str) -> str:
    return f'<path class="arrow {kind}" d="M{x + 7 * sign:.1f} {y:.1f} l{-7 * sign} -5 v10 z"/>'


def _svg(kind: str, width: int, height: int, name: str, parts: Sequence[str]) -> Markup:
    head = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img"><title>{}</title>').format(
        kind, width, height, clean(name)
    )
    return head + Markup("".join(parts)) + Markup("</svg>")
