"""From cells to artifacts, with real compilers over a small native/."""

from __future__ import annotations

import dataclasses
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from orchestrator.blobs import Blobs
from orchestrator.build.builder import Builder, CellArtifacts
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.errors import BuildError
from orchestrator.domain.matrix import BEST_KERNELS, CellPlan, Counts, Mode, Runtime
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.domain.workload import Case, Checker, CheckerKind, Grant, Workload
from tests.support.builds import Log, user_cache
from tests.support.toynative import write_native, write_wamr

# A C library may have to be built first, by a busy machine.
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]

PC = DeviceType("pc", Arch.X86_64, "x86-64-v3")
PI = DeviceType("pi", Arch.AARCH64, "cortex-a72")
CLASSIC, FAST, AOT = Mode(Runtime.CLASSIC), Mode(Runtime.FAST), Mode(Runtime.AOT)
NATIVE = Mode(Runtime.NATIVE)
_HELLO = '#include <stdio.h>\n#include "word.h"\nint main(void) { puts(WORD); return 0; }\n'
_TRIPLE = """\
#include <stdio.h>
#include "kernels.h"
#ifndef FARM_KERNEL_triple
int triple(int x) { return x + x + x; }
#endif
int main(void) { printf("%d\\n", triple(14)); return 0; }
"""


class Rig:
    """A builder with a cache of its own, zig's C libraries shared with the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.cache.mkdir()
        (user_cache() / "zig").mkdir(parents=True, exist_ok=True)
        (self.cache / "zig").symlink_to(user_cache() / "zig")
        self.native = write_native(folder)
        self.blobs = Blobs(folder / "farm")
        self.builder = Builder(
            cache=self.cache,
            blobs=self.blobs,
            native=self.native,
            runtime_sources={PINNED: RuntimeSource(write_wamr(folder))},
        )
        self.log = Log()

    def workload(self, name: str = "hello", text: str = _HELLO, **fields: object) -> Workload:
        """A workload of one C file."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "main.c").write_text(text)
        (folder / "word.h").write_text('#define WORD "hello"\n')
        plain = Workload(name, "", folder, ("main.c",))
        return dataclasses.replace(plain, **fields)  # type: ignore[arg-type]  # fields by name

    def build(self, cells: Sequence[CellPlan]) -> Mapping[str, CellArtifacts | BuildError]:
        """Build cells with a log of this build alone."""
        self.log = Log()
        return self.builder.build(cells, progress=self.log.take, stop=threading.Event())

    def one(self, workload: Workload, mode: Mode, device: DeviceType = PC) -> CellArtifacts:
        """Build one cell that can be built."""
        (result,) = self.build([cell(workload, mode, device)]).values()
        assert isinstance(result, CellArtifacts), str(result)
        return result

    def run(self, sha256: str) -> str:
        """The output of a program of this machine."""
        return subprocess.run(
            [self.blobs.path(sha256)], capture_output=True, text=True, check=True, timeout=30
        ).stdout


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A builder of its own."""
    return Rig(tmp_path)


def cell(workload: Workload, mode: Mode, device: DeviceType = PC) -> CellPlan:
    """A cell, keyed by what it is."""
    key = f"{workload.name} {mode.label} {device.name}"
    return CellPlan(key, Case(workload, (("size", "small"),)), mode, device, Counts(), 60.0)


def test_each_mode_gets_its_runner_and_program(rig: Rig) -> None:
    """Interpreters share a module; the fast runner also serves AOT and native programs."""
    hello = rig.workload()
    found = {
        mode.label: made
        for mode in (CLASSIC, FAST, AOT, NATIVE)
        if (made := rig.one(hello, mode)) is not None
    }
    classic, fast = found["wamr-classic"], found["wamr-fast"]
    aot, native = found["wamr-aot"], found["native"]
    assert classic.program == fast.program
    assert classic.runner != fast.runner
    assert fast.runner == aot.runner == native.runner
    assert [each.program.kind for each in (fast, aot, native)] == [
        ArtifactKind.WASM,
        ArtifactKind.AOT,
        ArtifactKind.NATIVE,
    ]
    assert [each.kind for each in (fast, aot, native)] == ["wasm", "wasm", "native"]
    assert rig.run(fast.runner.digest.sha256) == "toy 1 fast\n"
    assert rig.run(classic.runner.digest.sha256) == "toy 1 classic\n"
    assert rig.run(native.program.digest.sha256) == "hello\n"


def test_aot_is_told_cpu_vectors_and_level(rig: Rig) -> None:
    """The AOT compiler gets the device's CPU and the mode's options."""
    mode = Mode(Runtime.AOT, simd=False, opt=2, bounds_checks=True)
    made = rig.one(rig.workload(), mode, PI)
    head = rig.blobs.path(made.program.digest.sha256).read_bytes().split(b"\0asm")[0]
    options = "--arch aarch64 --cpu cortex-a72 --simd 0 --opt 2 --bounds-checks 1"
    assert " ".join(head.decode().split()) == f"{options} --out program.aot"


def test_provenance_goes_down_to_sources(rig: Rig) -> None:
    """Every ingredient of runner and program is another product's edge or a blob of the farm."""
    made = rig.one(rig.workload(), AOT)
    products = {edge.product.digest.sha256 for edge in made.provenance}
    names = set()
    for edge in made.provenance:
        for ingredient in edge.ingredients:
            names.add(ingredient.name)
            constant = ingredient.role in ("tool", "tree", "library")
            stored = rig.blobs.has(ingredient.digest.sha256)
            assert stored or constant or ingredient.digest.sha256 in products, ingredient
    assert {"main.c", "word.h", "native/runner/main.c", "native/runner/version.h"} <= names
    assert "native/runner/unread.h" not in names
    assert str(rig.folder) not in " ".join(word for edge in made.provenance for word in edge.argv)


