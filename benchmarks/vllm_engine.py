"""SmolLM2 on a vLLM server of this CPU against ragft's own generation: probes, equal answers, tokens a second.

    make engines smollm2                              # the server's environment, and the base
    python -m benchmarks.vllm_engine BASE ADAPTER     # prints, and keeps results/vllm_engine.txt

BASE is `.ragft/bases/smollm2-*`, ADAPTER a folder of `.ragft/engine`, where adapters lie for a server, named by its
digest. The probes are of the adapter. The base answers the same questions of SQuAD with their paragraph on both engines
in turn, twice, in one run, in bfloat16 and in float32, one thread each. Other work on the machine slows both unevenly.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.squad_messages import messages
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_adapter, load_base, without_adapter
from ragft.models.logprob_probes import take
from ragft.models.vllm.model import VllmModel
from ragft.models.vllm.server import VllmServer
from tests.engines.conftest import Server

OUTPUT = Path(__file__).with_name("results") / "vllm_engine.txt"
NEW_TOKENS, TURNS = 64, 2


@contextmanager
def on_server(adapter: Path, described: LoadedModel, url: str) -> Iterator[VllmModel]:
    """Yield the adapter on the server."""
    with VllmServer(url, concurrency=8, timeout_s=600, deadline_s=600) as server:
        server.load_adapter(described.adapter, str(adapter.resolve()), 16)
        yield VllmModel(server, described, described.adapter)


def measure(folder: Path, adapter: Path, dtype: str, asked: list[str]) -> Iterator[str]:
    """Yield what was found in one precision."""
    loaded = load_adapter(load_base(str(folder), device="cpu", dtype=dtype), adapter, adapter.name)
    probes, here = take(loaded), Generator(without_adapter(loaded))
    with (
        tempfile.TemporaryDirectory() as log,
        # The second turn would find its prompts read.
        Server(Path(log) / "log.txt", ("--no-enable-prefix-caching",), base=folder, dtype=dtype) as server,
        on_server(adapter, loaded, server.url) as there,
    ):
        found = there.verify(probes)
        yield (
            f"{dtype}: base within {found.base:.2g} nats a token (allowed: {found.tolerance:g}), adapter within "
            f"{found.adapter:.2g}, {found.share:.1%} of an effect of {found.moved_here:.2g}, over {found.tokens} tokens"
        )
        engines: dict[str, Generator | VllmModel] = {"ragft": here, there.engine: there.base}
        there.base.generate(asked[:1], 2)  # a server's first answer takes long
        seconds: dict[str, float] = dict.fromkeys(engines, 0.0)
        answers: dict[str, list[str]] = {}
        written: dict[str, int] = {}
        for _ in range(TURNS):
            for name, engine in engines.items():
                began = time.monotonic()
                replies = engine.generate(asked, NEW_TOKENS)
                seconds[name] += time.monotonic() - began
                answers[name] = [reply.text for reply in replies]
                written[name] = sum(reply.tokens for reply in replies)
    rates = {name: TURNS * written[name] / seconds[name] for name in engines}
    own, other = engines
    equal = sum(a == b for a, b in zip(answers[own], answers[other], strict=True))
    yield f"{dtype}: {equal} of {len(asked)} answers are equal"
    yield f"{dtype}: ragft {rates[own]:.1f}, vLLM {rates[other]:.1f} tokens a second: {rates[other] / rates[own]:.2f}x"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--dtype", nargs="+", default=["bfloat16", "float32"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    asked = messages(given.prompts)
    lines = [f"{len(asked)} questions with their paragraph, at most {NEW_TOKENS} new tokens, greedy, of the base"]
    print(lines[0])
    for dtype in given.dtype:
        for line in measure(given.base, given.adapter, dtype, asked):
            print(line, flush=True)
            lines.append(line)
        OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
