"""The embedded server: shared, stopped by the last who leaves, and back after every kind of kill."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ragft.errors import ConfigError, PrerequisiteError
from ragft.store.embedded import embedded_dsn, leave_embedded
from ragft.store.server import open_store
from tests.integration.conftest import StartScript

SECRET = "s3cr3t-p4ss"


def server_process(home: Path) -> psutil.Process | None:
    pid_file = home / "postgres" / "postmaster.pid"
    if not pid_file.exists():
        return None
    pid = int(pid_file.read_text().splitlines()[0])
    return psutil.Process(pid) if psutil.pid_exists(pid) else None


def processes_of(home: Path) -> list[psutil.Process]:
    """The server and its watcher, those that have ended and were not yet buried aside."""
    named = str(home / "postgres")
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if named in (process.info["cmdline"] or ()) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for it, at most half a minute."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return line


def finish(process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def visits(home: Path) -> int:
    with open_store(None, home) as store, store.transaction() as cursor:
        rows = cursor.execute("SELECT count(*) FROM visits").fetchall()
    leave_embedded(home)
    return int(rows[0][0])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for the tests that need no fresh one; each leaves its server stopped."""
    return tmp_path_factory.mktemp("home")


def test_three_processes_race_on_a_fresh_folder_and_the_last_to_leave_stops_the_server(
    start_script: StartScript, tmp_path: Path
) -> None:
    users = [start_script("use_store", tmp_path) for _ in range(3)]
    secrets = {said(user) for user in users}
    assert len(secrets) == 1
    for user in users[:2]:
        finish(user)
    assert server_process(tmp_path) is not None
    finish(users[2])
    assert server_process(tmp_path) is None
    assert visits(tmp_path) == 3


def test_a_killed_client_does_not_keep_the_server_running(start_script: StartScript, home: Path) -> None:
    killed, other = start_script("use_store", home), start_script("use_store", home)
    said(killed)
    said(other)
    killed.kill()
    killed.wait()
    assert server_process(home) is not None
    finish(other)
    assert server_process(home) is None


def test_the_server_of_a_killed_client_stops_by_itself(start_script: StartScript, home: Path) -> None:
    killed = start_script("use_store", home)
    said(killed)
    server = server_process(home)
    assert server is not None
    killed.kill()
    killed.wait()
    wait_until(lambda: not processes_of(home))
    assert server_process(home) is None
    assert visits(home) >= 1


def test_one_process_watches_however_many_use_the_server(start_script: StartScript, home: Path) -> None:
    users = [start_script("use_store", home) for _ in range(3)]
    for user in users:
        said(user)
    assert len([process for process in processes_of(home) if "python" in process.name()]) == 1
    for user in users:
        user.kill()
        user.wait()
    wait_until(lambda: not processes_of(home))


def test_a_killed_watcher_is_replaced_by_the_next_user(start_script: StartScript, home: Path) -> None:
    first = start_script("use_store", home)
    said(first)
    (watcher,) = [process for process in processes_of(home) if "python" in process.name()]
    watcher.kill()
    watcher.wait()
    second = start_script("use_store", home)
    said(second)
    (successor,) = [process for process in processes_of(home) if "python" in process.name()]
    assert successor.pid != watcher.pid
    for user in (first, second):
        user.kill()
        user.wait()
    wait_until(lambda: not processes_of(home))


def test_somebody_who_comes_while_the_server_stops_gets_one(start_script: StartScript, home: Path) -> None:
    for _ in range(5):
        killed = start_script("use_store", home)
        said(killed)
        killed.kill()
        killed.wait()
        successor = start_script("use_store", home)
        said(successor)
        finish(successor)
        assert server_process(home) is None
    wait_until(lambda: not processes_of(home))


def test_a_killed_server_starts_again_with_what_was_written(start_script: StartScript, home: Path) -> None:
    user = start_script("use_store", home)
    said(user)
    server = server_process(home)
    assert server is not None
    server.kill()
    user.kill()
    user.wait()
    assert visits(home) >= 1
    assert server_process(home) is None


def test_a_stale_pid_file_that_names_another_program_does_not_matter(start_script: StartScript, home: Path) -> None:
    user = start_script("use_store", home)
    said(user)
    pid_file = home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    finish(user)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert visits(home) >= 1


def test_an_interrupted_process_lets_go_of_the_server(start_script: StartScript, home: Path) -> None:
    user = start_script("use_store", home)
    said(user)
    user.send_signal(signal.SIGINT)
    user.communicate(timeout=60)
    assert server_process(home) is None


