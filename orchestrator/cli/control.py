"""The farm as a command line reaches it in a living orchestrator: over its unix socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import grpc

from orchestrator.domain.errors import FarmUnavailable
from orchestrator.domain.order import (
    BuildOrder,
    BuildProgress,
    Order,
    RetryOrder,
    RunProgress,
    Status,
)
from orchestrator.rpc import control_wire as wire
from orchestrator.rpc.control import MOST_MESSAGE_BYTES, SOCKET_FOLDER, short_address
from orchestrator.rpc.status import from_status
from orchestrator.service import Farm
from protos.farm.v1 import control_pb2 as pb
from protos.farm.v1 import control_pb2_grpc as pb_grpc

Reply = TypeVar("Reply")

#: Every call answers at once; a matrix of 10,000 cells takes a few seconds to store.
_CALL_S = 60.0
_NOBODY = "no orchestrator of this farm is running; start one with: farm up"


class RemoteFarm(Farm):
    """A living orchestrator's farm.

    Args:
        channel: to its socket.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = pb_grpc.ControlStub(channel)

    def submit(self, order: Order) -> int:
        """Store the order as a run and begin to build it."""
        return _ask(self._stub.Submit, wire.order_to_wire(order)).run_id

    def build(self, order: BuildOrder) -> int:
        """Begin a build."""
        return _ask(self._stub.Build, wire.order_to_wire(order)).build_id

    def watch_run(self, run_id: int) -> RunProgress:
        """Say how far a run has come."""
        return wire.run_from_wire(_ask(self._stub.WatchRun, pb.RunRef(run_id=run_id)))

    def watch_build(self, build_id: int) -> BuildProgress:
        """Say how far a build has come."""
        return wire.build_from_wire(_ask(self._stub.WatchBuild, pb.BuildRef(build_id=build_id)))

    def cancel(self, run_id: int) -> None:
        """Stop a run."""
        _ask(self._stub.Cancel, pb.RunRef(run_id=run_id))

    def resume(self, run_id: int) -> None:
        """Take up a cancelled run."""
        _ask(self._stub.Resume, pb.RunRef(run_id=run_id))

    def retry(self, order: RetryOrder) -> int:
        """Measure cells of a run again."""
        return _ask(self._stub.Retry, wire.retry_to_wire(order)).run_id

    def status(self) -> Status:
        """Say who answers."""
        return wire.status_from_wire(_ask(self._stub.Status, pb.Empty()))


def _ask(method: Callable[..., Reply], request: object) -> Reply:
    try:
        return method(request, timeout=_CALL_S)
    except grpc.RpcError as error:
        # What a stub raises is a call too; the stubs' classes do not say so.
        call = cast("grpc.Call", error)
        metadata = call.trailing_metadata() or ()
        raise from_status(call.code(), call.details() or "", metadata) from error


@contextmanager
def connect(data: Path) -> Iterator[RemoteFarm]:
    """Reach the orchestrator of a farm.

    Args:
        data: the farm's data folder.

    Raises:
        FarmUnavailable: none answers.
    """
    folder = data / SOCKET_FOLDER
    if not folder.is_dir():
        raise FarmUnavailable(_NOBODY)
    with short_address(folder) as address, _channel(address) as channel:
        farm = RemoteFarm(channel)
        try:
            farm.status()
        except FarmUnavailable as error:  # in gRPC's own words, if the last one has just gone
            raise FarmUnavailable(_NOBODY) from error
        yield farm


def _channel(address: str) -> grpc.Channel:
    options = (
        ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
        # A proxy in the environment is not for a socket of this machine.
        ("grpc.enable_http_proxy", 0),
        # Two farms may have the same descriptor number, so no channel may share another's
        # connection.
        ("grpc.use_local_subchannel_pool", 1),
    )
    return grpc.insecure_channel(address, options=options)
