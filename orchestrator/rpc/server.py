"""The thread that serves: an event loop with the agents' port and the scheduler's tick."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio

from orchestrator.blobs import Blobs
from orchestrator.clock import Clock
from orchestrator.domain.errors import ConfigError, FarmError, StoreError
from orchestrator.rpc.agents import AgentService
from orchestrator.rpc.bells import Bells
from orchestrator.rpc.interceptors import Door
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
class Listening:
    """Where and how agents are served."""

    #: ``host:port``; port 0: any free one.
    address: str
    credentials: ServerCredentials
    gatekeeper: Gatekeeper
    tick_s: float = 0.5
    hold_s: float = LONGEST_HOLD_S


class AgentServer:
    """Serves agents from ``start`` to ``stop``.

    Args:
        scheduler: decides.
        writer: the store's thread; started and stopped by its owner, before and after this server.
        blobs: the farm's.
        uploads: unfinished uploads.
        listening: where.
        clock: the time.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        writer: Writer,
        blobs: Blobs,
        uploads: Uploads,
        listening: Listening,
        clock: Clock,
    ) -> None:
        self._scheduler = scheduler
        self._writer = writer
        self._listening = listening
        self._clock = clock
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
            ConfigError: the address is taken, or none.
        """
        self._thread.start()
        return self._started.result()

    def stop(self) -> None:
        """End held calls, let others end for a second, and stop. Blocks till then; idempotent."""
        if self._stopping is not None:
            self._on_loop(self._stopping.set)
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
        self._on_loop(self._bells.ring)

    def _on_loop(self, fn: Callable[[], None]) -> None:
        """Have something done on the loop; nothing where it does not run yet or any more."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(fn)

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
        server = self._server()
        address = _bind(server, self._listening)
        try:
            await server.start()
            self._started.set_result(address)
            await self._tick_until_stopped(self._stopping)
        finally:
            self._bells.close()
            await server.stop(STOP_GRACE_S)

    def _server(self) -> grpc.aio.Server:
        door = Door(self._listening.gatekeeper, self._clock, self._scheduler.knows)
        server = grpc.aio.server(interceptors=[door], options=list(_OPTIONS))
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
        except StoreError:
            return  # the writer told it, once
        except (FarmError, OSError) as error:
            _log.warning("a tick was lost: %s", error)
        else:
            self._bells.ring(woken)


def _bind(server: grpc.aio.Server, listening: Listening) -> str:
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
