"""What an agent says of itself and what it is told to be: state, not messages (D2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.domain.artifact import Digest
from protos.states import AttemptState


@dataclass(frozen=True, slots=True, order=True)
class AttemptRef:
    """Names one attempt under one lease."""

    fence: int
    sequence: int
    attempt_id: int


@dataclass(frozen=True, slots=True)
class AttemptWord:
    """What an agent's journal says of one attempt."""

    ref: AttemptRef
    #: At most ``reported``: the rest is the orchestrator's to say.
    state: AttemptState
    #: What it waits for, for people.
    detail: str = ""
    #: The finished report, once there is one.
    report: Digest | None = None


@dataclass(frozen=True, slots=True)
class AgentWord:
    """What an agent does now."""

    agent_version: str
    boot_id: str
    #: New at every start of the agent's process.
    agent_id: str
    highest_fence: int = 0
    highest_sequence: int = 0
    #: Fence of the lease it believes to hold; 0: none.
    lease_fence: int = 0
    attempts: tuple[AttemptWord, ...] = ()
    #: Probed properties; empty: not sent this time.
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt the agent should make."""

    ref: AttemptRef
    #: A serialized ``farm.v1.Assignment`` without its reference.
    assignment: bytes


@dataclass(frozen=True, slots=True)
class LeaseTerm:
    """The lease a device holds."""

    lease_id: int
    fence: int
    #: Without contact for this long the agent stops its attempt by itself.
    valid_s: float


@dataclass(frozen=True, slots=True)
class Desired:
    """What an agent should be doing."""

    lease: LeaseTerm | None = None
    #: In order: all of the lease that has not begun, repeated as long as it is wanted.
    work: tuple[Work, ...] = ()
    #: Kill, then report as cancelled.
    stop: tuple[AttemptRef, ...] = ()
    #: Durably settled: the agent's journal may drop them.
    forget: tuple[AttemptRef, ...] = ()
    send_facts: bool = False

    def differs_from(self, word: AgentWord) -> bool:
        """Say whether the agent does anything else than this; if not, an answer can wait."""
        if self.stop or self.forget or self.send_facts:
            return True
        known = {told.ref for told in word.attempts}
        fence = self.lease.fence if self.lease else 0
        return fence != word.lease_fence or any(one.ref not in known for one in self.work)


@dataclass(frozen=True, slots=True)
class Activity:
    """What a device does now, for people; from its agent's last word."""

    device: str
    run_id: int
    cell_id: int
    attempt_id: int
    state: AttemptState
    detail: str
    #: When it was first seen in this state, by the orchestrator's monotonic clock.
    since_s: float
