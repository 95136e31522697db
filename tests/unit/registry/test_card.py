"""The card says what is known, fits the registry, and shows hostile text as text."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ragft.analysis.verdict.effect import Bounds
from ragft.analysis.verdict.missing import Missing
from ragft.analysis.verdict.people import Corrected, Estimate
from ragft.types import digest
from registry.card import MOST_OF_A_DESCRIPTION, Training, Verdict, card, description, note, with_standing
from registry.gate import decide, force
from registry.markdown import inline
from registry.versions import Lineage, Version
from tests.unit.registry.test_gate import comparison, result

LINEAGE = Lineage(
    kind="adapter",
    base="pocket",
    base_fingerprint="f" * 64,
    data="telecom",
    data_sha256="d" * 64,
    data_seed=0,
    adapter_sha256="a" * 64,
    method="lora",
    format="closed_book",
    samples=200,
)
VERSION = Version("ragft-telecom-pocket", 2, "run", ("challenger",), LINEAGE)
TRAINING = Training("1a2b", {"epochs": "3", "learning_rate": "0.0002"}, {"train_loss": 1.25})
HOSTILE = (
    "# title",
    "- item",
    "1. one",
    "a | b",
    "](javascript:alert(1))",
    "[x](http://evil.example)",
    "http://evil.example www.evil.example a@evil.example",
    "<script>alert(1)</script>",
    "<!-- ",
    "```",
    "`code`",
    "**bold** __bold__ ~~gone~~",
    "![x](http://evil.example/x.png)",
    "&lt;b&gt; &#60;",
    "a\n\n# title\n\nb",
    "---",
    "===",
    "> quote",
    "$x$",
    "\\",
    "C:\\temp\\",
)


def verdict(**changes: bool) -> Verdict:
    found = comparison(**changes)  # type: ignore[arg-type]  # only flags are given here
    found = replace(found, conditions={"estimator": "sampled x 10", "retrieval": digest("r"), "messages": digest("m")})
    return Verdict(found, decide(found), split="test", judge="pocket", run_id="3c4d")


def shape(text: str) -> list[tuple[str, str]]:
    """What a reader of Markdown with tables makes of the text: its structure without the words."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    return [
        (each.type, each.tag)
        for token in tokens
        for each in (token, *(token.children or ()))
        if each.type not in ("text", "text_special")
    ]


