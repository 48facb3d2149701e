"""Which farm a command is for, and how it reaches it (D5)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.config import FarmConfig, find_farm, load_config
from orchestrator.domain.errors import ConfigError, FarmUnavailable, StateError

if TYPE_CHECKING:
    from orchestrator.service import Farm
    from orchestrator.store.base import Store

#: How long an orchestrator that holds the farm's lock may take to listen: it upgrades nothing and
#: starts in about a second.
_START_S = 20.0
_PAUSE_S = 0.1


@dataclass
class _Choice:
    folder: Path | None = None


_chosen = _Choice()


def choose_farm(folder: Path | None) -> None:
    """Note what the root's ``--farm`` said."""
    _chosen.folder = folder


def this_farm(folder: Path | None = None) -> FarmConfig:
    """Answer the farm this command is for.

    Args:
        folder: what the command's own ``--farm`` said.

    Raises:
        ConfigError: there is none, or its farm.toml is wrong.
    """
    explicit = folder if folder is not None else _chosen.folder
    return load_config(find_farm(explicit, os.environ, Path.cwd()))


def farm_here() -> FarmConfig | None:
    """Answer the farm a command may be in; None: it is in none, and none was named.

    Raises:
        ConfigError: one was named that is none, or its farm.toml is wrong.
    """
    if _chosen.folder is not None or os.environ.get("FARM_DIR"):
        return this_farm()
    try:
        folder = find_farm(None, os.environ, Path.cwd())
    except ConfigError:
        return None
    return load_config(folder)


@contextmanager
def reading(folder: Path | None) -> Iterator[Store]:
    """Open a farm's database for reading.

    Raises:
        ConfigError: there is no farm.
        StoreError: its database cannot be used.
    """
    from orchestrator.store.sql import open_store

    config = this_farm(folder)
    store = open_store(config.database_url, readonly=True, farm_id=config.farm_id)
    try:
        yield store
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class Session:
    """A farm to change."""

    farm: Farm
    #: The orchestrator is in this process and ends with it.
    inside: bool


@contextmanager
def changing(config: FarmConfig, *, with_devices: bool = True) -> Iterator[Session]:
    """Reach a farm's orchestrator; if none lives, be one for as long as the block lasts.

    Args:
        config: the farm.
        with_devices: whether an orchestrator inside this process starts the local devices.

    Raises:
        FarmUnavailable: an orchestrator holds the farm's lock but does not answer.
        StoreError: the database cannot be used.
    """
    with ExitStack() as stack:
        yield _reach(stack, config, with_devices)


def _reach(stack: ExitStack, config: FarmConfig, with_devices: bool) -> Session:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return living(stack, config)
        except FarmUnavailable as error:
            unanswered = error
        from orchestrator.app import serve
        from orchestrator.foundation import hold_farm

        try:
            stack.enter_context(hold_farm(config))
        except StateError:
            # Its holder is about to listen, or about to end.
            if time.monotonic() > deadline:
                raise unanswered from None
            time.sleep(_PAUSE_S)
        else:
            farm = stack.enter_context(serve(config, with_devices=with_devices))
            return Session(farm, inside=True)


def living(stack: ExitStack, config: FarmConfig) -> Session:
    """Reach a living orchestrator.

    Raises:
        FarmUnavailable: none lives.
    """
    from orchestrator.cli.control import connect

    return Session(stack.enter_context(connect(config.data)), inside=False)
