"""PostgreSQL: how its sessions are set up, how transactions begin, and what its errors mean.

One writer at a time, as on SQLite: every writing transaction begins by taking one lock of the
database, so what it reads cannot change before it writes. Readers see one snapshot and take no
lock. The partial unique indexes (one held lease per device and machine, one accepted attempt per
block) stand behind that.

Who serves a farm holds a second lock for as long as its writing session lives. A session that was
lost has lost the lock too, so nobody writes as orchestrator without holding it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import StrDumper
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

from orchestrator.domain.errors import (
    ConfigError,
    FarmError,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
)
from orchestrator.store.address import complaint_of, shown
from orchestrator.store.statements import refused, too_slow, wrong
from orchestrator.store.transactions import begin_with

#: Advisory locks are numbers per database; these are "farm" in ASCII, and what they are for.
_WRITER = (0x6661726D << 8) + 1
_ORCHESTRATOR = (0x6661726D << 8) + 2

#: A reader sees one state of the database throughout.
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
#: Each statement after the lock sees what its last holder committed: a snapshot from before the
#: wait, as stricter levels take, would not.
WRITE = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({_WRITER})"

#: 14 is what the oldest supported Ubuntu and newer Debians ship; older ones get no fixes any more.
OLDEST = 14
_CONNECT_TIMEOUT_S = 10
#: Rows of an answer that are fetched together.
_AT_ONCE = 500
#: Seconds after which either side notices that the other one is gone: 30 + 3 * 10.
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}

_SET_UP = """
SELECT set_config('lock_timeout', %(lock_timeout)s, false),
    set_config('timezone', 'UTC', false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
    set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false)
"""


class _Text(StrDumper):
    """Text as PostgreSQL takes it: it has no place for the character 0, which programs may say."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def engine(url: str, *, mode: str, timeout_s: float, serving: bool) -> Engine:
    """Make an engine for one database.

    Args:
        url: ``postgresql://USER@HOST:PORT/NAME?sslmode=..``, as libpq reads it.
        mode: ``ro`` to read only.
        timeout_s: how long to wait for another writer.
        serving: hold the orchestrator's lock while connected.

    Raises:
        ConfigError: the address is wrong.
    """
    name = shown(url)
    settings = settings_of(url)

    def open_session() -> psycopg.Connection[Any]:
        session = connect(settings, name)
        try:
            _set_up(session, mode, timeout_s)
            if serving:
                _hold_farm(session, name)
        except BaseException:
            session.close()
            raise
        return session

    made = create_engine(
        URL.create("postgresql+psycopg", database=name),
        creator=open_session,
        poolclass=NullPool,
        use_native_hstore=False,
    )
    begin_with(made, WRITE)
    return made


def settings_of(url: str) -> dict[str, Any]:
    """Read an address as libpq does.

    Raises:
        ConfigError: it is wrong.
    """
    if wrong := complaint_of(url):
        raise ConfigError(f"the database's address {wrong}")
    try:
        return {
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "fallback_application_name": "farm",
            **_KEEPALIVES,
            **conninfo_to_dict(url),
        }
    except psycopg.ProgrammingError as error:
        raise ConfigError(f"{shown(url)}: no address of PostgreSQL ({_line(error)})") from None


def connect(settings: dict[str, Any], name: str) -> psycopg.Connection[Any]:
    """Open a session, in which nothing begins a transaction by itself.

    Raises:
        StoreUnavailable: the server is too old, or the database not in UTF-8.
        psycopg.Error: the server is away, or refuses.
    """
    session = psycopg.connect(**settings, autocommit=True)
    if wrong := unfit(
        session.info.server_version, session.info.parameter_status("server_encoding") or ""
    ):
        session.close()
        raise StoreUnavailable(f"{name}: {wrong}")
    session.adapters.register_dumper(str, _Text)
    return session


def unfit(version: int, encoding: str) -> str:
    """Say why a server cannot hold a farm; empty: it can.

    Args:
        version: as libpq counts: 150017.
        encoding: the database's.
    """
    if version < OLDEST * 10_000:
        return f"PostgreSQL {version // 10_000} is too old; use {OLDEST} or newer"
    if encoding != "UTF8":
        return f"its encoding is {encoding}; make one with: createdb -T template0 -E UTF8 NAME"
    return ""


def _set_up(session: psycopg.Connection[Any], mode: str, timeout_s: float) -> None:
    session.execute(_SET_UP, {"lock_timeout": f"{max(1, round(timeout_s * 1e3))}ms"})
    if mode == "ro":
        session.execute("SET default_transaction_read_only = on")


def _hold_farm(session: psycopg.Connection[Any], name: str) -> None:
    row = session.execute("SELECT pg_try_advisory_lock(%s)", [_ORCHESTRATOR]).fetchone()
    if row is None or not row[0]:
        msg = f"{name}: another orchestrator serves this database; stop it first"
        raise StoreUnavailable(msg)


