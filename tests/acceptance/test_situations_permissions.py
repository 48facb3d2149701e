"""Modes, owners and folders that are not as they should be: a line, and nothing half-done."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.commands import farm
from tests.support.situations import (
    NATIVE,
    give_away,
    is_whole,
    measured_farm,
    new_farm,
    without_powers,
)

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(300)]

UNUSABLE = "may not be read and written by this user; check its owner and permissions"
RUN = ("run", "quick.c", *NATIVE)


@pytest.fixture(name="model", scope="module")
def _model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured_farm(tmp_path_factory.mktemp("permissions") / "farm")


@pytest.fixture(name="home")
def _home(model: Path, tmp_path: Path) -> Path:
    """A measured farm of this test's own."""
    return Path(shutil.copytree(model, tmp_path / "farm"))


@dataclass(frozen=True)
class Denied:
    """What may not be used, what is tried, and what is said of it after ``farm: ``."""

    #: Below the farm's folder.
    path: str
    mode: int
    says: str
    command: tuple[str, ...] = RUN
    code: int = 3
    env: dict[str, str] = field(default_factory=dict)


DENIED = {
    "database": Denied("data/farm.db", 0o444, f"HOME/data/farm.db: {UNUSABLE}"),
    "data": Denied("data", 0o555, f"HOME/data: {UNUSABLE}"),
    "keys": Denied("data/trust", 0, f"HOME/data/trust: {UNUSABLE}"),
    "ca.key": Denied("data/trust/ca.key", 0, f"HOME/data/trust/ca.key: {UNUSABLE}"),
    "uploads": Denied("data/uploads", 0o555, f"HOME/data/uploads: {UNUSABLE}"),
    "blobs": Denied("data/blobs/scratch", 0o555, f"HOME/data/blobs/scratch: {UNUSABLE}"),
    "agent": Denied("data/agents/local/state", 0, f"HOME/data/agents/local/state: {UNUSABLE}"),
    "lock": Denied(
        "data/orchestrator.lock",
        0,
        "HOME/data/orchestrator.lock: Permission denied; check its permissions",
    ),
    "socket": Denied("data/control", 0, f"HOME/data/control: {UNUSABLE}"),
    "database, read": Denied(
        "data", 0, "HOME/data/farm.db: Permission denied; check its permissions", ("runs", "list")
    ),
    "key, kept": Denied(
        "data/trust/server.key",
        0,
        "HOME/data/trust/server.key: Permission denied; check its permissions",
        ("db", "backup", "../kept.tar"),
    ),
    "farm.toml": Denied(
        "farm.toml",
        0,
        "HOME/farm.toml: cannot be read (Permission denied): name a readable file",
        code=2,
    ),
    "inventory": Denied(
        "inventory.yaml",
        0,
        "HOME/inventory.yaml: cannot be read (Permission denied): name a readable file",
        code=2,
    ),
    "backup's place": Denied(
        ".", 0o555, ".: Permission denied; check its permissions", ("db", "backup", "kept.tar")
    ),
    "restore's place": Denied(
        ".",
        0o555,
        "HOME/new: cannot be made (Permission denied): choose a folder you can write",
        ("db", "restore", "gone.tar", "new"),
        code=2,
    ),
    "cache": Denied(
        ".",
        0o555,
        "the build cache HOME/cache cannot be used (Permission denied); FARM_CACHE_DIR names"
        " another",
        code=2,
        env={"FARM_CACHE_DIR": "HOME/cache"},
    ),
    "home folder": Denied(
        ".",
        0o555,
        "the build cache HOME/.cache/farm cannot be used (Permission denied); FARM_CACHE_DIR names"
        " another",
        code=2,
        env={"HOME": "HOME"},
    ),
}


@pytest.mark.parametrize("name", DENIED)
def test_what_may_not_be_used_is_named(name: str, home: Path) -> None:
    """At once and in one line, and with its mode back the farm measures as ever."""
    denied = DENIED[name]
    path = home / denied.path
    before = path.stat().st_mode
    names = sorted(os.listdir(home.parent))
    path.chmod(denied.mode)
    try:
        env = {key: value.replace("HOME", str(home)) for key, value in denied.env.items()}
        said = farm(*denied.command, cwd=home, env=env, wrapped=without_powers())
    finally:
        path.chmod(before)
    assert (said.code, said.out) == (denied.code, "")
    assert said.complaint.replace(str(home), "HOME") == f"farm: {denied.says}"
    assert sorted(os.listdir(home.parent)) == names
    is_whole(home)
    assert len(farm("runs", "list", cwd=home).out.splitlines()) == 2


READS = ("runs list", "results list", "db check", "runs show 1", "runs logs 1", "sql 'SELECT 1'")
WRITES = ("run quick.c", "up", "gc", "db upgrade", "runs cancel 1", "runs retry 1")


@pytest.mark.parametrize("line", [*READS, *WRITES])
def test_somebody_elses_farm_is_not_ours(line: str, home: Path) -> None:
    """A second user gets one line for whatever he may not read or change."""
    give_away(home)
    said = farm(*shlex.split(line), cwd=home, wrapped=without_powers())
    told = said.out if line == "db check" else said.err
    assert "Permission denied" in told
    assert all("check its permissions" in one for one in told.splitlines())
    assert "Traceback" not in said.err
    assert said.code == (1 if line == "db check" else 3)


def test_keys_that_others_may_read_are_told(home: Path) -> None:
    """The farm measures on; its check says which, and what to do."""
    (home / "data").chmod(0o755)
    key = home / "data" / "trust" / "ca.key"
    key.chmod(0o644)
    assert farm(*RUN, cwd=home).code == 0
    said = farm("db", "check", cwd=home)
    assert (said.code, said.out) == (1, f"{key} can be read by others; chmod 600 {key}\n")


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_keys_are_private_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    """And so is the folder with everything in it; the farm works."""
    before = os.umask(umask)
    try:
        home = measured_farm(tmp_path / "farm")
    finally:
        os.umask(before)
    private = [home / "data", home / "data" / "trust", *home.rglob("*.key")]
    assert [path for path in private if path.stat().st_mode & 0o077] == []
    is_whole(home)


def test_no_home_folder_is_a_line(home: Path) -> None:
    """An empty HOME counts as none, and the builds of the user's own cache are found."""
    said = farm(*RUN, cwd=home, env={"HOME": "", "XDG_CACHE_HOME": ""})
    assert said.code == 0, said.err
    assert not (home / ".cache").exists()


def test_temporary_files_have_nowhere_to_go(home: Path) -> None:
    """A TMPDIR that is not there is nobody's business who measures."""
    said = farm(*RUN, cwd=home, env={"TMPDIR": "/nowhere"})
    assert said.code == 0, said.err
    is_whole(home)


def test_a_farm_cannot_be_made_where_nobody_may_write(tmp_path: Path) -> None:
    """In one line, and nothing is left of it."""
    place = tmp_path / "place"
    place.mkdir(mode=0o555)
    said = farm("init", "place/new", cwd=tmp_path, wrapped=without_powers())
    assert (said.code, said.complaint) == (
        2,
        f"farm: {place}/new: cannot make a farm (Permission denied): choose a folder you can"
        " write",
    )
    assert os.listdir(place) == []
    new_farm(tmp_path / "farm")
