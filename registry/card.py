"""The model card of a version: plain records in, Markdown out.

Names come from data sets, files and people, so all text that is not ours is escaped: it is shown as it is, and never
read as a heading, a link, a table or HTML.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.analysis.verification.promise import PROMISE, Promise
from ragft.errors import DataError
from registry.gate import Decision
from registry.markdown import escaped, inline
from registry.recommendation import Recommendation
from registry.versions import Lineage, Version

# A description in MLflow's registry holds this many characters.
MOST_OF_A_DESCRIPTION = 5000
FILE = "model_card.md"
_FORMATS = {
    "closed_book": "the question alone",
    "retrieved": "the question with its retrieved passages",
    "oracle": "the question with the passages that hold the answer",
    "raft": "the question with golden and distracting passages, some without the golden one",
}
# No other paragraph begins so: what is not ours is escaped.
_STANDING, _PROMISED = "**Now**: ", "**Checked before they leave**: "
_CUT = "\n\n(cut here; the whole card is the artifact model\\_card.md of the run)\n"


@dataclass(frozen=True, slots=True)
class Training:
    """How an adapter was trained, as its run logged it.

    Attributes:
        settings: Parameter -> value, in the order they are shown.
        measured: Metric -> value.
    """

    run_id: str
    settings: Mapping[str, str]
    measured: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found about a version, and under which conditions.

    Attributes:
        split: The questions it was asked.
        judge: The model that scored, by name.
        run_id: The run that holds the comparison.
        asked: How the answers were made, as a phrase.
    """

    comparison: Comparison
    decision: Decision
    split: str
    judge: str
    run_id: str
    asked: str = ""


def card(version: Version, training: Training | None = None, verdict: Verdict | None = None) -> str:
    """Return the whole card."""
    return _card(version, training, verdict, most=None)


def description(version: Version, training: Training | None = None, verdict: Verdict | None = None) -> str:
    """Return the card in at most 5,000 characters: with fewer slices and reasons where not all fit, or else cut."""
    for most in (None, 8, 4, 1):
        text = _card(version, training, verdict, most=most)
        if len(text) <= MOST_OF_A_DESCRIPTION:
            return text
    return _cut(text)


def note(decision: Decision) -> str:
    """Return the verdict as a note of the run, which the UI shows as Markdown."""
    sentences = "\n\n".join(inline(each) for each in (decision.headline, *decision.reasons, *decision.would_change))
    return f"{_summary(decision.summary)}\n\n{sentences}"


def with_standing(text: str, standing: str) -> str:
    """Return a card or description that says below its title where the version stands now."""
    return _with_line(text, f"{_STANDING}{inline(standing)}", _STANDING)


def with_promise(text: str, promise: Promise) -> str:
    """Return a card or description that says below its title what is promised of the answers."""
    return _with_line(text, _promised(promise), _PROMISED)


def with_kept_promise(text: str, kept: str) -> str:
    """Return a card or description that says what a version's tag promises; nothing of it where the tag is ""."""
    return _with_line(text, _kept_promise(kept), _PROMISED)


def _with_line(text: str, line: str, begins: str) -> str:
    """Return a text with a line below its title, in place of one that begins alike."""
    title, *rest = text.split("\n\n") if text.startswith("# ") else ["", *text.split("\n\n")]
    said = "\n\n".join(part for part in (title, line, *(each for each in rest if not each.startswith(begins))) if part)
    return said if len(said) <= MOST_OF_A_DESCRIPTION else _cut(said)


def _promised(promise: Promise) -> str:
    by = f"{promise.served_as.words}, by {promise.engine}" if promise.engine else promise.served_as.words
    return f"{_PROMISED}{inline(promise.words)}. This holds for answers made with {inline(by)}."


def _cut(text: str) -> str:
    return text[: MOST_OF_A_DESCRIPTION - len(_CUT)].rpartition("\n")[0] + _CUT


