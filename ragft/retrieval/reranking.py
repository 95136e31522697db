"""Puts retrieved passages in order with a cross-encoder, which reads each beside the question."""

import hashlib
import json
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from sentence_transformers import CrossEncoder

from ragft import shortage
from ragft.errors import PrerequisiteError
from ragft.folding import without_lone_surrogates

_PAIRS_AT_ONCE = 32
_HEAD = "ForSequenceClassification"
# What of a folder decides a score; a card or a training log does not.
_DECIDING = (".safetensors", ".json", ".txt", ".model")


class Reranker:
    """A cross-encoder: sequence classification with one label, of sentence-transformers or its like.

    Attributes:
        sha256: Of the files that decide a score.
        window: How many tokens of a pair it reads, special ones included.
        pairs: How many pairs it has read.
        cut: How many of them did not fit the window, so that their end was not read.
    """

    def __init__(self, name_or_path: str, device: str = "auto") -> None:
        """Load the model from this machine; no code of its folder is run, and no pickle opened.

        Raises:
            PrerequisiteError: If it is not there, has no safetensors weights, or is no cross-encoder.
        """
        folder = _folder(name_or_path)
        _check(name_or_path, folder)
        self.sha256 = reranker_sha256(name_or_path)
        self.pairs = self.cut = 0
        self._one_at_a_time = threading.Lock()
        self._name = name_or_path
        self._model = _load(name_or_path, folder, device)
        self._tokenizer: Any = self._model.tokenizer
        longest = getattr(self._model.model.config, "max_position_embeddings", None)
        self.window = int(min(self._model.max_seq_length or math.inf, longest or math.inf))
        self._model.max_seq_length = self.window

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return the model's logit for each passage, larger is better; what does not fit the window is counted.

        Raises:
            PrerequisiteError: If the model gives what is no number.
        """
        asked = without_lone_surrogates(question)
        pairs = [(asked, without_lone_surrogates(passage)) for passage in passages]
        if not pairs:
            return []
        # The tokenizer's truncation is a state of its own, which another thread would turn off or on.
        with self._one_at_a_time:
            read = self._tokenizer([a for a, _ in pairs], [b for _, b in pairs], truncation=False, verbose=False)
            self.pairs += len(pairs)
            self.cut += sum(len(tokens) > self.window for tokens in read["input_ids"])
            # The logit itself: a sigmoid makes the best ones equal. And what a configuration names is not imported.
            found = self._model.predict(
                pairs, batch_size=_PAIRS_AT_ONCE, activation_fn=torch.nn.Identity(), show_progress_bar=False
            )
        scores = [float(score) for score in found]
        if not all(map(math.isfinite, scores)):
            raise PrerequisiteError(
                f"the reranker {self._name} scores a passage with what is no number, so its weights are broken: give "
                "another, or leave reranker out"
            )
        return scores


def reranker_sha256(name_or_path: str) -> str:
    """Return the hash of the files that decide what a reranker says, which are read but not loaded.

    Raises:
        PrerequisiteError: If the model is not on this machine.
    """
    folder = _folder(name_or_path)
    files = sorted(file for file in folder.iterdir() if file.suffix in _DECIDING and file.is_file())
    hashed = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            hashed.update(f"{file.name} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return hashed.hexdigest()


def _folder(name_or_path: str) -> Path:
    """Return the folder of a model that is on this machine; nothing is downloaded."""
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    try:
        return Path(snapshot_download(name_or_path, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise PrerequisiteError(
            f"the reranker {name_or_path} is no folder here and was not downloaded: give the folder of a "
            f"cross-encoder, or run `hf download {name_or_path}` once where there is network"
        ) from error


def _check(name: str, folder: Path) -> None:
    """Refuse what is no cross-encoder in safetensors, before anything of it is loaded."""
    config: Mapping[str, Any] = {}
    try:
        read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = read if isinstance(read, dict) else {}
    except (OSError, ValueError) as error:
        raise PrerequisiteError(
            f"the reranker {name} has no config.json that can be read in {folder}: give the folder of a cross-encoder"
        ) from error
    if config.get("auto_map"):
        raise PrerequisiteError(f"the reranker {name} brings code of its own, which is not run: give another")
    if not list(folder.glob("*.safetensors")):
        pickles = [file.name for file in sorted(folder.iterdir()) if file.suffix in (".bin", ".pt", ".pth", ".ckpt")]
        found = f"only {', '.join(pickles)}, which can run code when it is opened" if pickles else "no weights"
        raise PrerequisiteError(
            f"the reranker {name} has {found} in {folder}: save it with model.save_pretrained(folder), which writes "
            "model.safetensors"
        )
    kinds = [str(kind) for kind in config.get("architectures") or ()]
    labels = len(config.get("id2label") or {0: "", 1: ""})
    if not (kinds and kinds[0].endswith(_HEAD) and labels == 1):
        raise PrerequisiteError(
            f"the reranker {name} is {kinds[0] if kinds else 'a model of no named kind'} with {labels} labels, "
            f"expected a cross-encoder: a model whose name ends in {_HEAD}, with one label"
        )


def _load(name: str, folder: Path, device: str) -> CrossEncoder:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with shortage.told(f"the reranker {name}"):
            model = CrossEncoder(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                activation_fn=torch.nn.Identity(),
                model_kwargs={"use_safetensors": True},
            )
        kept: set[str] = set()
        for file in folder.glob("*.safetensors"):
            with safe_open(file, "pt") as weights:
                kept |= set(weights.keys())
    except (OSError, ValueError, SafetensorError) as error:
        raise PrerequisiteError(
            f"the reranker {name} cannot be loaded: {str(error).strip().splitlines()[0]}; give the folder of a "
            "cross-encoder"
        ) from error
    # A head that the file lacks is made at random, and its scores with it.
    inner = model.model
    head = [n for n, _ in inner.named_parameters() if not n.startswith(f"{inner.base_model_prefix}.")]
    if lacking := [weight for weight in head if weight not in kept]:
        raise PrerequisiteError(
            f"the reranker {name} has no weights for its head ({', '.join(lacking)}): it was never trained to rerank"
        )
    return model
