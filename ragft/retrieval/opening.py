"""Opens a retriever as it is named: an embedder, a way to search, and a reranker, each checked."""

import functools
from dataclasses import replace

from ragft.errors import PrerequisiteError
from ragft.retrieval.embedders import load_embedder
from ragft.retrieval.reranking import Reranker
from ragft.retrieval.retriever import Retriever
from ragft.store.connection import Store
from ragft.types import Search

# One model serves all that a command retrieves.
open_embedder = functools.cache(load_embedder)
open_reranker = functools.cache(Reranker)


def open_retriever(store: Store, embedder: str, collection: str, search: Search) -> Retriever:
    """Return the retriever that searches a collection so; a reranker whose hash is given must be that one.

    Raises:
        ConfigError: If the collection was made with another embedder, or the server does not know the language.
        PrerequisiteError: If the embedder or the reranker is not here, or the reranker is another.
    """
    reranker = open_reranker(search.reranker) if search.reranker else None
    if reranker is not None and search.reranker_sha256 not in ("", reranker.sha256):
        raise PrerequisiteError(
            f"the reranker {search.reranker} has sha256 {reranker.sha256}, expected {search.reranker_sha256}: restore "
            "its files"
        )
    settled = replace(search, reranker_sha256=reranker.sha256) if reranker is not None else search
    return Retriever(store, open_embedder(embedder), collection, settled, reranker)
