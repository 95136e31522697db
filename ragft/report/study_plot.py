"""Points with intervals on one scale, as an SVG that needs no style sheet: for reports and for pages of Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import escape

from ragft.report.words import clean, clip, number, signed

WIDTH, LABELS, RIGHT, LINE, HEAD = 780, 310, 24, 24, 54
INK, FAINT, GRID, BETTER, WORSE, BASE = "#1f2328", "#59636e", "#d1d9e0", "#1a7f37", "#cf222e", "#59636e"
FONT = "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\""


@dataclass(frozen=True, slots=True)
class PlottedInterval:
    """A value with its interval.

    Attributes:
        value: None where nothing was scored.
        dots: The values of the single seeds.
        published: What the study printed for the same data and model; None where it printed nothing.
        colour: Of point and whisker.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    dots: tuple[float, ...] = ()
    published: float | None = None
    colour: str = INK


@dataclass(frozen=True, slots=True)
class PlotSection:
    """Lines under a heading; an empty title has none."""

    title: str
    lines: tuple[PlottedInterval, ...]


@dataclass(frozen=True, slots=True)
class PlotScale:
    """The ends of the scale; with ``zero``, 0 is marked and numbers are written with their sign."""

    least: float
    most: float
    unit: str
    zero: bool = False

    def x(self, value: float) -> float:
        """Return the position of a value, cut to the scale."""
        inside = min(max(value, self.least), self.most)
        return LABELS + (inside - self.least) / (self.most - self.least) * (WIDTH - LABELS - RIGHT)


def colour_of(low: float | None, high: float | None) -> str:
    """Return the colour of a change; one that is shown to be better or worse stands out."""
    if low is not None and low > 0:
        return BETTER
    return WORSE if high is not None and high < 0 else INK


def scale_of_changes(lines: Sequence[PlottedInterval], unit: str) -> PlotScale:
    """Return a scale symmetric about 0 that shows every interval."""
    ends = [abs(end) for line in lines for end in (line.low, line.high, line.value, *line.dots) if end is not None]
    reach = 1.08 * max([*ends, 0.1])
    return PlotScale(-reach, reach, unit, zero=True)


def plot(title: str, blocks: Sequence[PlotSection], scale: PlotScale) -> str:
    """Return the figure; every text in it is escaped."""
    parts: list[str] = []
    y = float(HEAD)
    for block in blocks:
        if block.title:
            parts.append(_text(16, y + 4, block.title, bold=True))
            y += LINE
        for line in block.lines:
            parts += _line(line, y, scale)
            y += LINE
        y += 8
    bottom, height = y - 8, y + 46
    grid = [part for value in _ticks(scale) for part in _tick(value, scale, bottom)]
    unit = _text((LABELS + WIDTH - RIGHT) / 2, bottom + 36, scale.unit, size=12, anchor="middle", colour=FAINT)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" role="img" {FONT}>',
            f"<title>{_safe(title)}</title>",
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
            _text(16, 26, title, size=15, bold=True),
            *grid,
            *parts,
            unit,
            "</svg>\n",
        ]
    )


def _line(line: PlottedInterval, y: float, scale: PlotScale) -> list[str]:
    parts = [_text(LABELS - 14, y + 4, clip(line.label, 44), size=12, anchor="end")]
    if line.value is None:
        return [*parts, _text(LABELS + 6, y + 4, "nothing was scored", size=12, colour=FAINT)]
    written = signed if scale.zero else number
    said = f"{line.label}: {written(line.value)}"
    shape = [
        f'<circle cx="{scale.x(dot):.1f}" cy="{y:.1f}" r="2.5" fill="none" stroke="{FAINT}"/>' for dot in line.dots
    ]
    if line.low is not None and line.high is not None:
        said += f", 95 % interval {written(line.low)} to {written(line.high)}"
        shape.append(
            f'<line x1="{scale.x(line.low):.1f}" x2="{scale.x(line.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{line.colour}" stroke-width="2"/>'
        )
    shape.append(f'<circle cx="{scale.x(line.value):.1f}" cy="{y:.1f}" r="5" fill="{line.colour}"/>')
    if line.published is not None:
        said += f"; published {number(line.published)}"
        x = scale.x(line.published)
        shape.append(
            f'<path d="M{x:.1f} {y - 7:.1f} l7 7 l-7 7 l-7 -7 z" fill="none" stroke="{INK}" stroke-width="1.5"/>'
        )
    return [*parts, f"<g><title>{_safe(said)}</title>{''.join(shape)}</g>"]


def _ticks(scale: PlotScale) -> list[float]:
    span = scale.most - scale.least
    power = 10.0 ** floor(log10(span))
    step = next(power * share for share in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if span / (power * share) <= 8)
    first, last = -floor(-scale.least / step + 1e-9), floor(scale.most / step + 1e-9)
    return [step * index for index in range(int(first), int(last) + 1)]


def _tick(value: float, scale: PlotScale, bottom: float) -> list[str]:
    x = scale.x(value)
    is_zero = scale.zero and abs(value) < 1e-9
    colour = FAINT if is_zero else GRID
    written = signed(value, 2) if scale.zero else f"{value:g}"
    return [
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD - 14}" y2="{bottom:.1f}" stroke="{colour}"/>',
        _text(x, bottom + 16, written, size=11, anchor="middle", colour=FAINT),
    ]


def _text(
    x: float, y: float, text: str, *, size: int = 13, anchor: str = "start", colour: str = INK, bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>'
        f"{_safe(text)}</text>"
    )


def _safe(text: str) -> str:
    return str(escape(clean(text)))
