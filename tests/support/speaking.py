"""What a test says to the agents' server in an agent's place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from protos.farm.v1 import agents_pb2 as pb
from protos.farm.v1.agents_pb2_grpc import AgentsStub
from tests.support.runtime import Served, wire_digest

#: For a call that should be answered at once, on a busy machine.
SOON_S = 10.0
FACTS = [pb.Fact(name="cpu.model", value="test")]


def state(**changes: object) -> pb.AgentState:
    """What an agent says of itself."""
    word = pb.AgentState(agent_version="1.2", boot_id="boot", agent_id="a", facts=FACTS)
    for name, value in changes.items():
        if isinstance(value, list):
            getattr(word, name).extend(value)
        else:
            setattr(word, name, value)
    return word


def status(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Run a call and answer its status."""
    try:
        call()
    except grpc.RpcError as error:
        # gRPC's errors are calls too, which its stubs do not say.
        ended: Any = error
        return ended.code(), ended.details() or ""
    return grpc.StatusCode.OK, ""


def refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Run a call that must fail and answer its status."""
    code, text = status(call)
    assert code is not grpc.StatusCode.OK
    return code, text


def ask(stub: AgentsStub, word: pb.AgentState | None = None) -> pb.DesiredState:
    """Ask once what to do."""
    return stub.Synchronize(word or state(), timeout=SOON_S)


def granted(served: Served, agent: AgentsStub) -> pb.AttemptRef:
    """Order one cell and have it granted."""
    served.desk.order()
    served.server.wake()
    return ask(agent).assignments[0].attempt


def running(ref: pb.AttemptRef, at: int = pb.ATTEMPT_STATE_RUNNING) -> pb.AgentState:
    """What an agent with one attempt says of itself."""
    progress = pb.AttemptProgress(attempt=ref)
    progress.state = at  # type: ignore[assignment]  # the enum's number
    return state(
        highest_fence=ref.fence,
        highest_sequence=ref.sequence,
        lease_fence=ref.fence,
        attempts=[progress],
    )


def report(ref: pb.AttemptRef) -> bytes:
    """The report of a success."""
    return pb.Report(
        attempt=ref,
        outcome=pb.OUTCOME_SUCCEEDED,
        repeats=[pb.Repeat(index=0, execute_ns=1000)],
        output=wire_digest(b"ok\n"),
        boot_id="boot",
        started_unix_ns=1,
    ).SerializeToString()


def upload(
    ref: pb.AttemptRef, data: bytes, kind: pb.UploadKind.ValueType = pb.UPLOAD_KIND_REPORT
) -> pb.UploadRequest:
    """An upload in one part."""
    return pb.UploadRequest(attempt=ref, kind=kind, whole=wire_digest(data), data=data)


def fetch(stub: AgentsStub, sha256: str, offset: int) -> tuple[bytes, int]:
    """Fetch a blob from an offset; answers its rest and its size."""
    data, size_bytes = b"", 0
    request = pb.FetchRequest(sha256=sha256, offset=offset)
    for chunk in stub.Fetch(request, timeout=SOON_S):
        assert chunk.offset == offset + len(data)
        data, size_bytes = data + chunk.data, chunk.size_bytes
    return data, size_bytes
