"""What a farm stands on: its files, its lock, what reads its orders; without serving anybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from orchestrator.build.modes import why_impossible
from orchestrator.config import FarmConfig, create_farm
from orchestrator.domain.errors import StoreUnavailable
from orchestrator.inventory import default_inventory_text, read_inventory
from orchestrator.locks import hold_lock
from orchestrator.machine import probe_machine
from orchestrator.orders import Orders
from orchestrator.store.schema import make_engine
from orchestrator.store.sql import create_store
from orchestrator.trust import create_ca

_HOUSE = Path(__file__).resolve().parent.parent
#: The C sources of runner and compiler.
NATIVE = _HOUSE / "native"
DEMO_MATRIX = _HOUSE / "matrices" / "demo.yaml"


def new_farm(folder: Path, database: str | None = None) -> FarmConfig:
    """Make a farm: its files, its CA and its database with this machine's devices declared.

    Args:
        folder: where.
        database: the address of an empty database; None: a SQLite file in its data folder.

    Raises:
        ConfigError: a farm is there already, the folder cannot be written, or the database is not
            empty; nothing is left behind.
        StoreError: the database cannot be used; nothing is left behind.
    """
    text = default_inventory_text(probe_machine())
    # Said of the option, not of a line in a file that will not be there.
    if database is not None:
        make_engine(database, mode="rwc").dispose()
    return create_farm(folder, text, database=database, fill=_fill)


def _fill(config: FarmConfig) -> None:
    create_ca(trust_folder(config), config.farm_id)
    devices = read_inventory(config.inventory).devices
    # Last, since on a server nothing of it goes with the folder.
    create_store(config.database_url, config.farm_id, lambda t: t.declare_devices(devices))


def hold_farm(config: FarmConfig) -> AbstractContextManager[None]:
    """Be the one orchestrator of a farm, or the one who changes its database.

    Raises:
        StateError: another process is.
    """
    return hold_lock(
        config.data / "orchestrator.lock",
        "an orchestrator of this farm is running already (pid {pid}); stop it first",
    )


def refuse_unusable(config: FarmConfig) -> None:
    """Refuse a data folder in which something is not this user's to use.

    One command as another user (root, most often) leaves such things; every part of a farm that
    met one would wait for it, each in its own words.

    Raises:
        StoreUnavailable: names the first.
    """
    for path in _own_things(config.data):
        wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
        # What its last agents remove while they leave is none of it.
        if not os.access(path, wanted) and os.path.lexists(path):
            raise StoreUnavailable(
                f"{path}: may not be read and written by this user; check its owner and"
                " permissions"
            )


def _own_things(data: Path) -> Iterator[Path]:
    """List what an orchestrator and its agents write into; of blobs, their folders."""
    yield data
    for below in ("*", "blobs/*", "trust/*.key", "agents/*", "agents/*/*", "agents/*/state/*"):
        yield from data.glob(below)


def open_orders(config: FarmConfig) -> Orders:
    """Make what reads orders for a farm.

    Raises:
        InventoryError: its inventory.yaml is wrong.
    """
    return Orders(
        read_inventory(config.inventory),
        config.workloads,
        partial(why_impossible, sources=config.runtime_sources),
        config.data,
        tuple(config.runtime_sources),
    )


def trust_folder(config: FarmConfig) -> Path:
    """Answer where a farm's CA and certificates are."""
    return config.data / "trust"