def test_a_process_may_leave_and_come_back(home: Path) -> None:
    secrets = set()
    for _ in range(2):
        with open_store(None, home) as store:
            secrets.add(store.secret)
        leave_embedded(home)
        assert server_process(home) is None
    assert len(secrets) == 1


@pytest.mark.parametrize("name", ["with blanks; & ünïcödé", "it's, long " * 12])
def test_a_home_may_have_a_strange_name(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    with open_store(None, home) as store, store.transaction() as cursor:
        cursor.execute("SHOW data_directory")
        assert cursor.fetchall() == [(str(home / "postgres"),)]
        cursor.execute("SHOW unix_socket_permissions")
        assert cursor.fetchall() == [("0700",)]
        cursor.execute("SHOW listen_addresses")
        assert cursor.fetchall() == [("",)]
    leave_embedded(home)
    assert server_process(home) is None


@pytest.mark.parametrize("name", ['a "home"', "$HOME", "back`tick", "back\\slash", "two\nlines"])
def test_a_name_that_postgres_cannot_take_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="the path holds"):
        open_store(None, tmp_path / name)


def test_a_server_that_cannot_start_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("a file where the folder should be")
    with pytest.raises(PrerequisiteError, match=r"does not start: .*RAGFT_DSN"):
        embedded_dsn(tmp_path)


def test_a_home_that_is_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(PrerequisiteError, match=r"home .*/home cannot be written to: .*use another home"):
        embedded_dsn(tmp_path / "home")


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://ragft:{SECRET}@127.0.0.1:1/papers",
        f"host=127.0.0.1 port=1 dbname=papers user=ragft password={SECRET}",
        f"postgresql://ragft:{SECRET}@nowhere.invalid:1/papers",
    ],
)
def test_an_unreachable_server_is_named_without_the_password(dsn: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(PrerequisiteError) as caught:
        open_store(dsn, tmp_path)
    message = str(caught.value)
    assert "127.0.0.1:1, database papers" in message or "nowhere.invalid:1, database papers" in message
    assert SECRET not in message
    assert caught.value.__suppress_context__
    assert time.monotonic() - started < 15
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("dsn", [f"postgresql://ragft:{SECRET}@[::1/papers", f"password={SECRET} nonsense", SECRET])
def test_a_malformed_connection_string_is_refused_and_never_shown(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="postgresql://user:password@host") as caught:
        open_store(dsn, tmp_path)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.fixture
def bare_database(postgres: str) -> Iterator[str]:
    """A database without pgvector, as seen by a user who may not make extensions."""
    gone = ("DROP DATABASE IF EXISTS bare WITH (FORCE)", "DROP ROLE IF EXISTS plain")
    with psycopg.connect(postgres, autocommit=True) as connection:
        for statement in (*gone, "CREATE DATABASE bare", f"CREATE ROLE plain LOGIN PASSWORD '{SECRET}'"):
            connection.execute(sql.SQL(statement))
        yield make_conninfo(postgres, dbname="bare")
        for statement in gone:
            connection.execute(sql.SQL(statement))


def test_pgvector_is_asked_for_and_made_by_who_may(bare_database: str, tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"superuser.*CREATE EXTENSION vector"):
        open_store(make_conninfo(bare_database, user="plain", password=SECRET), tmp_path)
    with psycopg.connect(bare_database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    with pytest.raises(PrerequisiteError, match=r"user plain may not make .*CREATE SCHEMA ragft AUTHORIZATION"):
        open_store(make_conninfo(bare_database, user="plain", password=SECRET), tmp_path)
    with psycopg.connect(bare_database, autocommit=True) as connection:
        connection.execute("DROP EXTENSION vector")
        connection.execute("CREATE TABLE public.datasets (somebody_elses text)")
    with open_store(bare_database, tmp_path) as store, store.transaction() as cursor:
        assert store.schema == "ragft"
        cursor.execute("SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'vectors'")
        assert cursor.fetchall() == [("ragft",)]


def test_a_search_path_without_a_schema_is_refused(postgres: str, tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="create the schema"):
        open_store(make_conninfo(postgres, options="-csearch_path=not_there"), tmp_path)


def test_a_broken_connection_says_that_the_command_can_be_run_again(dsn: str, tmp_path: Path) -> None:
    with open_store(dsn, tmp_path) as store, open_store(dsn, tmp_path) as other:
        with store.transaction() as cursor:
            process = cursor.execute("SELECT pg_backend_pid()").fetchone()
        with other.transaction() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", process)
        with (
            pytest.raises(PrerequisiteError, match=r"broke: .*run the same command again"),
            store.transaction() as lost,
        ):
            lost.execute("SELECT 1")
