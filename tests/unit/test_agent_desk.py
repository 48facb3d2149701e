"""What the desk makes of answers: repeated, old, without a lease; and when an attempt must end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backoff import Backoff
from agent.desired import Desired
from agent.desk import Contact, Desk, Stopped
from agent.journal import Journal
from agent.order import Ref
from agent.outcome import StopCause

A, B = Ref(5, 1, 10), Ref(5, 2, 11)


def answer(
    fence: int = 5,
    orders: tuple[Ref, ...] = (),
    stop: tuple[Ref, ...] = (),
    forget: tuple[Ref, ...] = (),
    valid_s: float = 30.0,
) -> Desired:
    """Word an answer."""
    return Desired(
        fence,
        valid_s,
        dict.fromkeys(orders, b"order"),
        frozenset(stop),
        frozenset(forget),
        1,
        False,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal."""
    made = Journal(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(journal: Journal, tmp_path: Path) -> Desk:
    """A desk that knows nothing yet."""
    return Desk(journal, tmp_path, "boot")


def test_orders_come_by_sequence_and_leave_when_withdrawn(desk: Desk) -> None:
    """The lowest sequence is next; an answer without it withdraws it."""
    desk.take(answer(orders=(B, A)))
    assert desk.next_order() == (A, b"order")
    desk.take(answer(orders=(B,)))
    assert desk.next_order() == (B, b"order")
    desk.take(answer())
    assert desk.next_order() is None


def test_what_began_is_not_offered_again(desk: Desk, journal: Journal) -> None:
    """A repeated answer leaves out what the journal has begun, or gone past."""
    desk.take(answer(orders=(A, B)))
    journal.begin(A, b"order", "t")
    desk.changed(A)
    desk.take(answer(orders=(A, B)))
    assert desk.next_order() == (B, b"order")


def test_an_older_lease_changes_nothing(desk: Desk, journal: Journal) -> None:
    """An answer with a lower fence than what has begun neither stops nor orders."""
    desk.take(answer(orders=(A,)))
    journal.begin(A, b"order", "t")
    desk.changed(A)
    old = Ref(4, 9, 3)
    desk.take(answer(fence=4, orders=(old,), stop=(A,)))
    assert desk.stop_cause(A) is None
    assert desk.next_order() is None


def test_orders_of_another_fence_than_the_lease_are_left_out(desk: Desk) -> None:
    """An order must belong to the lease it comes with."""
    desk.take(answer(fence=6, orders=(A,)))
    assert desk.next_order() is None


def test_a_stop_reaches_what_has_not_begun(desk: Desk) -> None:
    """It is taken in its turn, to be reported as cancelled, even if its order never came."""
    desk.take(answer(orders=(A,), stop=(B,)))
    assert desk.next_order() == (A, b"order")
    desk.take(answer(stop=(B,)))
    assert desk.next_order() == (B, b"")
    assert desk.stop_cause(B) == StopCause.ORDERED


@pytest.mark.parametrize(("fence", "valid_s"), [(0, 0.0), (6, 30.0)])
def test_the_end_of_the_lease_ends_the_attempt(desk: Desk, fence: int, valid_s: float) -> None:
    """No lease or a newer one: what runs under the old one must end."""
    desk.take(answer())
    desk.check(A)
    desk.take(answer(fence=fence, valid_s=valid_s))
    with pytest.raises(Stopped, match="its lease is over"):
        desk.check(A)


def test_silence_ends_the_attempt(desk: Desk) -> None:
    """A lease of no length has lapsed at once, and is no longer claimed."""
    desk.take(answer(orders=(A,), valid_s=0.0))
    assert desk.stop_cause(A) == StopCause.NO_CONTACT
    assert desk.next_order() is None
    assert desk.standing()[1].fence == 0


def test_the_contact_outlives_the_process_but_not_the_boot(
    desk: Desk, journal: Journal, tmp_path: Path
) -> None:
    """The next process of this boot counts on from the last contact; another boot has none."""
    desk.take(answer())
    assert Desk(journal, tmp_path, "boot").stop_cause(A) is None
    assert Desk(journal, tmp_path, "other").stop_cause(A) == StopCause.LEASE_OVER


def test_a_torn_contact_file_is_no_contact(journal: Journal, tmp_path: Path) -> None:
    """Half a file is as good as none."""
    (tmp_path / "contact.json").write_text('{"fence": 5, "val')
    assert Desk(journal, tmp_path, "boot").standing()[1].fence == 0


def test_forgets_what_is_settled(desk: Desk, journal: Journal) -> None:
    """Only what was reported is forgotten, and it is told whose folder may go."""
    desk.take(answer(orders=(A, B)))
    journal.begin(A, b"", "t")
    journal.begin(B, b"", "t")
    journal.report(A, b"report")
    assert desk.take(answer(forget=(A, B))) == (A,)
    assert [entry.ref for entry in journal.entries()] == [B]


def test_contact_lapses_after_its_time() -> None:
    """To the very end of the time it holds."""
    contact = Contact(1, 2.0, 1_000_000_000, "boot")
    assert not contact.lapsed(3_000_000_000)
    assert contact.lapsed(3_000_000_001)


@given(st.integers(1, 60))
def test_back_off_grows_and_is_bounded(tries: int) -> None:
    """Pauses never exceed 15 s, never fall below a tenth, and begin anew after a success."""
    backoff = Backoff()
    pauses = [backoff.pause_s() for _ in range(tries)]
    assert all(0.1 <= pause <= 15.0 for pause in pauses)
    assert all(pause >= 7.5 for pause in pauses[7:])
    backoff.reset()
    assert backoff.pause_s() <= 0.2
