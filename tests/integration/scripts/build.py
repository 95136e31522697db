"""Builds a collection, asks it questions and prints what was found; it may be held at a kill point."""

import json
import sys
from pathlib import Path

from ragft.retrieval import retriever
from ragft.store.kill_points import enable_kill_points
from ragft.store.server import open_store
from ragft.types import Document
from tests.integration.hashed import HashEmbedder

dsn, kill_point = sys.argv[1:]
enable_kill_points(kill_point)
documents = [
    Document(
        f"d{number}", "", tuple(f"Document {number} tells in part {part} of {number * part}." for part in range(9))
    )
    for number in range(40)
]
questions = [f"What does document {number} tell of {number * 3}?" for number in range(30)]
retriever.PASSAGES_AT_ONCE = 50
retriever.QUESTIONS_AT_ONCE = 10
with open_store(dsn, Path.cwd()) as store:
    embedder = HashEmbedder()
    collection = retriever.build_collection(store, embedder, documents, 120)
    found = retriever.Retriever(store, embedder, collection).retrieve(questions, 3)
json.dump([collection, [[passage.id for passage in passages] for passages in found]], sys.stdout)
