"""`transformers serve` as a real process: as a judge, as a writer of answers, and killed halfway."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from ragft.errors import JudgeError
from ragft.judging.g_eval import Item, judge
from ragft.judging.served import ServedJudge
from ragft.models import endpoint_call
from ragft.models.endpoint import Endpoint
from ragft.prompts.criterion import load_criterion
from ragft.prompts.judge import render_judge_message
from ragft.store.connection import Store
from tests.tiny_model import make_tiny_model

ACCURACY = load_criterion("accuracy")
ITEMS = [Item("What?", f"It is {'word ' * n}", ("A ring.",)) for n in range(1, 9)]
REPEATS = 3
SECONDS_TO_START = 120


@pytest.fixture(scope="module")
def grading_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that was taught to answer everything with a score line, so that a real server can be read."""
    torch.set_num_threads(1)
    folder = make_tiny_model(tmp_path_factory.mktemp("served") / "base")
    model, tokenizer = LlamaForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(60):
        item = ITEMS[step % len(ITEMS)]
        message = render_judge_message(
            ACCURACY, question="What?", answer=item.answer, references=("A ring.",), secret=bytes([step]), reasoned=True
        )
        turns = [{"role": "user", "content": message}]
        prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        asked = tokenizer.encode(prompt, add_special_tokens=False)
        written = tokenizer.encode(f"Score: {1 + step % 5}<|end|>", add_special_tokens=False)
        ids = torch.tensor([asked + written])
        labels = torch.tensor([[-100] * len(asked) + written])
        loss = model(input_ids=ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `transformers serve` on a model until the block ends."""
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=out, stderr=out, env=environment
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield process
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx2.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"transformers serve did not start:\n{log.read_text(errors='replace')[-2000:]}")


def kept(store: Store) -> int:
    with store.transaction() as cursor:
        row = cursor.execute("SELECT count(*) FROM judgements").fetchone()
    return int(row[0]) if row else 0


def test_it_judges_answers_dies_and_goes_on(
    grading_model: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_call, "FIRST_WAIT_S", 0.05)
    port, wanted = free_port(), len(ITEMS) * REPEATS
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", str(grading_model), concurrency=2, timeout_s=60, deadline_s=10)
    backend = ServedJudge(endpoint, max_new_tokens=12)

    with serving(grading_model, port, tmp_path / "first.log") as process:
        [answer, *_] = endpoint.generate(["What is a ring?"], 6)
        assert answer.tokens > 0 and answer.prompt_tokens > 0
        with pytest.raises(JudgeError, match="no log probabilities"):
            judge(store, backend, [ACCURACY], ITEMS[:1], estimator="expected")

        def die_halfway(done: int, total: int) -> None:
            if done == wanted // 2:
                process.kill()

        with pytest.raises(JudgeError, match="gave no answer"):
            judge(store, backend, [ACCURACY], ITEMS, repeats=REPEATS, reasks=0, on_progress=die_halfway)
    done = kept(store)
    assert wanted // 2 <= done < wanted

    with serving(grading_model, port, tmp_path / "second.log"):
        rest = judge(store, backend, [ACCURACY], ITEMS, repeats=REPEATS, reasks=0)
    assert rest.calls == wanted - done
    assert kept(store) == wanted
    summary = rest.summary("accuracy")
    # A model of a quarter of a million weights is not reliable, but most of its replies are score lines.
    assert summary.outcomes["scored"] > wanted / 2
    assert summary.mean is not None and 1 <= summary.mean <= 5

    again = judge(store, backend, [ACCURACY], ITEMS, repeats=REPEATS, reasks=0)  # the server is gone
    assert again.calls == 0
    assert again.scores == rest.scores
    endpoint.close()
