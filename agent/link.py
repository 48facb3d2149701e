"""The line to the orchestrator: the agent's one door to gRPC, always dialled from here (D2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import grpc

from agent.certificate import expiry
from agent.config import AgentConfig
from agent.errors import BlobCorrupt, BlobMissing, ConfigError, LinkDown, Refused, UploadLost
from protos.farm.v1 import agents_pb2 as pb
from protos.farm.v1 import agents_pb2_grpc

#: A held call is answered by the server when it likes; this only ends one that a broken server
#: forgot.
HELD_CALL_TIMEOUT_S = 300.0

#: One stream of a blob; what did not come in this time goes on in a next stream, so that a stop is
#: noticed between.
FETCH_TIMEOUT_S = 20.0

UPLOAD_TIMEOUT_S = 20.0

#: Of one part of an upload; gRPC's default limit for a message is 4 MB.
PART_BYTES = 1024 * 1024

#: Answers that a later try may turn into success; everything else is a no
#: (grpc/doc/statuscodes.md).
_TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)

_OPTIONS = (
    # A connection that answers no ping is dead: a silent partition is known after 15 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Agents of one machine must not share a connection, which carries the certificate of the
    # first.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    # The agent tries again by itself and knows what may be repeated.
    ("grpc.enable_retries", 0),
)


class HeldCall:
    """One `Synchronize` under way."""

    def __init__(self, call: grpc.Future[pb.DesiredState]) -> None:
        self._call = call

    def done(self) -> bool:
        """Say whether there is an answer or an error."""
        return self._call.done()

    def cancel(self) -> None:
        """Give the call up; harmless when it is over."""
        self._call.cancel()

    def result(self) -> pb.DesiredState:
        """Answer what should be done; waits for it.

        Raises:
            LinkDown: no answer; try again.
            Refused: the certificate is not accepted.
        """
        try:
            return self._call.result()
        except grpc.FutureCancelledError as error:
            raise LinkDown("given up") from error
        except grpc.RpcError as error:
            _raise(error)


class Link:
    """A channel to one orchestrator; threads may share it."""

    def __init__(self, config: AgentConfig) -> None:
        """Prepare the channel; dials at the first call.

        Raises:
            ConfigError: a certificate file cannot be read.
        """
        credentials = grpc.ssl_channel_credentials(
            _pem(config.ca), _pem(config.key), _pem(config.certificate)
        )
        self._certificate, self._expiry = config.certificate, expiry(config.certificate)
        name = ("grpc.ssl_target_name_override", config.farm_id)
        self._channel = grpc.secure_channel(config.address, credentials, [*_OPTIONS, name])
        self._stub = agents_pb2_grpc.AgentsStub(self._channel)

    def expired(self) -> str:
        """Say that this agent's certificate has run out; empty: it has not, by this clock."""
        if self._expiry is None or datetime.now(UTC) < self._expiry:
            return ""
        return (
            f"the certificate {self._certificate} expired on {self._expiry:%Y-%m-%d}:"
            " enrol this device again"
        )

    def close(self) -> None:
        """Hang up; every call under way ends with LinkDown."""
        self._channel.close()

    def synchronize(self, state: pb.AgentState, done: Callable[[], None]) -> HeldCall:
        """Say what this agent does; ``done`` is called, on a thread of gRPC, when the answer is
        there.
        """
        call = self._stub.Synchronize.future(state, timeout=HELD_CALL_TIMEOUT_S)
        call.add_done_callback(lambda _: done())
        return HeldCall(call)

    def fetch(self, sha256: str, offset: int) -> Iterator[pb.FetchChunk]:
        """Stream a blob from an offset, for a while.

        Raises:
            LinkDown: the stream ended early; go on from where it did.
            BlobMissing: there is no such blob.
            BlobCorrupt: the offset lies beyond its end, so what is here is wrong; begin anew.
            Refused: the certificate is not accepted.
        """
        request = pb.FetchRequest(sha256=sha256, offset=offset)
        stream = self._stub.Fetch(request, timeout=FETCH_TIMEOUT_S)
        try:
            yield from stream
        except grpc.RpcError as error:
            _raise(error)
        finally:
            stream.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs left it untyped

    def upload(self, request: pb.UploadRequest) -> pb.UploadReply:
        """Send one part of a log or report.

        Raises:
            LinkDown: not known whether it arrived; repeat it.
            UploadLost: start over.
            Refused: no such attempt there.
        """
        try:
            return self._stub.Upload(request, timeout=UPLOAD_TIMEOUT_S)
        except grpc.RpcError as error:
            _raise(error)


def _raise(error: grpc.RpcError) -> NoReturn:
    """Translate an error of gRPC into one of ours."""
    code = error.code()
    text = f"{code.name.lower()}: {error.details() or ''}"
    if code in _TRANSIENT:
        raise LinkDown(text) from error
    if code is grpc.StatusCode.OUT_OF_RANGE:
        raise BlobCorrupt(text) from error
    if code is grpc.StatusCode.NOT_FOUND:
        raise BlobMissing(text) from error
    if code is grpc.StatusCode.DATA_LOSS:
        raise UploadLost(text) from error
    raise Refused(text) from error


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
