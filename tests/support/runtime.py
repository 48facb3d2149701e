"""A scheduler over a real store, with a clock a test can turn; and a server of agents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from orchestrator.blobs import Blobs
from orchestrator.clock import Clock, ManualClock, SystemClock
from orchestrator.domain.artifact import Artifact
from orchestrator.domain.attempt import Finished
from orchestrator.domain.device import Device
from orchestrator.domain.errors import StoreUnavailable
from orchestrator.domain.sync import AgentWord, AttemptRef, AttemptWord, Desired
from orchestrator.rpc.server import AgentServer, Listening
from orchestrator.rpc.uploads import Uploads
from orchestrator.scheduler import Rules, Scheduler
from orchestrator.store.base import CellOrder, Store, Transaction
from orchestrator.store.sql import open_store
from orchestrator.trust import (
    DeviceFiles,
    Gatekeeper,
    create_ca,
    enroll_local,
    server_credentials,
)
from orchestrator.writer import Writer
from protos.farm.v1 import agents_pb2 as pb
from protos.farm.v1 import agents_pb2_grpc
from protos.states import AttemptState, Outcome, RunState
from tests.support import factories as make
from tests.support.databases import sqlite_database
from tests.support.storing import PROGRAM, RUNNER, Rig

FARM = "farm-0123456789ab"
TICK_S = 0.5
#: What a cell of these tests orders.
ASSIGNMENT = pb.Assignment(program_name="noop", repeats=5).SerializeToString()


@dataclass
class Puppet:
    """An agent that says and does what a test wants."""

    device: str
    highest: tuple[int, int] = (0, 0)
    lease_fence: int = 0
    attempts: dict[AttemptRef, AttemptState] = field(default_factory=dict)

    def word(self) -> AgentWord:
        """What it says of itself."""
        words = tuple(AttemptWord(ref, state) for ref, state in self.attempts.items())
        return AgentWord("1.0", "boot", "agent", *self.highest, self.lease_fence, words)

    def take(self, desired: Desired) -> None:
        """Note a lease, and drop what may be forgotten."""
        self.lease_fence = desired.lease.fence if desired.lease else 0
        for ref in desired.forget:
            self.attempts.pop(ref, None)

    def begin(self, ref: AttemptRef, state: AttemptState = AttemptState.RUNNING) -> None:
        """Begin an attempt, as its journal would say."""
        self.highest = max(self.highest, (ref.fence, ref.sequence))
        self.attempts[ref] = state


class Desk(Rig):
    """A scheduler over a store."""

    def __init__(
        self, store_url: str, devices: Sequence[Device], rules: Rules, clock: Clock
    ) -> None:
        super().__init__(open_store(store_url), *devices)
        self.clock = clock
        self.devices = {device.name: device for device in devices}
        self.rules = rules
        self.restart()

    def restart(self) -> None:
        """Lose all that is kept in memory only, as a new process would."""
        self.scheduler = Scheduler(self.store, self.devices, self.rules, self.clock, tick_s=TICK_S)

    def make_ready(
        self, run_id: int, program: Artifact = PROGRAM, inputs: Sequence[Artifact] = ()
    ) -> None:
        """Build a run's cells as the rig does, with an order an agent can read."""
        assert not inputs
        order = CellOrder(ASSIGNMENT, RUNNER.digest.sha256, program.digest.sha256)
        with self.transaction() as t:
            t.record_artifact(RUNNER)
            t.record_artifact(program)
            for cell in self.store.cells(run_id):
                t.ready_cell(cell.cell_id, order)
            t.move_run(run_id, RunState.QUEUED, self.now())

    def synchronize(self, puppet: Puppet) -> Desired:
        """Have an agent ask once and take the answer."""
        with self.transaction() as t:
            desired = self.scheduler.synchronize(t, puppet.device, puppet.word())
        puppet.take(desired)
        return desired

    def settle(self, ref: AttemptRef, device: str, outcome: Outcome = Outcome.SUCCEEDED) -> bool:
        """Have a report accepted."""
        with self.transaction() as t:
            return self.scheduler.accept(t, told(ref, device, outcome))

    def tick(self) -> frozenset[str]:
        """One tick."""
        with self.transaction() as t:
            return self.scheduler.tick(t)

    def serve(self, seconds: float) -> frozenset[str]:
        """Let time pass with ticks all along; answers who was woken."""
        assert isinstance(self.clock, ManualClock)
        woken: set[str] = set()
        for _ in range(round(seconds / TICK_S)):
            self.clock.advance(TICK_S)
            woken |= self.tick()
        return frozenset(woken)

    def sleep(self, seconds: float) -> None:
        """Let time pass without serving."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds)


def told(ref: AttemptRef, device: str, outcome: Outcome = Outcome.SUCCEEDED) -> Finished:
    """Build the report of an attempt."""
    return make.finished(
        ref.attempt_id, device, fence=ref.fence, sequence=ref.sequence, outcome=outcome
    )


@contextmanager
def open_desk(
    folder: Path,
    *devices: Device,
    lease_s: float = 30.0,
    grace_s: float = 10.0,
    retries: int = 2,
    clock: Clock | None = None,
) -> Iterator[Desk]:
    """Make a scheduler over a fresh SQLite database."""
    with sqlite_database(folder) as url:
        rules = Rules(lease_s, grace_s, retries)
        desk = Desk(url, devices or (make.device(),), rules, clock or ManualClock())
        try:
            yield desk
        finally:
            desk.store.close()


@dataclass
class Brittle:
    """A store whose disk can be full: then nothing of a transaction is kept, and it says so."""

    store: Store
    full: bool = False
    #: Transactions that became durable.
    commits: int = 0

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write, unless the disk is full by then."""
        with self.store.transaction() as t:
            yield t
            if self.full:
                raise StoreUnavailable("no room left on its disk")
        self.commits += 1


