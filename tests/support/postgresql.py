"""A PostgreSQL server of the tests' own, on a free port, gone with the session."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

#: The superuser, who needs no password; ``locked`` needs one.
ADMIN = "farm"
LOCKED, PASSWORD = "locked", "s3cret-word"

_SOON_S = 60.0
_ACCESS = f"""\
local all all trust
host all {LOCKED} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""
#: Nothing here outlives the session, so nothing needs to reach a disk.
_SETTINGS = (
    *("fsync=off", "full_page_writes=off", "jit=off", "max_connections=60"),
    *("shared_buffers=64MB", "listen_addresses=127.0.0.1", "autovacuum=off"),
)


def find_programs() -> Path | None:
    """Find the folder of PostgreSQL's programs: Debian and Ubuntu keep them off the PATH."""
    versions = sorted(
        (folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if _has_programs(folder)),
        key=lambda folder: float(folder.parent.name),
    )
    if versions:
        return versions[-1]
    found = shutil.which("postgres")
    folder = None if found is None else Path(found).resolve().parent
    return folder if folder is not None and _has_programs(folder) else None


def _has_programs(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("initdb", "postgres"))


@dataclass
class Cluster:
    """A server and its databases."""

    programs: Path
    folder: Path
    port: int = 0
    _server: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, name: str, user: str = ADMIN) -> str:
        """Answer a database's address."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def prepare(self) -> None:
        """Make its files."""
        os.chmod(self.folder, 0o700)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        argv = [str(self.programs / "initdb"), f"--pgdata={self.folder}/data"]
        argv += [
            f"--username={ADMIN}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        subprocess.run(
            [*_as_user(), *argv], check=True, capture_output=True, cwd="/", timeout=_SOON_S
        )
        (self.folder / "data" / "pg_hba.conf").write_text(_ACCESS)

    def start(self) -> None:
        """Let it serve, on the port it had before if there was one."""
        self.port = self.port or _free_port()
        settings = [*_SETTINGS, f"port={self.port}", f"unix_socket_directories={self.folder}"]
        argv = [str(self.programs / "postgres"), "-D", f"{self.folder}/data"]
        argv += [part for setting in settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*_as_user(), *argv], cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + _SOON_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            threading.Event().wait(0.02)

    def stop(self) -> None:
        """End it and every session at once, as a restart does."""
        if self._server is not None:
            self._server.send_signal(2)  # SIGINT: PostgreSQL's fast shutdown
            self._server.wait(_SOON_S)
            self._server = None

    def remove(self) -> None:
        """End it and drop its files."""
        self.stop()
        shutil.rmtree(self.folder)

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement as superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as session:
            done = session.execute(statement.encode())
            return done.fetchall() if done.description else []

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database; answers its address."""
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Lend a database; answers its address."""
        name = f"farm_{next(self._numbers)}"
        yield self.create(name, template)
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            return True
        return False


#: The server refuses to be root's.
_USER = "nobody"


def _as_user() -> list[str]:
    """Say how a program is started that ends with us, whatever ends us."""
    with_us = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return [*with_us, "--"]
    owner = pwd.getpwnam(_USER)
    ids = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    return [*with_us, *ids, "--"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cluster() -> Cluster:
    """Answer the session's server; without PostgreSQL the test is skipped."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not here; get it with: scripts/setup --tests")
    return _started(programs)


def new_cluster() -> Cluster:
    """Start a server for one test alone, which may stop it; its caller removes it."""
    made = Cluster(cluster().programs, Path(tempfile.mkdtemp(prefix="farm-pg-")))
    made.prepare()
    made.start()
    return made


@cache
def _started(programs: Path) -> Cluster:
    made = Cluster(programs, Path(tempfile.mkdtemp(prefix="farm-pg-")))
    made.prepare()
    made.start()
    made.run(f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{PASSWORD}'")
    _running.append(made)
    return made


_running: list[Cluster] = []


def remove_clusters() -> None:
    """End what this session started."""
    while _running:
        _running.pop().remove()
