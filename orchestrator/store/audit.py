"""What a database says of itself that cannot be, and which blobs it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Enum,
    Executable,
    Select,
    String,
    Table,
    and_,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
    text,
    union,
)

from orchestrator.domain.artifact import ArtifactKind
from orchestrator.store import tables as t
from orchestrator.store.columns import Instant
from orchestrator.store.database import Database
from orchestrator.store.identity import belong
from orchestrator.store.runs import UNSETTLED
from orchestrator.store.schema import check, make_engine
from protos.states import (
    AttemptState,
    CellState,
    DeviceState,
    LeaseState,
    Outcome,
    RunState,
    is_final,
)

#: Rows a complaint names; the rest it counts.
_NAMED = 3
#: A row may be as much ahead of this machine's clock, since another wrote it.
_AHEAD = timedelta(seconds=60)

_TELL = "a bug in farm: tell its makers; until then go back to a backup from before"
_AGAIN = "farm db restore brings a backup from before"


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that cannot be, and what to do about it."""

    what: str
    step: str


def needed_blobs(database: Database) -> Mapping[str, int]:
    """Answer the blobs a farm has to have, with their sizes: what ran, what it was given, what it
    printed and left, and the sources it came of; what was made on the way lies in the build cache
    alone.
    """
    a = t.artifacts.c
    named = union(*map(select, _named_artifacts())).scalar_subquery()
    # Trees of sources are named by a digest over their files, and have no size.
    source = and_(a.kind == ArtifactKind.SOURCE, a.size_bytes > 0)
    wanted = select(a.sha256, a.size_bytes).where(or_(a.id.in_(named), source))
    return {row.sha256: row.size_bytes for row in database.execute(wanted)}