def _kept_promise(kept: str) -> str:
    """Return the line on what is promised; a tag that a person broke does not stop a card."""
    if not kept:
        return ""
    try:
        return _promised(Promise.from_json(kept, source=f"the tag {PROMISE}"))
    except DataError:
        return f"{_PROMISED}the tag {PROMISE} cannot be read; make the promise again with -P verify=True."


def _card(version: Version, training: Training | None, verdict: Verdict | None, most: int | None) -> str:
    lineage = version.lineage
    parts = [f"# {inline(version.name)}, version {version.number}", _kept_promise(version.promise)]
    parts += [_what(lineage), _headline(verdict)]
    if verdict:
        parts += ["## Results", *_results(verdict, most), "## Verdict", *_verdict(verdict, most)]
    parts += ["## Data", _data(lineage, verdict), "## Training", _training(lineage, training)]
    parts += ["## Limits", _list(_limits(version, verdict)), "## How to load", *_loading(version)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(lineage: Lineage) -> str:
    if lineage.kind == "base":
        return f"The base model {inline(lineage.base)}, by reference: no weights are stored here."
    form = _FORMATS.get(lineage.format, lineage.format)
    return (
        f"A {inline(lineage.method)} adapter of {inline(lineage.base)}, trained on {lineage.samples:,} question-answer "
        f"pairs of {inline(lineage.data)} in the format {inline(lineage.format)} ({inline(form)}), seed {lineage.seed}."
    )


def _headline(verdict: Verdict | None) -> str:
    if verdict is None:
        return "**Not compared with the champion yet**: nothing is known of how well it answers."
    decision = verdict.decision
    forced = ", by a person and against the gate" if decision.forced else ""
    said = f"**Verdict: {inline(decision.outcome)}**{forced}. {inline(decision.headline)}"
    return f"{_summary(decision.summary)}\n\n{said}"


def _summary(summary: Recommendation) -> str:
    """Return the recommendation and the three questions behind it."""
    lines = [f"- **{inline(question)}** {inline(answer)}" for question, answer in summary.lines]
    return "\n".join([f"**{inline(summary.title)}.**", "", *lines])


def _results(verdict: Verdict, most: int | None) -> list[str]:
    comparison = verdict.comparison
    whole = [each for each in comparison.results if not each.slice]
    parts = [each for each in comparison.results if each.slice and each.telling]
    shown = parts if most is None else parts[:most]
    groups = f"{comparison.clusters:,} group{'s' * (comparison.clusters != 1)} of documents"
    against = (
        f"Against {inline(comparison.base)}: {comparison.questions:,} questions of {inline(verdict.split)} in {groups} "
        f"(largest {comparison.largest}), each asked of both sides with the same passages and judge. Intervals are of "
        "95 %, over documents; slices are descriptive."
    )
    columns = ("criterion", "context", "slice", "before", "this version", "change", "interval", "questions")
    table = _table(columns, [_row(each) for each in (*whole, *shown)])
    left = f"{len(parts) - len(shown)} more slices stand in model\\_card.md of run {inline(verdict.run_id)}."
    asked = f"Answers were made with {inline(verdict.asked)}; once promoted, it is served so." if verdict.asked else ""
    return [against, asked, table, *_people(comparison), left if len(shown) < len(parts) else ""]


def _people(comparison: Comparison) -> list[str]:
    """Return what the judge, people and both together say of each primary that people scored too."""
    if not comparison.corrected:
        return []
    rows = [
        [each.criterion, who, f"{found.change:+.2f}", f"{found.low:+.2f} to {found.high:+.2f}"]
        for each in comparison.corrected
        for who, found in each.rows
    ]
    said = "; ".join(f"{inline(each.criterion)}: {each.basis}" for each in comparison.corrected)
    note = " The means above are not corrected." if comparison.by_people else ""
    return [_table(("criterion", "by", "change", "interval"), rows), f"{said}.{note}"]


def _row(result: Result) -> list[str]:
    names = [result.criterion, result.context, result.slice or "all"]
    effect, asked = result.effect, result.missing.asked
    if effect is None:
        return [*names, "", "", "none scored on both sides", "", f"0 of {asked:,}"]
    return [
        *names,
        f"{effect.base:.2f}",
        f"{effect.version:.2f}",
        f"{effect.gain:+.2f}",
        f"{result.bounds.low:+.2f} to {result.bounds.high:+.2f}",
        f"{effect.n:,} of {asked:,}",
    ]


def _verdict(verdict: Verdict, most: int | None) -> list[str]:
    decision = verdict.decision
    parts = [_list(_first(decision.reasons, most))]
    if decision.would_change:
        parts += ["What would change it:", _list(_first(decision.would_change, most))]
    source = f"Comparison {inline(decision.comparison)}, run {inline(verdict.run_id)}."
    return [*parts, source]


def _first(sentences: Sequence[str], most: int | None) -> list[str]:
    shown = [inline(each) for each in sentences[:most]]
    return [*shown, f"and {len(sentences) - len(shown)} more"] if len(shown) < len(sentences) else shown


def _data(lineage: Lineage, verdict: Verdict | None) -> str:
    rows = [
        ["data set", lineage.data],
        ["sha256", lineage.data_sha256],
        ["seed of the split", str(lineage.data_seed)],
        ["pairs trained on", f"{lineage.samples:,}"],
    ]
    if verdict:
        same = ("retrieval", "messages")
        rows += [[f"sha256 of the {name}", verdict.comparison.conditions.get(name, "")] for name in same]
    return _table(("what", "value"), rows)


def _training(lineage: Lineage, training: Training | None) -> str:
    if lineage.kind == "base":
        return f"None here: the base as it is, its weights with sha256 {inline(lineage.base_fingerprint)}."
    rows = [
        ["base", f"{lineage.base} {lineage.revision}".strip()],
        ["sha256 of the base's weights", lineage.base_fingerprint],
        ["sha256 of the adapter", lineage.adapter_sha256],
        ["base held as", lineage.quantization],
    ]
    if training:
        rows += [[name, value] for name, value in training.settings.items()]
        rows += [[name.replace("_", " "), _number(value)] for name, value in training.measured.items()]
        rows.append(["run", training.run_id])
    return _table(("what", "value"), rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _limits(version: Version, verdict: Verdict | None) -> list[str]:
    lineage, limits = version.lineage, []
    if verdict:
        comparison = verdict.comparison
        estimator = inline(comparison.conditions.get("estimator", "unknown"))
        corrected = (
            ", which people's scores correct where the table says so" if comparison.by_people else ", not of people"
        )
        limits.append(
            f"Scores are the judgement of the model {inline(verdict.judge)} (estimator {estimator}){corrected}."
        )
        if comparison.advisory:
            limits.append("That judge is only advisory, for the reasons above.")
        limits.append(
            f"The verdict is about the context {inline(comparison.design.context)}, these documents and this "
            "retrieval; other questions may come out differently."
        )
        if comparison.tried > 1:
            limits.append(f"{comparison.tried} versions were compared on these questions.")
    if version.chosen_from:
        limits.append(f"It is the best of {inline(version.chosen_from)}: its score there is that of the luckiest.")
    if lineage.kind == "adapter":
        limits.append(f"One training run with seed {lineage.seed}; other seeds can come out differently.")
    if lineage.base == "pocket":
        limits.append("pocket is a small model of an invented world: what is found with it says little of a large one.")
    limits.append("The base is not stored here and must be the one with the sha256 above; any other is refused.")
    return limits


def _loading(version: Version) -> list[str]:
    return [
        "A question in, the answer with its sources out:",
        f'```python\nimport mlflow\n\nmodel = mlflow.pyfunc.load_model("{version.uri}")\n'
        'model.predict([{"question": "..."}])\n```',
        f'```sh\nmlflow models serve -m "{version.uri}" --env-manager local --port 5001\n```',
        "It needs ragft, the base, and the Postgres that holds the passages (`RAGFT_DSN`, or the embedded one).",
    ]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
