"""Stored files are written into a folder of the user's: all or none, and over nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.blobs import Blobs, blob_place
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import ArtifactMissing, DigestMismatch, UsageError
from orchestrator.handout import hand_out


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """A farm's blobs."""
    return Blobs(tmp_path / "blobs")


def put(blobs: Blobs) -> dict[str, Digest]:
    """Store two files."""
    return {"a.txt": blobs.put_bytes(b"one"), "out/b": blobs.put_bytes(b"two")}


def content(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_are_written_below_the_folder(blobs: Blobs, tmp_path: Path) -> None:
    """It is made, with the folders in it; the files are the user's to change."""
    hand_out(put(blobs), blobs.folder, tmp_path / "new" / "got")
    assert content(tmp_path / "new" / "got") == {"a.txt": b"one", "out/b": b"two"}
    (tmp_path / "new" / "got" / "a.txt").write_bytes(b"changed")
    assert blobs.read(put(blobs)["a.txt"].sha256, 0, 9) == b"one"


@pytest.mark.parametrize("name", ["a.txt", "out/b", "out"])
def test_nothing_is_written_over(blobs: Blobs, tmp_path: Path, name: str) -> None:
    """Whatever is in the way, a link that leads nowhere too: no file is written."""
    files, folder = put(blobs), tmp_path / "got"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="choose another folder"):
        hand_out(files, blobs.folder, folder)
    assert content(folder) == {}
    assert not (tmp_path / "nowhere").exists()


def test_bytes_that_are_gone_or_damaged_are_told(blobs: Blobs, tmp_path: Path) -> None:
    """Before anything is written, a folder too."""
    files, folder = put(blobs), tmp_path / "got"
    place = blob_place(blobs.folder, files["out/b"].sha256)
    place.chmod(0o644)
    place.write_bytes(b"TWO")
    with pytest.raises(DigestMismatch, match="is damaged: run the cell again"):
        hand_out(files, blobs.folder, folder)
    assert not folder.exists()
    place.unlink()
    with pytest.raises(ArtifactMissing, match="are gone: run the cell again"):
        hand_out(files, blobs.folder, folder)
    assert not folder.exists()


def test_what_cannot_be_written_takes_back_what_was(blobs: Blobs, tmp_path: Path) -> None:
    """A file where a folder is needed: the files before it go again."""
    folder = tmp_path / "got"
    files = {"a": blobs.put_bytes(b"one"), "a/b": blobs.put_bytes(b"two")}
    with pytest.raises(UsageError, match="choose another folder"):
        hand_out(files, blobs.folder, folder)
    assert content(folder) == {}


def test_a_path_that_leads_out_is_not_written(blobs: Blobs, tmp_path: Path) -> None:
    """Whatever the database says."""
    with pytest.raises(UsageError, match="leads out"):
        hand_out({"../up": blobs.put_bytes(b"x")}, blobs.folder, tmp_path / "got")
    assert not (tmp_path / "up").exists()
