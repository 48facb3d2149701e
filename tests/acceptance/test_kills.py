"""``kill -9`` of the orchestrator, of agents and of runners in the middle of runs (D3).

``FARM_KILLS=10`` kills each kind ten times; by default it is two. ``FARM_KILLS_SEED`` moves the
moments. Each kill and a summary are printed, whether the test passes or not.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.commands import Started, farm, started
from tests.support.kills import Kill, Scene, end_leftovers, planned
from tests.support.ledger import Ledger

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

KILLS = int(os.environ.get("FARM_KILLS", "2"))
SEED = int(os.environ.get("FARM_KILLS_SEED", "1"))
CELLS = 6
#: In each run; enough that one run of the few kills, or some of the many, last till the last kill.
BLOCKS = 3

#: As long in every mode, and the same words from each.
WORKLOAD = """\
/* {nonce}: made anew for each test, so that there is something to build. */
#include <stdio.h>
#include <time.h>

static volatile unsigned seed = 1;

static unsigned
churn(unsigned x)
{{
    for (unsigned i = 0; i < 20000; i++)
        x = x * 1664525u + 1013904223u + (x >> 7);
    return x;
}}

static long
now_ms(void)
{{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}}

int
main(void)
{{
    long begin = now_ms();
    unsigned first = churn(seed), again = first;
    while (again == first && now_ms() - begin < 1200)
        again = churn(seed);
    printf("%08x %08x\\n", first, again);
    return 0;
}}
"""
DESCRIPTION = """\
name: churn
description: Computes for a little more than a second.
sources: [churn.c]
limits: {timeout_s: 60}
"""
MATRIX = f"""\
name: kills
workloads: [churn]
modes: [wamr-fast, wamr-aot, native]
devices: {{names: [local, emu-aarch64]}}
attempts: {BLOCKS}
warmups: 0
repeats: 1
"""
#: Short, so that an orchestrator away for seconds makes agents give their attempts up.
LEASE = "lease_s = 4\ngrace_s = 60\n"


COUNT_RUNS = "SELECT count(*) FROM runs"


@dataclass
class Rig:
    """A farm to be hit."""

    home: Path
    scene: Scene
    stack: ExitStack
    say: Callable[[str], None]
    kills: list[Kill] = field(default_factory=list)
    runs: int = 0
    _living: Started | None = None

    @property
    def living(self) -> Started:
        """The orchestrator that runs now."""
        assert self._living is not None
        return self._living

    def up(self) -> None:
        """Start an orchestrator."""
        self._living = self.stack.enter_context(started("up", cwd=self.home))
        self._living.wait_for_line("serves agents on")

    def submit(self) -> None:
        """Order one more run, of a program that was never built before."""
        folder = self.home / "workloads" / "churn"
        (folder / "churn.c").write_text(WORKLOAD.format(nonce=secrets.token_hex(8)))
        # Not waited for: while it answers, the build has begun.
        self.stack.enter_context(started("run", "kills.yaml", "--detach", cwd=self.home))
        self.runs += 1
        self.scene.wait_for("run", lambda: self.scene.ask(COUNT_RUNS) == [(self.runs,)])

    def strike(self, kind: str, moment: str) -> None:
        """Kill one, and start the orchestrator again if it was it."""
        fresh = moment == "building" and not self.scene.counted("runs", "building")
        if fresh or self.unfinished() == 0:
            self.submit()
        match kind:
            case "orchestrator":
                self.kills.append(self.scene.kill_orchestrator(moment, self.living.pid))
                self.tell()
                self.living.end()
                self.scene.linger(4.0)
                self.up()
            case "agent":
                self.kills.append(self.scene.kill_agent(moment))
                self.tell()
            case _:
                self.kills.append(self.scene.kill_runner(moment))
                self.tell()

    def tell(self) -> None:
        """Print the last kill."""
        last = self.kills[-1]
        self.say(f"kill {len(self.kills)}: {last.kind}, aimed at {last.moment}; hit {last.state}")

    def unfinished(self) -> int:
        """Count the attempts that are wanted still."""
        sql = "SELECT coalesce(sum(blocks - block), 0) FROM cells WHERE state IN (?, ?, ?)"
        return int(self.scene.ask(sql, "waiting", "ready", "leased")[0][0])


@pytest.fixture(name="rig")
def _rig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Rig]:
    """A farm of its own, with a local and an emulated device; nothing of it survives."""
    home = tmp_path / "farm"
    assert farm("init", home, cwd=tmp_path).code == 0
    with (home / "farm.toml").open("a") as file:
        file.write(LEASE)
    workload = home / "workloads" / "churn"
    workload.mkdir(parents=True)
    (workload / "workload.yaml").write_text(DESCRIPTION)
    (home / "kills.yaml").write_text(MATRIX)
    began_s = time.monotonic()

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{time.monotonic() - began_s:7.2f} s  {text}")
            sys.stdout.flush()

    ledger = Ledger(home.resolve())
    try:
        with ledger, ExitStack() as stack:
            rng = random.Random(SEED)  # noqa: S311  # moments, no secrets
            rig = Rig(home, Scene(home.resolve(), ledger, rng), stack, say)
            rig.up()
            yield rig
    finally:
        left = list(end_leftovers(ledger))
    assert left == []


def test_whatever_is_killed_a_run_ends_complete(rig: Rig) -> None:
    """Every block has one result, no two runners ever lived at once, no killed runner gave a
    time, and nothing stays behind.
    """
    rig.say(f"{KILLS} kills of each kind, seed {SEED}, load {os.getloadavg()[0]:.1f}")
    for kind, moment in planned(KILLS, rig.scene.rng):
        rig.strike(kind, moment)
    rig.scene.wait_for("end of the last kill's attempt", lambda: rig.unfinished() == 0)
    rig.living.interrupt(signal.SIGTERM)
    assert rig.living.end().code == 0
    _summarize(rig)
    assert _states(rig, "runs") == {"done": rig.runs}
    assert _states(rig, "cells") == {"done": CELLS * rig.runs}
    assert _accepted_per_block(rig.scene) == [1] * (CELLS * BLOCKS * rig.runs)
    assert _without_stamps(rig.scene) == []
    assert _overlapping(rig.scene) == []
    assert rig.scene.ledger.overlaps == []
    assert [life for life in rig.scene.ledger.lives.values() if len(life.leaders) > 1] == []
    assert [text for kill in rig.kills if (text := _wrongly_settled(rig.scene, kill))] == []
    assert rig.scene.ledger.leftovers() == {}


def _summarize(rig: Rig) -> None:
    rows = rig.scene.ask("SELECT state, outcome, reason, adopted FROM attempts")
    states = [row[0] for row in rows]
    why: dict[str, int] = {}
    for state, outcome, reason, _ in rows:
        if state == "rejected":
            text = f"{outcome or 'unheard'}: {reason}"
            why[text] = why.get(text, 0) + 1
    rig.say(
        f"{len(rig.kills)} kills, {rig.runs} runs, {len(rows)} attempts:"
        f" {states.count('accepted')} accepted, {states.count('rejected')} rejected,"
        f" {sum(bool(row[3]) for row in rows)} adopted;"
        f" {rig.scene.ledger.looks} looks at all processes saw"
        f" {len(rig.scene.ledger.lives)} attempts alive,"
        f" {len(rig.scene.ledger.overlaps)} overlaps;"
        f" load {os.getloadavg()[0]:.1f}"
    )
    for text, number in sorted(why.items()):
        rig.say(f"rejected {number}: {text}")


def _states(rig: Rig, table: str) -> dict[str, int]:
    sql = f"SELECT state, count(*) FROM {table} GROUP BY state"  # noqa: S608  # our own words
    return dict(rig.scene.ask(sql))


def _accepted_per_block(scene: Scene) -> list[int]:
    """Answer for each block that any attempt was for how many results count."""
    sql = """
        SELECT sum(state = 'accepted' AND outcome = 'succeeded')
        FROM attempts GROUP BY cell_id, block"""
    return [int(row[0]) for row in scene.ask(sql)]


def _without_stamps(scene: Scene) -> list[tuple[int, ...]]:
    """Find results that the look for overlaps would pass by."""
    sql = """
        SELECT attempt_id FROM attempt WHERE state = 'accepted' AND (boot_id IS NULL
            OR coalesce(runner_started_ns, 0) = 0 OR runner_ended_ns <= runner_started_ns)"""
    return scene.ask(sql)


def _overlapping(scene: Scene) -> list[tuple[int, ...]]:
    """Find attempts of one machine and boot whose runners' own stamps overlap, or end before they
    begin; a runner that was killed left no end: its beginning is looked at.
    """
    sql = """
        WITH ran AS (
            SELECT attempt_id, machine, boot_id, runner_started_ns AS began,
                max(runner_started_ns, coalesce(runner_ended_ns, 0)) AS ended
            FROM attempt WHERE runner_started_ns > 0)
        SELECT a.attempt_id, b.attempt_id, a.began, a.ended, b.began, b.ended
        FROM ran a JOIN ran b ON a.machine = b.machine AND a.boot_id = b.boot_id
            AND a.attempt_id < b.attempt_id AND a.began <= b.ended AND b.began <= a.ended"""
    return scene.ask(sql)


def _wrongly_settled(scene: Scene, kill: Kill) -> str:
    """Say what is wrong with how a killed runner's attempt ended; empty: nothing."""
    if not kill.attempt_id:
        return ""
    sql = """
        SELECT a.state, a.outcome, a.reason, coalesce(a.runner_ended_ns, 0), a.series_id,
            (SELECT count(*) FROM attempt_metrics m WHERE m.attempt_id = a.id)
        FROM attempts a WHERE a.id = ?"""
    ((state, outcome, reason, ended_ns, series, metrics),) = scene.ask(sql, kill.attempt_id)
    if 0 < ended_ns < kill.at_ns and outcome == "succeeded":
        return ""  # it had said its last word: it was killed on its way out
    right = state == "rejected" and outcome == "infrastructure_failed"
    if right and series is None and metrics == 0:
        return ""
    return f"attempt {kill.attempt_id} ({kill.moment}): {state}, {outcome}, {reason}, {metrics}"
