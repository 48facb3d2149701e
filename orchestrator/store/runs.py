"""Runs and their cells in SQL: ordered, made ready, cancelled, resumed, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from orchestrator.domain.errors import NotFound, StateError
from orchestrator.domain.matrix import Plan
from orchestrator.domain.run import Run
from orchestrator.store import tables as t
from orchestrator.store.base import (
    ALL_RUNS,
    CellOrder,
    CellRow,
    RunFilter,
    Store,
    Transaction,
)
from orchestrator.store.database import Access, Database
from orchestrator.store.plans import Planner
from orchestrator.store.variants import intern_variant
from protos.states import AttemptState, CellState, Outcome, RunState, move

#: Cells that something can still happen to.
OPEN = (CellState.WAITING, CellState.READY, CellState.LEASED)
#: Attempts whose report is still wanted.
UNSETTLED = (
    AttemptState.GRANTED,
    AttemptState.STAGING,
    AttemptState.RUNNING,
    AttemptState.REPORTED,
)
#: Runs that devices work on.
AT_WORK = (RunState.QUEUED, RunState.RUNNING)


def run_row(database: Database, run_id: int) -> Row[Any]:
    """Find a run's row.

    Raises:
        NotFound: no such run.
    """
    found = database.execute(select(t.runs).where(t.runs.c.id == run_id)).one_or_none()
    if found is None:
        msg = f"no run {run_id}; see: farm runs list"
        raise NotFound(msg)
    return found


def change_run(database: Database, run_id: int, **values: Any) -> None:
    """Write some of a run's columns."""
    database.execute(t.runs.update().where(t.runs.c.id == run_id), values)


def change_cell(database: Database, cell_id: int, **values: Any) -> None:
    """Write some of a cell's columns."""
    database.execute(t.cells.update().where(t.cells.c.id == cell_id), values)


def has_open_cells(database: Database, run_id: int) -> bool:
    """Say whether something can still happen to a run's cells."""
    wanted = select(t.cells.c.id).where(t.cells.c.run_id == run_id, t.cells.c.state.in_(OPEN))
    return database.execute(wanted.limit(1)).first() is not None


def end_if_settled(database: Database, run_id: int, now: datetime) -> None:
    """End a run with its last cell: done, or cancelled if the user wished so.

    A run that is still building ends otherwise only when its build is over.
    """
    run = run_row(database, run_id)
    ends = run.state in AT_WORK or (run.state is RunState.BUILDING and run.cancel_wished)
    if not ends or has_open_cells(database, run_id):
        return
    after = RunState.CANCELLED if run.cancel_wished else RunState.DONE
    change_run(database, run_id, state=move(run.state, after), finished_at=now)


