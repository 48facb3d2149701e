"""A workload's folder made of a program: it says what the order said, or is not there at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from orchestrator.domain.order import ProgramOrder
from orchestrator.domain.workload import Checker, CheckerKind, Grant, Limits
from orchestrator.files.newworkload import new_workload
from orchestrator.files.workloads import read_workload
from tests.support.elffiles import elf
from tests.support.files import complaint
from tests.support.wasmfiles import function_import, module

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a workload of a program beside some files."""
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "inc").mkdir()
    (tmp_path / "main.c").write_text('#include <stdio.h>\n  # include "lib/a.h"\n#include <i.h>\n')
    (tmp_path / "lib" / "a.h").write_text('#include "deep/b.h"\n#include "not/there.h"\n')
    (tmp_path / "lib" / "deep" / "b.h").write_text('#include "../a.h"\n')
    (tmp_path / "inc" / "i.h").touch()
    (tmp_path / "lib" / "out.c").write_text('#include "../inc/i.h"\n')
    (tmp_path / "tool.wasm").write_bytes(module())
    (tmp_path / "tool").write_bytes(elf(62))
    (tmp_path / "in put.txt").write_text("input")
    (tmp_path / "right.txt").write_text("right")
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "sub" / "x").write_text("x")

    def make(name: str, order: ProgramOrder, expected: Path | None = None) -> Path:
        return new_workload(
            tmp_path / "workloads",
            name,
            order,
            expected=expected,
            taken={"noop"},
            private=tmp_path / "farm" / "data",
        )

    return make


def files(folder: Path) -> list[str]:
    """List every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_everything_that_was_given_is_in_it(make: Make, tmp_path: Path) -> None:
    """Sources with what they include, input, folders, the right output; read back the same."""
    order = ProgramOrder(
        tmp_path / "main.c",
        arguments=("a {b}", '"', "", "#: ü"),
        environment={"A": "{x}: '1'", "null": "yes"},
        stdin=tmp_path / "in put.txt",
        directories=((tmp_path / "data", "in/data"),),
        timeout_s=2.5,
        outputs=("out/{r}.txt",),
        memory_bytes=1 << 20,
        output_bytes=99,
        flags=("-Iinc", "-DX={1}"),
    )
    folder = make("mine", order, tmp_path / "right.txt")
    assert files(folder) == [
        "expected/stdout",
        "in/data/sub/x",
        "inc/i.h",
        "input/in put.txt",
        "lib/a.h",
        "lib/deep/b.h",
        "main.c",
        "workload.yaml",
    ]
    found = read_workload(folder)
    assert found.arguments == ("a {{b}}", '"', "", "#: ü")
    assert found.environment == order.environment
    assert found.stdin == folder / "input" / "in put.txt"
    assert found.grants == (Grant(folder / "in" / "data", "in/data"),)
    assert found.outputs == ("out/{{r}}.txt",)
    assert found.flags == order.flags
    assert found.checker == Checker(CheckerKind.EXACT, "expected/stdout")
    assert found.limits == Limits(2.5, 1 << 20, 99)
    assert found.parameters == ()


@pytest.mark.parametrize("program", ["tool.wasm", "tool"])
def test_a_ready_program_is_copied(make: Make, tmp_path: Path, program: str) -> None:
    """A module and an ELF."""
    found = read_workload(make("ready", ProgramOrder(tmp_path / program)))
    assert (found.module or found.program) == found.folder / program
    assert found.checker is None
    assert found.limits == Limits()


def test_a_benchmark_keeps_what_lies_beside_it(make: Make, tmp_path: Path) -> None:
    """Input and right output are found in the new folder as they were in the old one."""
    suite = tmp_path / "suite"
    suite.mkdir()
    mark = function_import("bench", "start")
    (suite / "b.wasm").write_bytes(module(mark))
    for name in ("default.input", "b.stdout.expected", "default.stderr.expected"):
        (suite / name).write_text(name)
    folder = make("bench", ProgramOrder(suite))
    found = read_workload(folder)
    assert found.grants == (Grant(folder, ".", ("default.input",)),)
    assert found.checker == Checker(CheckerKind.EXACT, "b.stdout.expected")
    assert found.expected_stderr == folder / "default.stderr.expected"
    assert complaint(lambda: make("new", ProgramOrder(suite), tmp_path / "right.txt")) == (
        "--expect: suite is judged by b.stdout.expected, default.stderr.expected: leave --expect"
        " out"
    )


@pytest.mark.parametrize(
    ("name", "program", "told"),
    [
        ("noop", "main.c", "there is a workload noop already: choose another name"),
        ("..", "main.c", "'..' is no workload's name: write a name of letters, digits"),
        ("a b", "main.c", "'a b' is no workload's name: write a name of letters, digits"),
        ("big", "right.txt", "DIR/right.txt: neither a .wasm, nor a C file (.c), nor an ELF"),
        (
            "out",
            "lib/out.c",
            "DIR/lib/out.c includes ../inc/i.h, which lies outside DIR/lib: copy it there",
        ),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    make: Make, tmp_path: Path, name: str, program: str, told: str
) -> None:
    """One line, and no folder, half or whole."""
    said = complaint(lambda: make(name, ProgramOrder(tmp_path / program)), tmp_path)
    assert said.startswith(told)
    assert files(tmp_path / "workloads") == []


def test_nothing_is_written_over(make: Make, tmp_path: Path) -> None:
    """A folder, a file or a link of that name stays as it is."""
    root = tmp_path / "workloads"
    (root / "folder").mkdir(parents=True)
    (root / "file").touch()
    (root / "link").symlink_to("nowhere")
    order = ProgramOrder(tmp_path / "main.c")
    for name in ("folder", "file", "link"):
        assert complaint(partial(make, name, order), tmp_path) == (
            f"DIR/workloads/{name} is there already: choose another name"
        )
    assert sorted(path.name for path in (tmp_path / "workloads").iterdir()) == [
        "file",
        "folder",
        "link",
    ]


def test_what_must_not_be_copied_is_refused(make: Make, tmp_path: Path) -> None:
    """The farm's keys, two files in one place, a workload that is one already, no right output."""
    order = ProgramOrder(tmp_path / "main.c")
    (tmp_path / "farm" / "data").mkdir(parents=True)
    secret = replace(order, directories=((tmp_path / "farm", "f"),))
    clash = replace(order, directories=((tmp_path / "lib", "lib"),), sources=())
    done = ProgramOrder(make("done", order))
    for which, told in (
        (secret, "DIR/farm holds the farm's own data, its keys included: grant a folder beside"),
        (clash, "DIR/lib/a.h and another file would be one: rename one of them"),
        (done, "DIR/workloads/done has a workload.yaml: copy the folder, and write its new name"),
    ):
        assert complaint(partial(make, "new", which), tmp_path).startswith(told)
    assert complaint(lambda: make("new", order, tmp_path / "gone"), tmp_path) == (
        "no file DIR/gone for --expect: check the path"
    )
    assert [path.name for path in (tmp_path / "workloads").iterdir()] == ["done"]
