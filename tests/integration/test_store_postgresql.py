"""The store on a PostgreSQL server: restarted, away, refusing, shared by two orchestrators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from orchestrator.domain.errors import ConfigError, SchemaMismatch, StoreError, StoreUnavailable
from orchestrator.store.postgresql import OLDEST, unfit
from orchestrator.store.sql import create_store, open_store, upgrade
from orchestrator.writer import Writer
from protos.states import CellState, Health
from tests.support import factories as make
from tests.support.databases import bare_database, postgresql_database
from tests.support.postgresql import LOCKED, PASSWORD, Cluster, cluster, new_cluster
from tests.support.storing import Rig


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Give a fresh database."""
    with postgresql_database(tmp_path) as address:
        yield address


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[str]:
    """Give a database with nothing in it."""
    with bare_database("postgresql", tmp_path) as address:
        yield address


@pytest.fixture
def server() -> Iterator[Cluster]:
    """Give a server that may be stopped."""
    made = new_cluster()
    yield made
    made.remove()


def test_a_restart_between_two_transactions_is_not_noticed(server: Cluster) -> None:
    """Neither by who reads nor by who writes and serves."""
    url = server.create("restarted")
    upgrade(url)
    with (
        closing(open_store(url, serving=True)) as store,
        closing(open_store(url, readonly=True)) as reader,
    ):
        rig = Rig(store)
        run_id = rig.order()
        assert reader.runs()
        server.stop()
        server.start()
        assert reader.run(run_id).run_id == run_id
        assert rig.measure() == [True]
        assert reader.held_leases() == []


def test_a_restart_inside_a_transaction_loses_that_one_only(server: Cluster) -> None:
    """Whoever wrote is told that nothing of it was kept, and asks again."""
    url = server.create("restarted")
    upgrade(url)
    with closing(open_store(url, serving=True)) as store:
        rig = Rig(store)
        run_id = rig.order()

        def cut_off() -> None:
            with rig.transaction() as t:
                t.set_health("local", Health.BAD, "never")
                server.stop()
                server.start()
                t.cancel_run(run_id, rig.now())

        with pytest.raises(StoreUnavailable, match="went away; nothing stored is lost"):
            cut_off()
        assert store.device("local").note == ""
        assert rig.states(run_id) == [CellState.READY]


def test_a_report_told_again_after_a_restart_counts_once(server: Cluster) -> None:
    """Through the writing thread: its commit fails while the server is away, then it holds."""
    url = server.create("restarted")
    upgrade(url)
    with closing(open_store(url, serving=True, timeout_s=0.1)) as store:
        rig = Rig(store)
        rig.order()
        rig.grant()
        (attempt,) = rig.granted()
        told, now = make.finished(attempt), rig.now()
        writer = Writer(store)
        writer.start()
        try:
            server.stop()
            with pytest.raises(StoreUnavailable):
                writer.call(lambda t: t.accept(told, retries=0, now=now))
            server.start()
            for _ in range(2):
                assert writer.call(lambda t: t.accept(told, retries=0, now=now))
        finally:
            writer.stop()
        assert len(store.attempts(attempt.cell_id)) == 1
        assert store.held_leases() == []


def test_one_orchestrator_serves_a_database(url: str) -> None:
    """The second is refused, readers are not; with the first one's end it may."""
    with closing(open_store(url, serving=True)):
        with pytest.raises(StoreUnavailable, match="another orchestrator serves"):
            open_store(url, serving=True)
        with pytest.raises(StoreUnavailable, match="another orchestrator serves"):
            upgrade(url)
        open_store(url, readonly=True).close()
    open_store(url, serving=True).close()


def test_who_lost_the_lock_does_not_write(server: Cluster) -> None:
    """Another orchestrator took the database over while this one's session was cut."""
    url = server.create("taken")
    upgrade(url)
    with closing(open_store(url, serving=True, timeout_s=0.3)) as store:
        rig = Rig(store)
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'taken'"
        )
        with closing(open_store(url, serving=True)) as other:
            with pytest.raises(StoreUnavailable, match="another orchestrator serves"):
                rig.order()
            assert other.runs() == []
        rig.order()


def test_a_database_is_one_farms(empty: str) -> None:
    """Made for one, it is refused to any other, and is not made a new one's again."""
    create_store(empty, "farm-a", lambda t: t.declare_devices([make.device()]))
    open_store(empty, farm_id="farm-a").close()
    for readonly in (True, False):
        with pytest.raises(ConfigError, match=r"of farm farm-a, not of farm-b"):
            open_store(empty, farm_id="farm-b", readonly=readonly)
    with pytest.raises(ConfigError, match=r"the database of farm farm-a .*nothing was changed"):
        create_store(empty, "farm-b", lambda _: None)


