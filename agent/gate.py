"""Whether the machine is fit for a timed attempt now, and the bounded wait until it is (D10).

The gate only ever delays. When its patience is over the attempt runs all the same, since its
conditions travel with the report and whoever judges it sees what the gate saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.telemetry import CpuTicks, Machine


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a machine is fit, and how long to hope for it."""

    #: Share of the measured core that others may use: the same from which on a result is marked
    #: (orchestrator/results/validity.py). An idle Debian core shows 0 to 2 % here.
    busy_share: float = 0.05
    #: Raspberry Pis slow down at 80 degrees (a Pi 3B+ at 60, where its soft limit is raised), so
    #: that a run started below 65 has some seconds of full load before it throttles; see `vcgencmd
    #: get_throttled`.
    celsius: float = 65.0
    #: A neighbour that computes for longer than this will not be gone soon; the run is marked
    #: instead.
    busy_patience_s: float = 10.0
    #: A board cools from 80 to 60 degrees in one to two minutes without a fan.
    heat_patience_s: float = 120.0
    #: How long a look at the core takes: at 100 ticks a second one tick is 4 %, which passes.
    window_s: float = 0.25


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at the machine showed."""

    busy_share: float
    celsius: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Go or wait, and what is in the way; with ``go`` and a reason the patience is over."""

    go: bool
    reason: str = ""


def decide(sight: Sight, limits: Thresholds, waited_s: float) -> Decision:
    """Decide whether to start; pure.

    Args:
        sight: the machine now.
        limits: when it is fit.
        waited_s: how long this attempt has waited already.
    """
    if sight.celsius is not None and sight.celsius > limits.celsius:
        reason = f"{sight.celsius:.0f} degrees, waits for {limits.celsius:.0f}"
        return Decision(waited_s >= limits.heat_patience_s, reason)
    if sight.busy_share > limits.busy_share:
        reason = f"the core is {sight.busy_share:.0%} busy, waits for {limits.busy_share:.0%}"
        return Decision(waited_s >= limits.busy_patience_s, reason)
    return Decision(True)


def next_thresholds(usual: Thresholds, now: Thresholds, *, fit: bool) -> Thresholds:
    """Answer how patient to be the next time; pure.

    A neighbour who outlasted the patience will be there for the next attempt too: waiting as long
    for each of a hundred attempts would change nothing but the day. So the patience halves, down
    to one second, and is back in full once the machine was found fit.
    """
    if fit:
        return usual
    return replace(now, busy_patience_s=max(1.0, now.busy_patience_s / 2))


def share_busy(before: CpuTicks, after: CpuTicks) -> float:
    """Answer which share of a core was in use, or stolen, between two looks; 0.0 to 1.0."""
    total = after.total - before.total
    used = after.busy - before.busy + after.steal - before.steal
    return min(1.0, max(0.0, used / total)) if total > 0 else 0.0


def wait_until_fit(
    machine: Machine,
    limits: Thresholds,
    *,
    tell: Callable[[str], None],
    pause: Callable[[float], None],
) -> bool:
    """Wait until the machine is fit or the patience is over; blocks for one window at least.

    Args:
        machine: whom to look at.
        limits: when it is fit.
        tell: takes what it waits for, for people.
        pause: waits that many seconds; raises when the attempt is to be stopped.

    Returns:
        Whether it is fit; False: the patience is over.
    """
    began_s = time.monotonic()
    while True:
        before = machine.read_ticks()
        pause(limits.window_s)
        sight = Sight(share_busy(before, machine.read_ticks()), machine.read_temperature())
        decision = decide(sight, limits, time.monotonic() - began_s)
        tell(decision.reason)
        if decision.go:
            return not decision.reason
