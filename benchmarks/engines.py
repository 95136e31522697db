"""Greedy answers of SmolLM2 by ragft's own loop, against `engine=openvino` on the same weights.

OpenVINO is optional (`pip install openvino-genai==2026.4.1.0`). Here it has a virtual environment of its own, with this
one's packages behind it:

    python -m venv /tmp/openvino && /tmp/openvino/bin/pip install openvino-genai==2026.4.1.0
    python -c "import site; print(site.getsitepackages()[0])" > /tmp/openvino/lib/python3.11/site-packages/behind.pth
    OMP_NUM_THREADS=1 /tmp/openvino/bin/python -m benchmarks.engines .ragft/bases/smollm2-*

Questions of SQuAD with their paragraph, in ragft's prompt: whole answers, and the first four tokens, which is as long
as adapters answer, so reading decides. The adapter is a LoRA of rank 16 beside every weight, with random numbers. All
engines run in turn, twice, in one process and on one thread; what counts is CPU time. Loading is not counted.
"""

import argparse
import dataclasses
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import LoraConfig, get_peft_model

from benchmarks.squad_messages import messages
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base, quiet_peft
from ragft.models.messages import Generated
from ragft.models.openvino.model import OpenvinoModel

WHOLE, SHORT = 64, 4
PRECISIONS = ("float32", "bfloat16")
SEED = 0


def with_adapter(base: LoadedModel) -> LoadedModel:
    """Return a base with a LoRA whose numbers are random, and which changes what it answers."""
    torch.manual_seed(SEED)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    with quiet_peft():
        model = get_peft_model(base.model, config).eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.003)
    return dataclasses.replace(base, model=model, adapter="random")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("--prompts", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = messages(options.prompts)
    for title, adapted, lengths in (("base", False, (WHOLE, SHORT)), ("adapter", True, (SHORT,))):
        engines: dict[tuple[str, str], Generator | OpenvinoModel] = {}
        for dtype in PRECISIONS:
            loaded = load_base(str(options.base), device="cpu", dtype=dtype)
            loaded = with_adapter(loaded) if adapted else loaded
            engines["ragft", dtype] = Generator(loaded)
            with TemporaryDirectory() as folder:
                engines["OpenVINO", dtype] = OpenvinoModel.load(loaded, Path(folder))
        for length in lengths:
            measure(f"{title}, at most {length} new tokens", engines, asked, length)


def measure(
    title: str, engines: dict[tuple[str, str], Generator | OpenvinoModel], asked: list[str], length: int
) -> None:
    """Have all engines answer in turn, twice, and print what they took."""
    seconds: dict[tuple[str, str], list[float]] = {name: [] for name in engines}
    answers: dict[tuple[str, str], list[Generated]] = {}
    for _ in range(2):
        for key, engine in engines.items():
            began = time.process_time()
            answers[key] = engine.generate(asked, length)
            seconds[key].append(time.process_time() - began)
    reference = answers["ragft", "float32"]
    print(f"{title}: {len(asked)} prompts of {sum(answer.prompt_tokens for answer in reference)} tokens, greedy")
    for (name, dtype), spent in seconds.items():
        found = answers[name, dtype]
        equal = sum(a.text == b.text for a, b in zip(found, reference, strict=True))
        print(
            f"  {name:9} {dtype:9} {' and '.join(f'{each:.1f}' for each in spent)} s of CPU time, "
            f"{sum(answer.tokens for answer in found)} tokens written, {equal} of {len(asked)} equal to ragft's in "
            f"float32, {sum(seconds['ragft', dtype]) / sum(spent):.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
