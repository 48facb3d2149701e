"""What a user names to be run is told by its bytes, alone or in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.build.modes import why_impossible
from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.domain.workload import Case, Workload
from orchestrator.files.elf import elf_arch, elf_loader
from orchestrator.files.found import Found, find_program, program_kind
from tests.support.elffiles import elf
from tests.support.factories import ARM, X86
from tests.support.files import NOOP, complaint, write_workload
from tests.support.wasmfiles import module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one program of each kind, and folders of them."""
    (tmp_path / "p.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "p.wasm").write_bytes(module())
    (tmp_path / "x86").write_bytes(elf(62))
    (tmp_path / "arm").write_bytes(elf(183))
    (tmp_path / "text").write_text("hello")
    for name, files in {
        "cs": ("b.c", "a.c", "a.h", "notes.txt"),
        "modules": ("a.wasm", "b.wasm"),
        "mixed": ("a.c", "a.wasm"),
        "one": ("tool.wasm", "default.input"),
        "empty": (),
    }.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_bytes(module())
    return tmp_path


def test_a_program_is_known_by_its_bytes(folder: Path) -> None:
    """The three kinds are told apart, and the ELF's architecture is read."""
    assert program_kind(folder / "p.c") == "sources"
    assert program_kind(folder / "p.wasm") == "module"
    assert program_kind(folder / "x86") == "program"
    assert elf_arch(folder / "arm") is Arch.AARCH64
    assert complaint(lambda: program_kind(folder / "text"), folder) == (
        "DIR/text: neither a .wasm, nor a C file (.c), nor an ELF: name one of these"
    )
    assert complaint(lambda: program_kind(folder / "gone.c"), folder) == (
        "DIR/gone.c: no such file: check the path"
    )
    assert complaint(lambda: find_program(folder / "empty"), folder) == (
        "DIR/empty: a folder without workload.yaml, C files and .wasm: name a .wasm, a C file or"
        " an ELF"
    )


def test_an_elf_of_another_kind_is_refused(folder: Path) -> None:
    """RISC-V, big-endian and cut ELFs are no programs of this farm."""
    told = "DIR/odd: not an ELF for x86_64, aarch64, armv7: build it for one of these"
    for data in (elf(243), elf(62)[:10], elf(62)[:5] + b"\x02" + elf(62)[6:]):
        (folder / "odd").write_bytes(data)
        assert complaint(lambda: program_kind(folder / "odd"), folder) == told


def test_an_elf_the_kernel_could_not_load_is_refused(folder: Path) -> None:
    """One that was cut short, and an object file that was never linked."""
    (folder / "odd").write_bytes(elf(62)[:100])
    assert complaint(lambda: program_kind(folder / "odd"), folder) == (
        "DIR/odd: a truncated ELF: build or copy it again"
    )
    (folder / "odd").write_bytes(elf(62)[:16] + b"\x01" + elf(62)[17:])
    assert complaint(lambda: program_kind(folder / "odd"), folder) == (
        "DIR/odd: an ELF, but no program: link it to an executable"
    )


def test_a_dynamic_program_runs_where_its_loader_is(folder: Path) -> None:
    """Its loader is read; a static program asks for none."""
    (folder / "here").write_bytes(elf(62, loader=str(folder / "text")))
    (folder / "away").write_bytes(elf(62, loader="/lib/ld-nowhere.so.1"))
    assert elf_loader(folder / "x86") == ""
    assert elf_loader(folder / "away") == "/lib/ld-nowhere.so.1"

    def why(name: str) -> str:
        workload = Workload(name, "d", folder, program=folder / name)
        return why_impossible(Case(workload, ()), Mode(Runtime.NATIVE), X86)

    assert why("here") == why("x86") == ""
    assert why("away") == (
        "away asks for /lib/ld-nowhere.so.1, which is not here: link it with -static"
    )
    arm = Workload("x86", "d", folder, program=folder / "x86")
    assert (
        why_impossible(Case(arm, ()), Mode(Runtime.NATIVE), ARM) == "x86 is a program for x86_64"
    )


def test_a_folder_is_what_is_in_it(folder: Path) -> None:
    """All its C files, its one module, or what its workload.yaml says."""
    assert find_program(folder / "cs") == Found("cs", folder / "cs", ("a.c", "b.c"))
    one = folder / "one"
    assert find_program(one) == Found("one", one, module=one / "tool.wasm")
    written = write_workload(folder, "noop", NOOP)
    found = find_program(written)
    assert found.workload is not None
    assert (found.name, found.workload.sources) == ("noop", ("main.c",))


def test_a_folder_that_could_mean_two_things_is_refused(folder: Path) -> None:
    """The line names both."""
    assert complaint(lambda: find_program(folder / "modules"), folder) == (
        "DIR/modules: a.wasm and b.wasm are in it: name one of them"
    )
    assert complaint(lambda: find_program(folder / "mixed"), folder) == (
        "DIR/mixed: C files and a.wasm are in it: name the .wasm, or each C file by --source"
    )


def test_a_folder_with_a_name_that_is_no_text_is_refused(folder: Path) -> None:
    """No database and no wire could hold it; a link that leads nowhere is no file."""
    (folder / "odd").mkdir()
    (folder / "odd" / "gone.c").symlink_to("nowhere")
    Path(os.fsdecode(os.fsencode(folder / "odd") + b"/a\xff.c")).touch()
    assert complaint(lambda: find_program(folder / "odd"), folder) == (
        "DIR/odd/a\\udcff.c: its name is not UTF-8 text: rename it"
    )


def test_sources_can_be_chosen(folder: Path) -> None:
    """In a folder, beside a file, and from folders next to each other."""
    a, b = folder / "cs" / "a.c", folder / "cs" / "b.c"
    assert find_program(folder / "cs", (b,)) == Found("cs", folder / "cs", ("b.c",))
    assert find_program(folder / "mixed", (folder / "mixed" / "a.c",)).sources == ("a.c",)
    assert find_program(a, (b, a)) == Found("a", folder / "cs", ("a.c", "b.c"))
    other = folder / "mixed" / ".." / "mixed" / "a.c"
    assert find_program(folder / "p.c", (a, other)) == Found(
        "p", folder, ("p.c", "cs/a.c", "mixed/a.c")
    )
    assert complaint(lambda: find_program(folder / "p.c", (folder / "p.wasm",)), folder) == (
        "DIR/p.wasm: no C file (.c): --source takes only these"
    )