def test_second_build_makes_nothing_and_says_the_same(rig: Rig) -> None:
    """A second build, also by another builder on the same cache, is a look-up."""
    hello = rig.workload()
    first = rig.one(hello, AOT)
    assert rig.one(hello, AOT) == first
    assert rig.log.made() == {}


def test_changed_header_of_the_runner_builds_its_runner(rig: Rig) -> None:
    """A header that the runner's compilers read counts; one they did not read does not."""
    hello = rig.workload()
    before = rig.one(hello, FAST)
    (rig.native / "runner" / "unread.h").write_text("changed\n")
    rig.one(hello, FAST)
    assert rig.log.made() == {}
    (rig.native / "runner" / "version.h").write_text('#define VERSION "toy 2"\n')
    after = rig.one(hello, FAST)
    assert rig.log.made()["libfarm-runner.a fast x86_64"] == "runner/version.h changed"
    assert "libfarm-wamr.a fast x86_64" not in rig.log.made()
    assert after.program == before.program
    assert rig.run(after.runner.digest.sha256) == "toy 2 fast\n"


def test_kernels_go_into_runner_or_program(rig: Rig) -> None:
    """A module imports the function and its runner has it; a native program has it linked in."""
    triple = rig.workload("triple", _TRIPLE, kernels={"triple": ("plain",)})
    plain, kernels = rig.one(triple, AOT), rig.one(triple, Mode(Runtime.AOT, kernels=BEST_KERNELS))
    native = rig.one(triple, Mode(Runtime.NATIVE, kernels=BEST_KERNELS))
    assert kernels.runner.name == "farm-runner fast x86_64 x86-64-v3 triple=plain"
    assert native.runner == plain.runner
    module = rig.blobs.path(kernels.program.digest.sha256).read_bytes()
    assert b"kernels\x06triple" in module
    assert b"kernels\x06triple" not in rig.blobs.path(plain.program.digest.sha256).read_bytes()
    assert rig.run(native.program.digest.sha256) == "42\n"


def test_bad_c_fails_its_own_cells_only(rig: Rig) -> None:
    """The cells of C that does not compile carry the compiler's words; others are built."""
    bad = rig.workload("bad", "int main(void) { return nothing; }\n")
    good = rig.workload("good")
    results = rig.build([cell(bad, FAST), cell(bad, NATIVE), cell(good, FAST)])
    errors = [r for r in results.values() if isinstance(r, BuildError)]
    assert len(errors) == 2
    assert all("undeclared identifier 'nothing'" in error.output for error in errors)
    assert isinstance(results["good wamr-fast pc"], CellArtifacts)


def test_link_error_carries_the_linkers_words(rig: Rig) -> None:
    """A missing function is named by the linker."""
    bad = rig.workload("bad", "int gone(void);\nint main(void) { return gone(); }\n")
    (result,) = rig.build([cell(bad, NATIVE)]).values()
    assert isinstance(result, BuildError)
    assert "undefined symbol: gone" in result.output


