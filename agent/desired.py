"""What the orchestrator wants of this agent, read from the wire; and what the agent says of
itself, written to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent import VERSION
from agent.order import Ref, read_ref, write_ref
from protos.farm.v1 import agents_pb2 as pb
from protos.states import AttemptState

_STATES: Mapping[AttemptState, pb.AttemptState.ValueType] = {
    AttemptState.GRANTED: pb.ATTEMPT_STATE_GRANTED,
    AttemptState.STAGING: pb.ATTEMPT_STATE_STAGING,
    AttemptState.RUNNING: pb.ATTEMPT_STATE_RUNNING,
    AttemptState.REPORTED: pb.ATTEMPT_STATE_REPORTED,
}


@dataclass(frozen=True, slots=True)
class Desired:
    """An answer of the orchestrator."""

    #: Fence of the lease; 0: the device has no work.
    fence: int
    #: Without contact for this long the attempt is stopped.
    valid_s: float
    #: Orders as they came, by reference; read when their turn comes.
    assignments: Mapping[Ref, bytes]
    stop: frozenset[Ref]
    forget: frozenset[Ref]
    call_again_s: float
    send_facts: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of one attempt."""

    ref: Ref
    state: AttemptState
    #: What it waits for, for people.
    detail: str = ""
    #: sha256 and size of the report, once there is one.
    report: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """All the agent says of itself."""

    highest: tuple[int, int]
    #: Fence of the lease it believes to hold; 0: none.
    fence: int
    attempts: tuple[Progress, ...]


def read_desired(wire: pb.DesiredState) -> Desired:
    """Translate an answer from the wire."""
    leased = wire.HasField("lease")
    return Desired(
        fence=wire.lease.fence if leased else 0,
        valid_s=wire.lease.valid_s if leased else 0.0,
        assignments={read_ref(one.attempt): one.SerializeToString() for one in wire.assignments},
        stop=frozenset(map(read_ref, wire.stop)),
        forget=frozenset(map(read_ref, wire.forget)),
        call_again_s=wire.call_again_s,
        send_facts=wire.send_facts,
    )


def write_state(
    standing: Standing, *, boot_id: str, agent_id: str, facts: Mapping[str, str]
) -> pb.AgentState:
    """Translate what the agent says of itself for the wire."""
    return pb.AgentState(
        agent_version=VERSION,
        boot_id=boot_id,
        agent_id=agent_id,
        highest_fence=standing.highest[0],
        highest_sequence=standing.highest[1],
        lease_fence=standing.fence,
        attempts=[_progress(progress) for progress in standing.attempts],
        facts=[pb.Fact(name=name, value=value) for name, value in sorted(facts.items())],
    )


def _progress(known: Progress) -> pb.AttemptProgress:
    wire = pb.AttemptProgress(
        attempt=write_ref(known.ref), state=_STATES[known.state], detail=known.detail
    )
    if known.report is not None:
        wire.report.sha256, wire.report.size_bytes = known.report
    return wire
