"""The tests of the store, and of a study on Ray that loses a node, against a Postgres that is not ragft's own.

    bash tests/integration/servers/debian.sh /srv/trixie 5499 PASSWORD
    export PGPASSWORD=PASSWORD RAGFT_TEST_DSN=postgresql://ragft@127.0.0.1:5499/ragft
    python -m benchmarks.given_postgres     # prints, and keeps results/given_postgres.txt

They are the tests that the embedded Postgres passes; `tests/integration/conftest.py` takes the server from the
variable. Two nodes of Ray share it, and an MLflow server keeps its tables there; one node is killed with -9 in a cell.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import psycopg

OUTPUT = Path(__file__).with_name("results") / "given_postgres.txt"
ROOT = Path(__file__).parents[1]
STORE, RAY = "tests/integration/store", "tests/integration/servers/test_ray.py"
# It makes roles, and a database without pgvector: for this a role must be a superuser.
OF_AN_ADMINISTRATOR = f"{STORE}/test_server.py::test_pgvector_is_asked_for_and_made_by_who_may"


def server(dsn: str) -> str:
    """Return which server it is, and with which rights it is used."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), extversion, rolname, rolsuper FROM pg_extension, pg_roles "
            "WHERE extname = 'vector' AND rolname = current_user"
        ).fetchone()
    if row is None:
        raise SystemExit("the database has no pgvector: let an administrator run CREATE EXTENSION vector in it")
    return f"PostgreSQL {row[0]}, pgvector {row[1]}, role {row[2]} ({'a' if row[3] else 'no'} superuser)"


def tested(path: str, *options: str) -> str:
    """Run tests, and return what became of them."""
    words = [sys.executable, "-m", "pytest", "-q", path, *options]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return f"{path}: {done.stdout.strip().splitlines()[-1]}"


def main() -> None:
    """Run the tests, print and keep."""
    dsn = os.environ.get("RAGFT_TEST_DSN", "")
    if not dsn:
        raise SystemExit("RAGFT_TEST_DSN is not set: name the server, postgresql://user@host:port/database")
    lines = []
    for run in (partial(server, dsn), partial(tested, RAY), partial(tested, STORE, "--deselect", OF_AN_ADMINISTRATOR)):
        lines.append(run())
        print(lines[-1], flush=True)
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
