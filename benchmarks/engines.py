"""Greedy answers of SmolLM2 by ragft's own loop, against OpenVINO GenAI on the same weights in float32.

OpenVINO has a virtual environment of its own, with this one's packages behind it. The weights are converted in a third
one, since optimum-intel pins an older transformers (and brings a torchvision that does not go with torch 2.13.0):

    python -m venv /tmp/convert && /tmp/convert/bin/pip install torch==2.13.0
    /tmp/convert/bin/pip install optimum-intel==2.2.0 nncf==3.4.0 openvino==2026.4.1 openvino-tokenizers==2026.4.1.0
    /tmp/convert/bin/pip uninstall -y torchvision
    /tmp/convert/bin/optimum-cli export openvino -m .ragft/bases/smollm2-* --task text-generation-with-past \
        --weight-format fp32 /tmp/converted
    python -m venv /tmp/openvino && /tmp/openvino/bin/pip install openvino-genai==2026.4.1.0
    python -c "import site; print(site.getsitepackages()[0])" > /tmp/openvino/lib/python3.11/site-packages/behind.pth
    export DO_NOT_TRACK=1 OMP_NUM_THREADS=1
    /tmp/openvino/bin/python -m benchmarks.engines .ragft/bases/smollm2-* /tmp/converted

Questions of SQuAD with their paragraph, in ragft's prompt. Both engines run in turn, twice, in one process and on one
thread; what counts is CPU time. Loading is not counted.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openvino  # type: ignore[import-not-found]
import openvino_genai  # type: ignore[import-not-found]
import torch

from benchmarks.squad_messages import messages
from ragft.models import chat, decoding
from ragft.models.generation import Generator
from ragft.models.loading import load_base

NEW_TOKENS = 64
# What OpenVINO would otherwise round: it answers as transformers does in float32 with all of them.
EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    "INFERENCE_NUM_THREADS": 1,
    "ENABLE_CPU_PINNING": False,
}
Answers = list[list[int]]


def by_ragft(folder: Path, prompts: Sequence[Sequence[int]]) -> Callable[[], Answers]:
    """Return a function that answers with the loop that `Generator.generate` runs."""
    generator = Generator(load_base(str(folder), device="cpu", dtype="float32"))

    def answer() -> Answers:
        found: dict[int, list[int]] = {}

        def work(batch: list[int]) -> None:
            replies = generator._decode([prompts[index] for index in batch], 1, NEW_TOKENS, decoding.greedy)
            found.update(zip(batch, replies, strict=True))

        generator._work_through(prompts, NEW_TOKENS, 1, work)
        return [found[index] for index in range(len(prompts))]

    return answer


def by_openvino(folder: Path, prompts: Sequence[Sequence[int]], stop: int) -> Callable[[], Answers]:
    """Return a function that answers with continuous batching, without a cache of prefixes."""
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size, scheduler.max_num_seqs, scheduler.enable_prefix_caching = 2, 64, False
    pipeline = openvino_genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", EXACT)
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens, config.do_sample, config.eos_token_id, config.stop_token_ids = (
        NEW_TOKENS,
        False,
        stop,
        {stop},
    )

    def answer() -> Answers:
        tensors = [openvino.Tensor(np.array([prompt], dtype=np.int64)) for prompt in prompts]
        return [list(each.m_generation_ids[0]) for each in pipeline.generate(tensors, [config] * len(tensors))]

    return answer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("converted", type=Path)
    parser.add_argument("--prompts", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_base(str(options.base), device="cpu", dtype="float32")
    prompts = [chat.prompt_ids(loaded.tokenizer, message) for message in messages(options.prompts)]
    (stop,) = chat.stop_ids(loaded.model, loaded.tokenizer)
    engines = {"ragft": by_ragft(options.base, prompts), "OpenVINO": by_openvino(options.converted, prompts, stop)}
    print(f"{len(prompts)} prompts of {sum(map(len, prompts))} tokens, at most {NEW_TOKENS} new ones, greedy, float32")
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    answers: dict[str, Answers] = {}
    for _ in range(2):
        for name, answer in engines.items():
            began = time.process_time()
            answers[name] = answer()
            seconds[name].append(time.process_time() - began)
    for name, spent in seconds.items():
        written = sum(map(len, answers[name]))
        print(f"{name:9} {' and '.join(f'{each:.1f}' for each in spent)} s of CPU time, {written} tokens written")
    own, other = (answers[name] for name in engines)
    print(f"ratio {sum(seconds['ragft']) / sum(seconds['OpenVINO']):.2f}x")
    print(f"equal answers, token by token: {sum(a == b for a, b in zip(own, other, strict=True))} of {len(own)}")


if __name__ == "__main__":
    main()
