import dataclasses
import re
from xml.etree import ElementTree

import pytest

from ragft.analysis.study.findings import Study, summarise
from ragft.report import study_page as report
from ragft.report.study_plot import PlotScale, PlotSection, PlottedInterval, plot
from tests.unit.analysis.studies_of_cells import cell

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found() -> Study:
    cells = [
        cell(gain, format=form, seed=str(seed), samples=samples)
        for form, gain in (("closed_book", -0.4), ("retrieved", 0.0))
        for samples in ("200", "500")
        for seed in range(3)
    ]
    check = dataclasses.replace(cells[0], role="agreement", axes={**cells[0].axes, "estimator": "sampled"})
    lists = {"format": ["closed_book", "retrieved"], "samples": ["200", "500"]}
    return summarise("causes", ("format", "samples", "seed"), [*cells, check], lists)


def test_every_figure_is_an_svg_that_stands_alone(found: Study) -> None:
    made = report.figures(found)
    assert set(made) == {"accuracy-pocket", "completeness-pocket", "changes", "causes"}
    for name, svg in made.items():
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg", name
        assert len(root.findall(f".//{SVG}circle")) >= 4, name


def test_the_words_say_what_is_shown_and_what_is_not(found: Study) -> None:
    said = report.findings(found)
    assert len(said) == 4 * 2 + 2 * 2
    harm = next(each for each in said if each.startswith("closed_book, 200 samples: accuracy"))
    assert re.search(r"a change of −0\.\d\d \(95 % interval −0\.\d\d to −0\.\d\d; 40 questions in 10 groups", harm)
    assert "shown to be worse" in harm
    nothing = next(each for each in said if each.startswith("retrieved, 200 samples: accuracy"))
    assert "no change is shown, and a loss of more than 0.2 is ruled out" in nothing
    assert any("Format retrieved instead of closed_book changes accuracy by +0." in each for each in said)
    assert any("Samples 500 instead of 200" in each and each.endswith("not shown.") for each in said)


def test_the_page_escapes_whatever_it_shows_and_asks_for_nothing(found: Study) -> None:
    page = report.page(found)
    assert "<b>it was so</b>" not in page
    assert "&lt;b&gt;it was so&lt;/b&gt;" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert "fooled by &lt;script&gt;" in page
    assert page.count("<figure>") == 4


def test_the_published_numbers_stand_beside_their_own_data_and_model() -> None:
    own = [cell(0.1, dataset="qasper", base="meta-llama/Llama-2-7b-chat-hf", samples="200")]
    other = [cell(0.1, dataset="qasper", base="pocket", samples="200")]
    drawn = [report.figures(summarise("paper", (), cells, {})) for cells in (own, other)]
    accuracy = drawn[0]["accuracy-llama-2-7b-chat-hf"]
    assert accuracy.count("published") == 2
    assert "published 3.14" in accuracy
    assert "published 4.38" in accuracy
    assert "published" not in drawn[1]["accuracy-pocket"]


def test_published_scores_are_shown_where_the_preset_is_the_papers_alone() -> None:
    cells = [cell(0.1, dataset="qasper", base="meta-llama/Llama-2-7b-chat-hf", samples="200")]
    paper, own = (summarise(preset, (), cells, {}) for preset in ("paper", "embedded"))
    assert "What the published study states" in report.page(paper)
    assert "diamonds" in report.page(paper)
    for text in (report.page(own), *report.figures(own).values()):
        assert "published" not in text
        assert "diamond" not in text


def test_one_of_a_thing_is_said_as_one() -> None:
    lone = report.page(summarise("embedded", (), [cell(0.0, outcome="inconclusive")], {}))
    assert "One adapter, compared with its base" in lone
    assert "Means over seeds" not in lone
    assert "single seeds" not in lone
    several = [cell(0.0, seed=str(seed)) for seed in range(2)]
    text = report.page(summarise("embedded", ("seed",), several, {}))
    assert "One sort of adapter in 2 cells, each compared with its base" in text
    assert "Means over seeds" in text
    two = report.page(summarise("embedded", ("seed",), [*several, cell(0.1, format="raft")], {}))
    assert "2 sorts of adapters in 3 cells" in two
    for text in (lone, two):
        assert not re.search(r"\b1 (questions|groups|seeds|cells|sorts|pairs)\b", text)


def test_it_says_to_how_many_adapters_a_rule_may_be_unfair() -> None:
    cells = [dataclasses.replace(cell(0.1 * n, samples=str(n)), terse=("", "version", "base")[n % 3]) for n in range(5)]
    check = dataclasses.replace(cells[1], role="agreement")
    study = summarise("matrix", ("samples",), [*cells, check], {})
    of_adapters, of_base = report.fairness(study)
    assert of_adapters.startswith("2 of 5 adapters answer in less than half the words of the base, and a rule")
    assert of_base.startswith("1 of 5 adapters answer in more than twice the words of the base, and a rule")
    assert of_base.partition("'")[0] in report.page(study)
    assert report.fairness(summarise("matrix", ("samples",), cells[:1], {})) == []


def test_the_strip_shows_the_verdict_of_each_judge() -> None:
    cells = [cell(-0.4, judge=judge, outcome=outcome) for judge, outcome in (("base", "reject"), ("j/other", "hold"))]
    assert report.robustness(summarise("embedded", ("judge",), cells, {})) == [
        ("closed_book, 200 samples", "judge", {"base": "reject 1 of 1", "other": "hold 1 of 1"})
    ]


def test_a_plot_cuts_what_lies_outside_and_says_what_was_not_scored() -> None:
    lines = (PlottedInterval("<far> & away", 9.0, 8.0, 10.0), PlottedInterval("none", None, None, None))
    svg = plot("title", [PlotSection("", lines)], PlotScale(1.0, 5.0, "score"))
    root = ElementTree.fromstring(svg)
    width = float(root.get("viewBox", "").split()[2])
    assert all(0 <= float(circle.get("cx", "-1")) <= width for circle in root.iter(f"{SVG}circle"))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "<far> & away" in texts
    assert "nothing was scored" in texts
