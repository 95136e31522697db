"""A real vLLM server on this CPU that holds the pocket model or another, and a home with an adapter of pocket."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import pytest

from entrypoints.steps.shared.bases import POCKET_FOLDER
from tests.end_to_end.conftest import ROOT, Checkout, warm

VLLM = Path(os.environ.get("RAGFT_TEST_VLLM", ROOT / ".engines" / "vllm")) / "bin" / "vllm"
UP_WITHIN_S = 900.0  # on a busy machine; half a minute on one that rests


@dataclass
class Server:
    """`vllm serve`, in a process group of its own; what it says goes to a file."""

    log: Path
    words: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=lambda: {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true"})
    port: int = 0
    base: Path = POCKET_FOLDER
    dtype: str = "bfloat16"

    def __enter__(self) -> Self:
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        words = [
            str(VLLM), "serve", str(self.base), "--served-model-name", "base", "--dtype", self.dtype,
            "--max-model-len", "2048", "--enforce-eager", "--enable-lora", "--max-lora-rank", "16",
            "--host", "127.0.0.1", "--port", str(self.port), *self.words,
        ]  # fmt: skip
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("VLLM_", "PYTHON"))}
        environment = {
            **plain, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1",
            "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", **self.environment,
        }  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + UP_WITHIN_S
        while not self._is_up():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"vllm serve did not come up: {self.log.read_text()[-2000:]}")
            time.sleep(0.5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End the server and its workers with -9."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()

    def _is_up(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/models", timeout=2.0).status_code == 200
        except httpx2.TransportError:
            return False


@dataclass(frozen=True)
class Trained:
    """A home with an adapter of the pocket model."""

    checkout: Checkout
    model: str
    digest: str


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that adapters can be loaded into."""
    with Server(tmp_path_factory.mktemp("vllm") / "log.txt") as running:
        yield running


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A version that closed-book fine-tuning made, on 60 samples."""
    checkout = Checkout(tmp_path_factory.mktemp("home"), POCKET_FOLDER)
    checkout.step("setup")
    checkout.step("finetune", samples=60, epochs=2, learning_rate=1e-3, dev_questions=8)
    model = "models:/ragft-telecom-pocket/2"
    yield Trained(checkout, model, _digest(checkout))
    warm()


def _digest(checkout: Checkout) -> str:
    from mlflow import MlflowClient

    version = MlflowClient(checkout.tracking_uri, checkout.tracking_uri).get_model_version("ragft-telecom-pocket", "2")
    return str(version.tags["ragft.adapter_sha256"])
