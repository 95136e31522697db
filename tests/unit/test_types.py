"""The identity of a data set."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from ragft.types import Dataset, Document, Question, digest

TEXT = st.text()
DOCUMENTS = st.lists(st.builds(Document, TEXT, TEXT, st.tuples(TEXT)), unique_by=lambda d: d.id, max_size=4)
QUESTIONS = st.lists(st.builds(Question, TEXT, TEXT, st.tuples(TEXT)), unique_by=lambda q: q.id, max_size=4)


@given(DOCUMENTS, QUESTIONS)
def test_made_piece_by_piece_it_is_the_digest_of_the_whole(
    documents: list[Document], questions: list[Question]
) -> None:
    whole = digest(
        {
            "documents": sorted((asdict(d) for d in documents), key=lambda d: str(d["id"])),
            "questions": sorted((asdict(q) for q in questions), key=lambda q: str(q["id"])),
        }
    )
    assert Dataset("a", tuple(documents), tuple(questions)).sha256 == whole
    assert Dataset("b", tuple(documents[::-1]), tuple(questions[::-1])).sha256 == whole
