"""Care for a farm by the installed command: kept, brought back elsewhere, looked through."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import Said, farm, started
from tests.support.databases import bare_database

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(900)]

SOURCE = '#include <stdio.h>\nint main(void) { puts("kept"); return 0; }\n'
WORKLOAD = """\
name: kept
description: Prints a word.
sources: [kept.c]
output: {exact: kept.txt}
"""
MATRIX = """\
name: kept
workloads: [kept]
modes: [native]
devices: [local]
warmups: 0
repeats: 1
"""


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with a workload of its own, measured."""
    home = tmp_path_factory.mktemp("care") / "farm"
    assert farm("init", home, cwd=home.parent).code == 0
    folder = home / "workloads" / "kept"
    folder.mkdir(parents=True)
    (folder / "workload.yaml").write_text(WORKLOAD)
    (folder / "kept.c").write_text(SOURCE)
    (folder / "kept.txt").write_text("kept\n")
    (home / "kept.yaml").write_text(MATRIX)
    assert farm("run", "kept.yaml", cwd=home).code == 0
    return home


def results(home: Path) -> str:
    """Answer what ``farm results list --json`` says."""
    said = farm("results", "list", "--json", cwd=home)
    assert said.code == 0
    return said.out


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.zst"])
def test_a_farm_comes_back_elsewhere(home: Path, tmp_path: Path, ending: str) -> None:
    """Its results are equal, nothing is wrong with it, and it goes on measuring."""
    file, other = tmp_path / f"kept.{ending}", tmp_path / "elsewhere" / "farm"
    said = farm("db", "backup", file, cwd=home)
    assert (said.code, said.err) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    said = farm("db", "restore", file, other, cwd=tmp_path)
    assert said.code == 0, said.err
    assert "before it serves, stop the original" in said.complaint
    assert results(other) == results(home)
    said = farm("db", "check", "--deep", cwd=other)
    assert (said.code, said.out, said.err) == (0, "nothing wrong was found\n", "")
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", file.name]
    assert os.listdir(other.parent) == ["farm"]
    for key in (other / "data" / "trust").glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    if ending == "tar":
        shutil.copy(home / "kept.yaml", other)
        assert farm("run", "kept.yaml", cwd=other).code == 0
        assert json.loads(results(other))[0]["outcome"] == "succeeded"


def test_a_farm_is_kept_while_it_measures(home: Path, tmp_path: Path) -> None:
    """One moment of it: what its rows say is all there."""
    file, other = tmp_path / "living.tar", tmp_path / "other"
    order = ("run", "kept.yaml", "--set", "attempts=40")
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        with started(*order, cwd=home) as run:
            run.wait_for_line("running")
            assert farm("db", "backup", file, cwd=home).code == 0
            run.interrupt()
            run.end()
        runs = json.loads(farm("runs", "list", "--json", cwd=home).out)
        farm("runs", "cancel", str(runs[0]["run_id"]), cwd=home)
    assert farm("db", "restore", file, other, cwd=tmp_path).code == 0
    said = farm("db", "check", "--deep", cwd=other)
    assert (said.code, said.out) == (0, "nothing wrong was found\n")
    states = {run["state"] for run in json.loads(farm("runs", "list", "--json", cwd=other).out)}
    assert "running" in states
    said = farm("run", "--resume", str(runs[0]["run_id"]), cwd=other)
    assert said.code == 0, said.err
    with closing(sqlite3.connect(other / "data" / "farm.db")) as database:
        ((lowest,),) = database.execute(
            "SELECT min(fence) FROM leases WHERE granted_at > (SELECT max(ended_at) FROM leases"
            " WHERE reason = 'the farm was restored from a backup')"
        ).fetchall() or [(0,)]
    assert lowest > 1_000_000_000


