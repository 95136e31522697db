"""From the records to the page: one HTML file that needs nothing else."""

from functools import cache
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ragft.analysis.verdict import guards
from ragft.analysis.verdict.attribution import ORDER as ATTRIBUTED
from ragft.analysis.verdict.power import in_words
from ragft.analysis.verdict.slices import LEAST_OF_A_SLICE
from ragft.report import svg
from ragft.report.figures import attribution_forest, forest, reach_of, rise_of, track_of
from ragft.report.packing import pack
from ragft.report.page_data import Curve, Metric, Report
from ragft.report.sealed import PLACE, policy_of, text_of, with_data
from ragft.report.words import (
    CONTEXTS,
    NEEDS_EVIDENCE,
    OUTCOMES,
    clean,
    clip,
    interval,
    label,
    meaning,
    number,
    sentence,
    signed,
)

MOST_BYTES = 2_000_000
# A sentence or a value longer than this is hostile, or no use to a reader.
MOST_CHARACTERS = 2000
MOST_POINTS = 400
CURVES = {"train_loss": "training loss", "dev_loss": "loss on held-out questions (dev)"}


def render(report: Report) -> str:
    """Return the report as HTML of less than 2 MB.

    Every text of the report may be hostile: texts are escaped, the questions are data that no browser reads
    as a script or a tag, and a content security policy allows the page's own script and style and nothing else.
    """
    css, script = text_of("page.css"), text_of("page.js")
    criteria = list(report.scales)
    shown: dict[str, Any] = {
        "report": report,
        "css": Markup(css),
        "script": Markup(script),
        "policy": policy_of(script, css),
        "cards": _cards(report),
        "guards": _guards(report),
        "forest": forest(report.comparison),
        "attributions": [(each, attribution_forest(each)) for each in report.comparison.attributions],
        "metrics": [each for each in report.metrics if not _is_fixed(each)],
        "fixed": [each for each in report.metrics if _is_fixed(each)],
        "curves": _curves(report),
        "unscored": _unscored(report),
        "criteria": criteria,
        "scale": next(iter(report.scales.values()), (0.0, 1.0)),
        "contexts": CONTEXTS,
        "missing_contexts": _missing_contexts(report),
        "needs_evidence": NEEDS_EVIDENCE,
        "files": report.comparison.of_files,
        "place": Markup(PLACE),
    }
    template = _environment().from_string(text_of("page.html.jinja"))
    empty = template.render(**shown, left_out=("x" * 600,))
    packed = pack(report.questions, criteria, MOST_BYTES - len(empty.encode()) - 1000, report.source)
    return with_data(template.render(**shown, left_out=packed.left_out), packed.text)


@cache
def _environment() -> Environment:
    made = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_finalize, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"number": number, "signed": signed, "label": label, "meaning": meaning, "sentence": sentence}
    made.globals |= {
        "interval": interval,
        "svg": svg,
        "curve_names": CURVES,
        "least_of_a_slice": LEAST_OF_A_SLICE,
        "outcomes": OUTCOMES,
        "power_in_words": in_words,
        "guard_in_words": guards.in_words,
    }
    return made


def _finalize(value: Any) -> Any:  # noqa: ANN401 - whatever the template holds
    """Return a text, clipped, without what HTML cannot hold."""
    return clip(clean(value), MOST_CHARACTERS) if type(value) is str else value


def _missing_contexts(report: Report) -> list[str]:
    """Return the contexts that would say where the change comes from; none for files, which nobody can ask again."""
    there = {bars.context for bars in report.bars}
    return [] if report.comparison.of_files else [name for name in ATTRIBUTED if name not in there]


def _guards(report: Report) -> list[dict[str, Any]]:
    """Return the harms that were measured, in percentage points: above 0 there is more."""
    claims, shown = report.comparison.claims, []
    for guard in report.comparison.guards:
        if guard.effect is None or guard.bounds is None:
            continue
        margin = f"{100 * guard.margin:g} points that are allowed (the margin)"
        if guard.name in claims.harmful:
            says, said = "worse", f"More than the {margin}, whatever end of the interval is true"
        elif guard.name in claims.unsafe:
            says, said = "", f"More than the {margin} is not ruled out"
        else:
            says, said = "better" if guard.bounds.low > 0 else "", f"More than the {margin} is ruled out"
        effect, line = guard.effect, rise_of(guard, label(guard.name))
        shown.append(
            {
                "name": guard.name,
                "says": says,
                "said": said,
                "rise": line.value,
                "before": 100 * effect.base,
                "after": 100 * effect.version,
                "low": line.low,
                "high": line.high,
                "line": line,
                "reach": reach_of([line], 100 * guard.margin),
                "n": effect.n,
                "counts": (round(effect.base * effect.n), round(effect.version * effect.n)),
            }
        )
    return shown


def _cards(report: Report) -> list[dict[str, Any]]:
    """Return the numbers that the verdict rests on: the primaries."""
    claims = report.comparison.claims
    lines = [track_of(each, label(each.criterion)) for each in report.comparison.primaries]
    reach = reach_of(lines, max((each.margin for each in report.comparison.primaries), default=0.1))
    cards = []
    for result, line in zip(report.comparison.primaries, lines, strict=True):
        said, people = [], report.comparison.by_people.get(result.criterion)
        if result.criterion in claims.worse:
            said.append("worse: the interval lies below 0")
        elif result.criterion in claims.superior:
            said.append("better: the interval lies above 0")
        elif result.criterion in claims.non_inferior:
            said.append(f"a loss of more than {number(result.margin)} (the margin) is ruled out")
        else:
            said.append(f"a loss of more than {number(result.margin)} (the margin) is not ruled out")
        cards.append(
            {"result": result, "line": line, "effect": result.effect, "said": said[0], "reach": reach, "people": people}
        )
    return cards


def _curves(report: Report) -> list[Curve]:
    chosen = [each for each in report.curves if each.name in CURVES and each.points]
    return [Curve(each.name, _thinned(each.points)) for each in chosen]


def _thinned(points: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    every = -(-len(points) // MOST_POINTS)
    return points if every <= 1 else (*points[:-1:every], points[-1])


def _unscored(report: Report) -> list[dict[str, Any]]:
    return [{"result": each, "missing": each.missing} for each in report.comparison.results if not each.slice]


def _is_fixed(metric: Metric) -> bool:
    """Whether a metric is about the retrieval alone, which both sides share."""
    return metric.name.startswith(("hit_at", "recall_at")) or metric.name == "mrr"
