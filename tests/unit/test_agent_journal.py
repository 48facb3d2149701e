"""The agent's journal: begins once, moves legally, keeps its word over a reopening."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from agent.journal import Journal
from agent.order import Ref
from protos.states import AttemptState, IllegalMoveError


def test_begins_each_reference_once_in_any_order(tmp_path: Path) -> None:
    """Whatever order references come in, each begins at most once and none after a later one."""
    refs = [Ref(1, 1, 10), Ref(1, 2, 11), Ref(2, 1, 12)]
    for number, order in enumerate(itertools.permutations(refs + refs[:1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        journal = Journal(folder)
        began = [ref for ref in order if journal.begin(ref, b"", "t")]
        journal.close()
        assert sorted(set(began)) == began


def test_highest_survives_reopening_and_forgetting(tmp_path: Path) -> None:
    """The highest reference stays on disk when its attempt is forgotten."""
    journal = Journal(tmp_path)
    journal.begin(Ref(3, 2, 7), b"order", "token")
    journal.report(Ref(3, 2, 7), b"report")
    assert journal.forget(Ref(3, 2, 7))
    journal.close()
    reopened = Journal(tmp_path)
    assert reopened.highest() == (3, 2)
    assert reopened.entries() == ()
    assert not reopened.begin(Ref(3, 2, 7), b"order", "token")
    reopened.close()


def test_keeps_everything_of_an_attempt(tmp_path: Path) -> None:
    """Order, token, boot and conditions are there after a reopening."""
    journal = Journal(tmp_path)
    ref = Ref(1, 1, 7)
    journal.begin(ref, b"order", "token")
    journal.run(ref, "boot", b"conditions")
    journal.close()
    reopened = Journal(tmp_path)
    (entry,) = reopened.entries()
    reopened.close()
    assert (ref, AttemptState.RUNNING) == (entry.ref, entry.state)
    assert (
        entry.assignment,
        entry.token,
        entry.boot_id,
        entry.conditions,
    ) == (b"order", "token", "boot", b"conditions")


def test_the_first_report_stays(tmp_path: Path) -> None:
    """A second report of the same attempt changes nothing."""
    journal = Journal(tmp_path)
    ref = Ref(1, 1, 7)
    journal.begin(ref, b"", "t")
    journal.report(ref, b"first")
    journal.report(ref, b"second")
    assert [entry.report for entry in journal.entries()] == [b"first"]
    journal.close()


def test_refuses_illegal_moves(tmp_path: Path) -> None:
    """What is reported never runs again."""
    journal = Journal(tmp_path)
    ref = Ref(1, 1, 7)
    journal.begin(ref, b"", "t")
    journal.report(ref, b"report")
    with pytest.raises(IllegalMoveError):
        journal.run(ref, "boot", b"")
    journal.close()


def test_forgets_only_what_is_reported_and_meant(tmp_path: Path) -> None:
    """A running attempt, or another id at the same place, is not forgotten."""
    journal = Journal(tmp_path)
    journal.begin(Ref(1, 1, 7), b"", "t")
    assert not journal.forget(Ref(1, 1, 7))
    journal.report(Ref(1, 1, 7), b"report")
    assert not journal.forget(Ref(1, 1, 8))
    assert journal.forget(Ref(1, 1, 7))
    journal.close()