def test_a_farm_moves_between_databases(home: Path, tmp_path: Path) -> None:
    """From a file to a server and back: equal results, nothing wrong, and it measures on."""
    served, back = tmp_path / "served", tmp_path / "back"
    assert farm("db", "backup", "a.tar.zst", cwd=home).code == 0
    first = home / "a.tar.zst"
    first.rename(tmp_path / "a.tar.zst")
    with bare_database("postgresql", tmp_path) as url:
        order = ("db", "restore", tmp_path / "a.tar.zst", served, "--database", url)
        said = farm(*order, cwd=tmp_path)
        assert said.code == 0, said.err
        assert results(served) == results(home)
        said = farm("db", "check", "--deep", cwd=served)
        assert (said.code, said.out) == (0, "nothing wrong was found\n"), said
        shutil.copy(home / "kept.yaml", served)
        assert farm("run", "kept.yaml", cwd=served).code == 0
        said = farm(
            "db", "restore", tmp_path / "a.tar.zst", "again", "--database", url, cwd=tmp_path
        )
        assert said.code != 0
        assert len(said.err.splitlines()) == 1
        assert not (tmp_path / "again").exists()
        assert farm("db", "backup", tmp_path / "b.tar", cwd=served).code == 0
        assert farm("db", "restore", tmp_path / "b.tar", back, cwd=tmp_path).code == 0
        assert results(back) == results(served)
    assert farm("db", "check", cwd=back).out == "nothing wrong was found\n"
    assert farm("run", "--resume", "1", cwd=back).code == 2
    assert 'database = "sqlite:///data/farm.db"' in (back / "farm.toml").read_text()


def test_a_folder_outside_the_farm_comes_along(tmp_path: Path) -> None:
    """A workloads folder named in farm.toml is in the backup, wherever it lies."""
    home, beside = tmp_path / "farm", tmp_path / "beside"
    assert farm("init", home, cwd=tmp_path).code == 0
    (beside / "mine").mkdir(parents=True)
    (beside / "mine" / "workload.yaml").write_text("name: mine\ndescription: x\nsources: [a.c]\n")
    (beside / "mine" / "a.c").write_text(SOURCE)
    (beside / "loop").symlink_to(beside)
    toml = home / "farm.toml"
    toml.write_text(f'workloads = ["../beside"]\n{toml.read_text()}')
    said = farm("db", "backup", "b.tar", cwd=home)
    assert (said.code, said.complaint) == (
        0,
        f"left out: {home}/../beside/loop is a link to a folder",
    )
    shutil.rmtree(beside)
    assert farm("db", "restore", home / "b.tar", "new", cwd=tmp_path).code == 0
    shown = farm("workloads", "list", "--json", cwd=tmp_path / "new")
    assert "mine" in [one["workload"] for one in json.loads(shown.out)]


def refused(said: Said) -> str:
    """Answer the one line of a refusal."""
    assert (said.code, said.out) == (2, ""), said
    return said.complaint


