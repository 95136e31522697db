"""What each retriever finds, as the docs show it, and the collections it is asked of."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.retriever_collections import of_folder, with_codes
from benchmarks.retrievers import BM25S, OUTPUT, OWN_RANKS, RETRIEVERS, ST, gain_of, table_of, times_of
from ragft.pocket.world import make_dataset
from ragft.types import Dataset, Document, Question

ROOT = OUTPUT.parents[2]
CODES = "telecom, products called by codes"


@pytest.fixture(scope="module")
def stored() -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads(OUTPUT.read_text(encoding="utf-8"))
    return found


def shown(name: str) -> str:
    page = (ROOT / "docs" / "retrieval.md").read_text(encoding="utf-8")
    return page.partition(f"<!-- made by benchmarks.retrievers{name} -->\n\n")[2].partition("\n\n<!-- end -->")[0]


def test_the_page_shows_what_is_stored(stored: dict[str, dict[str, dict[str, object]]]) -> None:
    assert shown("") == "\n".join(table_of(stored)), "run python -m benchmarks.retrievers --table"
    assert shown(": time") == "\n".join(times_of(stored))
    page = " ".join((ROOT / "docs" / "retrieval.md").read_text(encoding="utf-8").split())
    assert gain_of(stored, CODES) in page


def test_every_search_was_asked_of_every_collection_and_what_is_claimed_holds() -> None:
    stored = json.loads(OUTPUT.read_text(encoding="utf-8"))
    for each in stored["found"].values():
        assert each["found"].keys() == {BM25S, ST, *RETRIEVERS, *OWN_RANKS}
        ndcg = {name: found["nDCG@10"] for name, found in each["found"].items()}
        assert ndcg["lexical"] > ndcg["ts_rank_cd, any word"]
        assert ndcg["lexical"] > ndcg[BM25S] - 0.01
        assert ndcg["dense"] > ndcg[ST] - 0.01
    _, low, _ = stored["found"][CODES]["hybrid - dense, hit@5"]
    assert low > 0
    assert (stored["time"]["passages"], stored["time"]["questions"]) == (100_000, 200)


def test_codes_stand_wherever_a_product_was_named() -> None:
    data = Dataset(
        "telecom",
        (
            Document("d", "Iron Bridge (router)", ("Iron Bridge has 2 ports.",)),
            Document("e", "Iron Bridges (router)", ("x",)),
        ),
        (Question("q", "How many ports has Iron Bridge?", ("2",), ("d",), ("Iron Bridge has 2 ports.",)),),
    )
    made = with_codes(data)
    (code,) = re.findall(r"IB-\d{4}", made.questions[0].text)
    assert made.questions[0].evidence == made.documents[0].paragraphs == (f"{code} has 2 ports.",)
    assert made.documents[1].title != made.documents[0].title
    asked = with_codes(make_dataset(0, {"test": 40})).questions
    assert len(asked) == 40
    assert not [question.text for question in asked if not re.search(r"\b[A-Z]{2}-\d{4}\b", question.text)]


def test_a_collection_in_the_layout_of_smart_is_read(tmp_path: Path) -> None:
    (tmp_path / "tiny.all").write_text(
        ".I 1\n.T\nA router\n.W\nIt has\nports.\n.A\nSmith\n.I 2\n.T\nNo abstract\n.B\nCACM 1960\n.I 10\n.N\nempty\n"
    )
    (tmp_path / "query.text").write_text(".I 1\n.W\n Which  router?\n.N\nx\n.I 2\n.W\nUnjudged?\n")
    (tmp_path / "qrels.text").write_text("01 0001  0 0\n01 2  0 0\n\n")
    judged = of_folder(tmp_path)
    assert (judged.name, [p.text for p in judged.passages]) == ("TINY", ["A router\nIt has ports.", "No abstract"])
    assert [question.text for question in judged.questions] == ["Which router?"]
    assert judged.relevant == {"1": frozenset(passage.id for passage in judged.passages)}
    assert judged.clusters == ["1"]
