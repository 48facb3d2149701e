"""workload.yaml: what can be measured, with every mistake by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.workload import (
    Case,
    Checker,
    CheckerKind,
    Grant,
    Limits,
    Parameter,
)
from orchestrator.files.workloads import catalogue, check_case, read_workload
from tests.support.files import GEMM, NOOP, complaint, workloads, write_workload

BASE = "name: w\ndescription: d\n"
C = BASE + "sources: [main.c]\n"

BAD = [
    ("", "1: the file is empty: write name, description, sources, .."),
    ("name: w", "1: 'description' is missing: add one line for people"),
    (
        "name: v\ndescription: d\nsources: [main.c]",
        "1: 'name' is 'v': write the folder's name, 'w'",
    ),
    (BASE, "1: nothing to run given: write one of sources, module and program"),
    (
        C + "module: m.wasm",
        "4: sources and module given: write one of sources, module and program",
    ),
    (BASE + "sources: main.c", "3: 'sources' is 'main.c': write a list of C files"),
    (BASE + "sources: [mian.c]", "3: no file mian.c: make it, or correct the path"),
    (
        BASE + "sources:\n- main.c\n- ../x.c",
        "5: '../x.c' leads out of the folder: copy the file into it",
    ),
    (
        BASE + "module: /etc/passwd",
        "3: '/etc/passwd' leads out of the folder: copy the file into it",
    ),
    (
        BASE + "program: main.c\nflags: [-O1]",
        "4: 'flags' goes with sources only: remove it, or build from sources",
    ),
    (C + "source: x", "4: unknown key 'source': did you mean 'sources'?"),
    (
        C + "metrics: []",
        "4: 'metrics' is not supported yet: remove it (time and memory are what is measured so"
        " far)",
    ),
    (
        C + "outputs: [x, ../y]",
        "4: '../y': write a relative path, such as out/result.txt",
    ),
    (C + "outputs: [x/]", "4: 'x/': write a relative path, such as out/result.txt"),
    (
        C + "output:\n  top_k: 1",
        "5: 'top_k' is not supported yet: remove it (exact, digest and tolerance are the"
        " checkers so far)",
    ),
    (C + "output: {}", "4: write one of exact, digest and tolerance, and 'of' beside it"),
    (
        C + f"output: {{exact: a, digest: {'a' * 64}}}",
        "4: write one of exact, digest and tolerance, and 'of' beside it",
    ),
    (
        C + "outputs: [a.txt]\noutput: {exact: a, of: b.txt}",
        "5: 'b.txt' is not among the outputs: did you mean 'a.txt'?",
    ),
    (
        C + "output: {exact: a, of: b.txt}",
        "4: 'b.txt' is not among the outputs: list it there",
    ),
    (
        C + "output:\n  tolerance: {expected: a}",
        "5: nothing is tolerated: write relative or absolute, or exact",
    ),
    (
        C + "output: {tolerance: {expected: a, relative: -1}}",
        "4: 'relative' is -1: write a number from 0",
    ),
    (
        C + "output: {exact: ../x}",
        "4: '../x' leads out of the folder: copy the file into it",
    ),
    (
        C + "output:\n  exact: a/{size}.txt",
        "5: unknown parameter 'size' in 'a/{size}.txt': known are arch",
    ),
    (
        C + "parameters: {size: 1}\narguments: ['{sise}']",
        "5: unknown parameter 'sise' in '{sise}': did you mean 'size'?",
    ),
    (
        C + "arguments:\n- a\n- 'b}'",
        "6: a lone brace in 'b}': write {{ or }} for a brace",
    ),
    (
        C + "parameters: {size: 1}\narguments: ['{size:04d}']",
        "5: write {size} and nothing else inside the braces",
    ),
    (
        C + "parameters: {size: 1}\narguments: ['{size.real}']",
        "5: unknown parameter 'size.real' in '{size.real}': did you mean 'size'?",
    ),
    (C + "arguments: [1]", "4: item 1 of 'arguments' is 1: write text in quotes"),
    (
        C + "parameters: {size: {default: x, values: [y, z]}}",
        "4: default 'x' is not among the values: write one of y, z",
    ),
    (
        C + "parameters: {size: {values: [y]}}",
        "4: 'default' of 'size' is missing: add text, a number, or true or false",
    ),
    (
        C + "parameters: {size: [a]}",
        "4: 'size' is [\"a\"]: write text, a number, or true or false",
    ),
    (
        C + "parameters: {repeats: 3}",
        "4: a parameter cannot be called 'repeats': choose another name",
    ),
    (
        C + "parameters: {a.b: 3}",
        "4: a parameter cannot be called 'a.b': choose another name",
    ),
    (
        C + "environment: {A-B: x}",
        "4: 'A-B' is no variable's name: use A-Z, 0-9 and _",
    ),
    (C + "environment: {A: 1}", "4: 'A' is 1: write text in quotes"),
    (C + "stdin: none.txt", "4: no file none.txt: make it, or correct the path"),
    (C + "inputs: [main.c]", "4: main.c is a file: put it in a folder and name that"),
    (
        C + "limits: {timeout_s: 0}",
        "4: 'timeout_s' is 0: write a number of seconds above 0, at most 86400",
    ),
    (C + "limits: {memory: 1}", "4: unknown key 'memory': did you mean 'memory_bytes'?"),
    (C + "kernels: {f: []}", "4: 'f' is []: write a list of variants, best last"),
]


@pytest.mark.parametrize(("written", "told"), BAD)
def test_a_mistake_is_one_line(tmp_path: Path, written: str, told: str) -> None:
    """The line says file, line, what is wrong and what to write."""
    folder = write_workload(tmp_path, "w", written)
    said = complaint(lambda: read_workload(folder), tmp_path)
    assert said == f"DIR/w/workload.yaml:{told}"


def test_a_module_no_runner_could_start_is_told_at_once(tmp_path: Path) -> None:
    """A ready module is looked at when the workload is read, not when it fails on a device."""
    folder = write_workload(tmp_path, "w", BASE + "module: m.wasm\n")
    (folder / "m.wasm").write_bytes(b"\0asm\x01\0\0\0")
    assert complaint(lambda: read_workload(folder), tmp_path) == (
        "DIR/w/m.wasm: exports no function _start: build it as a program with main, not as a"
        " library"
    )


def test_a_program_is_an_elf(tmp_path: Path) -> None:
    """A script is not taken for a program."""
    folder = write_workload(tmp_path, "w", BASE + "program: run.sh\n")
    (folder / "run.sh").write_text("#!/bin/sh\nexit 0  # longer than a head\n")
    assert complaint(lambda: read_workload(folder), tmp_path) == (
        "DIR/w/run.sh: not an ELF for x86_64, aarch64, armv7: build it for one of these"
    )


def test_everything_can_be_written(tmp_path: Path) -> None:
    """Each key arrives in the value."""
    folder = write_workload(
        tmp_path,
        "gemm",
        GEMM
        + """\
