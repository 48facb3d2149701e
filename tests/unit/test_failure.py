"""How a command's failure is told, and what a bug leaves behind."""

from __future__ import annotations

import errno
import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.cli import failure
from orchestrator.domain.errors import (
    BuildError,
    FarmUnavailable,
    MatrixError,
    NotFound,
    StoreUnavailable,
)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MatrixError("unknown key", file="m.yaml", line=3), 2, "farm: m.yaml:3: unknown key"),
        (NotFound("no run 9"), 2, "farm: no run 9"),
        (FarmUnavailable("nobody answers"), 3, "farm: nobody answers"),
        (StoreUnavailable("locked"), 3, "farm: locked"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/f/data"),
            3,
            "farm: /f/data: No space left on device; make room and try again",
        ),
        (BuildError("zig failed", output="a.c:1: error\n"), 1, "farm: zig failed\na.c:1: error"),
    ],
)
def test_a_known_error_is_its_line_and_its_code(
    error: Exception, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr alone."""
    assert failure.tell(error, ["x"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"{line}\n")


def test_a_bug_is_one_line_that_names_a_file_with_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file holds the command and the traceback; outside a farm it is a temporary one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FARM_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert failure.tell(_raised(), ["run", "m.yaml"]) == 70
    (line,) = capsys.readouterr().err.splitlines()
    told = re.fullmatch(
        r"farm: a bug in farm \(ZeroDivisionError: oh no\); the details are in (.+)", line
    )
    assert told is not None
    text = Path(told[1]).read_text()
    assert text.startswith("farm run m.yaml\n")
    assert "Traceback" in text
    assert "in _divide" in text
    assert stat.S_IMODE(Path(told[1]).stat().st_mode) == 0o600


def test_a_bug_is_never_written_through_a_link(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file's name can be guessed, and a folder for temporary files is everybody's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FARM_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    now = datetime.now(UTC)
    for after_s in range(300):
        stamp = (now + timedelta(seconds=after_s)).strftime("%Y%m%dT%H%M%S")
        (tmp_path / f"farm-bug-{stamp}-{os.getpid()}.txt").symlink_to(tmp_path / "target")
    assert failure.tell(_raised(), ["x"]) == 70
    assert not (tmp_path / "target").exists()
    assert "the details are in the lines above" in capsys.readouterr().err


def _divide() -> None:
    raise ZeroDivisionError("oh\nno")


def _raised() -> Exception:
    with pytest.raises(ZeroDivisionError) as caught:
        _divide()
    return caught.value
