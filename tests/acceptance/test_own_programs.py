"""Anything a user has: folders, chosen files, a ready ELF; what it leaves, and what is right."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.build.toolchain import find_zig
from tests.support.commands import Said, farm
from tests.support.elffiles import elf

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

MAIN = r"""
#include <stdio.h>
#include "part.h"
int main(int argc, char **argv)
{
    FILE *left = fopen("out/left.txt", "w");
    if (!left)
        return 3;
    fprintf(left, "%d thirds are %.7f\n", argc, part(argc));
    printf("%d\n", argc);
    return fclose(left) || argv[0][0] == 'x';
}
"""
PART = '#include "part.h"\ndouble part(int of)\n{\n    return of / 3.0;\n}\n'
HEADER = "double part(int of);\n"
SHARED = "machine: this-machine, share_machine: true"
ONCE = ("--warmups", "0", "--repeats", "1")
LOCAL = (*ONCE, "--device", "local")

JUDGED = """\
name: judged
description: Leaves a number, judged in several ways.
sources: [main.c, part.c]
parameters: {as: near}
arguments: ["{as}"]
outputs: [out/left.txt]
output: OUTPUT
"""
NEAR = "{tolerance: {expected: near.txt, relative: 1e-6}, of: out/left.txt}"
BY_ARCH = '{exact: "{arch}.txt", of: out/left.txt}'
MATRIX = "name: m\nworkloads: [judged]\nmodes: [wamr-fast, native]\ndevices: [DEVICES]\n"
COUNTS = "warmups: 0\nrepeats: 1\n"


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm whose devices wait for no quiet machine, and in it a folder of C files."""
    home = tmp_path_factory.mktemp("own") / "farm"
    assert farm("init", home, cwd=home.parent).code == 0
    inventory = home / "inventory.yaml"
    shared = inventory.read_text().replace("machine: this-machine", SHARED)
    inventory.write_text(shared)
    sources(home / "prog")
    return home


def sources(folder: Path) -> None:
    """Write a program of two C files and a header."""
    folder.mkdir(parents=True)
    for name, text in {"main.c": MAIN, "part.c": PART, "part.h": HEADER}.items():
        (folder / name).write_text(text)


def rows(said: Said) -> list[dict[str, Any]]:
    """Read what a run printed as JSON."""
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def test_a_folder_of_c_files_is_a_program_and_what_it_leaves_is_kept(home: Path) -> None:
    """Every mode leaves the same file; it is listed, shown and fetched, over nothing."""
    said = farm("run", "prog", *LOCAL, "--output", "out/left.txt", "--json", "--", "a", cwd=home)
    assert said.code == 0, said.err
    assert [row["workload"] for row in rows(said)] == ["prog"] * 4
    cells = [str(row["cell_id"]) for row in rows(said)]
    told = [json.loads(farm("results", "files", cell, "--json", cwd=home).out) for cell in cells]
    (digest,) = {file["sha256"] for one in told for file in one["files"]}
    shown = farm("results", "show", cells[0], cwd=home)
    assert f"out/left.txt  23 B  {digest}" in shown.out
    fetched = farm("results", "files", cells[0], "--to", "got", cwd=home)
    assert (fetched.code, fetched.out) == (0, "")
    assert (home / "got" / "out" / "left.txt").read_text() == "2 thirds are 0.6666667\n"
    again = farm("results", "files", cells[0], "--to", "got", cwd=home)
    assert (again.code, again.complaint) == (
        2,
        "farm: got/out/left.txt is there already: choose another folder",
    )
    run_id = str(rows(said)[0]["run_id"])
    assert f"farm run {home}/prog" in farm("runs", "show", run_id, cwd=home).out


