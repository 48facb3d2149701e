"""Unfinished uploads: parts at offsets, in any order, any number of times."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import DigestMismatch, NotFound
from orchestrator.rpc.uploads import MOST_BYTES, STALE_S, Piece, Uploads

DATA = bytes(range(100))
WHOLE = Digest(hashlib.sha256(DATA).hexdigest(), len(DATA))


def _piece(start: int, end: int, data: bytes = DATA) -> Piece:
    return Piece("local", 7, "stdout", WHOLE, start, data[start:end])


def test_parts_in_order_make_the_whole(tmp_path: Path) -> None:
    """Each answer says where to go on; the last one says that all is there."""
    uploads = Uploads(tmp_path)
    assert uploads.take(_piece(0, 40)).next_offset == 40
    taken = uploads.take(_piece(40, 100))
    assert taken.next_offset == 100
    assert taken.whole is not None
    assert taken.whole.read_bytes() == DATA


def test_a_gap_is_told_the_right_offset(tmp_path: Path) -> None:
    """A part from further on changes nothing."""
    uploads = Uploads(tmp_path)
    uploads.take(_piece(0, 10))
    assert uploads.take(_piece(50, 100)).next_offset == 10


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was stored is still there."""
    Uploads(tmp_path).take(_piece(0, 70))
    assert Uploads(tmp_path).take(_piece(0, 10)).next_offset == 70


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=20))
def test_any_order_of_parts_is_right_or_incomplete(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]]
) -> None:
    """Overlaps, repeats and gaps never make wrong bytes."""
    uploads = Uploads(tmp_path_factory.mktemp("uploads"))
    for start, end in parts:
        uploads.take(_piece(min(start, end), max(start, end)))
    taken = uploads.take(_piece(0, 0))
    final = uploads.take(_piece(taken.next_offset, 100))
    assert final.whole is not None
    assert final.whole.read_bytes() == DATA


def test_damage_starts_over(tmp_path: Path) -> None:
    """A whole that is not what was announced is dropped; the next try begins at 0."""
    uploads = Uploads(tmp_path)
    with pytest.raises(DigestMismatch, match="attempt 7 arrived damaged"):
        uploads.take(_piece(0, 100, bytes(100)))
    assert uploads.take(_piece(0, 0)).next_offset == 0


def test_devices_and_kinds_do_not_mix(tmp_path: Path) -> None:
    """The same attempt's other log, and another device's claim on it, are files of their own."""
    uploads = Uploads(tmp_path)
    uploads.take(_piece(0, 40))
    assert uploads.take(replace(_piece(0, 0), kind="stderr")).next_offset == 0
    assert uploads.take(replace(_piece(0, 0), device="../local")).next_offset == 0
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))


def test_nothing_is_larger_than_it_says(tmp_path: Path) -> None:
    """A part past the end, and an upload beyond all measure, are refused."""
    uploads = Uploads(tmp_path)
    with pytest.raises(NotFound):
        uploads.take(replace(_piece(0, 100), data=DATA + b"x"))
    with pytest.raises(NotFound):
        uploads.take(replace(_piece(0, 1), whole=Digest(WHOLE.sha256, MOST_BYTES + 1)))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_upload_is_whole_at_once(tmp_path: Path) -> None:
    """A program that printed nothing."""
    empty = Digest(hashlib.sha256().hexdigest(), 0)
    taken = Uploads(tmp_path).take(replace(_piece(0, 0), whole=empty))
    assert taken.whole is not None


def test_dropping_leaves_others(tmp_path: Path) -> None:
    """Only what is of this attempt goes, and twice does no harm."""
    uploads = Uploads(tmp_path)
    uploads.take(_piece(0, 40))
    uploads.take(replace(_piece(0, 40), attempt_id=77))
    uploads.drop(7)
    uploads.drop(7)
    assert uploads.take(_piece(0, 0)).next_offset == 0
    assert uploads.take(replace(_piece(0, 0), attempt_id=77)).next_offset == 40


def test_stale_parts_are_swept(tmp_path: Path) -> None:
    """A start drops what nobody continued for a week, and keeps the rest."""
    uploads = Uploads(tmp_path)
    uploads.take(_piece(0, 40))
    (old,) = tmp_path.iterdir()
    uploads.take(replace(_piece(0, 10), attempt_id=8))
    then = old.stat().st_mtime - STALE_S - 10
    os.utime(old, (then, then))
    assert Uploads(tmp_path).take(_piece(0, 0)).next_offset == 0
    assert uploads.take(replace(_piece(0, 0), attempt_id=8)).next_offset == 10


def test_a_finished_log_is_remembered(tmp_path: Path) -> None:
    """Its digest waits for the report, also over a restart; a repeated part asks for no more."""
    uploads = Uploads(tmp_path)
    uploads.take(_piece(0, 100))
    uploads.finish(_piece(0, 100))
    again = Uploads(tmp_path)
    taken = again.take(_piece(0, 10))
    assert (taken.next_offset, taken.whole, taken.finished) == (100, None, True)
    assert again.logs("local", 7) == {"stdout": WHOLE}
    assert again.logs("other", 7) == {}
    again.drop(7)
    assert again.logs("local", 7) == {}
    assert list(tmp_path.iterdir()) == []
