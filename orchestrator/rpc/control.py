"""Serves the farm to command lines, over a unix socket whose folder is the permission."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import grpc

from orchestrator.domain.errors import FarmError, FarmUnavailable
from orchestrator.rpc import control_wire as wire
from orchestrator.rpc.status import status_of, to_metadata
from orchestrator.service import Farm
from protos.farm.v1 import control_pb2 as pb
from protos.farm.v1 import control_pb2_grpc as pb_grpc

Reply = TypeVar("Reply")

#: The folder of the socket below the farm's data, and the socket in it.
SOCKET_FOLDER = "control"
SOCKET_NAME = "farm.sock"
#: Calls answer at once, so a few threads serve many command lines.
_THREADS = 4
#: A build of a thousand targets, each with its reason, is below this.
MOST_MESSAGE_BYTES = 64 << 20
#: How long calls that are being answered may take at the end.
_STOP_S = 2.0


class ControlServicer(pb_grpc.ControlServicer):
    """Translates calls to the farm, and its errors to gRPC's status.

    Args:
        farm: what is asked.
    """

    def __init__(self, farm: Farm) -> None:
        self._farm = farm

    def Submit(self, request: pb.Order, context: grpc.ServicerContext) -> pb.SubmitReply:
        """Take an order to measure."""
        order = _answer(context, lambda: wire.order_from_wire(request))
        return pb.SubmitReply(run_id=_answer(context, lambda: self._farm.submit(order)))

    def Build(self, request: pb.Order, context: grpc.ServicerContext) -> pb.BuildReply:
        """Begin a build."""
        order = _answer(context, lambda: wire.build_order_from_wire(request))
        return pb.BuildReply(build_id=_answer(context, lambda: self._farm.build(order)))

    def WatchRun(self, request: pb.RunRef, context: grpc.ServicerContext) -> pb.RunProgress:
        """Say how far a run is."""
        return wire.run_to_wire(_answer(context, lambda: self._farm.watch_run(request.run_id)))

    def WatchBuild(self, request: pb.BuildRef, context: grpc.ServicerContext) -> pb.BuildProgress:
        """Say how far a build is."""
        progress = _answer(context, lambda: self._farm.watch_build(request.build_id))
        return wire.build_to_wire(progress)

    def Cancel(self, request: pb.RunRef, context: grpc.ServicerContext) -> pb.Empty:
        """Stop a run."""
        _answer(context, lambda: self._farm.cancel(request.run_id))
        return pb.Empty()

    def Resume(self, request: pb.RunRef, context: grpc.ServicerContext) -> pb.Empty:
        """Take up a cancelled run."""
        _answer(context, lambda: self._farm.resume(request.run_id))
        return pb.Empty()

    def Retry(self, request: pb.RetryOrder, context: grpc.ServicerContext) -> pb.SubmitReply:
        """Measure cells of a run again."""
        order = wire.retry_from_wire(request)
        return pb.SubmitReply(run_id=_answer(context, lambda: self._farm.retry(order)))

    def Status(self, request: pb.Empty, context: grpc.ServicerContext) -> pb.StatusReply:
        """Say who answers."""
        return wire.status_to_wire(_answer(context, self._farm.status))


def _answer(context: grpc.ServicerContext, ask: Callable[[], Reply]) -> Reply:
    try:
        return ask()
    except FarmError as error:
        context.set_trailing_metadata(to_metadata(error))
        context.abort(status_of(error), error.message)


@contextmanager
def serve_control(farm: Farm, data: Path) -> Iterator[None]:
    """Listen for command lines as long as the block lasts.

    Args:
        farm: what they ask.
        data: the farm's data folder, of any length.

    Raises:
        FarmUnavailable: the socket cannot be made.
    """
    folder = data / SOCKET_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="farm-control"),
        options=(("grpc.max_send_message_length", MOST_MESSAGE_BYTES),),
    )
    pb_grpc.add_ControlServicer_to_server(ControlServicer(farm), server)
    with short_address(folder) as address:
        _listen(server, address, folder)
        try:
            yield
        finally:
            server.stop(_STOP_S).wait()
            (folder / SOCKET_NAME).unlink(missing_ok=True)


def _listen(server: grpc.Server, address: str, folder: Path) -> None:
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise FarmUnavailable(f"cannot listen in {folder}: {error}") from error
    (folder / SOCKET_NAME).chmod(0o600)
    server.start()


@contextmanager
def short_address(folder: Path) -> Iterator[str]:
    """Name the socket for gRPC however long its path is: AF_UNIX takes 107 bytes (``man 7 unix``).

    The kernel follows ``/proc/self/fd/N`` into the folder, so the name is short, and right for as
    long as the block lasts.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"unix:/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)
