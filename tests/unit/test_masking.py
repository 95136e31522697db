"""No password, key or token stands in what is printed, and nothing else is taken away."""

import subprocess
import sys
from pathlib import Path

import pytest

from entrypoints.environment import api_key
from ragft.errors import ConfigError, DataError, JudgeError, PrerequisiteError, RagftError
from ragft.masking import masked

CANARY = "c4n4ry"
HOLDING = [
    f"the store at http://ann:{CANARY}@mlflow.example:5000/api is down",
    f"postgresql+psycopg://ann:{CANARY}@db/mlflow",
    f"postgresql://:{CANARY}@db/mlflow",
    f"https://{CANARY}@mlflow.example",
    f"http://ann:p@{CANARY}/x@host/path",
    f"host=db password={CANARY} dbname=x",
    f"https://host/v1?token={CANARY}&x=1",
    f"api_key={CANARY}, API-KEY={CANARY}; secret='{CANARY}'".replace("'", ""),
    f"Illegal header value b'Bearer {CANARY}'",
    f"Authorization: Basic {CANARY}",
]
HARMLESS = [
    "models:/telecom@champion is not in the registry at sqlite:////home/ann/mlflow.db",
    "http://127.0.0.1:5000/api and mail to ann@example.org",
    "the password is masked; set RAGFT_API_KEY=...",
    "http(s)://host:port/v1",
    "-P token budget",
]


@pytest.mark.parametrize("text", HOLDING)
def test_a_secret_is_masked_wherever_it_is_printed(text: str) -> None:
    assert CANARY not in masked(text)
    assert masked(masked(text)) == masked(text)
    for error in (RagftError(text), ConfigError(text), PrerequisiteError(text), JudgeError(text)):
        assert CANARY not in str(error) + repr(error)
    assert CANARY not in str(DataError("bad", [text]))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text).replace("RAGFT_API_KEY=***", "RAGFT_API_KEY=...") == text


def test_the_traceback_of_a_bug_is_masked(tmp_path: Path) -> None:
    code = (
        "from dataclasses import dataclass; from ragft.cli import step_command; from ragft.params.base import Params\n"
        "def main(params):\n"
        "    try: raise OSError('http://ann:' + 'c4n' + '4ry@host refused')\n"
        "    except OSError as error: raise RuntimeError('api_key=' + 'c4n' + '4ry') from error\n"
        "step_command('x', Params, main)([])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError: api_key=***" in done.stderr and "OSError: http://***@host refused" in done.stderr
    assert CANARY not in done.stderr + done.stdout


def test_blanks_around_a_key_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAGFT_JUDGE_API_KEY", "RAGFT_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAGFT_JUDGE_API_KEY", " \n")
    monkeypatch.setenv("RAGFT_API_KEY", " sk-1\r\n")
    assert api_key("judge") == "sk-1"


def test_the_form_of_an_address_in_our_own_messages_is_shown() -> None:
    said = "expected postgresql://user:password@host:5432/database"
    assert masked(said) == said
    assert masked("postgresql://user:hunter2@host") == "postgresql://***@host"
