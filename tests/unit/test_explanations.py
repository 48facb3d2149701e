"""What is said of a cell: by placement while it waits, by its attempts while it is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.device import DeviceStatus
from orchestrator.domain.run import HeldLease, Run, Slot
from orchestrator.explanations import Situation, explain_cells
from orchestrator.store.base import AttemptRecord
from protos.states import (
    AttemptState,
    CellState,
    DeviceState,
    Health,
    Hold,
    LeaseState,
    Outcome,
    RunState,
)
from tests.support import factories as make
from tests.unit.test_view_tables import NATIVE

READY = replace(NATIVE, state=CellState.READY, outcome=None)
RUN = Run(3, "test", RunState.RUNNING, make.NOW, None, 0, {CellState.READY: 1})
SLOT = Slot(3, NATIVE.cell_id, 0, 0, 0, "3/1/local", "local", "local-x86_64", 0)


def status(name: str = "local", **changes: Any) -> DeviceStatus:
    """A device that could work."""
    known = DeviceStatus(
        device=make.device(name, machine="here"),
        state=DeviceState.IDLE,
        health=Health.GOOD,
        hold=Hold.NONE,
        note="",
        fence=0,
        seen_at=make.NOW,
        agent_version="1",
        facts={},
    )
    return replace(known, **changes)


def situation(**changes: Any) -> Situation:
    """One open slot, one idle device, an orchestrator."""
    known = Situation(
        run=RUN, statuses=[status()], slots=[SLOT], held=[], now=make.NOW, served=True
    )
    return replace(known, **changes)


def attempt(state: AttemptState, **changes: Any) -> AttemptRecord:
    """An attempt of the cell."""
    known = AttemptRecord(
        12, 3, NATIVE.cell_id, 1, "local", "here", 5, 7, 2, state, make.NOW, None
    )
    return replace(known, **changes)


NOBODY = "no orchestrator of this farm is running; start one with: farm up"
LEASE = HeldLease(1, "other", "here", 1, LeaseState.HELD, make.NOW)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (situation(), ("local takes it when it asks next",)),
        (situation(served=False), (NOBODY, "local takes it when it asks next")),
        (
            situation(statuses=[status(hold=Hold.DRAIN, note="new disk")]),
            ("local is on hold (drain): new disk",),
        ),
        (
            situation(statuses=[status(state=DeviceState.OFFLINE)], now=make.later(9)),
            ("local is offline, last seen 9 s ago",),
        ),
        (
            situation(statuses=[status(health=Health.UNKNOWN, note="device_failed: hot")]),
            ("local takes it when it asks next and has rested (device_failed: hot)",),
        ),
        (
            situation(statuses=[status(), status("other")], held=[LEASE]),
            ("other is measuring on the same machine (here)",),
        ),
        (
            situation(slots=[SLOT, replace(SLOT, run_id=2, cell_id=99, group="2/1/local")]),
            ("local takes run 2, 2/1/local, block 0 first",),
        ),
        (situation(statuses=[status("other")]), ("no device local is declared",)),
        (situation(slots=[]), ("a device has just taken it; ask again",)),
        (
            situation(
                attempts={
                    NATIVE.cell_id: [
                        attempt(AttemptState.REJECTED, finished=make.finished(
                            12, outcome=Outcome.DEVICE_FAILED, reason="hot"
                        )),
                        attempt(AttemptState.REJECTED, attempt_id=13),
                    ]
                }
            ),
            (
                "local takes it when it asks next",
                "attempt 12 on local did not count: device_failed, hot",
                "attempt 13 on local did not count: lost",
            ),
        ),
    ],
)  # fmt: skip
def test_a_ready_cell_waits_for_what_placement_says(
    known: Situation, why: tuple[str, ...]
) -> None:
    """Each obstacle, and the tries before."""
    assert explain_cells([READY], known)[0].why == why


@pytest.mark.parametrize(
    ("cell", "known", "why"),
    [
        (
            replace(READY, state=CellState.WAITING),
            situation(run=replace(RUN, state=RunState.BUILDING), build="3 of 9"),
            ("its run is being built: 3 of 9",),
        ),
        (
            replace(READY, state=CellState.LEASED),
            situation(
                attempts={
                    NATIVE.cell_id: [attempt(AttemptState.ACCEPTED), attempt(AttemptState.RUNNING)]
                }
            ),
            ("attempt 12 (block 1) on local: running",),
        ),
        (
            replace(READY, state=CellState.LEASED),
            situation(attempts={NATIVE.cell_id: [attempt(AttemptState.GRANTED)]}),
            (
                "attempt 12 (block 1) on local: granted, not begun; those before it under the same"
                " lease go first",
            ),
        ),
        (
            replace(READY, state=CellState.LEASED),
            situation(),
            ("its attempt has just ended",),
        ),
        (
            replace(READY, state=CellState.IMPOSSIBLE, reason="no SIMD there"),
            situation(),
            ("no device can ever take it: no SIMD there",),
        ),
        (
            replace(READY, state=CellState.CANCELLED, outcome=Outcome.CANCELLED),
            situation(),
            ("cancelled with its run; take it up with: farm run --resume 3",),
        ),
        (
            replace(READY, state=CellState.FAILED, reason="tiny.c does not compile"),
            situation(),
            ("it could not be built: tiny.c does not compile",),
        ),
        (NATIVE, situation(), ("succeeded, 3 accepted",)),
        (
            replace(NATIVE, state=CellState.FAILED, outcome=Outcome.TIMED_OUT, reason="after 3 s"),
            situation(),
            ("timed_out: after 3 s", "what it printed: farm runs logs 3 1"),
        ),
    ],
)
def test_any_other_cell_says_where_it_stands(cell: Any, known: Situation, why: Any) -> None:
    """Waiting for its build, measured, impossible, ended."""
    assert explain_cells([cell], known)[0].why == why
