"""What a program does wrong is an outcome, in every mode on three architectures: named, timed by
nobody, ended with all it started; never a crash of the farm.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Said, farm

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

PROGRAMS = Path(__file__).resolve().parent.parent / "support" / "programs"
WASM = ("wamr-classic", "wamr-fast", "wamr-aot")
WRONGS = ("unreachable", "bounds", "divide", "stack", "exit", "loop", "memory", "flood", "escape")
OUTPUT_LIMIT = 16 << 20

MISBEHAVE = f"""\
name: misbehave
description: Goes wrong as it is told.
sources: [misbehave.c]
parameters: {{what: {{default: exit, values: [{", ".join(WRONGS)}]}}}}
arguments: ["{{what}}"]
limits: {{timeout_s: 3, memory_bytes: {64 << 20}}}
"""
LIAR = """\
name: liar
description: Says something else than it should.
sources: [liar.c]
output: {exact: right.txt}
"""
MATRIX = """\
name: outcomes
workloads: [misbehave, liar]
modes: [{modes}]
devices: [{device}]
parameters: {{what: [{what}]}}
warmups: 0
repeats: 1
exclude:
  - {{what: escape, runtime: wamr-classic}}
  - {{what: escape, runtime: wamr-fast}}
  - {{what: escape, runtime: wamr-aot}}
"""
Row = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """A finished run: what the command said, and its rows by what went wrong and mode."""

    home: Path
    said: Said
    rows: Mapping[tuple[str, str], Row]


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with a program that goes wrong in many ways, and one that prints the wrong thing."""
    home = tmp_path_factory.mktemp("outcomes") / "farm"
    assert farm("init", home, cwd=home.parent).code == 0
    for name, text in (("misbehave", MISBEHAVE), ("liar", LIAR)):
        folder = home / "workloads" / name
        folder.mkdir(parents=True)
        (folder / "workload.yaml").write_text(text)
    source = (PROGRAMS / "misbehave.c").read_text()
    (home / "workloads" / "misbehave" / "misbehave.c").write_text(source)
    liar = home / "workloads" / "liar"
    (liar / "liar.c").write_text(
        '#include <stdio.h>\nint main(void) { puts("wrong"); return 0; }\n'
    )
    (liar / "right.txt").write_text("right\n")
    return home


def measure(home: Path, device: str, modes: tuple[str, ...], what: tuple[str, ...]) -> Measured:
    """Run them all on a device."""
    text = MATRIX.format(modes=", ".join(modes), device=device, what=", ".join(what))
    path = home / f"{device}.yaml"
    path.write_text(text)
    said = farm("run", path, cwd=home)
    listed = farm("results", "list", "--json", cwd=home)
    rows = {
        (row["case"].get("what", "wrong"), row["mode"]): row
        for row in json.loads(listed.out)
        if row["device"] == device
    }
    return Measured(home, said, rows)


@pytest.fixture(name="local", scope="module")
def _local(home: Path) -> Measured:
    """Everything that can go wrong, on this machine, in every mode."""
    return measure(home, "local", (*WASM, "native"), WRONGS)


@pytest.fixture(name="emulated", scope="module")
def _emulated(home: Path) -> Measured:
    """The same on the emulated device, in two modes."""
    return measure(home, "emu-aarch64", ("wamr-fast", "native"), WRONGS)


@pytest.fixture(name="small", scope="module")
def _small(home: Path) -> Measured:
    """And on the emulated device of 32 bits."""
    return measure(home, "emu-armv7", ("wamr-aot", "native"), WRONGS)


@pytest.fixture(name="measured", params=["local", "emulated", "small"])
def _measured(request: pytest.FixtureRequest) -> Measured:
    """One device after the other."""
    found: Measured = request.getfixturevalue(request.param)
    return found


TRAPS = {
    "unreachable": "unreachable",
    "bounds": "out of bounds memory access",
    "divide": "integer divide by zero",
    "stack": "stack overflow",
}