@dataclass
class Served:
    """A running server of agents, and what is behind it."""

    desk: Desk
    disk: Brittle
    writer: Writer
    blobs: Blobs
    uploads: Uploads
    server: AgentServer
    trust: Path
    folder: Path
    stack: ExitStack

    def enroll(self, device: str) -> DeviceFiles:
        """Give a device its certificate."""
        return enroll_local(self.trust, FARM, device, self.folder / "devices" / device)

    def dial(
        self, files: DeviceFiles, *, name: str = FARM, ca: Path | None = None
    ) -> agents_pb2_grpc.AgentsStub:
        """Connect with a certificate."""
        credentials = grpc.ssl_channel_credentials(
            (ca or files.ca).read_bytes(), files.key.read_bytes(), files.certificate.read_bytes()
        )
        return self.connect(credentials, name)

    def connect(
        self, credentials: grpc.ChannelCredentials, name: str = FARM
    ) -> agents_pb2_grpc.AgentsStub:
        """Connect somehow."""
        options = [
            ("grpc.ssl_target_name_override", name),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),
        ]
        channel = grpc.secure_channel(self.server.address, credentials, options)
        self.stack.callback(channel.close)
        return agents_pb2_grpc.AgentsStub(channel)


@contextmanager
def serve(
    folder: Path, *devices: Device, hold_s: float = 10.0, **rules: float | Clock
) -> Iterator[Served]:
    """Serve agents of a fresh farm on a free port."""
    create_ca(folder / "trust", FARM)
    with ExitStack() as stack:
        desk = stack.enter_context(
            open_desk(folder, *devices, **{"clock": SystemClock(), **rules})  # type: ignore[arg-type]  # by name
        )
        disk = Brittle(desk.store)
        writer = Writer(disk)
        writer.start()
        stack.callback(writer.stop)
        gatekeeper = Gatekeeper(folder / "trust", FARM)
        listening = Listening(
            "127.0.0.1:0",
            server_credentials(folder / "trust"),
            gatekeeper,
            tick_s=0.1,
            hold_s=hold_s,
        )
        blobs, uploads = Blobs(folder / "blobs"), Uploads(folder / "uploads")
        server = AgentServer(desk.scheduler, writer, blobs, uploads, listening, desk.clock)
        server.start()
        stack.callback(server.stop)
        yield Served(desk, disk, writer, blobs, uploads, server, folder / "trust", folder, stack)


def wire_digest(data: bytes) -> pb.Digest:
    """Name some bytes as the wire does."""
    return pb.Digest(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
