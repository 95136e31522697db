"""An embedder without a model: texts that share words get near vectors."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class HashEmbedder:
    """Adds up a fixed random direction for each word, and keeps count of the texts."""

    def __init__(self, name: str = "hashed", dimension: int = 32) -> None:
        self.id = name
        self.dimension = dimension
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str], *, question: bool = False) -> npt.NDArray[np.float32]:
        """Return one vector of length 1 for each text, n x dimension; a question is embedded as any text."""
        del question
        self.seen += texts
        vectors = np.stack([sum(map(self._direction, text.split()), self._direction("")) for text in texts])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def _direction(self, word: str) -> npt.NDArray[np.float64]:
        seed = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:8]
        return np.random.default_rng(int.from_bytes(seed, "big")).normal(size=self.dimension)
