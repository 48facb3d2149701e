"""Rows leave a database of any kind and fill one of any kind, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.errors import SchemaMismatch, StoreUnavailable
from orchestrator.store.audit import audit
from orchestrator.store.base import ResultFilter, Store
from orchestrator.store.schema import HEAD
from orchestrator.store.sql import open_store
from orchestrator.store.transfer import FENCE_STEP, Chunk, fill, snapshot
from protos.states import CellState, DeviceState, Outcome
from tests.support import factories as make
from tests.support.databases import DATABASES, bare_database
from tests.support.storing import Rig


@pytest.fixture(name="target_url", params=sorted(DATABASES))
def _target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the address of an empty database of each kind."""
    folder = tmp_path / "target"
    folder.mkdir()
    with bare_database(request.param, folder) as url:
        yield url


def measured(store: Store) -> Rig:
    """Make a farm with a run that is done, one that failed, and one under a held lease."""
    rig = Rig(store)
    with rig.transaction() as t:
        t.record_facts("local", {"cpu.model": "x"}, rig.now())
    rig.order()
    while store.ready_slots("local"):
        rig.measure()
    rig.order()
    while store.ready_slots("local"):
        rig.measure(Outcome.WRONG_OUTPUT)
    rig.order()
    rig.grant()
    return rig


def taken(url: str) -> list[Chunk]:
    """Read all rows of a database."""
    with snapshot(url) as rows:
        return list(rows.chunks())


def accepting(_: Mapping[str, int]) -> None:
    """Be content with any number of rows."""


def by_table(chunks: list[Chunk]) -> dict[str, Any]:
    """Join the chunks of each table, without what a restored farm changes."""
    found: dict[str, Any] = {}
    for chunk in chunks:
        if chunk.table not in {"devices", "leases"}:
            found.setdefault(chunk.table, []).extend(map(list, chunk.rows))
    return found


def test_the_same_rows_arrive(store: Store, database_url: str, target_url: str) -> None:
    """With their numbers, instants, words, JSON and bytes, as results show them too."""
    rig = measured(store)
    # A held lease would be ended on arrival; what that does is another test's.
    for one in rig.granted():
        rig.report(one)
    before, counts = taken(database_url), dict[str, int]()
    fill(target_url, HEAD, before, counts.update, make.later(1e6))
    assert by_table(taken(target_url)) == by_table(before)
    assert counts["cells"] == sum(len(c.rows) for c in before if c.table == "cells")
    other = open_store(target_url)
    try:
        assert other.results(ResultFilter()) == store.results(ResultFilter())
        assert audit(target_url, make.later(1e7)).complaints == ()
        # New rows get new numbers.
        again = Rig(other)
        assert again.order() == max(run.run_id for run in store.runs()) + 1
        assert all(again.measure())
    finally:
        other.close()


def test_what_the_original_holds_is_let_go(
    store: Store, database_url: str, target_url: str
) -> None:
    """Leases are over, their cells ready again, devices offline, and no fence is granted twice."""
    rig = measured(store)
    held = store.held_leases()
    assert len(held) == 1
    fill(target_url, HEAD, taken(database_url), accepting, make.later(1e6))
    other = open_store(target_url)
    try:
        assert other.held_leases() == []
        status = other.device("local")
        assert status.state is DeviceState.OFFLINE
        assert status.fence == held[0].fence + FENCE_STEP
        last = other.runs()[0].run_id
        assert CellState.READY in [cell.state for cell in other.cells(last)]
        assert CellState.LEASED not in [cell.state for cell in other.cells(last)]
        lost = [a for c in other.cells(last) for a in other.attempts(c.cell_id)]
        assert lost
        assert rig.states(last) != [cell.state for cell in other.cells(last)]
        assert Rig(other).grant().fence == held[0].fence + FENCE_STEP + 1
    finally:
        other.close()


@pytest.mark.parametrize("broken", ["refused", "cut"])
def test_nothing_half_done_stays(
    store: Store, database_url: str, target_url: str, broken: str
) -> None:
    """Where the end is refused, or never comes."""
    measured(store)
    chunks = taken(database_url)

    def refuse(_: Mapping[str, int]) -> None:
        raise ValueError("not these")

    def cut() -> Iterator[Chunk]:
        yield from chunks[:3]
        raise ValueError("cut off")

    accept: Callable[[Mapping[str, int]], None] = refuse if broken == "refused" else accepting
    with pytest.raises(ValueError, match=r"not these|cut off"):
        fill(target_url, HEAD, cut() if broken == "cut" else chunks, accept, make.later(1))
    with pytest.raises((SchemaMismatch, StoreUnavailable)):
        open_store(target_url)
    fill(target_url, HEAD, chunks, accepting, make.later(1))


def test_rows_of_another_schema_are_refused(store: Store, target_url: str) -> None:
    """A column or table the revision does not have."""
    del store
    for chunk in (Chunk("gizmos", ["id"], [[1]]), Chunk("runs", ["id", "gizmo"], [[1, 1]])):
        with pytest.raises(SchemaMismatch, match="do not fit their schema"):
            fill(target_url, HEAD, [chunk], accepting, make.later(1))
