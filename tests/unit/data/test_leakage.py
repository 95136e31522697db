import dataclasses
import difflib
import json
import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragft.data.leakage import Leak, LeakReport, compare, find_leaks, links
from ragft.data.load import load
from ragft.data.similarity import QUESTION_THRESHOLD, SPELLING_RATIO, near_questions, same_word, words
from ragft.data.splits import assign_splits
from ragft.errors import DataError
from ragft.types import Dataset, Document, Question, Split
from tests.unit.data.layouts import DATA, PAPERS

Edit = dict[str, str]
EDITS: list[Edit] = json.loads((DATA / "leaks" / "near_duplicates.json").read_text(encoding="utf-8"))
REAL = {
    "qasper": str(PAPERS),
    "bioasq": str(DATA / "bioasq" / "10B6_golden.json"),
    "entity_questions": str(DATA / "entity_questions" / "P17.dev.json"),
    "rows": str(DATA / "natural_questions" / "NQ-open.efficientqa.dev.1.1.sample.jsonl"),
}
FORMATS = {"natural_questions": "rows"}


def question(
    identifier: str, text: str = "", *documents: str, evidence: Sequence[str] = (), bound: bool = False
) -> Question:
    metadata = {"bound_to_document": True} if bound else {}
    return Question(identifier, text or f"What is {identifier}?", ("a",), documents, tuple(evidence), metadata=metadata)


def real(name: str) -> Dataset:
    return load(FORMATS.get(name, name), REAL[FORMATS.get(name, name)])


def leaks_between(
    seen: Sequence[Question], held_out: Sequence[Question], documents: Sequence[Document] = ()
) -> tuple[Leak, ...]:
    return report_of({"train": seen, "test": held_out}, documents).leaks


def report_of(splits: Mapping[Split, Sequence[Question]], documents: Sequence[Document] = ()) -> LeakReport:
    """The leaks of a division of all the questions there are."""
    questions = [question for part in splits.values() for question in part]
    return find_leaks(splits, compare(questions, documents))


def copy_of(number: int, edit: Edit, documents: list[Document]) -> Question:
    """A question that holds the edited text: as its own, as its evidence, or as a document that joins the others."""
    if edit["kind"] == "question":
        return question(f"copy{number}", edit["edited"])
    if edit["kind"] == "passage":
        return question(f"copy{number}", evidence=[edit["edited"]])
    documents.append(Document(f"copied{number}", "", tuple(edit["edited"].split("\n\n"))))
    return question(f"copy{number}", "", f"copied{number}")


def holders_of(edit: Edit, dataset: Dataset) -> set[str]:
    """The ids of the questions that hold the original text."""
    original = edit["original"].strip()
    return {
        q.id
        for q in dataset.questions
        if original in ((q.text,) if edit["kind"] == "question" else q.evidence + q.documents)
    }


def test_twenty_of_twenty_edits_are_found_with_their_originals() -> None:
    found = set()
    for source in sorted({edit["source"] for edit in EDITS}):
        dataset = real(source.split("/")[0])
        documents = list(dataset.documents)
        edits = {number: edit for number, edit in enumerate(EDITS) if edit["source"] == source}
        copies = [copy_of(number, edit, documents) for number, edit in edits.items()]
        leaks = {(leak.kind, leak.held_out, leak.seen) for leak in leaks_between(dataset.questions, copies, documents)}
        for number, edit in edits.items():
            if any((edit["kind"], f"copy{number}", holder) in leaks for holder in holders_of(edit, dataset)):
                found.add(number)
    assert found == set(range(20))


@pytest.mark.parametrize(("name", "alarms"), [("qasper", 0), ("bioasq", 0), ("entity_questions", 4), ("rows", 0)])
def test_false_alarms_on_real_files(name: str, alarms: int) -> None:
    """All pairs of questions of a file are compared, not only those across a division.

    The four alarms are places whose names are the same words: Rock Point and Point Rock, Prairie Lake Township and
    Lake Prairie Township.
    """
    dataset = real(name)
    documents = {q.id: set(q.documents) for q in dataset.questions}
    likeness = compare(dataset.questions, dataset.documents)
    pairs = links(likeness)
    apart = {identifier for pair in pairs if documents[pair[0]].isdisjoint(documents[pair[1]]) for identifier in pair}
    assert len(apart) == alarms
    assert alarms <= 0.01 * len(dataset.questions)
    splits = assign_splits(dataset, seed=1, linked=pairs)
    report = find_leaks(splits, likeness)
    assert report.checked >= 6
    assert report.clean