def test_chosen_sources_a_flag_and_limits(home: Path) -> None:
    """Two files next to each other; the limit of memory ends a program that wants more."""
    (home / "greedy.c").write_text(
        "#include <stdlib.h>\n#include <string.h>\nint main(int argc, char **argv)\n{\n"
        "    char *all = malloc(SIZE);\n    if (!all)\n        return 9;\n"
        "    memset(all, argc, SIZE);\n    return all[SIZE / (argc + 1)] != 1 || !argv;\n}\n"
    )
    flags = ("--cflag", f"-DSIZE={48 << 20}", "--mode", "native")
    assert farm("run", "greedy.c", *LOCAL, *flags, cwd=home).code == 0
    said = farm("run", "greedy.c", *LOCAL, *flags, "--memory", "32M", "--json", cwd=home)
    assert (said.code, rows(said)[0]["outcome"]) == (1, "workload_failed")
    named = ("prog/main.c", "--source", "prog/part.c", "--mode", "wamr-fast", "--json")
    said = farm("run", *named, "--output", "gone.txt", *LOCAL, cwd=home)
    (row,) = rows(said)
    assert (said.code, row["workload"]) == (1, "main")
    # Nothing makes a folder out/ where no output is to lie in it.
    assert (row["outcome"], row["reason"]) == ("workload_failed", "exit code 3")


def test_a_file_that_is_not_left_fails_the_workload(home: Path) -> None:
    """With its name; the file that is there is kept all the same."""
    named = ("--output", "out/left.txt", "--output", "out/other.txt", "--mode", "wamr-fast")
    said = farm("run", "prog", *LOCAL, *named, "--json", cwd=home)
    (row,) = rows(said)
    assert (said.code, row["outcome"], row["reason"]) == (
        1,
        "workload_failed",
        "left no file out/other.txt",
    )
    told = farm("results", "files", str(row["cell_id"]), "--json", cwd=home)
    assert [file["path"] for file in json.loads(told.out)["files"]] == ["out/left.txt"]


def test_a_ready_elf_runs_static_position_independent_and_dynamic(home: Path) -> None:
    """As it is, on devices of its architecture; one whose loader is not here is refused."""
    zig = find_zig().path
    (home / "hi.c").write_text('#include <stdio.h>\nint main(void) { return puts("hi") < 0; }\n')
    for name, flags in {"hi-static": ("-static",), "hi-pie": ("-fPIE", "-pie", "-static")}.items():
        target = ("-target", "x86_64-linux-musl", *flags)
        subprocess.run([zig, "cc", *target, "-o", home / name, home / "hi.c"], check=True)
        said = farm("run", name, *LOCAL, "--json", cwd=home)
        assert [(row["mode"], row["outcome"]) for row in rows(said)] == [("native", "succeeded")]
    true = shutil.which("true")
    assert true is not None
    said = farm("run", true, *ONCE, "--json", cwd=home)
    assert {(row["device"], row["outcome"]) for row in rows(said)} == {("local", "succeeded")}
    (home / "hi-arm").write_bytes(elf(183, loader="/lib/ld-nowhere.so.1"))
    said = farm("run", "hi-arm", *ONCE, "--device", "emu-aarch64", cwd=home)
    assert (said.code, said.complaint) == (
        2,
        "farm: no device can take any of its cells: hi-arm asks for /lib/ld-nowhere.so.1, which is"
        " not here: link it with -static",
    )


def judged(home: Path, output: str, devices: str) -> list[dict[str, Any]]:
    """Measure the workload with a checker on devices."""
    folder = home / "workloads" / "judged"
    if not folder.exists():
        sources(folder)
    (folder / "near.txt").write_text("2 thirds are 0.6666670\n")
    (folder / "x86_64.txt").write_text("2 thirds are 0.6666667\n")
    (folder / "aarch64.txt").write_text("2 thirds are 0.6666670\n")
    (folder / "workload.yaml").write_text(JUDGED.replace("OUTPUT", output))
    path = home / "judged.yaml"
    path.write_text(MATRIX.replace("DEVICES", devices) + COUNTS)
    return rows(farm("run", path, "--json", cwd=home))


