"""Steps below an attempt's folder never pass through a symbolic link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import stage
from agent.errors import MalformedOrder
from agent.order import Blob, StagedFile


def test_does_not_step_through_a_link(tmp_path: Path) -> None:
    """A link where a folder should be is refused, wherever it points."""
    (tmp_path / "work").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "work" / "data").symlink_to(tmp_path / "outside")
    with (
        pytest.raises(MalformedOrder),
        stage._make_inside(tmp_path / "work", ("data", "sub")),
    ):
        pass
    assert list((tmp_path / "outside").iterdir()) == []


def test_does_not_write_through_a_link(tmp_path: Path) -> None:
    """A link where a file should be is refused, and its target stays as it was."""
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "name").symlink_to(target)
    parent = os.open(tmp_path, os.O_DIRECTORY | os.O_RDONLY)
    try:
        with pytest.raises(MalformedOrder):
            stage._copy(
                parent,
                "name",
                StagedFile(("name",), Blob("a" * 64, 1), executable=False),
                stage.BlobCache(tmp_path / "blobs"),
            )
    finally:
        os.close(parent)
    assert target.read_text() == "mine"
