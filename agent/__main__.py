"""Starts an agent: `python -m agent --config FILE`.

The process may end at any moment, by a signal, by a closed standard input or by force: all it
promised is on disk, the runner lives on by itself, and the next process of this agent takes both
up. So leaving is one way for all, and sudden.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.attempt import Site
from agent.config import AgentConfig, read_config
from agent.desk import Desk
from agent.errors import ConfigError, DiskFull, FolderBusy, KernelLacks
from agent.facts.machine import read_facts
from agent.journal import Journal
from agent.link import Link
from agent.machine_locks import MachineLocks
from agent.processes import become_subreaper, read_boot_id
from agent.stage import room_needed
from agent.sync import Synchronizer
from agent.telemetry import Machine
from agent.work import Worker, discarder

log = logging.getLogger("agent")

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 3
EXIT_BUG = 70

#: A predecessor whose standard input has just closed needs a moment to be gone.
_FOLDER_PATIENCE_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an agent until it is told to leave; answers its exit code if it cannot begin."""
    parser = argparse.ArgumentParser(prog="agent", description="Runs attempts on this device.")
    parser.add_argument("--config", type=Path, required=True, help="the agent's TOML file")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="agent: %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        config = read_config(options.config)
        lock = take_folder(config.folder)
        with room_needed(config.folder):
            _run(config)
    except ConfigError as error:
        log.error("%s", error)  # noqa: TRY400  # one clear line; the trace tells people nothing
        return EXIT_USAGE
    except (FolderBusy, DiskFull, KernelLacks) as error:
        log.error("%s", error)  # noqa: TRY400  # as above
        return EXIT_UNAVAILABLE
    os.close(lock)
    return EXIT_OK


def take_folder(folder: Path, patience_s: float = _FOLDER_PATIENCE_S) -> int:
    """Become the only agent of a folder, for as long as the answered descriptor is open.

    Raises:
        FolderBusy: another agent stays in it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "agent.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise FolderBusy(f"another agent uses {folder}") from None
            time.sleep(0.02)
        else:
            return descriptor


def choose_cpu(allowed: set[int], *, share_machine: bool) -> int:
    """Choose the core to measure on: the last one, since interrupts and habit favour the first.

    Args:
        allowed: the cores this process may use.
        share_machine: others compute here too, each wherever there is room.

    Returns:
        Its number; -1: none, because there is only one or others use them too.
    """
    return max(allowed) if len(allowed) > 1 and not share_machine else -1


def _run(config: AgentConfig) -> None:
    allowed = os.sched_getaffinity(0)
    cpu = choose_cpu(allowed, share_machine=config.share_machine)
    if cpu >= 0:
        os.sched_setaffinity(0, allowed - {cpu})  # before any thread: they inherit it
    become_subreaper()
    _leave_on_signals(config)
    facts = read_facts(config.emulator)
    site = _make_site(config, cpu)
    journal = Journal(config.folder)
    desk = Desk(journal, config.folder, site.boot_id)
    link = Link(config)
    synchronizer = Synchronizer(
        link,
        desk,
        boot_id=site.boot_id,
        facts=lambda: facts,
        discard=discarder(config.folder),
    )
    _spawn("link", synchronizer.run_forever)
    Worker(site, journal, desk, link).run_forever()


def _make_site(config: AgentConfig, cpu: int) -> Site:
    identity = f"{config.farm_id}\0{config.device}\0{config.folder.resolve()}"
    return Site(
        folder=config.folder,
        boot_id=read_boot_id(),
        machine=Machine(cpu),
        emulator=config.emulator,
        gated=config.emulator is None and not config.share_machine,
        token_prefix=hashlib.sha256(identity.encode()).hexdigest()[:16],
        locks=_make_locks(config),
    )


def _make_locks(config: AgentConfig) -> MachineLocks:
    folder = config.machine_locks or config.folder / "locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return MachineLocks(folder, config.device)


def _leave_on_signals(config: AgentConfig) -> None:
    """Leave when asked to; an interrupt meant for who started this agent is theirs to handle."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_OK))
    if config.exit_with_stdin:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _spawn("stdin", _leave_with_stdin)
    else:
        signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_OK))


def _leave_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(EXIT_OK)


def _spawn(name: str, body: Callable[[], None]) -> None:
    """Run something beside the worker; if it fails by a bug, so does the agent, and is started
    anew.
    """

    def run() -> None:
        try:
            body()
        finally:
            if sys.exc_info()[0] is not None:
                log.critical("bug in thread %s", name, exc_info=True)
                os._exit(EXIT_BUG)

    threading.Thread(target=run, name=name, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
