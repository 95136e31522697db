"""The page: complete for every outcome, harmless whatever it holds, and never too large."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ragft.analysis.statistics.mean_interval import Mean
from ragft.analysis.verdict.attribution import Term
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FORGETTING
from ragft.report.page import MOST_BYTES, render
from ragft.types import CONTEXTS
from tests.report_example import example, hostile
from tests.unit.registry.test_gate import guard

BLNS = Path(__file__).parents[2] / "data" / "hostile" / "blns.json"
PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    "@@data@@",
    "\u2028alert(1)\u2029",
    "\ud800 half \x00 nul \x1b[31m \u202e backwards",
    "]]></svg><svg onload=alert(1)>",
]


PLAIN = replace(example(), left_out="2 of 3 passages fit the window")


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def tags_of(html: str) -> Tags:
    found = Tags()
    found.feed(html)
    return found


def data_of(html: str) -> dict[str, Any]:
    found = json.loads(tags_of(html).scripts[0])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("outcome", ["promote", "hold", "reject", "inconclusive"])
def test_the_first_screen_says_the_verdict_its_numbers_and_what_to_do(outcome: str) -> None:
    html = render(example(outcome=outcome))
    head = html[html.index("<header>") : html.index("</header>")]
    assert "<strong>Do not ship v2: its answers are worse in accuracy and completeness.</strong>" in head
    assert [part.partition("</dt>")[0] for part in head.split("<dt>")[1:]] == ["Better?", "Safe?", "Sure enough?"]
    assert f"Verdict: <b>{outcome}</b>" in head
    assert "Can the scores be believed?" in head
    assert head.count('class="card"') == 2
    assert head.count("95&nbsp;% interval −") == 2
    assert "What to do" in head
    assert "mlflow run ." in head


def test_each_harm_that_was_measured_has_a_card_and_others_have_none() -> None:
    measured, unknown = guard(FALSE_ANSWERS), guard(FORGETTING, unmeasured="nothing was kept")
    claims = replace(PLAIN.comparison.claims, harmful=(FALSE_ANSWERS,))
    html = render(replace(PLAIN, comparison=replace(PLAIN.comparison, guards=(measured, unknown), claims=claims)))
    head = html[html.index("<header>") : html.index("</header>")]
    assert head.count('class="card"') == 3
    assert "False answers: answers although the passages do not hold the answer" in head
    assert "+61 <span>13&nbsp;% → 74&nbsp;%</span>" in head
    assert "interval +54 to +67 percentage points" in head
    assert "More than the 5 points that are allowed (the margin), whatever end of the interval is true." in head
    assert "26 → 148 of 200 questions." in head
    assert "False answers: 200 questions in 80 independent groups reject a rise of 12 points or more" in html


def test_what_was_invented_is_listed_with_what_was_shown() -> None:
    section = render(PLAIN).partition('<section id="invented">')[2].partition("</section>")[0]
    assert section.count("<details>") == 2
    assert "answered 7 questions where base v1 refused" in section
    assert "The first 2 by id:" in section
    assert "A passage about number 0.0" in section
    assert 'id="invented"' not in render(replace(PLAIN, invented=(), invented_of=0))


def test_every_part_is_there() -> None:
    tags = tags_of(render(PLAIN)).tags
    assert {attributes.get("id") for tag, attributes in tags if tag == "section"} >= {
        "why", "changes", "bars", "metrics", "attribution", "training", "questions", "unscored", "ledger", "provenance",
    }  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_adds_no_tag_no_attribute_and_no_script(payload: str) -> None:
    plain, attacked = (tags_of(render(report)) for report in (PLAIN, hostile(PLAIN, payload)))

    assert [(tag, sorted(attributes)) for tag, attributes in attacked.tags] == [
        (tag, sorted(attributes)) for tag, attributes in plain.tags
    ]
    assert len(attacked.scripts) == 2
    assert attacked.scripts[1] == plain.scripts[1]
    json.loads(attacked.scripts[0])


def test_five_hundred_naughty_strings_come_through() -> None:
    strings = json.loads(BLNS.read_text(encoding="utf-8"))
    report = example(n=len(strings))
    asked = tuple(
        replace(each, question=text, version=replace(each.version, text=text))
        for each, text in zip(report.questions, strings, strict=True)
    )
    html = render(replace(report, questions=asked))
    assert len(tags_of(html).scripts) == 2
    html.encode()
    shown = [each["v"]["t"] for each in data_of(html)["questions"]]
    assert len(shown) == len(strings) > 500
    assert sum(one == other for one, other in zip(shown, strings, strict=True)) > 480


def test_only_the_pages_own_script_and_style_may_run_and_nothing_is_fetched() -> None:
    html = render(PLAIN)
    tags = tags_of(html)
    policy = next(a["content"] for tag, a in tags.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'")
    digest = base64.b64encode(hashlib.sha256(tags.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?://|@import|url\(", html)
    assert not [a for _, a in tags.tags if {"src", "href", "style", "srcset"} & set(a)]


@pytest.mark.parametrize(
    ("n", "letters", "passages"), [(1000, 1500, 5), (1000, 200, 5), (3000, 2500, 2), (8000, 20, 0)]
)
def test_a_large_report_stays_below_two_megabytes_and_says_what_it_leaves_out(
    n: int, letters: int, passages: int
) -> None:
    small = PLAIN
    long = "<&> words " * (letters // 10)
    pattern = small.questions
    asked = tuple(
        replace(
            pattern[i % 60],
            id=f"q{i}",
            passages=tuple(f"{i}.{j} {long}"[:1500] for j in range(passages)),
            base=replace(pattern[i % 60].base, text=long, reasons={"accuracy": long}),
        )
        for i in range(n)
    )
    html = render(replace(small, questions=asked))
    assert len(html.encode()) < MOST_BYTES
    kept = data_of(html)["questions"]
    assert len(kept) > 900
    left_out = len(kept) < n or any(len(each["b"]["t"]) < len(long) for each in kept)
    assert left_out or passages == 5
    assert "To keep this file small" in html


def test_a_small_report_leaves_nothing_out_and_stores_each_passage_once() -> None:
    html = render(example(passage="The same passage for all {j}"))
    data = data_of(html)
    assert "To keep this file small" not in html
    assert len(data["passages"]) == 2
    assert all(each["p"] == [0, 1] for each in data["questions"])


def test_missing_values_are_shown_as_missing_and_never_as_a_number() -> None:
    html = render(example(unscored=("q0000", "q0007")))
    data = {each["id"]: each for each in data_of(html)["questions"]}
    assert data["q0000"]["v"]["s"][0] is None
    assert data["q0000"]["g"] is None
    assert data["q0001"]["g"] is not None
    section = html[html.index('id="unscored"') : html.index('id="ledger"')]
    assert "<td>60</td><td>0</td><td>2</td><td>2</td>" in section
    assert "nan" not in html.lower().replace("provenance", "")


def test_nothing_scored_at_all_still_gives_a_page() -> None:
    report = example(outcome="inconclusive")
    results = tuple(replace(each, effect=None) for each in report.comparison.results)
    comparison = replace(report.comparison, results=results, power={}, changes={}, attributions=())
    none = Mean(0, None)
    metrics = tuple(replace(each, base=none, version=none, change=none) for each in report.metrics)
    bars = tuple(replace(each, means={"accuracy": (none, none)}) for each in report.bars)
    html = render(replace(report, comparison=comparison, metrics=metrics, bars=bars, curves=(), questions=()))
    assert "No question was scored on both sides." in html
    assert "is not in this MLflow store" in html
    assert data_of(html)["questions"] == []


def test_what_was_forgotten_is_shown_where_it_was_measured() -> None:
    section = render(PLAIN).partition('id="forgotten"')[2].partition("</section>")[0]
    assert (
        "Facts of pocket&#39;s own made-up world, not trained on: 0.910 -&gt; 0.640, change \N{MINUS SIGN}0.270"
        in section
    )
    assert 'id="forgotten"' not in render(replace(PLAIN, forgotten=()))


def test_one_context_says_which_are_missing_and_how_to_get_them() -> None:
    section = attribution(render(PLAIN))
    assert "Not known yet: answers were compared with retrieved passages alone." in section
    assert all(f"({name})" in section for name in CONTEXTS if name not in ("retrieved", "withheld"))
    assert f"-P context={','.join(CONTEXTS)}" in section


def test_where_no_evidence_is_known_no_command_is_named() -> None:
    section = attribution(render(replace(PLAIN, all_contexts="")))
    assert "To ask in all of them takes questions whose evidence (the column evidence) stands in" in section
    assert "This evaluates all four" not in section and "<code>" not in section


def test_the_caption_of_what_is_unscored_names_a_judge_only_where_one_was_asked() -> None:
    without = [render(each).partition('id="unscored"')[2] for each in (PLAIN, replace(PLAIN, bars=()))]
    assert "when the judge&#39;s reply cannot be read" in without[0] or "when the judge's reply cannot" in without[0]
    assert "judge" not in without[1].partition("</section>")[0] and "a rule cannot tell" in without[1]


def test_all_contexts_say_where_the_change_comes_from_and_how_lengths_changed() -> None:
    section = attribution(render(example(contexts=CONTEXTS)))
    assert "Not evaluated" not in section
    assert all(term in section for term in ("memory", "use of good context", "distractor robustness", "retrieval"))
    assert "answers are longer: +2.0 (+2.0 to +2.0) tokens" in section
    assert "fewer answers refuse: -25%" in section


def test_the_change_at_equal_length_stands_beside_the_change() -> None:
    one = next(iter(PLAIN.comparison.results))
    term = Term("equal length", 0.1, -0.2, 0.4, "at equal length +0.10 (-0.20 to +0.40)")
    html = render(replace(PLAIN, comparison=replace(PLAIN.comparison, equal_length={one.criterion: term})))
    assert f"changes {term.words}" in html
    assert "at equal length" not in render(replace(PLAIN, comparison=replace(PLAIN.comparison, equal_length={})))


def attribution(html: str) -> str:
    return html[html.index('id="attribution"') : html.index('id="training"')]


def test_the_ledger_names_every_version_and_an_unfinished_comparison() -> None:
    html = render(PLAIN)
    section = html[html.index('id="ledger"') : html.index('id="provenance"')]
    assert "2 versions were compared" in section
    assert section.count("this one") == 1
    assert "not finished" in section


def test_every_figure_has_a_text_alternative() -> None:
    html = render(example(contexts=CONTEXTS))
    figures = re.findall(r"<svg[^>]*>(.{0,200})", html)
    assert len(figures) > 10
    assert all(figure.startswith("<title>") and not figure.startswith("<title></title>") for figure in figures)
    assert "accuracy: change −0.5" in html