def _named_artifacts() -> Iterator[Column[int]]:
    """Answer every column that names an artifact but for how it was made: a table to come too."""
    for table in t.metadata.sorted_tables:
        if table not in {t.recipes, t.artifact_edges}:
            yield from (c for c in table.c if c.references(t.artifacts.c.id))


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in one database."""

    complaints: tuple[Complaint, ...]
    #: Blobs the farm has to have, with their sizes.
    needed: Mapping[str, int]
    #: Every blob the database knows of.
    known: frozenset[str]


def audit(url: str, now: datetime, farm_id: str = "") -> Audit:
    """Look at a database, at one moment, and change nothing.

    Args:
        url: its address.
        now: the time.
        farm_id: the farm whose database it must be; empty: any.

    Raises:
        ConfigError: it is another farm's.
        StoreUnavailable: it is locked, away, or no database.
        SchemaMismatch: it has another schema than this version's.
    """
    database = Database(make_engine(url, mode="ro"), readonly=True)
    try:
        check(database)
        if farm_id:
            belong(database, farm_id, readonly=True)
        with database.reading():
            damage = tuple(_damage(database))
            if damage:
                return Audit(damage, {}, frozenset())
            known = database.execute(select(t.artifacts.c.sha256)).scalars()
            return Audit(
                tuple(_complaints(database, now)), needed_blobs(database), frozenset(known)
            )
    finally:
        database.close()


def _damage(database: Database) -> Iterator[Complaint]:
    """Have the database read itself through; PostgreSQL checks what it reads by itself."""
    if database.dialect != "sqlite":
        return
    said = [str(row[0]) for row in database.execute(text("PRAGMA integrity_check(3)"))]
    if said != ["ok"]:
        lines = "; ".join(" ".join(one.split()) for one in said[:_NAMED])
        yield Complaint(f"the database is damaged: {lines}", _AGAIN)


def _complaints(database: Database, now: datetime) -> Iterator[Complaint]:
    for table in t.metadata.sorted_tables:
        yield from _dangling(database, table)
        yield from _words(database, table)
        yield from _future(database, table, now)
    for question in _QUESTIONS:
        yield from _asked(database, question.wanted, question.what, question.step)


def _dangling(database: Database, table: Table) -> Iterator[Complaint]:
    for key in table.foreign_keys:
        other = key.column.table.alias("other")
        there = exists().where(other.c[key.column.name] == key.parent)
        wanted = (
            select(key.parent).where(key.parent.is_not(None), not_(there)).order_by(key.parent)
        )
        what = f"{table.name}.{key.parent.name} names no row of {key.column.table.name}: {{}}"
        yield from _asked(database, wanted, what, _AGAIN)


def _words(database: Database, table: Table) -> Iterator[Complaint]:
    for column in table.columns:
        if isinstance(column.type, Enum):
            # As plain text: a word that is none cannot be read as one.
            plain = cast(column, String)
            wanted = select(plain).where(plain.not_in(column.type.enums)).distinct()
            what = f"{table.name}.{column.name} says {{}}, which is no such word"
            yield from _asked(database, wanted, what, _AGAIN)


def _future(database: Database, table: Table, now: datetime) -> Iterator[Complaint]:
    for column in table.columns:
        # What a device says of its own clock may be wrong, and nothing rests on it.
        if not isinstance(column.type, Instant) or column.name in {"started_at", "ended_at"}:
            continue
        newest = database.execute(select(func.max(column)).where(column > now + _AHEAD)).scalar()
        if newest is not None:
            what = f"{table.name}.{column.name} is ahead of this machine's clock: {newest:%F %TZ}"
            yield Complaint(what, "set the clock (timedatectl), or wait until then")


def _asked(database: Database, wanted: Executable, what: str, step: str) -> Iterator[Complaint]:
    found = [str(value) for value in database.execute(wanted).scalars()]
    if found:
        rest = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield Complaint(what.format(", ".join(found[:_NAMED]) + rest), step)


@dataclass(frozen=True, slots=True)
class _Question:
    """A look for rows that cannot be; ``{}`` in what it says stands for which."""

    what: str
    wanted: Select[Any]
    step: str = _TELL


_runs, _cells, _leases = t.runs.c, t.cells.c, t.leases.c
_attempts, _devices = t.attempts.c, t.devices.c


def _in(column: ColumnElement[Any], states: Iterable[StrEnum]) -> ColumnElement[bool]:
    return column.in_(list(states))


_settled_cells = [
    # A cancelled cell is settled too, though its run may be resumed.
    state
    for state in CellState
    if is_final(state) or state is CellState.CANCELLED
]
_open_cells = [state for state in CellState if state not in _settled_cells]
_over = [state for state in RunState if is_final(state) or state is RunState.CANCELLED]
_under_way = [state for state in RunState if state not in _over]
_held = _leases.state == LeaseState.HELD


def _has_cells(states: Iterable[StrEnum]) -> ColumnElement[bool]:
    return exists().where(_cells.run_id == _runs.id, _in(_cells.state, states))


def _accepted() -> Any:
    counted = select(func.count(_attempts.id)).where(
        _attempts.cell_id == _cells.id, _attempts.state == AttemptState.ACCEPTED
    )
    return counted.scalar_subquery()


_open_attempt = exists().where(
    _attempts.cell_id == _cells.id,
    _in(_attempts.state, UNSETTLED),
    _attempts.lease_id == _leases.id,
    _held,
)
_holds = exists().where(_leases.device_id == _devices.id, _held)

_QUESTIONS = (
    _Question(
        "over, but with cells that are not: run {}",
        select(_runs.id).where(_in(_runs.state, _over), _has_cells(_open_cells)),
    ),
    _Question(
        "not over, though all its cells are: run {}",
        select(_runs.id).where(_in(_runs.state, _under_way), not_(_has_cells(_open_cells))),
        "farm runs cancel ends it",
    ),
    _Question(
        "leased, but no attempt of it is under a held lease: cell {}",
        select(_cells.id).where(_cells.state == CellState.LEASED, not_(_open_attempt)),
    ),
    _Question(
        "done with fewer results than blocks: cell {}",
        select(_cells.id).where(_cells.state == CellState.DONE, _accepted() < _cells.blocks),
    ),
    _Question(
        "done, but did not succeed: cell {}",
        select(_cells.id).where(
            _cells.state == CellState.DONE,
            or_(_cells.outcome.is_(None), _cells.outcome != Outcome.SUCCEEDED),
        ),
    ),
    _Question(
        "not settled under a lease that is over: attempt {}",
        select(_attempts.id)
        .join(t.leases, _leases.id == _attempts.lease_id)
        .where(_in(_attempts.state, UNSETTLED), not_(_held)),
    ),
    _Question(
        "accepted without an outcome: attempt {}",
        select(_attempts.id).where(
            _attempts.state == AttemptState.ACCEPTED, _attempts.outcome.is_(None)
        ),
    ),
    _Question(
        "held, though its fence is above its device's: lease {}",
        select(_leases.id)
        .join(t.devices, _devices.id == _leases.device_id)
        .where(_leases.fence > _devices.fence),
    ),
    _Question(
        "leased without a lease: device {}",
        select(_devices.name).where(_devices.state == DeviceState.LEASED, not_(_holds)),
    ),
    _Question(
        "idle with a held lease: device {}",
        select(_devices.name).where(_devices.state == DeviceState.IDLE, _holds),
    ),
    _Question(
        "holds a lease, but is not in the inventory any more: device {}",
        select(_devices.name).where(_holds, not_(_devices.declared)),
        "start the farm (farm up): it ends the lease; or declare the device again",
    ),
)
