"""Odd names, links in circles, two at once, no room: they work, or one line says why not."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.trust import enroll_local, sign_device
from tests.acceptance.test_bad_input import mounted
from tests.support.commands import FARM, environment, farm, started
from tests.support.situations import NATIVE, is_whole, new_farm

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(300)]

ODD = "fä rm \"q' \n$(x) -z"


def test_odd_names_are_names_everywhere(tmp_path: Path) -> None:
    """Blanks, quotes, a line break, other alphabets: of the farm and of all it is given."""
    home = new_farm(tmp_path / ODD)
    (home / "quick.c").rename(home / "-q ü\"'.c")
    (home / "in p'ü").mkdir()
    (home / "in p'ü" / "f g").write_text("x")
    given = ("--dir", "in p'ü::da ta", "--stdin", "in p'ü/f g")
    said = farm("run", "./-q ü\"'.c", *NATIVE, *given, cwd=home)
    assert said.code == 0, said.err
    assert farm("db", "backup", "../b ü\n.tar", cwd=home).code == 0
    other = tmp_path / 'r \n"ü'
    assert farm("db", "restore", tmp_path / "b ü\n.tar", other, cwd=tmp_path).code == 0
    is_whole(other)


def test_a_line_break_in_a_name_breaks_no_line(tmp_path: Path) -> None:
    """What is said of it stays one line, and moves nobody's cursor."""
    said = farm("--farm", "a\n\x1b[2Jb", "runs", "list", cwd=tmp_path)
    assert (said.code, said.complaint) == (
        2,
        r"farm: a\n\x1b[2Jb is no farm: make one with `farm init a\n\x1b[2Jb`",
    )


LOOPS = {
    "init l1": "HOME/l1: cannot make a farm (Too many levels of symbolic links): choose a folder"
    " you can write",
    "--farm l1 runs list": "l1 is no farm: make one with `farm init l1`",
    "run l1/x.c": "HOME/l1/x.c: cannot be read (Too many levels of symbolic links): name a .wasm,"
    " a C file or an ELF",
    "run quick.c --dir l1::d": "--dir HOME/l1::d: no folder HOME/l1; check the path",
    "run quick.c --stdin l1": "no file HOME/l1 for --stdin: check the path",
}


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = new_farm(tmp_path_factory.mktemp("around") / "farm")
    (home / "l1").symlink_to("l2")
    (home / "l2").symlink_to("l1")
    return home


@pytest.mark.parametrize("line", LOOPS)
def test_links_in_a_circle_are_told(line: str, home: Path) -> None:
    """Wherever a path is given."""
    said = farm(*line.split(), cwd=home)
    assert (said.code, said.out) == (2, "")
    assert said.complaint == "farm: " + LOOPS[line].replace("HOME", str(home))


def test_a_backup_behind_a_circle_or_in_no_folder(home: Path) -> None:
    """Neither is a bug of the farm."""
    said = farm("db", "backup", "l1/b.tar", cwd=home)
    assert (said.code, said.complaint) == (
        3,
        "farm: l1: Too many levels of symbolic links; its links lead in a circle: correct them",
    )
    said = farm("db", "backup", "gone/b.tar", cwd=home)
    assert (said.code, said.complaint) == (
        2,
        "farm: gone/b.tar: there is no folder gone: make it first",
    )


def test_of_two_that_make_one_farm_one_does(tmp_path: Path) -> None:
    """The other is told, and breaks nothing."""
    both = [
        subprocess.Popen(
            [FARM, "init", "farm"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    (loser,) = (text for text, process in zip(said, both, strict=True) if process.returncode)
    assert len(loser.splitlines()) == 1
    assert "wait for it" in loser or "is there already" in loser
    is_whole(tmp_path / "farm")


def test_a_second_orchestrator_is_refused(home: Path) -> None:
    """With the pid of the first, for whatever has to be alone."""
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        for line in ("up", "gc", "db upgrade"):
            said = farm(*line.split(), cwd=home)
            assert (said.code, said.complaint) == (
                2,
                f"farm: an orchestrator of this farm is running already (pid {living.pid}); stop"
                " it first",
            )


def test_two_farms_measure_on_one_machine(tmp_path: Path) -> None:
    """At once; each ends complete, whatever it says of the other's load."""
    homes = [new_farm(tmp_path / name) for name in ("one", "two")]
    with ExitStack() as stack:
        runs = [
            stack.enter_context(started("run", "quick.c", *NATIVE, cwd=home)) for home in homes
        ]
        assert [run.end().code for run in runs] == [0, 0]
    for home in homes:
        is_whole(home)


@pytest.mark.parametrize("options", ["size=64k", "size=16m,nr_inodes=12"])
def test_no_room_for_a_farm_leaves_nothing_of_it(options: str, tmp_path: Path) -> None:
    """Neither bytes nor files are left: a line, and an empty folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", options, "farm-test", at=disk):
        said = farm("init", disk / "farm", cwd=tmp_path)
        assert said.code in {2, 3}
        assert any(
            word in said.complaint for word in ("No space left", "no room", "is full", "df -i")
        )
        assert os.listdir(disk) == []


def test_a_certificate_of_tomorrow_is_made_anew(home: Path, tmp_path: Path) -> None:
    """Made while this machine's clock was ahead: no server would take it till then."""
    trust = home / "data" / "trust"
    farm_id = _farm_id(home)
    files = enroll_local(trust, farm_id, "local", tmp_path / "agent")
    assert not enroll_local(trust, farm_id, "local", tmp_path / "agent").renewed
    ca_key = serialization.load_pem_private_key((trust / "ca.key").read_bytes(), None)
    own = serialization.load_pem_private_key(files.key.read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    files.certificate.write_bytes(
        sign_device(
            ca_key,
            (trust / "ca.crt").read_bytes(),
            farm_id,
            "local",
            own.public_key(),
            (tomorrow, tomorrow + timedelta(days=365)),
        )
    )
    assert enroll_local(trust, farm_id, "local", tmp_path / "agent").renewed
    made = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert made.not_valid_before_utc < datetime.now(UTC)


def _farm_id(home: Path) -> str:
    from orchestrator.config import load_config

    return load_config(home).farm_id
