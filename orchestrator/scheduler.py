"""What every device should be doing: grants, lets go, expires and retries.

All of it runs on the store's writing thread, inside a transaction of the caller's, so that many
devices share one commit. What it keeps in memory (last contact, rests, activities) is a cache: a
new process starts with none and does no harm.

Time: a lease ends for lack of contact only, measured in seconds in which this process was serving
(D3). A restart, a suspended machine or a stalled disk never ends one; see ``ServingClock``.

Health (D12), in short: an outcome that is the device's or the farm's fault, or a lease that ran
out, makes health *unknown*; the third fault in a row makes it *bad*. After a fault the device
rests, longer each time; then it is unknown again and given the next work there is: that work is
its health job. Whatever ends otherwise makes health *good*.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.clock import Clock
from orchestrator.decisions import (
    Rest,
    ServingClock,
    active,
    has_begun,
    is_at_work,
    is_lost,
    judge_word,
    next_rest,
    not_begun,
    unreported,
)
from orchestrator.domain.attempt import Finished
from orchestrator.domain.device import Device
from orchestrator.domain.run import HeldLease
from orchestrator.domain.sync import (
    Activity,
    AgentWord,
    AttemptRef,
    Desired,
    LeaseTerm,
)
from orchestrator.placement import choose
from orchestrator.store.base import Store, Transaction
from protos.states import RETRIED, DeviceState, Health, Outcome

_log = logging.getLogger(__name__)

#: Failures in a row after which a device counts as bad.
BAD_AFTER = 3
#: Before the reason, in the note of a device that rested and may try again.
_TRIAL = "on trial after "


@dataclass(frozen=True, slots=True)
class Rules:
    """What the farm's configuration says about leases; all in seconds but the last."""

    lease_s: float
    grace_s: float
    #: Further tries of a block after its first, where the fault was not the workload's.
    retries: int


