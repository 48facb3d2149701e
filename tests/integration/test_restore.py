"""A backup is somebody else's file: whatever its members are, no farm comes of it and no trace."""

from __future__ import annotations

import io
import json
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.care.archive import HEADER
from orchestrator.care.restore import restore
from orchestrator.domain.errors import UsageError
from orchestrator.store.schema import HEAD

Member = tuple[tarfile.TarInfo, bytes]


def plain(name: str, data: bytes = b"x") -> Member:
    """A file."""
    return tarfile.TarInfo(name), data


def other(kind: bytes, target: str) -> Member:
    """A member that is no file."""
    info = tarfile.TarInfo("files/workloads/odd")
    info.type, info.linkname = kind, target
    return info, b""


_BEGIN = plain(
    HEADER, json.dumps({"format": 1, "revision": HEAD, "further_workloads": 0}).encode()
)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([_BEGIN, plain("files/../../out")], "leads out of the farm"),
        ([_BEGIN, plain("files//tmp/out")], "leads out of the farm"),
        ([_BEGIN, plain("files/trust/../../../out")], "leads out of the farm"),
        ([_BEGIN, plain("files/odd")], "there is a file 'odd' in it"),
        ([_BEGIN, plain("files/farm.toml"), plain("files/farm.toml")], "File exists"),
        ([_BEGIN, plain("files/farm.toml"), plain("files/farm.toml/below")], "there is a file"),
        ([_BEGIN, plain("files/workloads/a"), plain("files/workloads/a/b")], "a/b': "),
        ([_BEGIN, plain("files/workloads/a/b"), plain("files/workloads/a")], "a': "),
        ([_BEGIN, plain("files/workloads/" + "x" * 300)], "File name too long"),
        ([_BEGIN, other(tarfile.SYMTYPE, "../out")], "is no plain file"),
        ([_BEGIN, other(tarfile.LNKTYPE, "../out")], "is no plain file"),
        ([_BEGIN, other(tarfile.FIFOTYPE, "")], "is no plain file"),
        ([_BEGIN, other(tarfile.CHRTYPE, "")], "is no plain file"),
        ([plain(HEADER, b"[" * 100_000)], "RecursionError"),
        ([plain(HEADER, b"[]")], "TypeError"),
        ([_BEGIN], "there is no farm.toml in it"),
    ],
)
def test_what_no_farm_wrote_is_refused_in_one_line(
    tmp_path: Path, members: list[Member], why: str
) -> None:
    """Names that lead elsewhere or cannot be, links, devices, and a header that is none."""
    file = tmp_path / "b.tar"
    with tarfile.open(file, "w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(UsageError) as refused:
        restore(file, tmp_path / "new", None, datetime.now(UTC))
    assert str(refused.value).startswith(f"{file}: no backup of a farm, or damaged (")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)
    assert os.listdir(tmp_path) == ["b.tar"]