def test_a_question_under_another_id_is_kept_on_one_side() -> None:
    original = real("bioasq")
    renamed = [dataclasses.replace(q, id=f"again-{q.id}", documents=(), evidence=()) for q in original.questions]
    dataset = Dataset("both", original.documents, (*original.questions, *renamed))
    likeness = compare(dataset.questions, dataset.documents)
    report = find_leaks(assign_splits(dataset, seed=0), likeness)
    assert report.counts()["question_same"] >= 10
    assert find_leaks(assign_splits(dataset, seed=0, linked=links(likeness)), likeness).clean


REAL_QUESTIONS = [*real("bioasq").questions, *real("natural_questions").questions]


def edited(rng: random.Random) -> tuple[Question, ...]:
    """Real questions, four a document, and each again about a document of its own and two or three words shorter."""
    questions = []
    for rank, original in enumerate(REAL_QUESTIONS):
        spoken = original.text.split()
        for _ in range(rng.choice((2, 3))):
            if len(spoken) > 3:
                spoken.pop(rng.randrange(len(spoken)))
        questions += [
            question(f"o{rank}", original.text, f"shared{rank // 4}"),
            question(f"e{rank}", " ".join(spoken), f"own{rank}"),
        ]
    return tuple(questions)


@pytest.mark.parametrize("seed", range(20))
def test_no_division_of_the_splitter_is_refused_by_the_check(seed: int) -> None:
    """Pairs around the threshold, of which ``test_seen`` takes some out of what the check looks at."""
    dataset = Dataset("edited", (), edited(random.Random(seed)))
    likeness = compare(dataset.questions)
    splits = assign_splits(dataset, seed=seed, test_seen=0.3, linked=links(likeness))
    assert splits["test_seen"]
    report = find_leaks(splits, likeness)
    assert report.checked > 50
    assert report.clean, report.text()


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.1, 0.4]), data=st.data())
def test_any_data_set_passes_its_own_check(seed: int, share: float, data: st.DataObject) -> None:
    names = st.lists(st.integers(0, 8).map("d{}".format), max_size=2, unique=True)
    texts = st.lists(
        st.sampled_from(["alpha", "Beta", "beta", "gamma", "delta", "Delta", "epsilon", "7"]), min_size=1, max_size=6
    )
    drawn = data.draw(st.lists(st.tuples(texts, names, st.lists(texts, max_size=2), st.booleans()), min_size=4))
    questions = tuple(
        question(f"q{n}", " ".join(text), *named, evidence=[" ".join(each * 3) for each in evidence], bound=bound)
        for n, (text, named, evidence, bound) in enumerate(drawn)
    )
    documents = tuple(Document(f"d{n}", "", (" ".join(data.draw(texts)),)) for n in range(4))
    dataset, likeness = Dataset("any", documents, questions), compare(questions, documents)
    try:
        splits = assign_splits(dataset, seed=seed, test_seen=share, linked=links(likeness))
    except DataError:
        return
    assert find_leaks(splits, likeness).clean


def test_likeness_does_not_depend_on_the_order_of_the_questions() -> None:
    questions = list(edited(random.Random(0)))
    pairs = links(compare(questions))
    random.Random(1).shuffle(questions)
    assert links(compare(questions)) == pairs


def test_shared_documents_passages_and_questions_are_told_apart() -> None:
    passage = "The red light of the router blinks when there is no line."
    seen = [question("s1", "Which light blinks?", "d1", evidence=[passage]), question("s2", "Who calls?", "d2")]
    held_out = [
        question("h1", "Why is it dark?", "d1"),
        question("h2", "which LIGHT blinks", "d3"),
        question("h3", "Something else entirely?", "d4", evidence=[passage.upper().replace("ROUTER", "router  ")]),
        question("h4", "New?", "d5"),
    ]
    documents = [Document(f"d{n}", "", (f"Text number {n} {'x' * n} is unlike any other text.",)) for n in range(1, 6)]
    report = report_of({"train": seen, "dev": [], "test": held_out[:2], "confirm": held_out[2:]}, documents)
    assert [(leak.kind, leak.held_out, leak.seen, leak.same) for leak in report.leaks] == [
        ("document", "h1", "s1", True),
        ("question", "h2", "s1", True),
        ("passage", "h3", "s1", True),
    ]
    assert report.questions == {"h1", "h2", "h3"}
    assert report.counts() == {
        "document_same": 1,
        "document_near": 0,
        "question_same": 1,
        "question_near": 0,
        "passage_same": 1,
        "passage_near": 0,
    }
    assert "3 of 4 held-out questions share something" in report.text()
    assert "h2: which LIGHT blinks" in report.text()
    assert json.loads(json.dumps(report.as_json()))["leaking"] == 3


