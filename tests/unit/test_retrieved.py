"""The metrics of what was retrieved speak of the same passages."""

from entrypoints.steps.shared.retrieved import RetrievedSplit
from ragft.types import Passage, Question

EVIDENCE = "The pump is rated at 12 bar and has to be vented before it is started for the first time."
QUESTION = Question("q", "How many bar?", ("12",), documents=("own",), evidence=(EVIDENCE,))
GOLD = Passage("own 0", "own", 0, f"Data sheet. {EVIDENCE}")
COPY = Passage("other 0", "other", 0, f"Another manual repeats: {EVIDENCE}")
FILLER = Passage("other 1", "other", 1, "Nothing of it.")


def test_a_passage_of_another_document_is_no_hit_as_it_has_no_rank() -> None:
    found = RetrievedSplit((QUESTION,), {"q": (COPY, FILLER)}, {"q": (GOLD,)})
    assert {name: values["q"] for name, values in found.row_metrics(2).items()} == {
        "hit_at_2": 0.0,
        "recall_at_2": 0.0,
        "mrr": 0.0,
    }


def test_hit_recall_and_rank_agree_where_the_gold_passage_is_found() -> None:
    found = RetrievedSplit((QUESTION,), {"q": (COPY, GOLD)}, {"q": (GOLD,)})
    assert {name: values["q"] for name, values in found.row_metrics(1).items()} == {
        "hit_at_1": 0.0,
        "recall_at_1": 0.0,
        "mrr": 0.5,
    }
    assert found.row_metrics(2)["hit_at_2"] == {"q": 1.0}
    unknown = RetrievedSplit((QUESTION,), {"q": (COPY,)}, {"q": ()})
    assert unknown.row_metrics(1)["hit_at_1"] == {"q": None}