@pytest.mark.parametrize("what", TRAPS)
def test_a_trap_is_named(what: str, measured: Measured) -> None:
    """The same in interpreters and in compiled code."""
    rows = [row for (cause, mode), row in measured.rows.items() if cause == what and mode in WASM]
    assert rows
    for row in rows:
        assert row["outcome"] == "workload_failed"
        assert row["reason"].startswith("trap: ")
        assert TRAPS[what] in row["reason"]


#: On Arm a division by zero is 0 and no fault, so the program goes on.
NATIVE = {
    "unreachable": {"x86_64": "SIGILL", "aarch64": "SIGTRAP", "armv7": "SIGILL"},
    "bounds": {"x86_64": "SIGSEGV", "aarch64": "SIGSEGV", "armv7": "SIGSEGV"},
    "divide": {"x86_64": "SIGFPE", "aarch64": "", "armv7": ""},
    "stack": {"x86_64": "SIGSEGV", "aarch64": "SIGSEGV", "armv7": "SIGSEGV"},
}


@pytest.mark.parametrize("what", NATIVE)
def test_a_native_program_is_told_with_its_signal(what: str, measured: Measured) -> None:
    """What is a trap in a module is a signal here."""
    row = measured.rows[what, "native"]
    assert row["outcome"] == "workload_failed"
    signal = NATIVE[what][row["arch"]]
    assert row["reason"] == (f"ended by {signal}" if signal else "exit code 7")


REASONS = {
    "exit": ("workload_failed", "exit code 3"),
    "loop": ("timed_out", "ran longer than 3 s"),
    "escape": ("timed_out", "ran longer than 3 s"),
    "memory": ("workload_failed", f"wanted more memory than {64 << 20} bytes"),
    "flood": ("workload_failed", f"wrote more than {OUTPUT_LIMIT} bytes"),
}


@pytest.mark.parametrize("what", REASONS)
def test_limits_and_exit_codes_say_the_same_in_every_mode(what: str, measured: Measured) -> None:
    """Interpreted, compiled, native, emulated."""
    rows = [row for (cause, _), row in measured.rows.items() if cause == what]
    assert rows
    assert {(row["outcome"], row["reason"]) for row in rows} == {REASONS[what]}


def test_wrong_output_names_both_lines(measured: Measured) -> None:
    """Where it differs, what was printed there and what should have been; and its digest."""
    printed = hashlib.sha256(b"wrong\n").hexdigest()
    rows = [row for (cause, _), row in measured.rows.items() if cause == "wrong"]
    assert rows
    for row in rows:
        assert row["outcome"] == "wrong_output"
        assert row["reason"] == "stdout differs at byte 0, line 1: 'wrong', expected 'right'"
        assert row["output_digest"] == printed


def test_no_time_is_stored_of_anything_that_went_wrong(measured: Measured) -> None:
    """Neither shown nor in the database, whatever was measured before it went wrong."""
    for row in measured.rows.values():
        times = row["execute_s"]
        assert (times["median"], times["q1"], times["q3"], times["samples"]) == (None,) * 3 + (0,)
    cells = ", ".join(str(row["cell_id"]) for row in measured.rows.values())
    path = measured.home / "data" / "farm.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for table in ("sample_blocks", "attempt_metrics"):
            sql = f"""
                SELECT DISTINCT m.name FROM {table} t JOIN metrics m ON m.id = t.metric_id
                JOIN attempts a ON a.id = t.attempt_id
                WHERE a.cell_id IN ({cells}) AND m.unit = 's'"""  # noqa: S608  # our own words
            assert database.execute(sql).fetchall() == []
        sql = f"SELECT count(*) FROM attempts WHERE cell_id IN ({cells})"  # noqa: S608
        assert database.execute(sql).fetchone() == (len(measured.rows),), "one was tried again"


def test_the_command_says_so(measured: Measured) -> None:
    """Exit code 1, a row each in the table, a line that counts them, nothing of a traceback."""
    said = measured.said
    assert said.code == 1
    for row in measured.rows.values():
        assert any(
            f" {row['cell_id']} " in line and row["outcome"] in line
            for line in said.out.splitlines()
        )
    last = said.err.splitlines()[-1]
    assert f": {len(measured.rows)} cells, " in last
    assert "workload_failed" in last
    assert "Traceback" not in said.err + said.out


