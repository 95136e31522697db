import subprocess
import sys

import pytest
from click.testing import CliRunner

from ragft.cli import step_command
from ragft.errors import ConfigError, DataError, JudgeError, PrerequisiteError, RagftError
from ragft.params import FinetuneParams, PrepareParams


def test_options_reach_main_as_checked_params() -> None:
    seen: list[FinetuneParams] = []
    command = step_command("finetune", FinetuneParams, seen.append)
    result = CliRunner().invoke(command, ["--samples", "7", "--learning_rate", "1e-3", "--allow_low_hit_rate", "True"])
    assert result.exit_code == 0, result.output
    assert seen == [FinetuneParams(samples=7, learning_rate=1e-3, allow_low_hit_rate=True)]


@pytest.mark.parametrize(
    ("error", "code"),
    [(RagftError, 1), (ConfigError, 2), (PrerequisiteError, 3), (DataError, 4), (JudgeError, 5)],
)
def test_an_error_ends_with_its_exit_code_and_without_a_traceback(error: type[RagftError], code: int) -> None:
    def main(params: PrepareParams) -> None:
        raise error("the value 7 is wrong")

    result = CliRunner().invoke(step_command("prepare", PrepareParams, main), [])
    assert result.exit_code == code
    assert result.stderr == "ragft prepare: the value 7 is wrong\n"


def test_a_bug_keeps_its_traceback() -> None:
    def main(params: PrepareParams) -> None:
        raise KeyError("bug")

    result = CliRunner().invoke(step_command("prepare", PrepareParams, main), [])
    assert isinstance(result.exception, KeyError)


@pytest.mark.parametrize(
    ("option", "value"), [("--samples", "many"), ("--samples", "1.5"), ("--learning_rate", "fast")]
)
def test_a_number_that_is_none_is_named(option: str, value: str) -> None:
    result = CliRunner().invoke(step_command("finetune", FinetuneParams, print), [option, value])
    assert result.exit_code == 2
    assert repr(value) in result.stderr
    assert option in result.stderr


@pytest.mark.parametrize("step", ["prepare", "finetune", "evaluate"])
def test_help_and_a_wrong_parameter_import_nothing_heavy(step: str) -> None:
    code = (
        "import sys, runpy\n"
        f"try:\n    runpy.run_module('entrypoints.{step}', run_name='__main__')\n"
        "except SystemExit as end:\n    print('exit', end.code)\n"
        "print(sorted({'torch', 'mlflow', 'transformers', 'numpy', 'psycopg'} & set(sys.modules)))\n"
    )
    for arguments, exit_code in (["--help"], 0), (["--data_seed", "-1"], 2):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert f"exit {exit_code}" in done.stdout
        assert done.stdout.endswith("[]\n")
