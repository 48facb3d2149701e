"""Where output goes: terminals of any width and kind, pipes, files, and closed streams."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.support.commands import FARM, environment, farm
from tests.support.measured import measured_farm


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with three runs; see ``measured_farm``."""
    return measured_farm(tmp_path_factory.mktemp("measured") / "farm")


def on_screen(home: Path, *arguments: str, columns: int, **more: str) -> str:
    """Run a command on a terminal of a width and answer what it got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    kept = {n: v for n, v in environment(**{"TERM": "xterm", **more}).items() if n != "COLUMNS"}
    with subprocess.Popen(
        [FARM, *arguments], cwd=home, env=kept, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        parts = []
        while part := _read(ours):
            parts.append(part)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux answers EIO once the other side of a terminal is closed
        return b""


def plain(text: str) -> str:
    """Leave out the colour."""
    return re.sub(r"\x1b\[\d+m", "", text)


@pytest.mark.parametrize("columns", [24, 60])
@pytest.mark.parametrize(
    "line", ["results list", "devices list", "runs list", "explain 1", "results show 3"]
)
def test_a_table_fits_the_terminal_and_keeps_the_mark(line: str, columns: int, home: Path) -> None:
    """However narrow it is; what is left out is named."""
    said = plain(on_screen(home, *line.split(), columns=columns))
    table = [text for text in said.splitlines() if "left out" not in text]
    assert max(map(len, table)) <= columns or line == "explain 1"
    if line != "runs list":
        assert "emulated" in "".join("".join(table).split())


def test_colour_is_for_terminals(home: Path) -> None:
    """Unless NO_COLOR, a dumb terminal or the user says otherwise."""
    assert "\x1b[32m" in on_screen(home, "results", "list", columns=100)
    for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        kept = on_screen(home, "results", "list", columns=100, **more)
        assert "\x1b" not in kept
    assert "\x1b" not in on_screen(home, "--color", "never", "results", "list", columns=100)
    assert "\x1b" not in farm("results", "list", cwd=home).out
    assert "\x1b[32m" in farm("--color", "always", "results", "list", cwd=home).out


def test_what_a_program_printed_cannot_command_the_terminal(home: Path) -> None:
    """It is written out, and only there."""
    said = on_screen(home, "runs", "logs", "1", "1", columns=100, NO_COLOR="1")
    assert "\x1b" not in said
    assert "\\x1b[2J" in said
    assert "\\x1b]0;owned\\x07" in said
    assert "\x1b" not in on_screen(
        home, "runs", "logs", "1", "1", "--stdout", columns=100, NO_COLOR="1"
    )


def test_in_a_pipe_a_row_is_a_line(home: Path) -> None:
    """Whatever COLUMNS says; no padding at ends, nothing drawn around it."""
    said = farm("runs", "list", cwd=home, env={"COLUMNS": "20"})
    assert len(said.out.splitlines()) == 4
    assert all(line == line.rstrip() for line in said.out.splitlines())
    assert said.out.isascii()


@pytest.mark.parametrize(
    "line",
    ["results list", "results list --json", "results list --csv", "--help", "help runs", "doctor"],
)
def test_a_reader_that_has_left_is_no_error(line: str, home: Path) -> None:
    """`farm .. | head -1`: quiet, and no failure."""
    with subprocess.Popen(
        [FARM, *line.split()],
        cwd=home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def through_shell(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell."""
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", FARM],
        cwd=home,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_behind_stdout_is_told(home: Path) -> None:
    """Half a list is not a whole one."""
    for line in ("results list", "results list --json", "--help"):
        said = through_shell(home, f'"$1" {line} > /dev/full')
        assert said.returncode == 3
        assert said.stderr == "farm: No space left on device; make room and try again\n"


def test_a_closed_stdout_is_told(home: Path) -> None:
    """And no file that is opened later takes its place."""
    said = through_shell(home, '"$1" results list >&-')
    assert said.returncode == 2
    assert said.stderr == ("farm: standard output is closed: open it, or send it to /dev/null\n")


def test_a_closed_stderr_changes_nothing_else(home: Path) -> None:
    """What would be said there is said to nobody, not to stdout."""
    said = through_shell(home, '"$1" runs list --limit 1 2>&-')
    assert (said.returncode, len(said.stdout.splitlines())) == (0, 2)
    said = through_shell(home, '"$1" runs show 99 2>&-')
    assert (said.returncode, said.stdout) == (2, "")


def test_a_document_is_alone_on_stdout(home: Path) -> None:
    """One, whatever else there is to say."""
    for line in ("runs show 1", "explain 1", "runs logs 1", "results show 1", "devices list"):
        said = farm(*line.split(), "--json", cwd=home)
        assert (said.code, said.err) == (0, "")
        json.loads(said.out)


def test_help_explains_a_command_or_a_group(home: Path) -> None:
    """By one word or two; an unknown one is told with the nearest."""
    page = farm("help", "runs", "logs", cwd=home).out
    for title in ("NAME", "SYNOPSIS", "DESCRIPTION", "ARGUMENTS", "OPTIONS", "EXAMPLES"):
        assert f"\n{title}\n" in f"\n{page}"
    assert farm("help", "runs", cwd=home).out.count("SYNOPSIS") >= 5
    assert farm("help", cwd=home) == farm("--help", cwd=home)
    assert farm("help", "resluts", cwd=home).complaint == (
        "farm: there is no command 'resluts': did you mean 'results'?"
    )
    assert farm("help", "runs", "log", cwd=home).complaint == (
        "farm: there is no command 'runs log': did you mean 'runs logs'?"
    )
    assert "Examples:\n    farm runs logs 3\n" in farm("runs", "logs", "--help", cwd=home).out


def test_an_unknown_colour_is_refused(home: Path) -> None:
    """With those that are known."""
    said = farm("--color", "pink", "runs", "list", cwd=home)
    assert (said.code, said.out) == (2, "")
    assert "'auto', 'always', 'never'" in said.complaint