def words(text: str) -> str:
    """The text as it is shown."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    return "".join(each.content for token in tokens for each in (token.children or ()))


def test_the_first_card_says_that_nothing_is_known_of_the_answers() -> None:
    text = card(VERSION, TRAINING)
    assert "A lora adapter of pocket, trained on 200 question-answer pairs of telecom" in text
    assert "Not compared with the champion yet" in text
    assert "## Results" not in text
    assert "| epochs | 3 |" in text
    assert "d" * 64 in text
    assert 'load_model("models:/ragft-telecom-pocket/2")' in text


def test_the_completed_card_has_results_verdict_and_limits() -> None:
    text = card(VERSION, TRAINING, verdict(advisory=True, veto=True))
    assert "| accuracy | retrieved | all | 3.00 | 3.10 | +0.10 | -0.04 to +0.24 | 200 of 200 |" in text
    assert "| accuracy | retrieved | kind yes\\_no |" in text
    assert "**Verdict: hold**" in text
    assert "- The judge is only advisory: 2 of 6 canaries failed." in text
    assert "- That judge is only advisory, for the reasons above." in text
    assert "in 80 groups of documents (largest 6)" in text
    assert digest("r") in text
    assert "3c4d" in text


def test_the_card_of_a_version_that_was_chosen_says_from_how_many() -> None:
    chosen = replace(VERSION, chosen_from="20 trials by right on dev")
    said = "- It is the best of 20 trials by right on dev: its score there is that of the luckiest."
    for found in (None, verdict()):
        assert said in card(chosen, TRAINING, found)
        assert "It is the best of" not in card(VERSION, TRAINING, found)


def test_with_unscored_answers_one_interval_is_shown_the_one_that_decides() -> None:
    found = comparison(missing=Missing(200, 1, 1, 2, 1.0, 0.05, 0.15))
    first = replace(found.results[0], bounds=Bounds(-0.11, 0.33, (-0.11, -0.2)))
    found = replace(found, results=(first, *found.results[1:]), conditions={"estimator": "expected"})
    decision = decide(found)
    text = card(VERSION, TRAINING, Verdict(found, decision, split="test", judge="pocket", run_id="3c4d"))
    assert "| accuracy | retrieved | all | 3.00 | 3.10 | +0.10 | -0.11 to +0.33 | 200 of 200 |" in text
    (reason,) = [each for each in decision.reasons if each.startswith("accuracy")]
    assert "(95 % interval -0.11 to +0.33;" in reason
    assert reason.endswith("The interval holds whatever the 2 unscored answers deserved.")
    assert "-0.04" not in reason
    assert "accuracy 3.00 → 3.10, a change of +0.10 (-0.11 to +0.33)" in text


def test_a_promotion_by_a_person_is_told_from_one_by_the_gate() -> None:
    found = verdict()
    forced = replace(found, decision=force(found.decision, "we read every answer"))
    assert "**Verdict: promote**, by a person and against the gate." in card(VERSION, TRAINING, forced)
    assert "by a person" not in card(VERSION, TRAINING, found)


def test_a_base_has_no_training() -> None:
    base = replace(VERSION, lineage=replace(LINEAGE, kind="base", adapter_sha256="", method="", format="", samples=0))
    assert "no weights are stored here" in card(base)
    assert "None here: the base as it is" in card(base)


def test_slices_give_way_where_a_description_is_too_long() -> None:
    found = verdict()
    many = tuple(result("accuracy", f"kind number {n}") for n in range(200))
    comparison_ = replace(found.comparison, results=found.comparison.results + many)
    reasons = tuple(f"reason number {n}" for n in range(30))
    long = replace(found, comparison=comparison_, decision=replace(found.decision, reasons=reasons))
    assert "kind number 199" in card(VERSION, TRAINING, long)
    short = description(VERSION, TRAINING, long)
    assert len(short) <= MOST_OF_A_DESCRIPTION
    assert "192 more slices stand in" in short
    assert "- reason number 7\n- and 22 more" in short
    assert "## How to load" in short
    assert description(VERSION, TRAINING, found) == card(VERSION, TRAINING, found)


def test_what_is_still_too_long_is_cut_and_says_so() -> None:
    found = verdict()
    long = replace(found, decision=replace(found.decision, reasons=("why " * 2000,)))
    short = description(VERSION, TRAINING, long)
    assert len(short) <= MOST_OF_A_DESCRIPTION
    assert "cut here" in short


def hostile_card(name: str) -> str:
    lineage = replace(LINEAGE, base=f"m{name}", data=f"m{name}", revision=f"m{name}")
    found = verdict(veto=True)
    changed = replace(
        found.comparison,
        base=f"m{name}",
        version=f"m{name}",
        results=tuple(
            replace(each, slice=each.slice and f"m{name}", criterion=f"m{name}") for each in found.comparison.results
        ),
    )
    decision = replace(force(found.decision, f"m{name}"), reasons=(f"m{name}",), would_change=(f"m{name}",))
    return card(
        replace(VERSION, lineage=lineage),
        Training("1a2b", {"epochs": f"m{name}"}, {}),
        Verdict(changed, decision, split=f"m{name}", judge=f"m{name}", run_id="3c4d"),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_and_changes_no_structure(name: str) -> None:
    text = hostile_card(name)
    assert shape(text) == shape(hostile_card(" plain"))
    assert words(text).count(" ".join(f"m{name}".split())) >= 10


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_at_the_start_of_a_line_is_text(name: str) -> None:
    assert shape(f"- {inline(name)}") == shape("- plain")
    assert words(f"- {inline(name)}") == " ".join(name.split())


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_any_text_is_one_paragraph(name: str) -> None:
    assert shape(inline(name)) == shape("plain")
    inline(name).encode()


def test_what_cannot_be_seen_is_escaped() -> None:
    assert inline("a\x00b\u202ec\ud800") == "a\\\\x00b\\\\x202ec\\\\ud800"


def test_a_bare_address_is_no_link() -> None:
    assert inline("http://a.example www.b.example c@d.example") == ("http\\://a.example www\\.b.example c\\@d.example")


@pytest.mark.parametrize("name", [*HOSTILE, "<img src=x onerror=alert(1)>"])
def test_hostile_text_in_the_note_of_a_run_is_text(name: str) -> None:
    decision = verdict().decision
    hostile = replace(decision, headline=f"m{name}", reasons=(name, f"m{name}"), would_change=(f"m{name}",))
    plain = replace(decision, headline="m", reasons=("m", "m"), would_change=("m",))
    assert shape(note(hostile)) == shape(note(plain))


def test_where_a_version_stands_is_said_once_and_first() -> None:
    text = description(VERSION, TRAINING, verdict())
    for standing in ("champion, promoted over version 1", "rolled back: it was *slow*"):
        text = with_standing(text, standing)
    assert text.startswith(
        "# ragft-telecom-pocket, version 2\n\n**Now**: rolled back: it was \\*slow\\*\n\nA lora adapter"
    )
    assert text.count("**Now**") == 1
    assert with_standing("The base model", "champion") == "**Now**: champion\n\nThe base model"
    assert with_standing("", "champion") == "**Now**: champion"
    assert len(with_standing("x\n" * 2499, "champion")) <= MOST_OF_A_DESCRIPTION


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_in_a_standing_is_text(name: str) -> None:
    text = card(VERSION, TRAINING)
    assert shape(with_standing(text, f"m{name}")) == shape(with_standing(text, "m"))


def test_how_the_answers_were_made_stands_on_the_card() -> None:
    assert "Answers were made with max\\_new\\_tokens 8; once promoted, it is served so." in card(
        VERSION, TRAINING, replace(verdict(), asked="max_new_tokens 8")
    )


def test_what_people_said_stands_below_the_results() -> None:
    found = verdict()
    bounds = Bounds(-0.1, 0.3, (-0.1,))
    corrected = Corrected(
        criterion="accuracy",
        pairs=47,
        documents=31,
        asking=220,
        drawn="a uniform sample",
        judge=Estimate(0.4, 0.3, 0.5),
        people=Estimate(0.05, -0.3, 0.4),
        both=Estimate(0.1, -0.1, 0.3),
        weight=0.8,
        bounds=bounds,
    )
    with_people = replace(found, comparison=replace(found.comparison, corrected=(corrected,)))
    said = card(VERSION, TRAINING, with_people)

    assert "| accuracy | the judge alone | +0.40 | +0.30 to +0.50 |" in said
    assert "| accuracy | people alone | +0.05 | -0.30 to +0.40 |" in said
    assert "| accuracy | both together | +0.10 | -0.10 to +0.30 |" in said
    assert "to 47 of the 220 questions whose answers differ, in 31 groups, a uniform sample; both together" in said
    assert "people's scores correct" in said and "people's scores correct" not in card(VERSION, TRAINING, found)
