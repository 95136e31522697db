"""What is said of the splits that questions were divided into."""

from ragft.data.division import LEAST_GROUPS, out_of_reach, own_documents, table
from ragft.types import UNANSWERABLE, Question


def asked(n: int, *, answered: bool = True, a_document: int = 1) -> tuple[Question, ...]:
    """Questions of which ``a_document`` share a document."""
    kind, references = ("a", ("x",)) if answered else ("u", (UNANSWERABLE,))
    return tuple(
        Question(f"{kind}{i}", f"{kind}{i}?", references, (f"{kind}{i // a_document}",), answerable=answered)
        for i in range(n)
    )


def test_the_table_counts_groups_and_not_questions() -> None:
    splits = {"train": asked(1200, a_document=3), "test": (*asked(4), *asked(2, answered=False))}
    assert table(splits) == [  # type: ignore[arg-type]  # two splits do
        "  split  questions  without an answer  groups of documents",
        "  train      1,200                  0                  400",
        "  test           6                  2                    6",
    ]


def test_enough_groups_of_both_kinds_leave_nothing_to_say() -> None:
    both = (*asked(LEAST_GROUPS), *asked(LEAST_GROUPS, answered=False))
    assert out_of_reach(both, with_documents=False) == []
    (said,) = out_of_reach(both[:-1], with_documents=False)
    assert "false refusals" not in said and "that false answers do not rise (59 without an answer): at" in said


def test_a_question_whose_answer_can_be_withheld_counts_among_those_without_one() -> None:
    assert out_of_reach(asked(LEAST_GROUPS), with_documents=True) == []
    # Many questions about few documents are few groups.
    (said,) = out_of_reach(asked(300, a_document=30), with_documents=True)
    assert "(10 with an answer) and" in said and "(10 without an answer, or whose answer can be withheld)" in said


def test_a_split_is_answered_from_its_own_documents_where_all_questions_name_some() -> None:
    named = {"test": asked(2), "dev": ()}
    assert own_documents(named, "split") == {"test": frozenset({"a0", "a1"})}  # type: ignore[arg-type]
    assert own_documents(named, "all") == {"test": None}  # type: ignore[arg-type]
    nameless = {"test": (*asked(2), Question("n", "n?", ("x",)))}
    assert own_documents(nameless, "split") == {"test": None}  # type: ignore[arg-type]
