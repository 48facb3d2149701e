"""A farm on PostgreSQL, from its making to its numbers, as people do it; and its wrong turns."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import farm, started
from tests.support.postgresql import LOCKED, PASSWORD, Cluster, cluster, new_cluster

MATRIX = """\
name: small
workloads: [noop]
modes: [wamr-fast]
devices: [local]
attempts: {attempts}
repeats: 2
"""
ACCEPTED = "SELECT 1 FROM attempts WHERE state = 'accepted'"


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    """Give an empty database."""
    with cluster().database() as address:
        yield address


@pytest.fixture(name="server")
def _server() -> Iterator[Cluster]:
    """Give a server that may be stopped."""
    made = new_cluster()
    yield made
    made.remove()


def new_farm(folder: Path, url: str, attempts: int = 2) -> Path:
    """Make a farm with a small matrix."""
    said = farm("init", folder, "--database", url, cwd=folder.parent)
    assert (said.code, said.err) == (0, "")
    (folder / "small.yaml").write_text(MATRIX.format(attempts=attempts))
    return folder


def rows(folder: Path, statement: str) -> list[dict[str, Any]]:
    """Ask a farm's database."""
    said = farm("sql", statement, "--json", cwd=folder)
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


@pytest.mark.toolchain
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_init_to_numbers_and_back(tmp_path: Path, url: str) -> None:
    """Made, measured, shown, asked, checked, copied to SQLite, and one schema back and up."""
    home = new_farm(tmp_path / "farm", url)
    assert farm("run", "small.yaml", cwd=home).code == 0
    (result,) = json.loads(farm("results", "list", "--json", cwd=home).out)
    assert (result["outcome"], result["attempts"]) == ("succeeded", 2)
    (row,) = rows(home, "SELECT outcome, attempts, execute_s FROM result")
    assert (row["outcome"], row["attempts"]) == ("succeeded", 2)
    assert row["execute_s"] > 0
    checked = farm("db", "check", cwd=home)
    assert (checked.code, checked.out) == (0, "nothing wrong was found\n")

    assert farm("db", "backup", tmp_path / "farm.tar", cwd=home).code == 0
    assert farm("db", "restore", tmp_path / "farm.tar", tmp_path / "copy", cwd=home).code == 0
    copied = json.loads(farm("results", "list", "--json", cwd=tmp_path / "copy").out)
    assert copied == [result]

    asked = farm("db", "downgrade", cwd=home)
    assert asked.code == 2
    assert "agree with --yes" in asked.complaint
    assert farm("db", "downgrade", "--yes", cwd=home).code == 0
    assert "farm db upgrade" in farm("results", "list", cwd=home).complaint
    assert farm("db", "upgrade", cwd=home).code == 0
    assert json.loads(farm("results", "list", "--json", cwd=home).out) == [result]


@pytest.mark.toolchain
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_orchestrator_survives_its_databases_restart(tmp_path: Path, server: Cluster) -> None:
    """While it measures: the run ends complete, no block has two results and none is missing."""
    home = new_farm(tmp_path / "farm", server.create("mine"), attempts=6)
    assert farm("build", "small.yaml", cwd=home).code == 0
    with started("up", cwd=home) as up:
        up.wait_for_line("serves agents on")
        assert farm("run", "small.yaml", "--detach", cwd=home).code == 0
        for accepted in (1, 3):
            wait_for(home, ACCEPTED, accepted)
            server.stop()
            server.start()
        wait_for(home, "SELECT 1 FROM runs WHERE state = 'done'", 1)
    (row,) = rows(home, "SELECT outcome, attempts FROM result")
    assert row == {"outcome": "succeeded", "attempts": 6}
    assert farm("db", "check", cwd=home).out == "nothing wrong was found\n"


def wait_for(folder: Path, statement: str, many: int) -> None:
    """Wait until the database answers a question with so many rows."""
    deadline = time.monotonic() + 300
    while len(rows(folder, statement)) < many:
        assert time.monotonic() < deadline, statement
        threading.Event().wait(0.1)


def test_two_farms_do_not_share_a_database(tmp_path: Path, url: str) -> None:
    """Neither by init nor by a line of farm.toml; the folder that was not made is not there."""
    new_farm(tmp_path / "one", url)
    said = farm("init", "two", "--database", url, cwd=tmp_path)
    assert said.code == 2
    assert "the database of farm farm-" in said.complaint
    assert "nothing was changed" in said.complaint
    assert not (tmp_path / "two").exists()

    assert farm("init", "two", cwd=tmp_path).code == 0
    settings = tmp_path / "two" / "farm.toml"
    settings.write_text(settings.read_text().replace("sqlite:///data/farm.db", url))
    for command in (("devices", "list"), ("up",)):
        said = farm(*command, cwd=tmp_path / "two")
        assert said.code == 2
        assert "correct database in farm.toml" in said.complaint


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        (f"postgresql://{LOCKED}:{PASSWORD}@127.0.0.1/x", 2, "holds a password"),
        (f"postgresql://{LOCKED}@127.0.0.1/x?password={PASSWORD}", 2, "holds a password"),
        ("postgresql://farm@127.0.0.1:1/x", 3, "does not answer; is the server running"),
        ("postgresql://farm@127.0.0.1:PORT/nix", 3, "make it with: createdb NAME"),
        (f"postgresql://{LOCKED}@127.0.0.1:PORT/postgres", 3, "~/.pgpass or PGPASSWORD"),
        ("postgresql://farm@127.0.0.1:PORT/x?sslmode=require", 3, "no secure connection"),
        ("postgresql://farm@127.0.0.1:PORT/x?slmode=require", 2, "slmode"),
        ("postgresql://farm@127.0.0.1:PORT/x y", 2, "write %20 for a blank"),
        ("mysql://me:s3cret@db/x", 2, "not a database this version knows: 'mysql'"),
    ],
)
def test_a_wrong_address_makes_no_farm(tmp_path: Path, address: str, code: int, told: str) -> None:
    """One line that never holds a password, and no folder."""
    wanted = address.replace("PORT", str(cluster().port))
    said = farm("init", "farm", "--database", wanted, cwd=tmp_path)
    assert said.code == code
    assert told in said.complaint
    assert PASSWORD not in said.err + said.out
    assert "s3cret" not in said.err + said.out
    assert list(tmp_path.iterdir()) == []


def test_the_password_comes_from_where_libpq_looks(tmp_path: Path) -> None:
    """PGPASSWORD or a .pgpass; it is in none of the farm's files."""
    with cluster().database() as url:
        name = url.rpartition("/")[2]
        cluster().run(f'ALTER DATABASE "{name}" OWNER TO {LOCKED}')
        passes = tmp_path / "pgpass"
        passes.write_text(f"127.0.0.1:*:*:{LOCKED}:{PASSWORD}\n")
        passes.chmod(0o600)
        theirs = cluster().url(name, LOCKED)
        told = farm(
            "init", "farm", "--database", theirs, cwd=tmp_path, env={"PGPASSWORD": PASSWORD}
        )
        assert (told.code, told.err) == (0, "")
        read = farm("devices", "list", cwd=tmp_path / "farm", env={"PGPASSFILE": str(passes)})
        assert read.code == 0
        assert "local" in read.out
        for file in (tmp_path / "farm").rglob("*"):
            assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()
