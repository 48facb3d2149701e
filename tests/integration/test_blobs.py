"""Blobs on a real disk: whole or absent, whoever writes, dies or damages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.blobs import Blobs
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import ArtifactMissing, DigestMismatch

#: Says when it holds scratch with something in it, then waits to be killed.
_DYING = """
import sys, time
from pathlib import Path
from orchestrator.blobs import Blobs
with Blobs(Path(sys.argv[1])).open_scratch() as scratch:
    (scratch / "part").write_bytes(b"x" * 100000)
    print(scratch, flush=True)
    sys.stdin.read()
"""


def test_bytes_come_back(tmp_path: Path) -> None:
    """What was put is there, readable in parts, and cannot be written to."""
    blobs = Blobs(tmp_path)
    digest = blobs.put_bytes(b"hello")
    assert blobs.has(digest.sha256)
    assert blobs.read(digest.sha256, 1, 3) == b"ell"
    assert blobs.read(digest.sha256, 9, 3) == b""
    assert blobs.path(digest.sha256).stat().st_mode & 0o222 == 0


def test_missing_blob_is_named(tmp_path: Path) -> None:
    """A digest nobody stored is an error that names it, by every reading method."""
    blobs = Blobs(tmp_path)
    unknown = "0" * 64
    assert not blobs.has(unknown)
    for act in (lambda: blobs.path(unknown), lambda: blobs.read(unknown, 0, 1)):
        with pytest.raises(ArtifactMissing, match=unknown):
            act()


def test_name_from_outside_never_becomes_a_path(tmp_path: Path) -> None:
    """Only a sha256 is looked up."""
    with pytest.raises(ValueError, match="not a sha256"):
        Blobs(tmp_path / "blobs").has("../../etc/passwd")


def test_unexpected_file_is_refused(tmp_path: Path) -> None:
    """A file that is not what it was said to be leaves nothing behind."""
    blobs = Blobs(tmp_path / "blobs")
    file = tmp_path / "file"
    file.write_bytes(b"other")
    with pytest.raises(DigestMismatch):
        blobs.put_file(file, expect=Digest("1" * 64, 5))
    assert not blobs.has("1" * 64)
    assert list((tmp_path / "blobs" / "scratch").iterdir()) == []


def test_stored_copy_is_its_own(tmp_path: Path) -> None:
    """Writing to the file afterwards does not reach the blob."""
    blobs = Blobs(tmp_path / "blobs")
    file = tmp_path / "file"
    file.write_bytes(b"first")
    digest = blobs.put_file(file)
    file.write_bytes(b"other")
    assert blobs.read(digest.sha256, 0, 5) == b"first"


def test_taking_shares_the_bytes(tmp_path: Path) -> None:
    """Two stores on one filesystem hold one copy."""
    cache, farm = Blobs(tmp_path / "cache"), Blobs(tmp_path / "farm")
    digest = cache.put_bytes(b"artifact")
    farm.take(cache, digest)
    assert os.path.samefile(cache.path(digest.sha256), farm.path(digest.sha256))


def test_cut_off_blob_is_replaced(tmp_path: Path) -> None:
    """A blob that lost its end counts as absent for who knows its size, and can be put again."""
    blobs = Blobs(tmp_path)
    digest = blobs.put_bytes(b"whole")
    path = blobs.path(digest.sha256)
    path.chmod(0o600)
    path.write_bytes(b"wh")
    assert not blobs.has(digest.sha256, size_bytes=digest.size_bytes)
    blobs.put_bytes(b"whole")
    assert blobs.read(digest.sha256, 0, 9) == b"whole"


def test_many_writers_of_one_blob(tmp_path: Path) -> None:
    """Writers of the same bytes do not hinder each other, and no scratch is left."""
    blobs = Blobs(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: Blobs(tmp_path).put_bytes(b"x" * 1000), range(40)))
    assert len(digests) == 1
    assert blobs.read(digests.pop().sha256, 0, 2000) == b"x" * 1000
    assert list((tmp_path / "scratch").iterdir()) == []


def test_scratch_of_the_dead_is_swept_and_of_the_living_is_not(tmp_path: Path) -> None:
    """A killed process's scratch goes with the next start; a living one's stays."""
    with subprocess.Popen(
        [sys.executable, "-c", _DYING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        scratch = Path(process.stdout.readline().strip())
        Blobs(tmp_path)
        assert (scratch / "part").exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    Blobs(tmp_path)
    assert list((tmp_path / "scratch").iterdir()) == []