environment: {LANG: C}
stdin: data/in.txt
inputs: [data]
flags: [-ffp-contract=off]
output: {exact: "expected/{size}.txt"}
limits:
  {timeout_s: 2.5, memory_bytes: 1000000, output_bytes: 5, processes: 1, stack_bytes: 1000000}
""",
    )
    (folder / "data").mkdir()
    (folder / "data" / "in.txt").touch()
    found = read_workload(folder)
    assert found.parameters == (
        Parameter("size", "small", ("small", "layer")),
        Parameter("seed", 1),
    )
    assert found.sources == ("main.c",)
    assert found.arguments == ("{size}", "{seed}")
    assert found.kernels == {"gemm_nn": ("plain", "tiled")}
    assert found.environment == {"LANG": "C"}
    assert found.stdin == folder / "data" / "in.txt"
    assert found.grants == (Grant(folder / "data", "data"),)
    assert found.flags == ("-ffp-contract=off",)
    assert found.checker == Checker(CheckerKind.EXACT, "expected/{size}.txt")
    assert found.limits == Limits(2.5, 1_000_000, 5, 1, 1_000_000)


def test_the_catalogue_holds_all_roots(tmp_path: Path) -> None:
    """Workloads of several folders are one catalogue; a folder that is not there holds none."""
    write_workload(tmp_path / "a", "noop", NOOP)
    write_workload(tmp_path / "b", "gemm", GEMM)
    (tmp_path / "a" / "notes").mkdir()
    found = catalogue([tmp_path / "a", tmp_path / "b", tmp_path / "gone"])
    assert list(found) == ["noop", "gemm"]


def test_two_workloads_cannot_share_a_name(tmp_path: Path) -> None:
    """A matrix names a workload by its name alone."""
    write_workload(tmp_path / "a", "noop", NOOP)
    write_workload(tmp_path / "b", "noop", NOOP)
    assert complaint(lambda: catalogue([tmp_path / "a", tmp_path / "b"]), tmp_path) == (
        "DIR/b/noop/workload.yaml:1: workload 'noop' is in DIR/a/noop too: rename one of them"
    )


def test_a_case_needs_its_expected_output(tmp_path: Path) -> None:
    """An output that could not be judged is refused before anything is built."""
    folder = write_workload(tmp_path, "gemm", GEMM + 'output:\n  exact: "{size}.txt"\n')
    (folder / "small.txt").touch()
    found = read_workload(folder)
    check_case(Case(found, (("size", "small"), ("seed", 1))), ["x86_64"])
    large = Case(found, (("size", "layer"), ("seed", 1)))
    assert complaint(lambda: check_case(large, ["x86_64"]), tmp_path) == (
        "DIR/gemm/workload.yaml:11: no file layer.txt: write the right output there"
    )


def test_the_projects_own_workloads_are_valid() -> None:
    """What the farm ships, it can read."""
    root = Path(__file__).parents[2] / "workloads"
    found = catalogue([root])
    assert {"noop", "gemm"} <= set(found)
    for workload in found.values():
        case = Case(workload, tuple((one.name, one.default) for one in workload.parameters))
        check_case(case, ["x86_64", "aarch64", "armv7"])


def test_the_tests_workloads_are_valid(tmp_path: Path) -> None:
    """The other tests stand on files that are right."""
    assert list(workloads(tmp_path)) == ["gemm", "noop"]
