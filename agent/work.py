"""What the agent does next: deliver a report, begin an order, or wait; and what an earlier process
of it left behind.
"""

from __future__ import annotations

import logging
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agent.attempt import Attempts, Site
from agent.backoff import Backoff
from agent.deliver import Sink, deliver
from agent.desk import Desk
from agent.errors import DiskFull, LinkDown, Refused
from agent.journal import Entry, Journal
from agent.order import Ref
from agent.processes import find_members, send
from agent.stage import BlobCache, Source, attempt_folder, remove_folder, sweep_folders
from protos.states import AttemptState

log = logging.getLogger("agent.work")

#: A report the orchestrator took, or does not want, is offered again after this time unless it
#: said to forget it.
_OFFER_AGAIN_S = 30.0

#: How long the worker sleeps when nothing wakes it; a report to be offered again does not.
_IDLE_S = 5.0


class Orchestrator(Source, Sink, Protocol):
    """What the worker needs of the link."""


class Worker:
    """Works through what is on the desk, on one thread."""

    def __init__(self, site: Site, journal: Journal, desk: Desk, link: Orchestrator) -> None:
        """Take what it needs; does nothing yet."""
        self._site = site
        self._journal = journal
        self._desk = desk
        self._link = link
        self._cache = BlobCache(site.folder / "blobs")
        self._attempts = Attempts(site, journal, desk, link, self._cache)
        self._offer_at_s: dict[Ref, float] = {}
        self._backoff = Backoff()

    def run_forever(self) -> None:
        """Take up what an earlier process left, then work for ever."""
        self.recover()
        while True:
            self.step()

    def recover(self) -> None:
        """Adopt or end what was running; take up what was being staged."""
        entries = self._desk.entries()
        sweep_folders(self._site.folder, frozenset(entry.ref for entry in entries))
        self._kill_strays([one for one in entries if one.state is AttemptState.RUNNING])
        for entry in entries:
            if entry.state is AttemptState.RUNNING:
                self._attempts.take_up(entry)
            elif entry.state is AttemptState.STAGING:
                self._attempts.carry_out(entry.ref, entry.assignment, entry.token)

    def step(self) -> None:
        """Deliver what is finished, else begin what is next, else wait."""
        version, _ = self._desk.standing()
        report = self._next_report()
        order = self._desk.next_order()
        if report is not None:
            self._offer(report)
        elif order is not None:
            self._begin(*order)
        else:
            self._desk.wait_for(lambda: self._desk.is_newer(version), _IDLE_S)

    def _kill_strays(self, running: list[Entry]) -> None:
        """Kill what carries this agent's mark but is nothing the journal has as running."""
        kept = {member.pid for entry in running for member in find_members(entry.token)}
        for member in find_members(self._site.token_prefix):
            if member.pid not in kept:
                send(member, signal.SIGKILL)

    def _next_report(self) -> Entry | None:
        now_s = time.monotonic()
        for entry in self._desk.entries():
            due = self._offer_at_s.get(entry.ref, 0.0) <= now_s
            if entry.state is AttemptState.REPORTED and due:
                return entry
        return None

    def _offer(self, entry: Entry) -> None:
        try:
            deliver(entry, self._site.place(entry.ref), self._link)
        except LinkDown as error:
            self._desk.describe(entry.ref, f"its report cannot be delivered: {error}")
            self._desk.sleep(self._backoff.pause_s())
            return
        except Refused as error:
            log.warning("the report of %s is refused: %s", entry.ref.name, error)
        self._backoff.reset()
        self._offer_at_s[entry.ref] = time.monotonic() + _OFFER_AGAIN_S

    def _begin(self, ref: Ref, assignment: bytes) -> None:
        token = self._site.token_prefix + secrets.token_hex(8)
        try:
            began = self._journal.begin(ref, assignment, token)
        except DiskFull as error:
            self._cache.evict(frozenset())
            self._desk.describe(ref, str(error))
            self._desk.sleep(self._backoff.pause_s())
            return
        self._backoff.reset()
        self._desk.changed(ref)
        if began:
            self._attempts.carry_out(ref, assignment, token)


def discarder(folder: Path) -> Callable[[Ref], None]:
    """Make the function that removes what a settled attempt left on disk."""
    return lambda ref: remove_folder(attempt_folder(folder, ref))
