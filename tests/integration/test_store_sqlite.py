"""The store on SQLite files: locked, full, read-only, damaged, missing, killed, shared."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from orchestrator.domain.errors import ConfigError, StoreUnavailable
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.store.base import ResultFilter, Store
from orchestrator.store.sql import open_store, upgrade
from protos.states import CellState
from tests.support import factories as make
from tests.support.databases import sqlite_database
from tests.support.storing import Rig


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Give a fresh database."""
    with sqlite_database(tmp_path) as address:
        yield address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Give its store."""
    opened = open_store(url, timeout_s=0.2)
    yield opened
    opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of two megabytes, where one can be had."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "farm-test", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"needs a small disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def pragma(store: Store, name: str) -> object:
    """Ask the store's own connection for a setting."""
    connection = store._db._connection  # type: ignore[attr-defined]  # a setting shows nowhere else
    value = connection.exec_driver_sql(f"PRAGMA {name}").scalar()
    connection.rollback()
    return value


def test_commits_are_flushed_and_references_checked(store: Store) -> None:
    """A write-ahead log, flushed at every commit (2: FULL), foreign keys on."""
    settings = [pragma(store, one) for one in ("journal_mode", "synchronous", "foreign_keys")]
    assert settings == ["wal", 2, 1]


def test_a_reader_sees_what_was_committed_only(store: Store, url: str) -> None:
    """Beside a writer in the middle of its work, without waiting for it."""
    rig = Rig(store)
    with closing(open_store(url, readonly=True)) as reader:
        with store.transaction() as t:
            run_id = t.create_run(make.plan(), rig.now())
            assert [run.run_id for run in store.runs()] == [run_id]
            assert reader.runs() == []
        assert [run.run_id for run in reader.runs()] == [run_id]


def test_a_read_only_store_writes_nothing(store: Store, url: str) -> None:
    """Neither by mistake of a caller nor by SQL."""
    with closing(open_store(url, readonly=True)) as reader:
        with pytest.raises(RuntimeError, match="read-only"):
            reader.transaction().__enter__()
        connection = reader._db._connection  # type: ignore[attr-defined]  # past the guard
        with pytest.raises(OperationalError, match="readonly database"):
            connection.exec_driver_sql("DELETE FROM runs")


def test_a_database_nobody_has_open_can_be_read(url: str) -> None:
    """After the writer has left and taken its log along."""
    with closing(open_store(url)) as writer:
        Rig(writer)
    with closing(open_store(url, readonly=True)) as reader:
        assert [one.device.name for one in reader.devices()] == ["local"]


def test_a_second_writer_waits_its_turn_then_says_so(store: Store, url: str) -> None:
    """The line says that another process holds the database; afterwards it works."""
    rig = Rig(store)
    with closing(open_store(url, timeout_s=0.2)) as other:
        with (
            other.transaction(),
            pytest.raises(StoreUnavailable, match="another process holds") as told,
        ):
            rig.order()
        assert "\n" not in str(told.value)
    assert rig.states(rig.order()) == [CellState.READY]


def test_a_nested_transaction_is_a_bug(store: Store) -> None:
    """There is one writer, and it is at work."""
    with store.transaction(), pytest.raises(RuntimeError, match="inside another"):
        store.transaction().__enter__()


