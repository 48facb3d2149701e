"""How many leases a second a database takes: alone, and as many as share a commit."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from benchmarks.report import Figure, tell
from orchestrator.domain.run import HeldLease, Slot
from orchestrator.store.base import Store, Transaction
from orchestrator.store.sql import open_store
from orchestrator.writer import MOST_PER_COMMIT, Writer
from tests.support import factories as make
from tests.support.databases import DATABASES
from tests.support.postgresql import remove_clusters
from tests.support.storing import Rig

ROUNDS = 7
FLEET = tuple(make.device(f"d{number}") for number in range(MOST_PER_COMMIT))


def main() -> int:
    """Measure on each kind of database there is."""
    figures: list[Figure] = []
    try:
        for kind in sorted(DATABASES):
            try:
                figures += _measure(kind)
            except pytest.skip.Exception as absent:
                print(f"{kind}: left out, {absent}")
    finally:
        remove_clusters()
    return tell(f"grants, medians of {ROUNDS} rounds over {len(FLEET)} devices", figures)


def _measure(kind: str) -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        DATABASES[kind](Path(folder)) as url,
        closing(open_store(url)) as store,
    ):
        rig = Rig(store, *FLEET)
        writer = Writer(store)
        writer.start()
        try:
            together = [_round(rig, store, writer, at_once=True) for _ in range(ROUNDS)]
            alone = [_round(rig, store, writer, at_once=False) for _ in range(ROUNDS)]
        finally:
            writer.stop()
    return [
        Figure(
            f"{kind}, {MOST_PER_COMMIT} a commit", median(together), "grants/s", direction="more"
        ),
        Figure(f"{kind}, one a commit", median(alone), "grants/s", direction="more"),
    ]


def _round(rig: Rig, store: Store, writer: Writer, *, at_once: bool) -> float:
    """Grant each device its cell, then let all go; answers grants a second."""
    rig.order(make.plan(*(make.cell(target=device) for device in FLEET)))
    slots = {slot.device: slot for slot in store.open_slots()}
    begin = time.perf_counter()
    if at_once:
        asked = [writer.submit(_grant(rig, name, slots[name])) for name in _names()]
        for one in asked:
            one.result()
    else:
        for name in _names():
            writer.call(_grant(rig, name, slots[name]))
    took_s = time.perf_counter() - begin
    with rig.transaction() as t:
        for lease in store.held_leases():
            t.expire(lease.lease_id, rig.now(), "the round is over")
        for name in _names():
            t.see_device(name, rig.now(), agent_version="1", boot_id="boot-1")
    for run in store.runs():
        if run.finished_at is None:
            rig.cancel(run.run_id)
    return len(FLEET) / took_s


def _names() -> list[str]:
    return [device.name for device in FLEET]


def _grant(rig: Rig, name: str, slot: Slot) -> Callable[[Transaction], HeldLease]:
    return lambda t: t.grant(name, [slot], rig.now())


if __name__ == "__main__":
    sys.exit(main())
