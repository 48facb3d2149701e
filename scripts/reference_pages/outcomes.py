"""docs/reference/outcomes.md: states with their moves, outcomes, and what a command exits with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.cli.examples import EXITS, FAILED
from protos.states import (
    ATTEMPT_MOVES,
    CELL_MOVES,
    DEVICE_MOVES,
    LEASE_MOVES,
    RETRIED,
    RUN_MOVES,
    AttemptState,
    CellState,
    DeviceState,
    Health,
    Hold,
    LeaseState,
    Outcome,
    RunState,
)
from scripts.reference_pages.markdown import code, opening, table

#: By the members of one enum, which the type cannot say.
Told = Mapping[Any, str]
Moves = Mapping[Any, frozenset[Any]]

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.SUCCEEDED: "it ran to its end, and its output is right where one is expected",
    Outcome.WORKLOAD_FAILED: "the program crashed, trapped, exited with another code than 0,"
    " broke a limit or left no output it had to leave",
    Outcome.WRONG_OUTPUT: "its output is not the expected one, or differs between repeats",
    Outcome.TIMED_OUT: "the attempt took longer than it may",
    Outcome.CANCELLED: "somebody wished it over, or its agent lost contact and stopped it",
    Outcome.DEVICE_FAILED: "the device, or the agent on it, failed or fell silent",
    Outcome.INFRASTRUCTURE_FAILED: "the farm itself failed: a runner, a transfer, a check",
    Outcome.UNSUPPORTED: "no device can run it; the reason says what is missing",
}
RUNS: Mapping[RunState, str] = {
    RunState.BUILDING: "what its cells need is built",
    RunState.QUEUED: "cells are ready, none has been granted yet",
    RunState.RUNNING: "a cell has been granted",
    RunState.DONE: "every cell is settled",
    RunState.CANCELLED: "stopped on wish; `farm run --resume` goes on with it",
}
CELLS: Mapping[CellState, str] = {
    CellState.WAITING: "for its build",
    CellState.READY: "for a device that asks for work",
    CellState.LEASED: "an attempt of it is under way",
    CellState.DONE: "every block has its result",
    CellState.FAILED: "it ended without; its outcome says how",
    CellState.CANCELLED: "its run was stopped before it was over",
    CellState.IMPOSSIBLE: "no device can ever take it",
}
ATTEMPTS: Mapping[AttemptState, str] = {
    AttemptState.GRANTED: "promised to a device",
    AttemptState.STAGING: "the device fetches what it lacks",
    AttemptState.RUNNING: "the program runs",
    AttemptState.REPORTED: "it ended, and its report has arrived",
    AttemptState.ACCEPTED: "it is its block's one result, good or bad",
    AttemptState.REJECTED: "it counts for nothing: it is tried again, came late or was cancelled",
}
LEASES: Mapping[LeaseState, str] = {
    LeaseState.HELD: "the device, and its machine, belong to the attempts under it alone",
    LeaseState.RELEASED: "given back",
    LeaseState.EXPIRED: "the device was silent for lease and grace",
    LeaseState.REVOKED: "taken back by the farm",
}
DEVICES: Mapping[DeviceState, str] = {
    DeviceState.IDLE: "its agent asks for work",
    DeviceState.LEASED: "it works",
    DeviceState.OFFLINE: "its agent does not answer",
}
HEALTHS: Mapping[Health, str] = {
    Health.GOOD: "its results count",
    Health.UNKNOWN: "something failed there that was not the workload's fault",
    Health.BAD: "it fails again and again",
}
HOLDS: Mapping[Hold, str] = {
    Hold.NONE: "it takes work",
    Hold.DRAIN: "it finishes, then takes none",
    Hold.MAINTENANCE: "it takes none; so does a device that has left inventory.yaml",
}
#: What is told of each state, and the moves out of it where the code has a table of them.
STATES: tuple[tuple[str, Told, Moves | None], ...] = (
    ("run", RUNS, RUN_MOVES),
    ("cell", CELLS, CELL_MOVES),
    ("attempt", ATTEMPTS, ATTEMPT_MOVES),
    ("lease", LEASES, LEASE_MOVES),
    ("device", DEVICES, DEVICE_MOVES),
    ("health of a device", HEALTHS, None),
    ("hold on a device", HOLDS, None),
)
#: What ``judge`` in ``results/validity.py`` finds, by the word its reasons begin with.
VALIDITY: Mapping[str, str] = {
    "shared": "the inventory lets the device measure whatever else runs on its machine",
    "throttled": "the device slowed itself down for heat or want of power",
    "frequency": "the governor changed, or a fixed frequency fell",
    "swap": "pages went to or came from disk",
    "unpinned": "the program was not held to one core",
    "busy": "the program waited for its core while others used it",
    "steal": "the hypervisor gave the time to others",
}
_WORDS = """
A workload that fails is a result, not an error: its cell has an outcome and no time. Only what
was not the workload's fault is tried again, `retries` times (farm.toml). What to do is in
[When something goes wrong](../how-to/when-something-goes-wrong.md).
"""
_VALIDITY_WORDS = """
Whether a number may be used is told apart from how its attempt ended. One that was disturbed
keeps its time and is marked, with the evidence; emulated devices carry a mark of their own.
"""


def outcomes_page() -> str:
    """Write the page."""
    parts = [
        opening(
            "Outcomes and states",
            "`protos/states.py`, `orchestrator/cli/examples.py` and"
            " `scripts/reference_pages/outcomes.py`",
        ),
        _WORDS,
        "## Outcomes",
        table(("outcome", "tried again", "meaning"), _outcomes()),
        "## Validity",
        _VALIDITY_WORDS,
        table(("reason", "meaning"), ((code(word), about) for word, about in VALIDITY.items())),
        *(part for state in STATES for part in _states(*state)),
        "## Exit codes",
        table(("code", "meaning"), _exits()),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _outcomes() -> Iterator[tuple[str, ...]]:
    for outcome, about in OUTCOMES.items():
        yield code(outcome), "yes" if outcome in RETRIED else "", about


def _states(thing: str, told: Told, moves: Moves | None) -> Iterator[str]:
    yield f"## States: {thing}"
    if moves is None:
        yield table(("state", "meaning"), ((code(state), about) for state, about in told.items()))
        return
    rows = (
        (code(state), about, ", ".join(code(one) for one in told if one in moves[state]))
        for state, about in told.items()
    )
    yield table(("state", "meaning", "then"), rows)


def _exits() -> Iterator[tuple[str, ...]]:
    yield code("0"), EXITS[0]
    yield code("1"), f"{FAILED[1]}; other commands say theirs on [their page](commands.md)"
    yield from ((code(str(number)), about) for number, about in EXITS.items() if number)