class RunWrites(Access, Transaction):
    """The part of a transaction that is about runs and their cells."""

    def create_run(self, plan: Plan, now: datetime) -> int:
        run_id = self._db.insert(
            t.runs,
            {
                "name": plan.spec.name,
                "spec": plan.spec.text,
                "state": RunState.BUILDING,
                "priority": plan.spec.priority,
                "cancel_wished": False,
                "created_at": now,
                "error": "",
            },
        )
        planner = Planner(self._db)
        rows = [planner.row(run_id, place, cell) for place, cell in enumerate(plan.cells)]
        if rows:
            self._db.execute(t.cells.insert(), rows)
        return run_id

    def move_run(self, run_id: int, state: RunState, now: datetime, error: str = "") -> None:
        run = run_row(self._db, run_id)
        after = move(run.state, state)
        if after is RunState.QUEUED and not has_open_cells(self._db, run_id):
            after = move(run.state, RunState.DONE)
        over = after in (RunState.DONE, RunState.CANCELLED)
        change_run(self._db, run_id, state=after, error=error, finished_at=now if over else None)

    def ready_cell(self, cell_id: int, order: CellOrder) -> None:
        if self._cell_state(cell_id) is not CellState.WAITING:
            return
        change_cell(
            self._db,
            cell_id,
            state=move(CellState.WAITING, CellState.READY),
            variant_id=intern_variant(self._db, order),
            assignment=order.assignment,
        )

    def fail_cell(self, cell_id: int, reason: str) -> None:
        if self._cell_state(cell_id) is CellState.WAITING:
            after = move(CellState.WAITING, CellState.FAILED)
            change_cell(self._db, cell_id, state=after, reason=reason)

    def cancel_run(self, run_id: int, now: datetime) -> None:
        run = run_row(self._db, run_id)
        if run.state in (RunState.DONE, RunState.CANCELLED):
            msg = f"run {run_id} is {run.state} already"
            raise StateError(msg)
        change_run(self._db, run_id, cancel_wished=True)
        here = t.cells.c.run_id == run_id
        self._db.execute(
            t.cells.update().where(
                here, t.cells.c.state.in_((CellState.WAITING, CellState.READY))
            ),
            {"state": CellState.CANCELLED, "outcome": Outcome.CANCELLED, "reason": "cancelled"},
        )
        leased = select(t.cells.c.id).where(here, t.cells.c.state == CellState.LEASED)
        self._db.execute(
            t.attempts.update().where(
                t.attempts.c.cell_id.in_(leased), t.attempts.c.state.in_(UNSETTLED)
            ),
            {"cancel_wished": True},
        )
        end_if_settled(self._db, run_id, now)

    def resume_run(self, run_id: int) -> Sequence[CellRow]:
        run = run_row(self._db, run_id)
        if run.state is not RunState.CANCELLED:
            msg = f"run {run_id} is {run.state}; only a cancelled run can be resumed"
            raise StateError(msg)
        change_run(
            self._db,
            run_id,
            state=move(run.state, RunState.BUILDING),
            cancel_wished=False,
            finished_at=None,
            error="",
        )
        self._db.execute(
            t.cells.update().where(
                t.cells.c.run_id == run_id, t.cells.c.state == CellState.CANCELLED
            ),
            {"state": CellState.WAITING, "outcome": None, "reason": ""},
        )
        rows = _cell_rows(self._db, run_id)
        return [row for row in rows if row.state is CellState.WAITING]

    def _cell_state(self, cell_id: int) -> CellState:
        state = self._db.execute(select(t.cells.c.state).where(t.cells.c.id == cell_id)).scalar()
        if not isinstance(state, CellState):
            msg = f"no cell {cell_id}"
            raise NotFound(msg)
        return state


class RunReads(Access, Store):
    """The part of a store that is about runs and their cells."""

    def run(self, run_id: int) -> Run:
        with self._db.reading():
            return self._runs([run_row(self._db, run_id)])[0]

    def runs(self, wanted: RunFilter = ALL_RUNS) -> Sequence[Run]:
        page = _wanted(wanted).order_by(t.runs.c.id.desc())
        page = page.limit(wanted.limit).offset(wanted.offset)
        with self._db.reading():
            return self._runs(self._db.execute(page).all())

    def run_spec(self, run_id: int) -> str:
        with self._db.reading():
            return str(run_row(self._db, run_id).spec)

    def cells(self, run_id: int) -> Sequence[CellRow]:
        with self._db.reading():
            run_row(self._db, run_id)
            return _cell_rows(self._db, run_id)

    def _runs(self, rows: Sequence[Row[Any]]) -> list[Run]:
        counts = self._counts([row.id for row in rows])
        return [_run(row, counts.get(row.id, {})) for row in rows]

    def _counts(self, run_ids: Sequence[int]) -> Mapping[int, Mapping[CellState, int]]:
        c = t.cells.c
        rows = self._db.execute(
            select(c.run_id, c.state, func.count().label("number"))
            .where(c.run_id.in_(run_ids))
            .group_by(c.run_id, c.state)
        )
        found: dict[int, dict[CellState, int]] = {}
        for row in rows:
            found.setdefault(row.run_id, {})[row.state] = row.number
        return found


def _wanted(wanted: RunFilter) -> Select[Any]:
    c = t.runs.c
    found = select(t.runs)
    if wanted.states:
        found = found.where(c.state.in_(wanted.states))
    if wanted.since is not None:
        found = found.where(c.created_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(c.created_at < wanted.until)
    return found


def _cell_rows(database: Database, run_id: int) -> list[CellRow]:
    c = t.cells.c
    rows = database.execute(
        select(c.id, c.key, c.state).where(c.run_id == run_id).order_by(c.position)
    )
    return [CellRow(row.id, row.key, row.state) for row in rows]


def _run(row: Row[Any], counts: Mapping[CellState, int]) -> Run:
    return Run(
        run_id=row.id,
        name=row.name,
        state=row.state,
        created_at=row.created_at,
        finished_at=row.finished_at,
        priority=row.priority,
        cells={state: counts.get(state, 0) for state in CellState},
        error=row.error,
    )