def test_what_somebody_else_keeps_there_is_left_alone(empty: str) -> None:
    """A table of his is enough to refuse; and what failed leaves nothing."""
    name = empty.rpartition("/")[2]
    with pytest.raises(RuntimeError, match="no more"):
        create_store(empty, "farm-a", _fail)
    cluster().run("CREATE TABLE recipes (dish text)", name)
    with pytest.raises(ConfigError, match=r"not empty \(1 tables and views, first recipes\)"):
        create_store(empty, "farm-a", lambda _: None)
    with pytest.raises(SchemaMismatch, match="farm db upgrade"):
        open_store(empty)
    assert cluster().run("SELECT count(*) FROM recipes", name) == [(0,)]


def _fail(_: object) -> None:
    raise RuntimeError("no more")


def test_what_a_program_says_may_hold_any_character(url: str) -> None:
    """Of any length; the one PostgreSQL has no place for is replaced."""
    with closing(open_store(url)) as store:
        rig = Rig(store)
        with rig.transaction() as t:
            t.set_health("local", Health.BAD, "a\0b" + "\N{PILE OF POO}" * 5000)
            t.see_device("local", rig.now(), agent_version="v" * 5000, boot_id="b\0")
        assert store.device("local").note.startswith("a\N{REPLACEMENT CHARACTER}b\N{PILE OF POO}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("/farm_", "/none_"), "no such database there; make it with: createdb NAME"),
        (("farm@", "stranger@"), "refuses the login; check the user"),
        (("farm@", f"{LOCKED}@"), "refuses the login; .*PGPASSWORD"),
        (("127.0.0.1:", "127.0.0.1:1"), "does not answer"),
        (("127.0.0.1", "no-such-host.invalid"), "its host is not known"),
    ],
)
def test_what_cannot_be_opened_is_one_line(url: str, change: tuple[str, str], said: str) -> None:
    """With the next step."""
    wrong = url.replace(*change)
    if "1:1" in change[1]:
        wrong = "postgresql://farm@127.0.0.1:1/farm"
    with pytest.raises(StoreUnavailable, match=said) as told:
        open_store(wrong)
    assert "\n" not in str(told.value)


def test_a_password_is_in_no_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a right nor a wrong one."""
    theirs = url.replace("farm@", f"{LOCKED}@")
    for password in (PASSWORD, "wr0ng-word"):
        monkeypatch.setenv("PGPASSWORD", password)
        with pytest.raises(StoreError) as told:
            open_store(theirs)
        chain: BaseException | None = told.value
        while chain is not None:
            assert password not in str(chain)
            chain = chain.__cause__
    with pytest.raises(ConfigError, match="holds a password") as refused:
        open_store(theirs.replace(LOCKED, f"{LOCKED}:{PASSWORD}"))
    assert PASSWORD not in str(refused.value)


def test_rights_that_lack_are_said(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who may connect and no more."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(StoreUnavailable, match="ALTER DATABASE NAME OWNER TO USER"):
        upgrade(empty.replace("farm@", f"{LOCKED}@"))


def test_a_database_that_may_only_be_read_is_said(url: str) -> None:
    """As a standby is."""
    name = url.rpartition("/")[2]
    cluster().run(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with closing(open_store(url, readonly=True)) as reader:
        assert reader.runs() == []
    with closing(open_store(url)) as store, pytest.raises(StoreUnavailable, match="only be read"):
        Rig(store)


def test_a_second_writer_waits_its_turn_then_says_so(url: str) -> None:
    """The line says that another one writes; afterwards it works."""
    with closing(open_store(url, timeout_s=0.2)) as store, closing(open_store(url)) as other:
        rig = Rig(store)
        with other.transaction(), pytest.raises(StoreUnavailable, match="another process writes"):
            rig.order()
        assert rig.states(rig.order()) == [CellState.READY]


def test_commits_are_flushed_whatever_the_server_says(url: str) -> None:
    """A server that was told not to wait for its disk waits for ours."""
    name = url.rpartition("/")[2]
    cluster().run(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with closing(open_store(url)) as store:
        connection = store._db._connection  # type: ignore[attr-defined]  # a setting shows nowhere else
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        connection.rollback()


def test_a_server_that_is_too_old_or_not_in_utf8_is_refused() -> None:
    """By the numbers the server itself gives."""
    assert unfit(OLDEST * 10_000, "UTF8") == ""
    assert f"use {OLDEST} or newer" in unfit(OLDEST * 10_000 - 1, "UTF8")
    assert "encoding is LATIN1; make one with: createdb" in unfit(150_000, "LATIN1")


def test_a_database_in_another_encoding_is_refused() -> None:
    """It could not hold what programs print."""
    name = "farm_latin"
    cluster().run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1'")
    with pytest.raises(StoreUnavailable, match="its encoding is LATIN1"):
        upgrade(cluster().url(name))
    with suppress(psycopg.Error):
        cluster().run(f"DROP DATABASE {name}")