def test_a_full_disk_says_so_and_loses_nothing(small_disk: Path) -> None:
    """What was stored stays, the failed transaction leaves nothing, and with room it goes on."""
    with sqlite_database(small_disk) as url, closing(open_store(url)) as store:
        rig = Rig(store)
        kept = rig.order()
        filler = small_disk / "filler"
        fill(filler)
        with pytest.raises(StoreUnavailable, match="nothing stored is lost") as told:
            big_order(rig)
        assert "\n" not in str(told.value)
        assert [run.run_id for run in store.runs()] == [kept]
        assert rig.states(kept) == [CellState.READY]
        filler.unlink()
        assert rig.measure() == [True]
        assert len(store.cells(big_order(rig))) == 400
    with closing(sqlite3.connect(small_disk / "farm.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_nothing_of_a_failed_transaction_becomes_durable(store: Store) -> None:
    """A caller that goes on after the database failed writes into nothing (no autocommit)."""
    rig = Rig(store)
    pages = pragma(store, "page_count")
    pragma(store, f"max_page_count = {pages}")
    with pytest.raises(StoreUnavailable):
        go_on_regardless(rig)
    pragma(store, "max_page_count = 1000000")
    assert store.runs() == []
    assert rig.states(rig.order()) == [CellState.READY]


def test_two_threads_take_turns(store: Store) -> None:
    """A store that is read by several threads at once answers each rightly."""
    rig = Rig(store)
    run_id = rig.order(make.plan(*(make.cell(mode=Mode(Runtime.AOT, opt=n)) for n in range(20))))
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(20):
                assert len(store.results(ResultFilter(run_id=run_id))) == 20
        except BaseException as error:  # noqa: BLE001  # carried to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        with store.transaction() as t:
            t.create_run(make.plan(), rig.now())
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_a_killed_writer_leaves_all_or_nothing(url: str) -> None:
    """Every committed run is there whole, the one in hand not at all, whenever the blow falls."""
    script = (
        "import sys\n"
        "from orchestrator.store.sql import open_store\n"
        "from tests.support.storing import Rig\n"
        "from tests.support import factories as make\n"
        "rig = Rig(open_store(sys.argv[1]))\n"
        "while True:\n"
        "    run_id = rig.order(make.plan(*[make.cell()] * 50), ready=False)\n"
        "    sys.stdout.write(f'{run_id}\\n'); sys.stdout.flush()\n"
    )
    for blow in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(2 + blow)]
            writer.kill()
            told += [int(line) for line in writer.stdout.read().split()]
        with closing(open_store(url)) as store:
            stored = [run.run_id for run in store.runs()]
            assert set(told) <= set(stored)
            assert {run.size for run in store.runs()} == {50}


def test_a_missing_database_names_the_next_step(tmp_path: Path) -> None:
    """And is not made by looking for it."""
    for readonly in (True, False):
        with pytest.raises(StoreUnavailable, match="farm init"):
            open_store(f"sqlite:///{tmp_path / 'none.db'}", readonly=readonly)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("farm.db", "not a database"),
        ("sqlite://", "not a database"),
        ("sqlite:///", "is a file"),
        ("sqlite:///:memory:", "is a file"),
        ("postgres://host/farm", "not a database"),
    ],
)
def test_a_wrong_address_is_the_users_mistake(url: str, complaint: str) -> None:
    """One line, with an example of a right one where that helps."""
    for use in (open_store, upgrade):
        with pytest.raises(ConfigError, match=complaint):
            use(url)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A database cannot be made in it."""
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        upgrade(f"sqlite:///{tmp_path / 'none' / 'farm.db'}")


def test_odd_names_of_folders_do_no_harm(tmp_path: Path) -> None:
    """Blanks, percent signs, question marks and hashes are letters like others."""
    folder = tmp_path / "50% of? a #farm"
    folder.mkdir()
    with sqlite_database(folder) as url, closing(open_store(url)) as store:
        Rig(store)
    assert (folder / "farm.db").exists()


def fill(path: Path) -> None:
    """Write till the disk is full, but for one page."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            os.ftruncate(file.fileno(), max(0, file.tell() - 4096))


def big_order(rig: Rig) -> int:
    """Order more than a page can hold."""
    return rig.order(make.plan(*[make.cell()] * 400), ready=False)


def go_on_regardless(rig: Rig) -> None:
    """Write more than there is room for as one request of many, and take no notice."""
    with rig.transaction() as t:
        with suppress(StoreUnavailable), t.part():
            t.create_run(make.plan(*[make.cell()] * 400), rig.now())
        with pytest.raises(StoreUnavailable):
            t.create_run(make.plan(), rig.now())