class Scheduler:
    """Decides what devices do and writes it down. The store's writing thread calls it.

    Args:
        store: the farm's memory, read inside the caller's transaction.
        devices: all declared devices by name.
        rules: of leases and retries.
        clock: the time.
        tick_s: how often ``tick`` is called.
    """

    def __init__(
        self,
        store: Store,
        devices: Mapping[str, Device],
        rules: Rules,
        clock: Clock,
        *,
        tick_s: float = 0.5,
    ) -> None:
        self._store = store
        self._devices = dict(devices)
        self._rules = rules
        self._clock = clock
        # A busy machine may be late by several ticks; what is later than that was not serving.
        self._serving = ServingClock(longest_step_s=4 * tick_s)
        self._contact_s: dict[str, float] = {}
        #: Devices that were in contact and are not known to be offline.
        self._watched: set[str] = set()
        self._started = False
        self._rests: dict[str, Rest] = {}
        self._activities: dict[str, Activity] = {}

    @property
    def rules(self) -> Rules:
        """What holds for leases."""
        return self._rules

    def knows(self, device: str) -> bool:
        """Whether the device is declared."""
        return device in self._devices

    def device(self, name: str) -> Device:
        """Answer a declared device.

        Raises:
            KeyError: it is not declared.
        """
        return self._devices[name]

    def activities(self) -> Sequence[Activity]:
        """What the devices say they do now, by name. Thread-safe: takes a copy in one step."""
        found = list(self._activities.values())
        return sorted(found, key=lambda one: one.device)

    def affected_by(self, device: str) -> frozenset[str]:
        """Devices that may have something new when this one's work ends: same machine or type."""
        own = self._devices[device]
        return frozenset(
            name
            for name, other in self._devices.items()
            if other.machine == own.machine or other.type.name == own.type.name
        )

    # what an agent asks

    def synchronize(self, t: Transaction, device: str, word: AgentWord) -> Desired:
        """Take an agent's word and answer what it should be doing; grants work if there is some.

        Idempotent but for the grant, which a repeated word gets again as long as the agent does
        not have it.

        Raises:
            NotFound: the store does not know the device.
            StoreUnavailable: nothing was written; retryable.
        """
        now = self._clock.now()
        self._contact_s[device] = self._serving.served_s
        self._watched.add(device)
        t.see_device(device, now, agent_version=word.agent_version, boot_id=word.boot_id)
        if word.facts:
            t.record_facts(device, word.facts, now)
        for told in word.attempts:
            t.note_progress(device, told.ref.attempt_id, told.ref.fence, told.state, now)
        lease = self._lease_of(device)
        if lease is not None:
            self._settle_unknown(t, device, word, lease, now)
            lease = self._lease_of(device)
        if lease is None and not is_at_work(word):
            lease = self._grant(t, device, now)
        desired = self._desired(device, word, lease)
        self._note_activity(device, word, lease)
        return desired

    def accept(self, t: Transaction, finished: Finished) -> bool:
        """Settle an attempt by its report, once.

        Returns:
            Whether the result counts; if not it is stored beside those that do. Either way the
            report is durable once the transaction is, and the agent may let it go.

        Raises:
            NotFound: no such attempt on this device.
            StoreUnavailable: nothing was written; retryable.
        """
        device, now = finished.device, self._clock.now()
        known = self._store.is_settled(finished.attempt_id, device)
        accepted = t.accept(finished, retries=self._rules.retries, now=now)
        if not known:
            self._judge_health(t, device, finished.outcome, finished.reason)
        return accepted

    # what time brings

    def tick(self, t: Transaction) -> frozenset[str]:
        """Expire leases of devices that were silent for too long, and note who is offline.

        Returns:
            Devices for which there may be something new.

        Raises:
            StoreUnavailable: nothing was written; the next tick does it.
        """
        served_s = self._serving.tick(self._clock.monotonic_s())
        if not self._started:
            # Leases that an orchestrator before this one granted get a full term from now.
            self._watched.update(status.device.name for status in self._store.devices())
            self._started = True
        woken = self._end_rests(served_s)
        longest_s = self._rules.lease_s + self._rules.grace_s
        for name in sorted(self._watched):
            silent_s = served_s - self._contact_s.get(name, 0.0)
            if silent_s > longest_s:
                woken |= self._give_up(t, name, silent_s)
        return frozenset(woken)

    def _end_rests(self, served_s: float) -> set[str]:
        """Answer whose rest just ended; what they failed is remembered till they succeed."""
        over = {name for name, rest in self._rests.items() if 0 < rest.until_s <= served_s}
        for name in over:
            self._rests[name] = replace(self._rests[name], until_s=0.0)
        return over

    def _give_up(self, t: Transaction, name: str, silent_s: float) -> frozenset[str]:
        """End what a silent device had; repeated until the store says that it was written."""
        if self._store.device(name).state is DeviceState.OFFLINE:
            self._watched.discard(name)
            return frozenset()
        self._activities.pop(name, None)
        lease = self._lease_of(name)
        if lease is None:
            t.move_device(name, DeviceState.OFFLINE)
            return frozenset()
        now = self._clock.now()
        reason = f"no contact with {name} for {silent_s:.0f} s"
        _log.warning("lease %d ends: %s", lease.lease_id, reason)
        t.expire(lease.lease_id, now, reason)
        t.fail_exhausted(self._rules.retries, now)
        t.set_health(name, Health.UNKNOWN, reason)
        return self.affected_by(name) if self.knows(name) else frozenset()

    # parts

    def _lease_of(self, device: str) -> HeldLease | None:
        held = self._store.held_leases()
        return next((lease for lease in held if lease.device == device), None)

    def _grant(self, t: Transaction, device: str, now: datetime) -> HeldLease | None:
        rest = self._rests.get(device)
        if rest is not None and rest.until_s > self._serving.served_s:
            return None
        slots = self._store.ready_slots(device)
        if not slots:
            return None
        status, held = self._store.device(device), self._store.held_leases()
        if status.health is Health.BAD:
            t.set_health(device, Health.UNKNOWN, _trial(status.note))
            status = self._store.device(device)
        placement = choose(status, slots, held, self._devices, now)
        return t.grant(device, placement.slots, now) if placement.slots else None

    def _settle_unknown(
        self, t: Transaction, device: str, word: AgentWord, lease: HeldLease, now: datetime
    ) -> None:
        """Settle what no agent will ever report: cancelled before it was told, or forgotten."""
        known = {told.ref.attempt_id for told in word.attempts}
        for attempt in self._store.lease_attempts(lease.lease_id):
            if attempt.attempt_id in known:
                continue
            if attempt.cancelled:
                outcome, reason = Outcome.CANCELLED, "cancelled before it began"
            elif is_lost(word, attempt):
                outcome, reason = Outcome.INFRASTRUCTURE_FAILED, "the agent lost its record of it"
            else:
                continue
            self.accept(t, unreported(device, attempt, outcome, reason))

    def _desired(self, device: str, word: AgentWord, lease: HeldLease | None) -> Desired:
        attempts = () if lease is None else self._store.lease_attempts(lease.lease_id)
        by_id = {attempt.attempt_id: attempt for attempt in attempts}
        stop: list[AttemptRef] = []
        forget: list[AttemptRef] = []
        for told in word.attempts:
            attempt = by_id.get(told.ref.attempt_id)
            begun = has_begun(word, told.ref)
            # What the held lease lists is not settled.
            settled = attempt is None and self._store.is_settled(told.ref.attempt_id, device)
            stops, forgets = judge_word(told, attempt, begun=begun, settled=settled)
            stop.extend([told.ref] if stops else ())
            forget.extend([told.ref] if forgets else ())
        return Desired(
            lease=self._term(lease),
            work=not_begun(word, attempts),
            stop=tuple(stop),
            forget=tuple(forget),
            send_facts=not word.facts and not self._store.knows_facts(device),
        )

    def _term(self, lease: HeldLease | None) -> LeaseTerm | None:
        if lease is None:
            return None
        return LeaseTerm(lease.lease_id, lease.fence, self._rules.lease_s)

    def _judge_health(self, t: Transaction, device: str, outcome: Outcome, reason: str) -> None:
        if outcome in RETRIED:
            rest = self._rests[device] = next_rest(self._rests.get(device), self._serving.served_s)
            health = Health.BAD if rest.failures >= BAD_AFTER else Health.UNKNOWN
            t.set_health(device, health, f"{outcome}: {reason}")
            t.fail_exhausted(self._rules.retries, self._clock.now())
        elif outcome not in {Outcome.CANCELLED, Outcome.UNSUPPORTED}:
            self._rests.pop(device, None)
            if self._store.device(device).health is not Health.GOOD:
                t.set_health(device, Health.GOOD, "")

    def _note_activity(self, device: str, word: AgentWord, lease: HeldLease | None) -> None:
        attempts = () if lease is None else self._store.lease_attempts(lease.lease_id)
        found = active(device, word, attempts, self._clock.monotonic_s())
        before = self._activities.get(device)
        if found is None:
            self._activities.pop(device, None)
        elif before and (before.attempt_id, before.state) == (found.attempt_id, found.state):
            self._activities[device] = replace(found, since_s=before.since_s)
        else:
            self._activities[device] = found


def _trial(note: str) -> str:
    return note if note.startswith(_TRIAL) else f"{_TRIAL}{note}"
