"""What is wanted and what is known, on one desk between the link's thread and the worker's.

The link puts wishes on it, the worker takes the next order and asks whether to stop. Orders that
have not begun live only here: they are repeated by the orchestrator as long as it wants them, so a
wish withdrawn is simply gone. What has begun is in the journal.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.desired import Desired, Progress, Standing
from agent.journal import Entry, Journal
from agent.order import Ref
from agent.outcome import StopCause
from protos.states import AttemptState, accepts


class Stopped(Exception):  # a turn of events, no error
    """The attempt under way is to end now."""

    def __init__(self, cause: StopCause) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Contact:
    """The last word on the lease, and when it came.

    Counted from the arrival of an answer, in the clock that stands still while the machine is
    suspended: a suspended laptop never ends a lease (D3), and an answer cannot be older than the
    connection's keep-alive allows, which is less than the orchestrator's grace.
    """

    #: 0: no lease.
    fence: int = 0
    valid_s: float = 0.0
    monotonic_ns: int = 0
    boot_id: str = ""

    def silent_s(self, now_ns: int) -> float:
        """How long ago it was."""
        return (now_ns - self.monotonic_ns) / 1e9

    def lapsed(self, now_ns: int) -> bool:
        """Whether the lease has lapsed for want of contact."""
        return self.silent_s(now_ns) > self.valid_s


class Desk:
    """The state both threads share; every method may be called from any of them."""

    def __init__(self, journal: Journal, folder: Path, boot_id: str) -> None:
        """Take up what is known from before; ``folder`` is the agent's own."""
        self._journal = journal
        self._file = folder / "contact.json"
        self._boot_id = boot_id
        self._condition = threading.Condition()
        self._contact = _read_contact(self._file, boot_id)
        self._queue: dict[Ref, bytes] = {}
        self._stops: set[Ref] = set()
        self._details: dict[Ref, str] = {}
        self._entries = journal.entries()
        self._version = 0
        #: Becomes readable when something changed; for who waits for a process at the same time.
        self.wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    # for the link

    def take(self, desired: Desired) -> tuple[Ref, ...]:
        """Accept an answer of the orchestrator; an old one, by its fence, changes nothing.

        Returns:
            What was forgotten by it: the journal has it no more, its folder may go.
        """
        forgotten = tuple(ref for ref in desired.forget if self._journal.forget(ref))
        with self._condition:
            highest = self._journal.highest()
            if not desired.fence or desired.fence >= highest[0]:
                self._contact = Contact(
                    desired.fence, desired.valid_s, time.monotonic_ns(), self._boot_id
                )
                self._queue = _sift(desired, highest)
                self._stops = set(desired.stop)
                _write_contact(self._file, self._contact)
            self._details = {r: t for r, t in self._details.items() if r not in forgotten}
            self._refresh()
        return forgotten

    def standing(self) -> tuple[int, Standing]:
        """Answer a number that changes with what follows, and what the agent says of itself."""
        with self._condition:
            lapsed = self._contact.lapsed(time.monotonic_ns())
            attempts = [self._progress(entry) for entry in self._entries]
            attempts += [
                Progress(ref, AttemptState.GRANTED, self._details.get(ref, ""))
                for ref in sorted(self._queue)
            ]
            fence = 0 if lapsed else self._contact.fence
            return self._version, Standing(self._journal.highest(), fence, tuple(attempts))

    def silent_share(self) -> float:
        """How much of the time the lease allows without contact is used up; 0 without a lease."""
        with self._condition:
            contact = self._contact
        return contact.silent_s(time.monotonic_ns()) / contact.valid_s if contact.valid_s else 0.0

    def poke(self) -> None:
        """Wake everybody who waits."""
        with self._condition:
            self._condition.notify_all()
        os.eventfd_write(self.wake_fd, 1)

    def wait_for(self, happened: Callable[[], bool], timeout_s: float) -> bool:
        """Block until ``happened``, asked at every change, or for so long; answers what it said
        last.
        """
        with self._condition:
            return self._condition.wait_for(happened, timeout_s)

    def is_newer(self, version: int) -> bool:
        """Say whether the standing changed since that number."""
        return self._version != version

    # for the worker

    def entries(self) -> tuple[Entry, ...]:
        """Answer the journal's entries."""
        with self._condition:
            return self._entries

    def next_order(self) -> tuple[Ref, bytes] | None:
        """Answer the first order whose turn it is, or which was stopped before its turn; None:
        nothing to do.
        """
        with self._condition:
            for ref in sorted(self._queue):
                if self._cause(ref) in (None, StopCause.ORDERED):
                    return ref, self._queue[ref]
        return None

    def sleep(self, seconds: float) -> None:
        """Block for so long, whatever happens."""
        with self._condition:
            self._condition.wait_for(lambda: False, seconds)

    def changed(self, ref: Ref) -> None:
        """Say that the journal changed about an attempt; queued orders it has begun leave the
        queue.
        """
        with self._condition:
            self._details.pop(ref, None)
            highest = self._journal.highest()
            self._queue = {r: o for r, o in self._queue.items() if accepts(*r.key, *highest)}
            self._refresh()

    def describe(self, ref: Ref, detail: str) -> None:
        """Say what an attempt waits for; told at the next call, which is not hurried for it."""
        with self._condition:
            self._details[ref] = detail

    def stop_cause(self, ref: Ref) -> StopCause | None:
        """Answer why an attempt must end now; None: it may go on."""
        with self._condition:
            return self._cause(ref)

    def check(self, ref: Ref) -> None:
        """Raise if an attempt must end now.

        Raises:
            Stopped: it must.
        """
        cause = self.stop_cause(ref)
        if cause is not None:
            raise Stopped(cause)

    def pause(self, ref: Ref, seconds: float) -> None:
        """Block for so long, or until the attempt must end.

        Raises:
            Stopped: it must.
        """
        deadline_s = time.monotonic() + seconds
        self.check(ref)
        with self._condition:
            while (left_s := deadline_s - time.monotonic()) > 0 and self._cause(ref) is None:
                self._condition.wait(min(left_s, 1.0))  # a lapsing lease wakes nobody
        self.check(ref)

    def _cause(self, ref: Ref) -> StopCause | None:
        if ref in self._stops:
            return StopCause.ORDERED
        if self._contact.fence != ref.fence:
            return StopCause.LEASE_OVER
        return StopCause.NO_CONTACT if self._contact.lapsed(time.monotonic_ns()) else None

    def _refresh(self) -> None:
        self._entries = self._journal.entries()
        self._version += 1
        self._condition.notify_all()
        os.eventfd_write(self.wake_fd, 1)

    def _progress(self, entry: Entry) -> Progress:
        report = None
        if entry.state is AttemptState.REPORTED:
            report = (hashlib.sha256(entry.report).hexdigest(), len(entry.report))
        return Progress(entry.ref, entry.state, self._details.get(entry.ref, ""), report)


def _sift(desired: Desired, highest: tuple[int, int]) -> dict[Ref, bytes]:
    """Keep what may still begin: orders of the lease, and references stopped before they were
    ordered.
    """
    orders = {
        ref: order for ref, order in desired.assignments.items() if ref.fence == desired.fence
    }
    orders.update({ref: b"" for ref in desired.stop if ref not in orders})
    return {ref: order for ref, order in orders.items() if accepts(*ref.key, *highest)}


def _read_contact(path: Path, boot_id: str) -> Contact:
    """Answer the last contact of this boot; one of another boot is worth nothing, nor is a torn
    file.
    """
    try:
        contact = Contact(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return Contact()
    return contact if contact.boot_id == boot_id else Contact()


def _write_contact(path: Path, contact: Contact) -> None:
    """Keep the contact for the agent's next process; not flushed, since another boot does not want
    it.

    On a full disk the old one stays, which only makes the next process more careful.
    """
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(asdict(contact)))
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
