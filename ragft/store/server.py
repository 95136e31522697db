"""Opens the store: finds or starts the server, and checks what it offers."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ragft.errors import ConfigError, PrerequisiteError
from ragft.store.connection import Connection, Store, first_line
from ragft.store.embedded import embedded_dsn
from ragft.store.schema import bring_up_to_date

SCHEMA = "ragft"
_SECONDS_TO_CONNECT = 10
_SECONDS_TO_START = 60
_SECONDS_TO_RECONNECT = 60
_MILLISECONDS_UNHEARD = 20_000
_LONGEST_PAUSE = 5.0
# One lock for the database, not for the schema: an extension belongs to the whole database.
_MAKING_THE_SCHEMA = 0x7261676674


def open_store(dsn: str | None, home: Path) -> Store:
    """Return the store behind ``dsn``, or the one of the embedded server under ``home``/postgres.

    The tables live in the schema ``ragft``; a ``search_path`` among the options of ``dsn`` names another one.

    Raises:
        ConfigError: If ``dsn`` is not a connection string.
        PrerequisiteError: If the server cannot be reached, has no pgvector, or holds tables of another version.
    """
    connect = partial(_connect_given, dsn) if dsn else partial(_connect_embedded, home)
    parameters, connection = connect()
    try:
        store = _opened(connection, _place(parameters))
    except BaseException:
        connection.close()
        raise
    store.survive_with(partial(_connect_again, connect))
    return store


def _connect_again(connect: Callable[[], tuple[dict[str, Any], Connection]]) -> Connection:
    """Return a new connection to the same tables, waiting for a server that restarts."""
    deadline, pause = time.monotonic() + _SECONDS_TO_RECONNECT, 0.2
    while True:
        try:
            _, connection = connect()
            _enter_schema(connection)
            register_vector(connection)
        except (PrerequisiteError, psycopg.OperationalError) as error:
            if time.monotonic() > deadline:
                raise PrerequisiteError(
                    f"Postgres did not come back within {_SECONDS_TO_RECONNECT} s: {error}"
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return connection


def _opened(connection: Connection, place: str) -> Store:
    """Return the store behind ``connection`` after making or checking everything it needs."""
    user = connection.info.user
    try:
        _require_pgvector(connection, place)
        store = Store(connection, place, _enter_schema(connection))
        register_vector(connection)
        with store.transaction() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MAKING_THE_SCHEMA])
            store.secret = bring_up_to_date(cursor, store.place)
    except psycopg.errors.InsufficientPrivilege as error:
        raise PrerequisiteError(
            f"user {user} may not make ragft's tables at {place}: {first_line(error)}; let the owner of the database "
            f"run CREATE SCHEMA {SCHEMA} AUTHORIZATION {user}"
        ) from error
    return store


def _parse(dsn: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # Neither the value nor psycopg's message is shown: both can hold the password.
        raise ConfigError(
            "the Postgres connection string cannot be read (it is not shown because it may hold a password); "
            "expected postgresql://user:password@host:5432/database"
        ) from None


def _place(parameters: dict[str, Any]) -> str:
    """Return where the server is, without user and password."""
    host = parameters.get("host") or parameters.get("hostaddr") or "the default host"
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"{host}{port}, database {parameters.get('dbname') or 'of the user'}"


def _connect_embedded(home: Path) -> tuple[dict[str, Any], Connection]:
    """Start or join the embedded server and connect, waiting while it replays its log or is just being killed."""
    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        parameters = conninfo_to_dict(embedded_dsn(home))
        try:
            return parameters, _connect(parameters)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise PrerequisiteError(
                    f"the embedded Postgres in {home / 'postgres'} does not answer after {_SECONDS_TO_START} s: "
                    f"{first_line(error)}; see {home / 'postgres' / 'log'}, or give a server of your own with RAGFT_DSN"
                ) from error
            time.sleep(0.2)


def _connect_given(dsn: str) -> tuple[dict[str, Any], Connection]:
    parameters = _parse(dsn)
    try:
        return parameters, _connect(parameters)
    except psycopg.OperationalError as error:
        said = first_line(error)
        if parameters.get("password"):
            said = said.replace(str(parameters["password"]), "***")
        raise PrerequisiteError(
            f"cannot connect to Postgres at {_place(parameters)}: {said}; start it, correct the connection string in "
            "RAGFT_DSN, or unset RAGFT_DSN to use the embedded server"
        ) from None


def _connect(parameters: dict[str, Any]) -> Connection:
    # Where the network is lost without a word, a statement would otherwise wait for a quarter of an hour.
    usual = {"connect_timeout": _SECONDS_TO_CONNECT, "tcp_user_timeout": _MILLISECONDS_UNHEARD}
    conninfo = make_conninfo(**{**usual, "application_name": "ragft", **parameters})
    return psycopg.connect(conninfo, autocommit=True)


def _require_pgvector(connection: Connection, place: str) -> None:
    """Create the extension where it is missing and this user may; refuse a version without halfvec."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MAKING_THE_SCHEMA])
        if not cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone():
            try:
                cursor.execute("CREATE EXTENSION vector SCHEMA public")
            except psycopg.Error as error:
                raise PrerequisiteError(
                    f"Postgres at {place} has no pgvector: {first_line(error)}; install pgvector 0.7 or newer on the "
                    "server, then let a superuser (or, where pgvector is a trusted extension, the owner of the "
                    "database) run CREATE EXTENSION vector"
                ) from error
        row = cursor.execute(
            "SELECT extversion, string_to_array(extversion, '.')::int[] >= '{0,7}' FROM pg_extension "
            "WHERE extname = 'vector'"
        ).fetchone()
        if row is None or not row[1]:
            raise PrerequisiteError(
                f"Postgres at {place} has pgvector {row and row[0]}, which has no halfvec; install 0.7 or newer and "
                "run ALTER EXTENSION vector UPDATE"
            )


def _enter_schema(connection: Connection) -> str:
    """Point the connection at the tables' schema, made where necessary, and at pgvector's; return the former's name."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MAKING_THE_SCHEMA])
        given = cursor.execute(
            "SELECT current_schema() FROM pg_settings WHERE name = 'search_path' AND source = 'client'"
        ).fetchone()
        if given == (None,):
            raise PrerequisiteError(
                "the connection string asks for a search_path of which no schema exists; create the schema or leave "
                "search_path out"
            )
        schema = given[0] if given else SCHEMA
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
        if not cursor.fetchone():
            cursor.execute(f"CREATE SCHEMA {SCHEMA}")
        cursor.execute(
            "SELECT set_config('search_path', quote_ident(%s) || ', ' || quote_ident(nspname), false) "
            "FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'",
            [schema],
        )
        return str(schema)
