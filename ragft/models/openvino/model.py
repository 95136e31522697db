"""The base or an adapter computed by OpenVINO GenAI on the CPU: it writes answers, and neither judges nor trains."""

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from ragft.errors import PrerequisiteError
from ragft.models.generation import CPU_BATCH_ROWS, CPU_BATCH_TOKENS
from ragft.models.loading import DescribedModel, LoadedModel
from ragft.models.logprob_probes import Agreement, Probes, agree
from ragft.models.messages import Generated, Messages, OnBatch
from ragft.models.openvino import package
from ragft.models.openvino.graph import build, check_convertible
from ragft.store.disk import RoomAt, require_room
from ragft.types import digest

# OpenVINO's names of precisions, and those by which it says what a CPU computes with.
PRECISIONS = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16")}


def engine_name(dtype: str) -> str:
    """Return engine, version and precision, which are part of every key: ``openvino 2026.4.1 float32``.

    Raises:
        PrerequisiteError: If OpenVINO is not installed, or would compute in another precision on this CPU.
    """
    openvino = package.load()
    can = openvino.openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if PRECISIONS[dtype][1] not in can:
        raise PrerequisiteError(
            f"dtype is {dtype}, which OpenVINO does not compute in on this CPU ({', '.join(sorted(can))}): use "
            "-P dtype=float32, or engine=local"
        )
    return f"openvino {openvino.version} {dtype}"


