"""The one writing thread over a real database: group commit, and who hears of what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from orchestrator.domain.errors import NotFound, StoreUnavailable
from orchestrator.store.base import Transaction
from orchestrator.writer import MOST_PER_COMMIT, QUIET_S, Writer
from protos.states import Health
from tests.support.runtime import Brittle, Desk, open_desk

SOON_S = 10.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A database with one device."""
    with open_desk(tmp_path) as opened:
        yield opened


@pytest.fixture
def disk(desk: Desk) -> Brittle:
    """Its disk."""
    return Brittle(desk.store)


@pytest.fixture
def writer(disk: Brittle) -> Iterator[Writer]:
    """Its thread."""
    started = Writer(disk)
    started.start()
    yield started
    started.stop()


class Gate:
    """Work that keeps the thread busy until it is opened."""

    def __init__(self, writer: Writer) -> None:
        self._open = threading.Event()
        self._busy = threading.Event()
        self.future = writer.submit(self._work)
        assert self._busy.wait(SOON_S)

    def _work(self, _: Transaction) -> None:
        self._busy.set()
        assert self._open.wait(SOON_S)

    def open(self) -> None:
        """Let it go on."""
        self._open.set()


def test_what_was_written_is_durable_when_heard_of(desk: Desk, writer: Writer) -> None:
    """The answer comes after the commit."""
    assert writer.call(lambda t: t.set_health("local", Health.BAD, "why")) is None
    assert desk.store.device("local").note == "why"


def test_requests_that_wait_share_a_commit(disk: Brittle, writer: Writer) -> None:
    """As many as may, and the rest with the next."""
    gate = Gate(writer)
    futures = [writer.submit(lambda _, n=n: n) for n in range(MOST_PER_COMMIT + 1)]  # type: ignore[misc]
    gate.open()
    assert [future.result(SOON_S) for future in futures] == list(range(MOST_PER_COMMIT + 1))
    assert disk.commits == 3


def test_work_that_raises_undoes_itself_alone(desk: Desk, writer: Writer) -> None:
    """Its neighbours in the same commit are kept."""

    def fail(t: Transaction) -> None:
        t.set_health("local", Health.BAD, "never")
        t.move_run(99, "done", desk.now())  # type: ignore[arg-type]  # found missing before

    gate = Gate(writer)
    before = writer.submit(lambda t: t.set_health("local", Health.UNKNOWN, "kept"))
    failing = writer.submit(fail)
    after = writer.submit(lambda _: "after")
    gate.open()
    before.result(SOON_S)
    with pytest.raises(NotFound):
        failing.result(SOON_S)
    assert after.result(SOON_S) == "after"
    assert desk.store.device("local").note == "kept"


def test_a_full_disk_fails_all_of_its_commit(desk: Desk, disk: Brittle, writer: Writer) -> None:
    """Nobody hears of success, nothing is kept, and the next commit is good again."""
    gate = Gate(writer)
    futures = [
        writer.submit(lambda t: t.set_health("local", Health.BAD, "lost")) for _ in range(3)
    ]
    disk.full = True
    gate.open()
    for future in futures:
        with pytest.raises(StoreUnavailable):
            future.result(SOON_S)
    disk.full = False
    assert desk.store.device("local").note == ""
    writer.call(lambda t: t.set_health("local", Health.BAD, "kept"))
    assert desk.store.device("local").note == "kept"


def test_a_disk_that_stays_full_is_logged_once(
    disk: Brittle, caplog: pytest.LogCaptureFixture
) -> None:
    """When it begins and when it is over, though small commits go well in between."""
    now_s = [100.0]
    writer = Writer(disk, lambda: now_s[0])
    writer.start()
    for _ in range(3):
        disk.full = True
        with pytest.raises(StoreUnavailable):
            writer.call(lambda _: None)
        disk.full = False
        writer.call(lambda _: None)
        assert writer.trouble == "no room left on its disk"
        now_s[0] += QUIET_S / 2
    now_s[0] += QUIET_S
    for _ in range(2):
        writer.call(lambda _: None)
        # The thread notes it before it tells whoever waits.
        assert writer.trouble == ""
    writer.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "nothing of 1 requests was stored: no room left on its disk",
        "requests are stored again",
    ]


def test_a_store_that_fails_inside_ends_the_whole_commit(desk: Desk, writer: Writer) -> None:
    """Work that met a failing database takes its neighbours along: none was written."""

    def fail(_: Transaction) -> None:
        raise StoreUnavailable("its disk fails")

    gate = Gate(writer)
    first = writer.submit(lambda t: t.set_health("local", Health.BAD, "lost"))
    second = writer.submit(fail)
    third = writer.submit(lambda _: None)
    gate.open()
    for future in (first, second, third):
        with pytest.raises(StoreUnavailable):
            future.result(SOON_S)
    assert desk.store.device("local").note == ""


def test_stopping_does_what_was_asked_and_no_more(writer: Writer) -> None:
    """What was accepted is answered; later requests are told to try again."""
    gate = Gate(writer)
    asked = writer.submit(lambda _: 1)
    stopping = threading.Thread(target=writer.stop)
    stopping.start()
    gate.open()
    stopping.join(SOON_S)
    assert asked.result(SOON_S) == 1
    with pytest.raises(StoreUnavailable, match="stopping"):
        writer.call(lambda _: 2)
    writer.stop()


def test_cancelled_work_is_not_done(desk: Desk, writer: Writer) -> None:
    """A caller that gave up before its turn."""
    gate = Gate(writer)
    given_up = writer.submit(lambda t: t.set_health("local", Health.BAD, "never"))
    assert given_up.cancel()
    gate.open()
    writer.call(lambda _: None)
    with pytest.raises(CancelledError):
        given_up.result(SOON_S)
    assert desk.store.device("local").note == ""


def test_it_does_not_wait_for_itself(writer: Writer) -> None:
    """A call from the writing thread is a bug, told at once."""
    with pytest.raises(RuntimeError, match="wait for itself"):
        writer.call(lambda _: writer.call(lambda _: None))


def test_a_writer_that_never_started_stops(disk: Brittle) -> None:
    """And takes nothing."""
    never = Writer(disk)
    never.stop()
    with pytest.raises(StoreUnavailable):
        never.call(lambda _: None)
