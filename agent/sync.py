"""Keeps one `Synchronize` open and carries its answers to the desk; never gives up."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping

from agent.backoff import Backoff
from agent.desired import read_desired, write_state
from agent.desk import Desk
from agent.errors import AgentError, LinkDown, Refused
from agent.link import HeldCall, Link
from agent.order import Ref

log = logging.getLogger("agent.sync")

#: A call is left open at least this long before news of the agent's own replace it by a fresh one:
#: time enough for an answer that is on its way, also over a slow line.
MIN_HOLD_S = 0.5

#: From this share of the lease's silence on, only an answer ends a call.
PRESSING_SHARE = 1 / 3

#: The same answer to the same words is not asked for again before this time.
REPEAT_PAUSE_S = 1.0


class Synchronizer:
    """Tells the orchestrator what the agent does, and the desk what is wanted."""

    def __init__(
        self,
        link: Link,
        desk: Desk,
        *,
        boot_id: str,
        facts: Callable[[], Mapping[str, str]],
        discard: Callable[[Ref], None],
    ) -> None:
        """Take what it needs; ``discard`` removes what a settled attempt left on disk."""
        self._link = link
        self._desk = desk
        self._boot_id = boot_id
        self._facts = facts
        self._discard = discard
        self._agent_id = secrets.token_hex(8)
        self._facts_wanted = True
        self._backoff = Backoff()
        self._complained = ""
        self._last: tuple[bytes, bytes] = (b"", b"")

    def run_forever(self) -> None:
        """Synchronize again and again."""
        while True:
            self.step()

    def step(self) -> None:
        """Make one call and act on its end."""
        version, standing = self._desk.standing()
        facts = self._facts() if self._facts_wanted else {}
        state = write_state(standing, boot_id=self._boot_id, agent_id=self._agent_id, facts=facts)
        call = self._link.synchronize(state, self._desk.poke)
        if not self._wait(call, version):
            call.cancel()
            return
        try:
            wire = call.result()
        except (LinkDown, Refused) as error:
            self._complain(error)
            self._desk.sleep(self._backoff.pause_s())
            return
        self._recovered()
        desired = read_desired(wire)
        self._facts_wanted = desired.send_facts
        for ref in self._desk.take(desired):
            self._discard(ref)
        self._avoid_spinning(
            state.SerializeToString(), wire.SerializeToString(), desired.call_again_s
        )

    def _wait(self, call: HeldCall, version: int) -> bool:
        """Wait for the answer; False: the agent has news that cannot wait for it."""
        if self._desk.wait_for(call.done, MIN_HOLD_S):
            return True
        while self._desk.silent_share() < PRESSING_SHARE:
            news = self._desk.wait_for(
                lambda: call.done() or self._desk.is_newer(version), MIN_HOLD_S
            )
            if news:
                return call.done()
        self._desk.wait_for(call.done, float(10**6))  # ends by itself: calls have a time limit
        return True

    def _avoid_spinning(self, said: bytes, heard: bytes, call_again_s: float) -> None:
        """Pause where neither side had anything new, whatever the orchestrator's reason not to
        hold the call.
        """
        if (said, heard) == self._last:
            version, _ = self._desk.standing()
            self._desk.wait_for(
                lambda: self._desk.is_newer(version), min(REPEAT_PAUSE_S, call_again_s)
            )
        self._last = (said, heard)

    def _complain(self, error: AgentError) -> None:
        # A handshake that fails for it says no more than that nobody answers.
        text = self._link.expired() or str(error)
        if text != self._complained:
            log.warning("no answer from the orchestrator: %s", text)
        self._complained = text

    def _recovered(self) -> None:
        if self._complained:
            log.warning("the orchestrator answers again")
        self._complained = ""
        self._backoff.reset()