def test_a_gigabyte_of_output_is_capped_and_marked(measured: Measured) -> None:
    """The farm keeps no more of it than the limit."""
    floods = [row for (cause, _), row in measured.rows.items() if cause == "flood"]
    for row in floods:
        said = farm("results", "show", str(row["cell_id"]), "--json", cwd=measured.home)
        (attempt,) = json.loads(said.out)["attempts_detail"]
        assert attempt["finished"]["output_truncated"] is True
    sizes = [path.stat().st_size for path in _files(measured.home / "data")]
    assert max(sizes) <= OUTPUT_LIMIT
    assert sum(sizes) <= 8 * OUTPUT_LIMIT


def test_nothing_a_program_started_is_left(measured: Measured) -> None:
    """Endless loops, and native grandchildren that hid in sessions of their own."""
    assert ("escape", "native") in measured.rows
    assert _processes_of(measured.home) == []


def test_what_a_program_is_given_arrives(home: Path) -> None:
    """Arguments after --, a folder, stdin and environment, with blanks and letters of any
    alphabet, in a module as in a native program.
    """
    (home / "größe ü.c").write_text(GIVEN)
    (home / "daten ü").mkdir()
    (home / "daten ü" / "ä b.txt").write_text("from the folder\n")
    (home / "in put.txt").write_text("from stdin\n")
    modes = ("--mode", "wamr-fast", "--mode", "wamr-aot", "--mode", "native")
    given = ("--dir", "daten ü::my data", "--stdin", "in put.txt", "--env", "LEVEL=zwölf 12")
    counts = ("--warmups", "0", "--repeats", "1")
    words = ("--", "my data/ä b.txt", "--json", "", "日本")
    said = farm("run", "größe ü.c", *modes, *given, *counts, "--json", *words, cwd=home)
    assert said.code == 0, said.err
    rows = json.loads(said.out)
    told = "[my data/ä b.txt][--json][][日本]\nzwölf 12\nfrom the folder\nfrom stdin\n"
    assert len(rows) == 9
    assert {row["output_digest"] for row in rows} == {hashlib.sha256(told.encode()).hexdigest()}
    assert not any((home / "daten ü").glob("left*")), "a program writes into its own copy"


def test_an_argument_as_long_as_the_system_takes_arrives(home: Path) -> None:
    """And the table shows no more of it than a line holds."""
    (home / "long.c").write_text(LONG)
    one = "x" * 130_000
    counts = ("--warmups", "0", "--repeats", "1", "--device", "local")
    modes = ("--mode", "wamr-fast", "--mode", "native")
    said = farm("run", "long.c", *modes, *counts, "--", one, "y", cwd=home)
    assert said.code == 0, said.err
    assert max(map(len, said.out.splitlines())) <= 160
    assert len(said.out.splitlines()) < 10
    listed = json.loads(farm("results", "list", "--json", cwd=home).out)
    rows = [row for row in listed if row["workload"] == "long"]
    told = hashlib.sha256(b"130000 1\n").hexdigest()
    assert [row["output_digest"] for row in rows] == [told, told]


GIVEN = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    int byte;
    FILE *file = fopen(argv[1], "r"), *left = fopen("my data/left", "w");
    if (!file || !left)
        return 4;
    for (int i = 1; i < argc; i++)
        printf("[%s]", argv[i]);
    printf("\n%s\n", getenv("LEVEL"));
    while ((byte = fgetc(file)) != EOF)
        putchar(byte);
    while ((byte = getchar()) != EOF)
        putchar(byte);
    return fclose(left);
}
"""
LONG = r"""
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    printf("%zu %zu\n", strlen(argv[1]), strlen(argv[2]));
    return argc != 3;
}
"""


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _processes_of(home: Path) -> list[str]:
    """List the processes that run a program of this farm or have its folder in their command."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            seen = f"{(folder / 'exe').readlink()} {(folder / 'cmdline').read_text()}"
        except OSError:
            continue  # gone meanwhile, or a kernel thread
        if str(home) in seen:
            found.append(seen.replace("\0", " "))
    return found