def test_ready_module_and_program_are_used_as_they_are(rig: Rig) -> None:
    """A .wasm and an ELF of the user's run as the very bytes they are; AOT compiles the module."""
    hello = rig.workload()
    module = rig.folder / "theirs.wasm"
    module.write_bytes(rig.blobs.path(rig.one(hello, FAST).program.digest.sha256).read_bytes())
    program = rig.folder / "theirs"
    program.write_bytes(rig.blobs.path(rig.one(hello, NATIVE).program.digest.sha256).read_bytes())
    theirs = Workload("theirs", "", rig.folder, module=module)
    elf = Workload("elf", "", rig.folder, program=program)
    as_module, as_program = rig.one(theirs, FAST).program, rig.one(elf, NATIVE).program
    assert rig.blobs.path(as_module.digest.sha256).read_bytes() == module.read_bytes()
    assert rig.blobs.path(as_program.digest.sha256).read_bytes() == program.read_bytes()
    compiled = rig.one(theirs, AOT)
    assert (
        rig.blobs.path(compiled.program.digest.sha256).read_bytes().endswith(module.read_bytes())
    )


def test_input_output_and_granted_folders_become_blobs(rig: Rig) -> None:
    """stdin, expected output and every file of a granted folder are in the farm, by digest."""
    data = rig.folder / "data"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "a.txt").write_text("a")
    (data / "tool").write_text("b")
    (data / "tool").chmod(0o755)
    (rig.folder / "input").write_text("in")
    hello = rig.workload(
        stdin=rig.folder / "input",
        checker=Checker(CheckerKind.EXACT, "{size}.{arch}.txt"),
        grants=(Grant(data, "data"),),
    )
    (hello.folder / "small.x86_64.txt").write_text("hello\n")
    made = rig.one(hello, FAST)
    assert made.stdin is not None
    assert made.expected is not None
    assert rig.blobs.read(made.stdin.sha256, 0, 9) == b"in"
    assert rig.blobs.read(made.expected.sha256, 0, 9) == b"hello\n"
    ((guest, files),) = made.directories
    assert guest == "data"
    assert [(f.path, f.executable) for f in files] == [("deep/a.txt", False), ("tool", True)]
    assert all(rig.blobs.has(file.digest.sha256) for file in files)


def test_a_digest_is_read_when_it_is_needed(rig: Rig) -> None:
    """From the file it is in, or as it stands; what is no digest fails the cell."""
    digest = "ab" * 32
    hello = rig.workload(checker=Checker(CheckerKind.DIGEST, "sum"))
    (hello.folder / "sum").write_text(f"{digest}  hello\n")
    made = rig.one(hello, FAST)
    assert (made.expected, made.expected_sha256) == (None, digest)
    inline = dataclasses.replace(hello, checker=Checker(CheckerKind.DIGEST, digest))
    assert rig.one(inline, FAST).expected_sha256 == digest
    (hello.folder / "sum").write_text("none")
    (result,) = rig.build([cell(hello, FAST)]).values()
    assert isinstance(result, BuildError)
    assert "sum holds no sha256" in result.message


def test_missing_input_fails_the_cell(rig: Rig) -> None:
    """An input that is not there is named; nothing is raised."""
    hello = rig.workload(checker=Checker(CheckerKind.EXACT, "nowhere.txt"))
    (result,) = rig.build([cell(hello, FAST)]).values()
    assert isinstance(result, BuildError)
    assert "nowhere.txt is not there" in result.message


def test_impossible_cells_are_left_out(rig: Rig) -> None:
    """A cell the plan found impossible needs nothing."""
    never = dataclasses.replace(cell(rig.workload(), FAST), impossible="no")
    assert rig.build([never]) == {}
    assert rig.log.steps == []


def test_survey_names_what_a_cell_would_have_made(rig: Rig) -> None:
    """Before a build all is waiting, after it all is known; nothing reaches the farm's blobs."""
    cells = [cell(rig.workload(), AOT)]
    before = rig.builder.survey(cells)
    assert {step.state for step in before} == {"waiting"}
    assert {"farm-aotc", "farm-runner fast x86_64"} <= {step.name for step in before}
    assert [path for path in rig.folder.joinpath("farm").rglob("*") if path.is_file()] == []
    rig.build(cells)
    assert {step.state for step in rig.builder.survey(cells)} == {"known"}


def test_what_is_missing_beside_targets_is_told_as_a_step(rig: Rig) -> None:
    """A missing input of two cells is one failed step, so that a build shows and counts it."""
    hello = rig.workload(checker=Checker(CheckerKind.EXACT, "nowhere.txt"))
    rig.build([cell(hello, FAST), cell(hello, CLASSIC)])
    failed = [step for step in rig.log.steps if step.state == "failed"]
    assert [step.name for step in failed] == ["hello wamr-fast pc"]
    assert "nowhere.txt is not there" in failed[0].error
