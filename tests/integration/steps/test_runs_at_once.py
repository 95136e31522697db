"""Runs that are begun at the same moment on a new store: none fails since another one was faster."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from ragft import tracking
from tests.integration.conftest import StartScript

AT_ONCE = 5


def test_an_experiment_is_made_and_described_by_several_at_once(tmp_path: Path, start_script: StartScript) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    SqlAlchemyStore(uri, (tmp_path / "artifacts").as_uri())  # type: ignore[no-untyped-call]
    processes = [start_script("begin_run", uri, tmp_path) for _ in range(AT_ONCE)]

    def line(number: int) -> str:
        out = processes[number].stdout
        assert out is not None
        return out.readline().strip()

    def go() -> None:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    assert [line(number) for number in range(AT_ONCE)] == ["ready"] * AT_ONCE
    go()
    experiments = {line(number) for number in range(AT_ONCE)}
    assert len(experiments - {""}) == 1, [process.communicate()[1][-500:] for process in processes]
    go()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * AT_ONCE, errors
    (experiment,) = experiments
    assert MlflowClient(uri).get_experiment(experiment).tags[tracking.DESCRIPTION]
