import dataclasses
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from ragft.cli import step_command
from ragft.errors import ConfigError, DataError, JudgeError, PrerequisiteError, RagftError
from ragft.params.base import Params
from ragft.params.data import PrepareParams
from ragft.params.steps import STEPS
from ragft.params.training import FinetuneParams
from ragft.params.verdict import PromoteParams


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


@pytest.mark.parametrize("step", ["prepare", "finetune", "evaluate", "tune"])
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


def test_a_space_that_cannot_be_searched_is_told_before_torch_is_imported() -> None:
    code = (
        "import sys, runpy\n"
        "try:\n    runpy.run_module('entrypoints.tune', run_name='__main__')\n"
        "except SystemExit as end:\n    print('exit', end.code)\n"
        "print(sorted({'torch', 'mlflow', 'optuna'} & set(sys.modules)))\n"
    )
    arguments = [sys.executable, "-c", code, "--space", "seed=1,2"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "space has the part 'seed=1,2': seed is not tuned" in done.stderr
    assert done.stdout == "exit 2\n[]\n"


@pytest.mark.parametrize("step", STEPS)
def test_every_option_is_taken_with_hyphens_too(step: str) -> None:
    params_type = STEPS[step]
    seen: list[Params] = []
    command = step_command(step, params_type, seen.append)
    # Values other than the defaults, so that an option that is not heard shows.
    given = {spec.name: other_than(spec) for spec in dataclasses.fields(params_type) if "_" in spec.name}
    if "withheld_share" in given:
        given["format"] = "retrieved"  # the usual one has no passages to withhold
    if step == "fingerprint":
        given["model"] = "models:/a/2"  # it is of one version
    if step in ("finetune", "tune"):
        given["unanswerable_share"] = -1.0  # samples are chosen by one share only
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    assert seen == [params_type(**given)]
    assert given or step == "rollback"


def other_than(spec: "dataclasses.Field[Any]") -> Any:  # noqa: ANN401
    """A legal value that is not the default."""
    if spec.metadata["choices"]:
        return next(choice for choice in spec.metadata["choices"] if choice != spec.default)
    return {bool: not spec.default, int: 17, float: 0.25, str: ""}[type(spec.default)]


@pytest.mark.parametrize("step", STEPS)
def test_help_groups_every_option_under_its_heading(step: str) -> None:
    result = CliRunner().invoke(step_command(step, STEPS[step], print), ["--help"])
    sections = re.split(r"^(\w+):\n", result.output, flags=re.MULTILINE)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    assert "Options" not in found
    assert [line.split()[0] for line in found.pop("Other").splitlines() if line.startswith("  --")] == ["--help"]
    listed = [option for text in found.values() for option in re.findall(r"^  --(\w+)", text, flags=re.MULTILINE)]
    assert sorted(listed) == sorted(STEPS[step].__dataclass_fields__)
    assert step == "fingerprint" or "--dataset" in found["Data"]


def test_a_long_help_has_a_heading_for_data_model_judge_and_verdict() -> None:
    result = CliRunner().invoke(step_command("promote", PromoteParams, print), ["--help"])
    headings = re.findall(r"^(\w+):$", result.output, flags=re.MULTILINE)
    assert headings == [
        "Data", "Retrieval", "Model", "Answers", "Judge", "Verifier", "Verdict", "Servers", "Other",
    ]  # fmt: skip


def test_a_step_offers_only_what_it_uses() -> None:
    # Nothing is cut, embedded or split to go back to another version, and nothing retrieved to ask what a base knows.
    of_data = {"documents", "data_seed", "chunk_chars", "embedder", "top_k", "collection", "allow_leaks"}
    assert not of_data & set(STEPS["rollback"].__dataclass_fields__)
    assert of_data - {"top_k"} <= set(STEPS["probe"].__dataclass_fields__)
    assert "top_k" not in STEPS["probe"].__dataclass_fields__


def test_what_fails_is_told_with_the_parameters_as_given() -> None:
    told: list[tuple[str, str, str]] = []

    def failed(step: str, values: Mapping[str, Any]) -> None:
        told.append((step, values["dataset"], values["name"]))

    def main(_: PrepareParams) -> None:
        raise ConfigError("wrong")

    command = step_command("prepare", PrepareParams, main, failed)
    given = ["--dataset", "rows", "--name", "towns"]
    assert CliRunner().invoke(command, given).exit_code == 2
    assert CliRunner().invoke(command, [*given, "--top-k", "many"]).exit_code == 2
    assert CliRunner().invoke(command, [*given, "--no-such-option", "x"]).exit_code == 2
    assert told == [("prepare", "rows", "towns")] * 3
