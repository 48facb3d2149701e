"""Builds the concrete things of an orchestrator, once, and takes them down in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from orchestrator.blobs import Blobs
from orchestrator.builds import BuildJobs, open_builder, record_built
from orchestrator.clock import SystemClock
from orchestrator.config import FarmConfig
from orchestrator.domain.device import Device
from orchestrator.domain.errors import StoreUnavailable
from orchestrator.foundation import open_orders, refuse_unusable, trust_folder
from orchestrator.local_agents import AgentsFor, LocalAgents, local_address
from orchestrator.rpc.control import serve_control
from orchestrator.rpc.server import AgentServer, Listening
from orchestrator.rpc.uploads import Uploads
from orchestrator.runlife import RunLife
from orchestrator.scheduler import Rules, Scheduler
from orchestrator.service import Farm, LiveFarm
from orchestrator.store.base import Store, Transaction
from orchestrator.store.sql import open_store
from orchestrator.trust import Gatekeeper, server_credentials
from orchestrator.writer import Writer
from protos.states import DeviceState

_CLOCK = SystemClock()


@contextmanager
def serve(config: FarmConfig, *, with_devices: bool = True) -> Iterator[Farm]:
    """Be a farm's orchestrator as long as the block lasts; the caller holds the farm.

    Args:
        config: the farm.
        with_devices: start this machine's devices and go on with unfinished runs; without, only
            what is asked for is built.

    Raises:
        ConfigError: farm.toml, the CA or the address is wrong.
        InventoryError: inventory.yaml is wrong.
        StoreError: the database, or something else of the farm's data, cannot be used.
    """
    orders = open_orders(config)
    refuse_unusable(config)
    with ExitStack() as stack:
        store = _opened(stack, config, readonly=False)
        writer = Writer(store)
        writer.start()
        stack.callback(writer.stop)
        stack.callback(_see_off, writer, store)
        devices = orders.inventory.devices
        writer.call(lambda t: t.declare_devices(devices))
        blobs = Blobs(config.data / "blobs")
        scheduler = _scheduler(config, store, devices)
        server = _server(config, scheduler, writer, blobs)
        address = server.start()
        stack.callback(server.stop)
        jobs = _jobs(config, server)
        reader = _opened(stack, config, readonly=True)
        life = RunLife(
            reader, server, jobs, orders, _CLOCK, scheduler.activities, lambda: writer.trouble
        )
        if with_devices:
            _start_agents(stack, config, address, devices)
            life.continue_unfinished()
        stack.callback(jobs.close)
        farm = LiveFarm(orders, life, jobs, address)
        stack.enter_context(serve_control(farm, config.data))
        yield farm


def _see_off(writer: Writer, store: Store) -> None:
    """Note that no device is reached any more; what is leased stays so, its lease goes on (D3)."""

    def note(t: Transaction) -> None:
        for status in store.devices():
            if status.state is DeviceState.IDLE:
                t.move_device(status.device.name, DeviceState.OFFLINE)

    # On a full disk they look idle till the next start; nothing rests on it.
    with suppress(StoreUnavailable):
        writer.call(note)


def _opened(stack: ExitStack, config: FarmConfig, *, readonly: bool) -> Store:
    store = open_store(
        config.database_url,
        readonly=readonly,
        farm_id=config.farm_id,
        serving=not readonly,
    )
    stack.callback(store.close)
    return store


def _scheduler(config: FarmConfig, store: Store, devices: tuple[Device, ...]) -> Scheduler:
    rules = Rules(config.lease_s, config.grace_s, config.retries)
    return Scheduler(store, {device.name: device for device in devices}, rules, _CLOCK)


def _server(config: FarmConfig, scheduler: Scheduler, writer: Writer, blobs: Blobs) -> AgentServer:
    trust = trust_folder(config)
    listening = Listening(
        config.listen, server_credentials(trust), Gatekeeper(trust, config.farm_id)
    )
    uploads = Uploads(config.data / "uploads")
    return AgentServer(scheduler, writer, blobs, uploads, listening, _CLOCK)


def _jobs(config: FarmConfig, server: AgentServer) -> BuildJobs:
    return BuildJobs(
        open_builder(config), lambda built: server.call(lambda t: record_built(t, built))
    )


def _start_agents(
    stack: ExitStack, config: FarmConfig, address: str, devices: tuple[Device, ...]
) -> None:
    serves = AgentsFor(
        config.farm_id, trust_folder(config), config.data / "agents", local_address(address)
    )
    agents = LocalAgents(serves, devices, _CLOCK)
    agents.start()
    stack.callback(agents.stop)
