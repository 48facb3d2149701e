"""The ledger of the kill tests sees what it is there to see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.ledger import Ledger
from tests.support.waiting import wait_until

#: Sleeps until its standard input closes; its further arguments are for those who look.
WAITS = (sys.executable, "-c", "import sys; sys.stdin.read()")


@pytest.fixture(name="begin")
def _begin(tmp_path: Path) -> Iterator[Callable[[str, int], subprocess.Popen[bytes]]]:
    """Start what looks like a runner of the farm in ``tmp_path``, by token and attempt."""
    with ExitStack() as stack:

        def begin(token: str, attempt: int) -> subprocess.Popen[bytes]:
            place = tmp_path / "data" / "agents" / "here" / "state" / "attempts" / f"1.1.{attempt}"
            return stack.enter_context(_runner(token, place / "events"))

        yield begin


@contextmanager
def _runner(token: str, events: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*WAITS, "--events", str(events)],
        stdin=subprocess.PIPE,
        env={**os.environ, "FARM_ATTEMPT": token},
        start_new_session=True,
    )
    with process:
        yield process


def end(process: subprocess.Popen[bytes]) -> None:
    """Let a stand-in go."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def sees(ledger: Ledger, runners: set[tuple[str, int]]) -> bool:
    """Say whether the ledger sees these now, by device and attempt, and no others."""
    return {(one.device, one.attempt_id) for one in ledger.alive()} == runners


def test_one_after_the_other_is_no_overlap(
    tmp_path: Path, begin: Callable[[str, int], subprocess.Popen[bytes]]
) -> None:
    """And nobody of another farm counts."""
    with Ledger(tmp_path) as ledger:
        for attempt in (7, 8):
            runner, only = begin(f"token-{attempt}", attempt), {("here", attempt)}
            wait_until(partial(sees, ledger, only))
            end(runner)
            wait_until(partial(sees, ledger, set()))
    with Ledger(tmp_path / "elsewhere") as other:
        end(begin("token-9", 9))
    assert (ledger.overlaps, set(ledger.attempts.values())) == ([], {7, 8})
    assert other.lives == {}
    assert ledger.leftovers() == {}


def test_two_at_once_and_an_attempt_run_twice_are_told(
    tmp_path: Path, begin: Callable[[str, int], subprocess.Popen[bytes]]
) -> None:
    """Whoever lives is found, and left over as long as it does."""
    with Ledger(tmp_path) as ledger:
        first, second = begin("token-7", 7), begin("token-8", 8)
        wait_until(partial(sees, ledger, {("here", 7), ("here", 8)}))
        assert set(ledger.leftovers()) == {first.pid, second.pid}
        end(first)
        begin("token-7", 7)
        wait_until(lambda: len(ledger.lives["token-7"].leaders) == 2)
    assert ledger.overlaps