@contextmanager
def asked(
    url: str, statement: str, timeout_s: float
) -> Iterator[tuple[Sequence[str], Iterator[Sequence[Any]]]]:
    """Ask what a person wrote, in a transaction that cannot write.

    Args:
        url: the database's address.
        statement: one statement; the server refuses two.
        timeout_s: seconds until it is stopped; 0: never.

    Raises:
        UsageError: the statement is wrong, would write, or took too long.
        StoreUnavailable: the server is away or refuses.
    """
    name = shown(url)
    try:
        with closing(connect(settings_of(url), name)) as session:
            session.execute("SET timezone = 'UTC'")
            session.execute(READ)
            limit = f"{round(timeout_s * 1e3)}ms"
            session.execute("SELECT set_config('statement_timeout', %s, true)", [limit])
            yield _answer(session, statement)
    except psycopg.Error as error:
        raise _refusal(name, statement, timeout_s, error) from error


def _answer(
    session: psycopg.Connection[Any], statement: str
) -> tuple[Sequence[str], Iterator[Sequence[Any]]]:
    cursor = session.cursor()
    rows = cursor.stream(statement.encode(), size=_AT_ONCE)
    for first in rows:
        return [column.name for column in cursor.description or ()], chain([first], rows)
    # Without a row nothing says what its columns would have been.
    session.pgconn.prepare(b"", statement.encode())
    shape = session.pgconn.describe_prepared(b"")
    names = [(shape.fname(place) or b"").decode() for place in range(shape.nfields)]
    return names, iter(())


def _refusal(name: str, statement: str, timeout_s: float, error: psycopg.Error) -> FarmError:
    state, place = error.sqlstate or "", error.diag.statement_position
    if state == "57014" and timeout_s:
        return too_slow(timeout_s)
    if state == "25006":
        return refused()
    if state[:2] in {"22", "42", "0A", "21"} and state != "42501":
        said = error.diag.message_primary or _line(error)
        return wrong(statement, said, int(place) - 1 if place else None)
    return complaint(name, error) or wrong(statement, _line(error))


def complaint(name: str, error: psycopg.Error) -> StoreError | None:
    """Say what an error means for the farm; None: it is a bug of ours.

    Args:
        name: the database, for people.
        error: its ``sqlstate`` is from https://www.postgresql.org/docs/15/errcodes-appendix.html
    """
    said = _line(error)
    state = error.sqlstate or ""
    if state in {"42P01", "42703"}:
        return SchemaMismatch(f"{name}: {said}; run: farm db upgrade")
    for start, meaning in _MEANINGS.items():
        if state.startswith(start):
            return StoreUnavailable(f"{name}: {meaning} ({said})")
    if state or not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return None
    # libpq tells the state of a session only, not of one that was refused.
    words = next((part for part in _REFUSALS if part in str(error)), "")
    meaning = _REFUSALS.get(
        words, "does not answer; is the server running, and the address right?"
    )
    return StoreUnavailable(f"{name}: {meaning} ({said})")


def _line(error: psycopg.Error) -> str:
    """Take the first line of what was said, without the place in libpq's own telling of it."""
    first = str(error).strip().partition("\n")[0].strip()
    for head in ("connection failed: ", "FATAL:  ", "ERROR:  "):
        first = first.rpartition(head)[2]
    return first


_AWAY = "the server went away; nothing stored is lost, try again"
_LOGIN = "refuses the login; check the user, and the password in ~/.pgpass or PGPASSWORD"
_NONE = "no such database there; make it with: createdb NAME"
_BUSY = "another process writes the database; try again"

_MEANINGS = {
    "55P03": _BUSY,
    "40": _BUSY,
    "08": _AWAY,
    "57P": _AWAY,
    "57014": "the statement was stopped by the server; see its statement_timeout",
    "25P03": "the server ended an idle transaction; try again",
    "53300": "the server takes no more sessions; see its max_connections",
    "53": "the server has no room left; nothing stored is lost, make room and try again",
    "58": "the server's disk fails; nothing stored is lost, see its log",
    "XX001": "is damaged; restore a copy",
    "XX002": "is damaged; restore a copy",
    "28": _LOGIN,
    "3D000": _NONE,
    "25006": "may only be read: the server is a standby, or set to read only",
    "42501": "this user may not; make the database its own: ALTER DATABASE NAME OWNER TO USER",
    "3F000": "this user may not; make the database its own: ALTER DATABASE NAME OWNER TO USER",
}
#: What a server says that lets nobody in, in its default language.
_REFUSALS = {
    "authentication failed": _LOGIN,
    "no password supplied": _LOGIN,
    "no pg_hba.conf entry": _LOGIN,
    'role "': _LOGIN,
    'database "': _NONE,
    "permission denied": "this user may not connect; GRANT CONNECT ON DATABASE NAME TO USER",
    "too many": _MEANINGS["53300"],
    "remaining connection slots": _MEANINGS["53300"],
    "starting up": "the server is starting; try again",
    "shutting down": _AWAY,
    "recovery": "the server is recovering; try again",
    "terminating connection": _AWAY,
    "consuming input failed": _AWAY,
    "server closed the connection": _AWAY,
    "the connection is closed": _AWAY,
    "the connection is lost": _AWAY,
    "definition of service": "is not known to libpq; see PGSERVICE and ~/.pg_service.conf",
    "resolve host": "its host is not known; check the address",
    "SSL": "no secure connection; see sslmode and sslrootcert in the address",
}
