"""Which cells a page of results shows, and in which order, as conditions the database decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, column, func, not_, or_, select, table

from orchestrator.store import tables as t
from orchestrator.store.base import ResultFilter, Sort
from orchestrator.store.columns import always
from protos.states import AttemptState

#: The view for people knows the one number of a cell.
_RESULT = table("result", column("cell_id"), column("execute_s"))


def filtered(statement: Select[Any], wanted: ResultFilter) -> Select[Any]:
    """Hold a statement over ``cells`` to those that are wanted."""
    return statement.where(*_conditions(wanted))


def paged(wanted: ResultFilter) -> Select[Any]:
    """Find the numbers of the cells of one page, in its order."""
    c = t.cells.c
    statement = select(c.id).select_from(t.cells)
    order = [*_order(wanted.sort), c.run_id.desc(), c.position]
    if wanted.sort in (Sort.FASTEST, Sort.SLOWEST):
        statement = statement.join(_RESULT, _RESULT.c.cell_id == c.id)
    if wanted.sort in (Sort.WORKLOAD, Sort.MODE, Sort.DEVICE):
        statement = (
            statement.join(t.cases, t.cases.c.id == c.case_id)
            .join(t.workloads, t.workloads.c.id == t.cases.c.workload_id)
            .join(t.modes, t.modes.c.id == c.mode_id)
            .join(t.device_types, t.device_types.c.id == c.device_type_id)
            .outerjoin(t.devices, t.devices.c.id == c.device_id)
        )
    return filtered(statement, wanted).order_by(*order).limit(wanted.limit).offset(wanted.offset)


def _order(sort: Sort) -> list[ColumnElement[Any]]:
    """Say what comes before the run; what has no number comes last either way."""
    seconds = _RESULT.c.execute_s
    orders: dict[Sort, list[ColumnElement[Any]]] = {
        Sort.NEWEST: [],
        Sort.OLDEST: [t.cells.c.run_id],
        Sort.FASTEST: [seconds.is_(None), seconds],
        Sort.SLOWEST: [seconds.is_(None), seconds.desc()],
        Sort.WORKLOAD: [t.workloads.c.name],
        Sort.MODE: [t.modes.c.label],
        Sort.DEVICE: [func.coalesce(t.devices.c.name, t.device_types.c.name)],
    }
    return orders[sort]


def _conditions(wanted: ResultFilter) -> Iterator[ColumnElement[bool]]:
    c = t.cells.c
    if wanted.run_id is not None:
        yield c.run_id == wanted.run_id
    if wanted.cell_id is not None:
        yield c.id == wanted.cell_id
    if wanted.run_ids:
        yield c.run_id.in_(wanted.run_ids)
    if wanted.outcomes:
        yield c.outcome.in_(wanted.outcomes)
    if wanted.valid is not None:
        yield _is_valid() if wanted.valid else _is_doubted()
    yield from _named(wanted)
    yield from _ordered(wanted)


def _named(wanted: ResultFilter) -> Iterator[ColumnElement[bool]]:
    """What is asked for by name; each name is looked up once, not joined to every cell."""
    c = t.cells.c
    if wanted.workloads:
        cases = select(t.cases.c.id).join(t.workloads, t.workloads.c.id == t.cases.c.workload_id)
        yield c.case_id.in_(cases.where(t.workloads.c.name.in_(wanted.workloads)))
    if wanted.modes:
        yield c.mode_id.in_(select(t.modes.c.id).where(t.modes.c.label.in_(wanted.modes)))
    if wanted.archs:
        kinds = t.device_types.c
        yield c.device_type_id.in_(select(kinds.id).where(kinds.arch.in_(wanted.archs)))
    if wanted.devices:
        named = select(t.devices.c.id).where(t.devices.c.name.in_(wanted.devices))
        a, leases = t.attempts.c, t.leases.c
        ran = (
            select(a.cell_id)
            .join(t.leases, leases.id == a.lease_id)
            .where(always(a.state, AttemptState.ACCEPTED), leases.device_id.in_(named))
        )
        yield or_(c.device_id.in_(named), c.device_id.is_(None) & c.id.in_(ran))


def _ordered(wanted: ResultFilter) -> Iterator[ColumnElement[bool]]:
    """When the run was ordered: the orchestrator's clock, which a device's may not agree with."""
    runs = select(t.runs.c.id)
    if wanted.since is not None:
        yield t.cells.c.run_id.in_(runs.where(t.runs.c.created_at >= wanted.since))
    if wanted.until is not None:
        yield t.cells.c.run_id.in_(runs.where(t.runs.c.created_at < wanted.until))


def _is_doubted() -> ColumnElement[bool]:
    return _accepted().where(t.attempts.c.valid.is_(False)).exists()


def _is_valid() -> ColumnElement[bool]:
    return _accepted().exists() & not_(_is_doubted())


def _accepted() -> Select[Any]:
    a = t.attempts.c
    return (
        select(a.id)
        .where(a.cell_id == t.cells.c.id, always(a.state, AttemptState.ACCEPTED))
        .correlate(t.cells)
    )