def test_what_is_expected_may_be_wrong_on_one_architecture_only(home: Path) -> None:
    """Its cells alone fail, with the first difference; they show no time."""
    found = judged(home, BY_ARCH, "local, emu-aarch64")
    for row in found:
        if row["arch"] == "x86_64":
            assert (row["outcome"], row["reason"]) == ("succeeded", "")
            continue
        assert row["outcome"] == "wrong_output"
        assert row["reason"] == (
            "out/left.txt differs at byte 20, line 1: '2 thirds are 0.6666667', expected"
            " '2 thirds are 0.6666670'"
        )
        assert row["execute_s"]["median"] is None
    assert len(found) == 4


def test_a_number_may_be_a_little_off(home: Path) -> None:
    """Within the tolerance it is right, in every mode; beyond it the word is shown."""
    found = judged(home, NEAR, "local")
    assert {row["outcome"] for row in found} == {"succeeded"}
    found = judged(home, NEAR.replace("1e-6", "1e-8"), "local")
    assert {(row["outcome"], row["reason"]) for row in found} == {
        ("wrong_output", "out/left.txt differs in line 1: '0.6666667', expected '0.6666670'")
    }


def test_a_checker_that_would_fail_is_told_before_anything_runs(home: Path) -> None:
    """By file and line; no run is left behind."""
    before = farm("runs", "list", "--json", cwd=home).out
    folder = home / "workloads" / "judged"
    if not folder.exists():
        sources(folder)
    (folder / "words.txt").write_text("no number\n")
    output = "{tolerance: {expected: words.txt, relative: 1}}"
    (folder / "workload.yaml").write_text(JUDGED.replace("OUTPUT", output))
    (home / "judged.yaml").write_text(MATRIX.replace("DEVICES", "local"))
    said = farm("run", "judged.yaml", cwd=home)
    assert (said.code, said.complaint) == (
        2,
        f"farm: {folder}/workload.yaml:7: words.txt holds no number to be close to: use exact, or"
        " write the right output",
    )
    assert farm("runs", "list", "--json", cwd=home).out == before
    shutil.rmtree(folder)


def test_a_workload_is_made_of_a_program_and_runs(home: Path) -> None:
    """With all it is given; the folder alone is enough, as a matrix and at once."""
    (home / "right.txt").write_text("2\n")
    given = ("--output", "out/left.txt", "--expect", "right.txt")
    said = farm("workloads", "new", "thirds", "--from", "prog", *given, "--", "a", cwd=home)
    assert (said.code, said.out) == (0, f"{home}/workloads/thirds\n")
    shutil.move(home / "prog", home / "moved")
    try:
        modes = ("--mode", "native", "--mode", "wamr-fast")
        said = farm("run", "workloads/thirds", *LOCAL, *modes, "--json", cwd=home)
        assert [row["outcome"] for row in rows(said)] == ["succeeded"] * 2, said.err
        (home / "thirds.yaml").write_text(MATRIX.replace("judged", "thirds") + COUNTS)
        path = home / "thirds.yaml"
        path.write_text(path.read_text().replace("DEVICES", "local"))
        said = farm("plan", path, "--json", cwd=home)
        assert len(json.loads(said.out)["cells"]) == 2
    finally:
        shutil.move(home / "moved", home / "prog")
    again = farm("workloads", "new", "thirds", "--from", "prog", cwd=home)
    assert (again.code, again.complaint) == (
        2,
        "farm: there is a workload thirds already: choose another name",
    )


def test_a_plan_of_a_program_shows_all_it_was_given(home: Path) -> None:
    """As the command that runs it."""
    given = (*LOCAL, "--mode", "native", "--memory", "64M", "--env", "A=1")
    said = farm("plan", "prog", *given, "--", "x", cwd=home)
    assert said.code == 0
    assert said.err.startswith(
        f"farm run {home}/prog --mode native --device local --env A=1 --memory {64 << 20}"
        " --attempts 1 --warmups 0 --repeats 1 -- x\n"
    )