def test_dev_counts_as_seen_and_test_seen_does_not_count_as_held_out() -> None:
    splits: dict[Split, list[Question]] = {
        "train": [question("t", "Alpha beta gamma?")],
        "dev": [question("d", "Delta epsilon zeta?")],
        "test": [question("x", "delta epsilon zeta")],
        "test_seen": [question("s", "alpha beta gamma")],
    }
    (leak,) = report_of(splits).leaks
    assert (leak.held_out, leak.seen) == ("x", "d")


def test_questions_about_their_document_leak_with_their_document_only() -> None:
    same = "Which baselines do they compare with?"
    seen = [question("s", same, "d1", bound=True)]
    report = report_of({"train": seen, "test": [question("h", same, "d2", bound=True)]})
    assert report.clean
    assert report.asked_elsewhere == 1
    assert "1 ask of their document what train asks of another" in report.text()
    assert not leaks_between(seen, [question("h", "Which baselines do they compare to?", "d2", bound=True)])
    assert leaks_between(seen, [question("h", same, "d2")])
    assert len(leaks_between(seen, [question("h", same, "d1", bound=True)])) == 2


def test_a_data_set_that_holds_out_what_it_trains_on() -> None:
    rows = [("t", "d1", "train"), ("v", "d2", "dev"), ("x", "d1", "test"), ("y", "d3", "test"), ("c", "d4", "confirm")]
    questions = tuple(dataclasses.replace(question(i, "", d), split=s) for i, d, s in rows)  # type: ignore[arg-type]
    splits = assign_splits(Dataset("given", (), questions), seed=0)
    report = report_of(splits)
    assert (report.clean, report.checked, report.moved) == (True, 2, 1)
    assert "1 held-out questions about documents of train were moved to test_seen" in report.text()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who won the world cup in 2014?", "Who won the world cup in 2018?"),
        ("Which country is Rock Point located in?", "Which country is Rock Harbour located in?"),
        ("Which country is Manchester located in?", "Which country is Chester located in?"),
        ("Is eteplirsen effective for Duchenne?", "Is golodirsen effective for Duchenne?"),
    ],
)
def test_other_names_and_numbers_make_other_questions(one: str, other: str) -> None:
    assert not leaks_between([question("s", one)], [question("h", other)])


def test_a_template_does_not_make_passages_alike() -> None:
    form = (
        "To restart the {0} hold the button on the left side of it for {1} seconds until the light turns green again."
    )
    filled = [form.format(f"model{n}", n) for n in range(40)]
    seen = [question(f"s{n}", evidence=[text]) for n, text in enumerate(filled[:30])]
    held_out = [question(f"h{n}", evidence=[text]) for n, text in enumerate(filled[30:])]
    assert not [leak for leak in leaks_between(seen, held_out) if leak.kind == "passage"]
    copied = question("copied", evidence=[filled[3].replace("restart", "reboot")])
    (leak,) = [leak for leak in leaks_between(seen, [*held_out, copied]) if leak.kind == "passage"]
    assert (leak.held_out, leak.seen) == ("copied", "s3")


def test_short_passages_give_nothing_away() -> None:
    assert not leaks_between([question("s", evidence=["Results."])], [question("h", evidence=["Results."])])


@given(text=st.text())
def test_words_do_not_depend_on_case_blanks_or_punctuation(text: str) -> None:
    assert words(f"  {text} ?!") == words(text)
    assert words(text.casefold()) == words(text)


@given(questions=st.lists(st.text(min_size=1), max_size=12))
def test_any_texts_can_be_compared(questions: list[str]) -> None:
    seen = [question(f"s{n}", text, evidence=[text * 4]) for n, text in enumerate(questions)]
    held_out = [question(f"h{n}", text, evidence=[text * 4]) for n, text in enumerate(questions)]
    leaks = leaks_between(seen, held_out)
    assert {leak.held_out for leak in leaks if leak.kind == "question"} == {
        f"h{n}" for n, text in enumerate(questions) if words(text)
    }
    assert all(QUESTION_THRESHOLD <= near.score <= 1 for near in near_questions(questions))


LETTERS = st.text("abcé", min_size=4, max_size=8)


@given(LETTERS, LETTERS)
@settings(max_examples=500)
def test_what_the_letters_rule_out_is_no_spelling_of_the_word(one: str, other: str) -> None:
    matcher = difflib.SequenceMatcher(None, one, other)
    changed = sum(max(b - a, d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal")
    assert same_word(one, other, strict=True) == (changed <= 1)
    assert same_word(one, other, strict=False) == (matcher.ratio() >= SPELLING_RATIO)