class OpenvinoModel:
    """A model that OpenVINO holds: `ragft.models.generation.Generator`'s answers, from the same weights.

    It is to be used only once `verify` has held it against the model that it was made of.

    Attributes:
        described: What it is: base, adapter and precision.
        engine: Engine, its version and precision, which are part of every key: ``openvino 2026.4.1 float32``.
        window: Maximum number of tokens in a prompt and its reply.
    """

    def __init__(self, pipeline: Any, described: DescribedModel, engine: str, window: int = 0) -> None:  # noqa: ANN401
        """Keep what `load` made.

        Args:
            pipeline: Holds the weights.
            described: What the model is.
            engine: See the attribute.
            window: Maximum number of tokens in a prompt and its reply; 0, or more than the model takes: what it takes.
        """
        self.described = described
        self.engine = engine
        self.window = min(limit for limit in (described.context_window, window) if limit)
        self._pipeline = pipeline
        self._messages = Messages(described.tokenizer, described.name, self.window, described.stop)
        self.fits, self.fit_passages = self._messages.fits, self._messages.fit_passages

    @classmethod
    def load(cls, loaded: LoadedModel, folder: Path) -> "OpenvinoModel":
        """Return a model in memory as OpenVINO computes it.

        Args:
            loaded: It is not needed afterwards.
            folder: Its weights pass through here, since OpenVINO GenAI reads them from a file; nothing stays.

        Raises:
            PrerequisiteError: If OpenVINO is not installed, cannot compute the model as it is, or the disk is full.
        """
        check_convertible(loaded)
        engine, openvino = engine_name(loaded.dtype), package.load()
        folder.mkdir(parents=True, exist_ok=True)
        size = sum(each.numel() * each.element_size() for each in loaded.model.parameters())
        with (folder / ".lock").open("w") as lock, RoomAt(folder):
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.glob(".part-*"):  # of a process that was killed
                shutil.rmtree(left)
            require_room(folder, size, f"{loaded.name} cannot be given to OpenVINO")
            with TemporaryDirectory(dir=folder, prefix=".part-") as part:
                file = Path(part) / "openvino_model.xml"
                openvino.openvino.save_model(build(loaded, openvino), file, compress_to_fp16=False)
                pipeline = _pipeline(openvino, part, loaded.dtype)
        kept = {field.name: getattr(loaded, field.name) for field in fields(DescribedModel)}
        return cls(pipeline, DescribedModel(**kept), engine)

    def narrowed(self, window: int) -> "OpenvinoModel":
        """Return the model with a smaller window; 0 for the one that it has."""
        return OpenvinoModel(self._pipeline, self.described, self.engine, window)

    @property
    def identity(self) -> str:
        """The model's part of an answer's key: weights, adapter, engine and decoding, 64 hex digits."""
        return digest([self.described.identity, self.engine, "greedy"])

    def rate(self, probes: Probes) -> list[list[float]]:
        """Return the log-probabilities that the model gives to the probes' answers, [texts, answer]."""
        config = self._config(1)
        # The log-probabilities of the tokens that are read come before those that are written.
        config.echo, config.logprobs = True, 1
        rows = {number: output.generated_log_probs for number, output in self._outputs(probes.ids, config)}
        return [
            list(rows[number][len(ids) - length : len(ids)])
            for number, (ids, length) in enumerate(zip(probes.ids, probes.answers, strict=True))
        ]

    def verify(self, probes: Probes, alone: Sequence[Sequence[float]]) -> Agreement:
        """Return how far this agrees with what a process computed of the same model.

        Args:
            probes: By the process.
            alone: What `rate` made of the base without an adapter, [texts, answer].

        Raises:
            PrerequisiteError: If it does not; with both figures.
        """
        adapted = self.rate(probes) if probes.adapter else alone
        found = agree(probes, alone, adapted, self.described.dtype)
        if found.problem:
            raise PrerequisiteError(
                f"{self.engine} {found.problem}. No answer was asked for; use engine=local, or another precision"
            )
        return found

    def generate(
        self, messages: Sequence[str], max_new_tokens: int, on_batch: OnBatch | None = None
    ) -> list[Generated]:
        """Return the most likely reply to each message, in their order; ``on_batch`` is told of each as it is done.

        Raises:
            ConfigError: If a message does not fit the context window.
            PrerequisiteError: If there is too little memory; what was done before went to ``on_batch``.
        """
        prompts = [self._messages.ids(message) for message in messages]
        self._messages.check_fits(prompts, max_new_tokens)
        found: dict[int, Generated] = {}
        for index, output in self._outputs(prompts, self._config(max_new_tokens)):
            found[index] = self._messages.reply(prompts[index], list(output.generated_ids))
            if on_batch is not None:
                on_batch([(index, found[index])])
        return [found[index] for index in range(len(messages))]

    def _config(self, max_new_tokens: int) -> Any:  # noqa: ANN401
        config = package.load().genai.GenerationConfig()
        config.max_new_tokens, config.do_sample = max_new_tokens, False
        config.eos_token_id, config.stop_token_ids = self.described.stop[0], set(self.described.stop)
        return config

    def _outputs(self, prompts: Sequence[Sequence[int]], config: Any) -> Iterator[tuple[int, Any]]:  # noqa: ANN401
        """Yield (place of a prompt, what was made of it) as each is done; the longest prompts begin.

        As many are read and written at a time as in a batch of `Generator`: one that is done makes room for the next.
        """
        openvino = package.load()
        waiting = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), -index))
        room, running = CPU_BATCH_TOKENS, dict[int, Any]()
        try:
            while waiting or running:
                while waiting and len(running) < CPU_BATCH_ROWS:
                    needed = len(prompts[waiting[-1]]) + config.max_new_tokens
                    if running and needed > room:
                        break
                    room -= needed
                    index = waiting.pop()
                    ids = openvino.openvino.Tensor(np.array([prompts[index]], dtype=np.int64))
                    running[index] = self._pipeline.add_request(index, ids, config)
                self._pipeline.step()
                for index in [each for each, handle in running.items() if self._is_done(handle)]:
                    (output,) = running.pop(index).read_all()
                    room += len(prompts[index]) + config.max_new_tokens
                    yield index, output
        finally:
            for handle in running.values():  # of a caller that stopped, or an error: the next call begins with nothing
                handle.cancel()
            if running:
                self._pipeline.step()

    def _is_done(self, handle: Any) -> bool:  # noqa: ANN401
        """Return whether a reply is whole.

        Raises:
            PrerequisiteError: If OpenVINO gave it up.
        """
        status = package.load().genai.GenerationStatus
        found = handle.get_status()
        if found == status.IGNORED:
            raise PrerequisiteError(
                f"OpenVINO has too little memory for one prompt of {self.described.name}: use a smaller top_k or "
                "chunk_chars, or a smaller max_new_tokens"
            )
        return bool(found == status.FINISHED)


def _pipeline(openvino: package.Package, folder: str, dtype: str) -> Any:  # noqa: ANN401
    """Return what answers with the model in a folder, on as many threads as torch has."""
    scheduler = openvino.genai.SchedulerConfig()
    scheduler.max_num_seqs, scheduler.enable_prefix_caching = CPU_BATCH_ROWS, False
    precision = PRECISIONS[dtype][0]
    exact = {
        "INFERENCE_PRECISION_HINT": precision,
        # Both are 8 bits where nothing is said.
        "KV_CACHE_PRECISION": precision,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # Two processes that are pinned to the same cores would wait for each other.
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.genai.ContinuousBatchingPipeline(folder, scheduler, "CPU", exact)