def test_what_cannot_be_kept_or_brought_back_is_refused(home: Path, tmp_path: Path) -> None:
    """With a line, and nothing is touched or left behind."""
    file = tmp_path / "b.tar.gz"
    assert farm("db", "backup", file, cwd=home).code == 0
    before = file.read_bytes()
    assert refused(farm("db", "backup", file, cwd=home)) == (
        f"farm: {file} is there already: nothing was changed; choose another name"
    )
    assert refused(farm("db", "backup", tmp_path / "b.zip", cwd=home)) == (
        f"farm: {tmp_path}/b.zip: name it .tar, .tar.gz or .tar.zst, such as farm.tar.zst"
    )
    assert refused(farm("db", "restore", file, home, cwd=tmp_path)) == (
        f"farm: {home} is there already: nothing was changed; choose a new folder"
    )
    assert refused(farm("db", "restore", "gone.tar", "new", cwd=tmp_path)) == (
        "farm: gone.tar: cannot be read (No such file or directory): name a backup"
    )
    inside = home / "workloads" / "b.tar"
    assert refused(farm("db", "backup", inside, cwd=home)) == (
        f"farm: {inside} lies in a folder that is backed up: choose another place"
    )
    order = ("db", "restore", file, "new", "--database", "sqlite:///x.db")
    assert "--database takes postgresql://" in refused(farm(*order, cwd=tmp_path))
    (tmp_path / "cut.tar.gz").write_bytes(before[: len(before) // 2])
    (tmp_path / "text.tar").write_bytes(b"hello" * 1000)
    (tmp_path / "empty.tar").touch()
    for name in ("cut.tar.gz", "text.tar", "empty.tar"):
        line = refused(farm("db", "restore", name, "new", cwd=tmp_path))
        assert line.startswith(f"farm: {name}: no backup of a farm, or damaged (")
        assert line.endswith("): take another")
    assert sorted(os.listdir(tmp_path)) == ["b.tar.gz", "cut.tar.gz", "empty.tar", "text.tar"]
    assert file.read_bytes() == before


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Read all of a plain backup."""
    with tarfile.open(file) as tar:
        return [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]


def rewritten(file: Path, content: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """Write members anew."""
    import io

    with tarfile.open(file, "w") as tar:
        for info, data in content:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def test_a_backup_with_something_else_in_it_makes_no_farm(home: Path, tmp_path: Path) -> None:
    """Whatever member was changed, left out or added; a newer farm's is told apart."""
    file = tmp_path / "whole.tar"
    assert farm("db", "backup", file, cwd=home).code == 0
    whole = members(file)
    kinds = {info.name.partition("/")[0]: place for place, (info, _) in enumerate(whole)}
    assert set(kinds) == {"farm-backup.json", "files", "tables", "blobs", "manifest.json"}

    def attempt(content: list[tuple[tarfile.TarInfo, bytes]]) -> Said:
        return farm(
            "db", "restore", rewritten(tmp_path / "other.tar", content), "new", cwd=tmp_path
        )

    for kind, place in kinds.items():
        info, data = whole[place]
        less = attempt([*whole[:place], *whole[place + 1 :]])
        assert refused(less).startswith(f"farm: {tmp_path}/other.tar: no backup"), kind
        if kind != "farm-backup.json":
            flipped = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
            said = attempt([*whole[:place], (info, flipped), *whole[place + 1 :]])
            assert (said.code, len(said.err.splitlines())) in {(2, 1), (3, 1)}, said
        assert not (tmp_path / "new").exists()
    for name in ("files/../../out", "files/trust/../../../out", "blobs/../x", "files/odd", "x"):
        added = (tarfile.TarInfo(name), b"x")
        assert refused(attempt([whole[0], added, *whole[1:]]))
        assert not (tmp_path / "out").exists()
    info, data = whole[0]
    newer = data.replace(b'"revision": "', b'"revision": "9')
    said = attempt([(info, newer), *whole[1:]])
    assert (said.code, said.out) == (3, "")
    assert "made by a newer farm" in said.complaint
    assert sorted(os.listdir(tmp_path)) == ["other.tar", "whole.tar"]
    # What a killed restore left is cleared away by the next one.
    (tmp_path / ".new.restoring" / "data").mkdir(parents=True)
    assert attempt(whole).code == 0
    assert sorted(os.listdir(tmp_path)) == ["new", "other.tar", "whole.tar"]


def test_a_full_disk_leaves_nothing_of_a_backup(home: Path, tmp_path: Path) -> None:
    """Neither of the copy, nor of a farm made of one; the line says what to do."""
    from tests.acceptance.test_bad_input import mounted

    file, disk = tmp_path / "b.tar", tmp_path / "disk"
    disk.mkdir()
    assert farm("db", "backup", file, cwd=home).code == 0
    with mounted("-t", "tmpfs", "-o", "size=256k", "farm-test", at=disk):
        for order in (("backup", disk / "c.tar"), ("restore", file, disk / "farm")):
            said = farm("db", *order, cwd=home)
            assert (said.code, said.out) == (3, "")
            assert any(word in said.complaint for word in ("make room", "no room")), said.err
            assert os.listdir(disk) == []


def test_check_names_what_is_wrong(home: Path, tmp_path: Path) -> None:
    """A line each, with the next step; backup says what it left out."""
    broken = tmp_path / "farm"
    shutil.copytree(home, broken, ignore=shutil.ignore_patterns("agents", "orchestrator.*"))
    with closing(sqlite3.connect(broken / "data" / "farm.db")) as database:
        rows = database.execute(
            "SELECT sha256 FROM artifacts WHERE kind = 'source' AND size_bytes > 9 LIMIT 3"
        ).fetchall()
        gone, short, other = (row[0] for row in rows)
        for change in (
            "UPDATE cells SET state = 'leased' WHERE id = 1",
            "UPDATE runs SET created_at = '2999-01-01 00:00:00.000000' WHERE id = 1",
            "UPDATE attempts SET variant_id = 99 WHERE id = 1",
            "UPDATE devices SET state = 'leased' WHERE name = 'local'",
            "UPDATE devices SET health = 'odd' WHERE name = 'emu-aarch64'",
        ):
            database.execute(change)
        database.commit()
    blobs = broken / "data" / "blobs"
    (blobs / gone[:2] / gone).unlink()
    for sha256, data in ((short, b"x"), (other, None)):
        path = blobs / sha256[:2] / sha256
        before = path.read_bytes()
        path.unlink()
        path.write_bytes(data or bytes([before[0] ^ 1]) + before[1:])
    (broken / "data" / "trust" / "ca.key").chmod(0o644)
    said = farm("db", "check", cwd=broken)
    assert (said.code, said.err) == (1, "")
    lines = said.out.splitlines()
    for part in (
        "leased, but no attempt of it is under a held lease: cell 1; ",
        "over, but with cells that are not: run 1; ",
        "runs.created_at is ahead of this machine's clock: 2999-01-01 00:00:00Z; set the clock",
        "attempts.variant_id names no row of variants: 99; farm db restore",
        "leased without a lease: device local; ",
        "devices.health says odd, which is no such word; ",
        f"blob {gone} cannot be found (No such file or directory); ",
        f"{short} is 1 bytes long, not ",
        "trust/ca.key can be read by others; chmod 600 ",
    ):
        assert sum(part in line for line in lines) == 1, (part, said.out)
    assert len(lines) == 9, said.out
    deep = json.loads(farm("db", "check", "--deep", "--json", cwd=broken).out)
    assert len(deep) == 10
    assert [one for one in deep if f"{other} holds other bytes" in one["finding"]]
    said = farm("db", "backup", "b.tar", cwd=broken)
    # A row that no enum knows cannot be copied either.
    assert said.code != 0
    with closing(sqlite3.connect(broken / "data" / "farm.db")) as database:
        database.execute("UPDATE devices SET health = 'good', state = 'offline'")
        database.execute("UPDATE attempts SET variant_id = 1 WHERE id = 1")
        database.commit()
    (broken / "b.tar").unlink(missing_ok=True)
    said = farm("db", "backup", "b.tar", cwd=broken)
    assert said.code == 1
    assert said.complaint == (
        "farm: 3 blobs the farm needs are missing or damaged and not in it;"
        " see: farm db check --deep"
    )
    said = farm("db", "restore", "b.tar", tmp_path / "again", cwd=broken)
    assert said.code == 0
    assert said.err.splitlines()[1] == "3 blobs were missing already when it was copied"


def test_check_tells_of_a_database_that_is_none(home: Path, tmp_path: Path) -> None:
    """Damaged, away, of another schema: found like the rest."""
    broken = tmp_path / "farm"
    shutil.copytree(home, broken, ignore=shutil.ignore_patterns("agents", "orchestrator.*"))
    database = broken / "data" / "farm.db"
    for name in ("farm.db-wal", "farm.db-shm"):
        (broken / "data" / name).unlink(missing_ok=True)
    data = bytearray(database.read_bytes())
    page = 4096
    data[10 * page : 40 * page] = os.urandom(30 * page)
    database.write_bytes(data)
    said = farm("db", "check", cwd=broken)
    assert (said.code, said.err) == (1, "")
    assert "damaged" in said.out
    assert len(said.out.splitlines()) == 1
    database.unlink()
    said = farm("db", "check", cwd=broken)
    assert (said.code, said.err) == (1, "")
    assert "no database there; run: farm init" in said.out


def lone_blobs(home: Path, number: int) -> list[Path]:
    """Make blobs that nothing refers to."""
    made = []
    for place in range(number):
        name = f"ab{place:062x}"
        path = home / "data" / "blobs" / "ab" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 1000)
        made.append(path)
    return made


def test_gc_removes_what_nothing_needs(home: Path, tmp_path: Path) -> None:
    """Says so before; never beside an orchestrator; results, and all that made them, stay."""
    other = tmp_path / "farm"
    assert farm("db", "backup", tmp_path / "b.tar", cwd=home).code == 0
    assert farm("db", "restore", tmp_path / "b.tar", other, cwd=home).code == 0
    lone = lone_blobs(other, 3)
    said = farm("gc", cwd=other)
    assert (said.code, said.out) == (0, "0 things, 0 B removed\n")
    said = farm("gc", "--dry-run", "--older-than", "0s", cwd=other)
    assert said.out == (
        "blob nothing refers to: 3, 3.00 kB\n3 things, 3.00 kB would be removed, nothing was\n"
    )
    assert all(path.exists() for path in lone)
    with started("up", cwd=other) as living:
        living.wait_for_line("serves agents on")
        assert refused(farm("gc", cwd=other)).endswith("stop it first")
        assert farm("gc", "--dry-run", cwd=other).code == 0
    said = farm("gc", "--older-than", "0s", "--json", cwd=other)
    removed = {one["path"] for one in json.loads(said.out)}
    assert {str(path) for path in lone} <= removed
    assert not any(path.exists() for path in lone)
    assert refused(farm("gc", "--older-than", "x", cwd=other)) == (
        "farm: --older-than x: write a number and a unit, such as 30d, 12h or 5m"
    )
    assert results(other) == results(home)
    assert farm("db", "check", "--deep", cwd=other).out == "nothing wrong was found\n"


def test_gc_killed_in_the_middle_breaks_nothing(home: Path, tmp_path: Path) -> None:
    """What it had removed is gone, the next one removes the rest."""
    other = tmp_path / "farm"
    assert farm("db", "backup", tmp_path / "b.tar", cwd=home).code == 0
    assert farm("db", "restore", tmp_path / "b.tar", other, cwd=home).code == 0
    folder = lone_blobs(other, 20_000)[0].parent
    with started("gc", "--older-than", "0s", cwd=other) as command:
        deadline_s = time.monotonic() + 60
        while len(os.listdir(folder)) >= 19_990 and time.monotonic() < deadline_s:
            pass
        command.interrupt(signal.SIGKILL)
        command.end()
    assert farm("db", "check", "--deep", cwd=other).out == "nothing wrong was found\n"
    assert farm("gc", "--older-than", "0s", cwd=other).code == 0
    assert [name for name in os.listdir(folder) if name.startswith("ab00000")] == []
    assert results(other) == results(home)


def test_doctor_tells_of_this_farm(home: Path, tmp_path: Path) -> None:
    """What is wrong with it, each with what to do; 1 for what cannot be done without."""
    said = farm("doctor", "--json", cwd=home)
    found = {(one["feature"], one["needs"]): one for one in json.loads(said.out)}
    assert said.code == 0, [one for one in found.values() if not one["present"]]
    assert found["this farm", "database"]["present"]
    other = tmp_path / "farm"
    shutil.copytree(home, other, ignore=shutil.ignore_patterns("agents", "farm.db*"))
    inventory = other / "inventory.yaml"
    inventory.write_text(inventory.read_text().replace("qemu-aarch64-static", "qemu-gone"))
    (other / "data" / "trust" / "server.crt").write_text("x")
    said = farm("doctor", "--json", cwd=other)
    assert said.code == 1
    lacks = {one["needs"]: one for one in json.loads(said.out) if one["feature"] == "this farm"}
    assert not lacks["database"]["present"]
    assert "no database there" in lacks["database"]["remedy"]
    assert "server.crt: or its key is damaged" in lacks["certificates"]["remedy"]
    assert '"needs": "qemu-gone"' in said.out
    (other / "farm.toml").write_text("x")
    said = farm("doctor", cwd=other)
    assert said.code == 1
    assert "farm.toml:1: not valid TOML" in said.out


@pytest.fixture(autouse=True)
def _no_leftovers(home: Path) -> Iterator[None]:
    """Nothing beside a farm that was not there before."""
    yield
    assert [name for name in os.listdir(home.parent) if name.startswith(".")] == []
