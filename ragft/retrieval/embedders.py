"""Which embedder a name stands for: a sentence-transformers model, or one of our own."""

from collections.abc import Callable, Mapping

from ragft.retrieval.embedding import Embedder
from ragft.retrieval.retriever import EmbeddingModel

# Those that are no sentence-transformers models, by the name that `embedder` takes.
OWN: Mapping[str, Callable[[], EmbeddingModel]] = {}


def load_embedder(name: str) -> EmbeddingModel:
    """Return the embedder called ``name``.

    Raises:
        PrerequisiteError: If it is a model that is not on this machine.
    """
    return OWN[name]() if name in OWN else Embedder(name)
