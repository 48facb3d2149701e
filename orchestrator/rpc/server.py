"""The thread that serves: an event loop with the agents' port, local sockets, and the tick."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio

from orchestrator.blobs import Blobs
from orchestrator.clock import Clock
from orchestrator.domain.errors import ConfigError, FarmError
from orchestrator.rpc.agents import AgentService
from orchestrator.rpc.bells import Bells
from orchestrator.rpc.interceptors import Admission, Errors
from orchestrator.rpc.uploads import Uploads
from orchestrator.scheduler import Scheduler
from orchestrator.store.base import Transaction
from orchestrator.trust import Gatekeeper, ServerCredentials
from orchestrator.writer import Writer
from protos.farm.v1 import agents_pb2_grpc

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: A held call without news is answered at the latest then; the agent's next call renews its lease.
LONGEST_HOLD_S = 10.0
#: How long calls under way may take to end when the server stops.
STOP_GRACE_S = 1.0
#: Threads for blobs and uploads: the disk is one, a second and third hide its waiting.
FILE_THREADS = 3
#: sun_path of Linux has 108 bytes with its final zero (unix(7)).
LONGEST_SOCKET_PATH = 107

_OPTIONS = (
    # A silent partition is known after 15 s, from either side (facts.md: keepalive on both sides).
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Agents may ping as often as every second.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Two servers on one port would share its connections without a word.
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class LocalService:
    """A service for this machine's user, on a unix socket; its folder is the permission."""

    socket: Path
    #: Adds servicers to the server that listens there; their handlers may block and raise
    #: ``FarmError``.
    register: Callable[[grpc.aio.Server], None]


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how agents are served."""

    #: ``host:port``; port 0: any free one.
    address: str
    credentials: ServerCredentials
    gatekeeper: Gatekeeper
    tick_s: float = 0.5
    hold_s: float = LONGEST_HOLD_S


class AgentServer:
    """Serves agents, and local services, from ``start`` to ``stop``.

    Args:
        scheduler: decides.
        writer: the store's thread; started and stopped by its owner, before and after this server.
        blobs: the farm's.
        uploads: unfinished uploads.
        listening: where.
        clock: the time.
        local: services on unix sockets.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        writer: Writer,
        blobs: Blobs,
        uploads: Uploads,
        listening: Listening,
        clock: Clock,
        *,
        local: Sequence[LocalService] = (),
    ) -> None:
        self._scheduler = scheduler
        self._writer = writer
        self._listening = listening
        self._clock = clock
        self._local = tuple(local)
        self._bells = Bells()
        self._files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="farm-files")
        self._service = AgentService(
            scheduler,
            writer,
            blobs,
            uploads,
            self._bells,
            self._files,
            # The agent counts on several answers within one term of its lease.
            hold_s=min(listening.hold_s, scheduler.rules.lease_s / 3),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started: Future[str] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="farm-rpc", daemon=True)

    @property
    def address(self) -> str:
        """``host:port`` where agents connect; known once ``start`` has returned."""
        return self._started.result(timeout=0)

    def start(self) -> str:
        """Begin to serve; returns when calls are answered.

        Returns:
            The address.

        Raises:
            ConfigError: the address is taken or none, or a socket's path is too long.
        """
        self._thread.start()
        return self._started.result()

    def stop(self) -> None:
        """End held calls, let others end for a second, and stop. Blocks till then; idempotent."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and not self._ended.done():
            loop.call_soon_threadsafe(stopping.set)
        if self._thread.is_alive():
            self._thread.join()
        self._files.shutdown()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the server to end; answers whether it did.

        Raises:
            Exception: the bug that ended it.
        """
        try:
            self._ended.result(timeout_s)
        except TimeoutError:
            if self._ended.done():
                raise
            return False
        return True

    def call(self, fn: Callable[[Transaction], Answer]) -> Answer:
        """Have something written durably, then let all devices ask again.

        Never from the store's thread or this one: it would wait for itself.

        Raises:
            FarmError: what it raised.
            StoreUnavailable: nothing was kept; retryable.
        """
        answer = self._writer.call(fn)
        self.wake()
        return answer

    def wake(self) -> None:
        """Something may have changed for any device: held calls look again. Thread-safe."""
        loop = self._loop
        if loop is not None and not self._ended.done():
            loop.call_soon_threadsafe(self._bells.ring)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001  # ``start`` or ``wait`` raises it
            if not self._started.done():
                self._started.set_exception(error)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        servers: list[grpc.aio.Server] = []
        try:
            address = await self._open(servers)
            self._started.set_result(address)
            await self._tick_until_stopped(self._stopping)
        finally:
            self._bells.close()
            for server in servers:
                await server.stop(STOP_GRACE_S)

    async def _open(self, servers: list[grpc.aio.Server]) -> str:
        agents = self._agents_server()
        servers.append(agents)
        address = _bind_agents(agents, self._listening)
        for service in self._local:
            server = grpc.aio.server(interceptors=[Errors()], options=list(_OPTIONS))
            servers.append(server)
            service.register(server)
            _bind_local(server, service.socket)
        for server in servers:
            await server.start()
        return address

    def _agents_server(self) -> grpc.aio.Server:
        admission = Admission(self._listening.gatekeeper, self._clock, self._scheduler.knows)
        server = grpc.aio.server(interceptors=[admission, Errors()], options=list(_OPTIONS))
        agents_pb2_grpc.add_AgentsServicer_to_server(self._service, server)
        return server

    async def _tick_until_stopped(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                async with asyncio.timeout(self._listening.tick_s):
                    await stopping.wait()
            except TimeoutError:
                await self._tick()

    async def _tick(self) -> None:
        """One tick; the disk's trouble passes, or every call tells of it: the server goes on."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._files, self._listening.gatekeeper.refresh)
            woken = await asyncio.wrap_future(self._writer.submit(self._scheduler.tick))
        except (FarmError, OSError) as error:
            _log.warning("a tick was lost: %s", error)
        else:
            self._bells.ring(woken)


def _bind_agents(server: grpc.aio.Server, listening: Listening) -> str:
    shown = listening.credentials
    credentials = grpc.ssl_server_credentials(
        [(shown.key, shown.certificate)],
        root_certificates=shown.ca,
        require_client_auth=True,
    )
    try:
        port = server.add_secure_port(listening.address, credentials)
    except RuntimeError as error:
        raise _cannot_listen(listening.address) from error
    if not port:
        raise _cannot_listen(listening.address)
    return f"{listening.address.rpartition(':')[0]}:{port}"


def _cannot_listen(address: str) -> ConfigError:
    return ConfigError(f"cannot listen on {address}; is the port taken? (farm.toml: listen)")


def _bind_local(server: grpc.aio.Server, socket: Path) -> None:
    if len(str(socket).encode()) > LONGEST_SOCKET_PATH:
        text = f"the path is longer than a socket's may be ({LONGEST_SOCKET_PATH} bytes)"
        raise ConfigError(text, file=socket)
    # What lies there is of an orchestrator that died: the caller holds the farm's lock.
    socket.unlink(missing_ok=True)
    try:
        server.add_insecure_port(f"unix:{socket}")
    except RuntimeError as error:
        raise ConfigError("cannot listen on this socket", file=socket) from error
    socket.chmod(0o600)
