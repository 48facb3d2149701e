"""Schemas go up, back one step and up again, on every database, with rows in the tables."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import pytest
from sqlalchemy import Connection, MetaData, inspect, select

import migrations
from orchestrator.domain.errors import ConfigError, SchemaMismatch
from orchestrator.store.base import Store
from orchestrator.store.schema import HEAD, go_back, make_engine, upgrade, what_going_back_loses
from orchestrator.store.sql import open_store
from protos.states import Outcome
from tests.support import factories as make
from tests.support.storing import Rig

Rows = Mapping[str, list[str]]


@pytest.fixture(name="filled_url")
def _filled_url(store: Store, database_url: str) -> str:
    """Give a database with a row in nearly every table."""
    rig = Rig(store)
    with rig.transaction() as t:
        t.record_facts("local", {"cpu.model": "x"}, rig.now())
        made = make.artifact("gemm.wasm")
        t.record_provenance([make.provenance(made, sources=[make.artifact("gemm.c")])])
    sized = make.case(make.workload("gemm", sizes=("small",)), size="small")
    rig.order(make.plan(make.cell(sized)))
    rig.measure()
    rig.order()
    rig.measure(Outcome.WRONG_OUTPUT)
    rig.order()
    rig.grant()
    store.close()
    open_store(database_url, farm_id="farm-of-tests").close()
    return database_url


def rows_of(connection: Connection) -> Rows:
    """Read every row of every table that is there."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {
        table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
        for table in metadata.sorted_tables
        if table.name != "alembic_version"
    }


def views_of(connection: Connection) -> list[str]:
    """Name the views that are there."""
    return sorted(inspect(connection).get_view_names())


def test_every_revision_goes_back_and_up_again(filled_url: str) -> None:
    """All the way down, a step at a time: what a step does not drop keeps every row."""
    engine = make_engine(filled_url, mode="rw")
    with engine.connect() as connection:
        with connection.begin():
            before, views = rows_of(connection), views_of(connection)
        assert sum(map(len, before.values())) > 30
        undone = []
        after = before
        while after:
            with connection.begin():
                undone.append(migrations.go_back(connection)[0])
                after = rows_of(connection)
            assert after == {name: before[name] for name in after}
        assert undone[0] == HEAD
        assert undone == sorted(undone, reverse=True)
        with connection.begin():
            assert migrations.apply(connection) == undone[::-1]
            assert rows_of(connection) == {name: [] for name in before}
            assert views_of(connection) == views
    engine.dispose()


def test_one_step_back_and_up_loses_only_what_it_says(filled_url: str) -> None:
    """The rows of the tables that stay are the same, and the farm goes on with them."""
    engine = make_engine(filled_url, mode="rw")
    with engine.begin() as connection:
        before = rows_of(connection)
    loses = what_going_back_loses(filled_url)
    assert loses.endswith(".")
    with pytest.raises(ConfigError, match="the database of farm farm-of-tests, not of farm-other"):
        go_back(filled_url, "farm-other")
    undone, now = go_back(filled_url, "farm-of-tests")
    assert undone == HEAD
    assert now < HEAD
    with pytest.raises(SchemaMismatch, match=f"schema {now}.*farm db upgrade"):
        open_store(filled_url)
    with pytest.raises(SchemaMismatch, match="farm db upgrade"):
        go_back(filled_url)
    with engine.begin() as connection:
        kept = rows_of(connection)
    assert upgrade(filled_url) == [HEAD]
    with engine.begin() as connection:
        after = rows_of(connection)
    engine.dispose()
    assert {name: after[name] for name in kept} == kept
    assert kept == {name: before[name] for name in kept}
    assert set(after) == set(before)
    with closing(open_store(filled_url, farm_id="farm-of-tests")) as again:
        rig = Rig(again)
        rig.report(rig.granted()[0])
        assert again.held_leases() == []
