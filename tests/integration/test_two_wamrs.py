"""Runtime sources in a build: another WAMR, or other flags, beside the pinned one."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.blobs import Blobs
from orchestrator.build.builder import Builder, CellArtifacts
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.errors import BuildError
from orchestrator.domain.matrix import CellPlan, Counts, Mode, Runtime
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.domain.workload import Case, Workload
from tests.support.builds import Log, user_cache
from tests.support.toynative import write_native, write_wamr

# A C library may have to be built first, by a busy machine.
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]

PC = DeviceType("pc", Arch.X86_64, "x86-64-v3")
FAST, AOT, NATIVE = Mode(Runtime.FAST), Mode(Runtime.AOT), Mode(Runtime.NATIVE)
#: Where a tree's own build files get to say something.
_INCLUDE = "include(${WAMR_SOURCE}/build-scripts/runtime_lib.cmake)\n"
_FLAGS = 'target_compile_definitions(farm-wamr PRIVATE FLAGS="${FARM_FLAGS}")\n'


class Rig:
    """A builder over a small native/ and trees that pass for WAMR."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        cache = folder / "cache"
        cache.mkdir()
        (user_cache() / "zig").mkdir(parents=True, exist_ok=True)
        (cache / "zig").symlink_to(user_cache() / "zig")
        self.native = write_native(folder)
        for project in ("runner", "aotc"):
            with (self.native / project / "CMakeLists.txt").open("a") as file:
                file.write(_INCLUDE)
        with (self.native / "runner" / "CMakeLists.txt").open("a") as file:
            file.write(_FLAGS)
        (self.native / "runner" / "wamr.c").write_text(
            "const char interpreter[] = INTERPRETER FLAGS;\n"
        )
        self.pinned = write_wamr(folder)
        self.sources = {PINNED: RuntimeSource(self.pinned)}
        self.cache = cache
        self.blobs = Blobs(folder / "farm")
        self.log = Log()
        program = folder / "hello"
        program.mkdir()
        (program / "main.c").write_text("int main(void) { return 0; }\n")
        self.workload = Workload("hello", "", program, ("main.c",))

    def tree(self, name: str, build: str = "# another\n") -> Path:
        """Write a tree whose build files say something, and name it as a source."""
        tree = self.folder / name
        shutil.copytree(self.pinned, tree)
        (tree / "build-scripts" / "runtime_lib.cmake").write_text(build)
        self.sources[name] = RuntimeSource(tree)
        return tree

    def build(self, *modes: Mode) -> Mapping[str, CellArtifacts | BuildError]:
        """Build a cell for each mode, with a log of this build alone."""
        self.log = Log()
        cells = [self._cell(mode) for mode in modes]
        return self._builder().build(cells, progress=self.log.take, stop=threading.Event())

    def survey(self, *modes: Mode) -> dict[str, str]:
        """What a build would make or find, by target: its state."""
        steps = self._builder().survey([self._cell(mode) for mode in modes])
        return {step.name: step.state for step in steps}

    def _builder(self) -> Builder:
        return Builder(
            cache=self.cache, blobs=self.blobs, native=self.native, runtime_sources=self.sources
        )

    def _cell(self, mode: Mode) -> CellPlan:
        return CellPlan(mode.label, Case(self.workload, ()), mode, PC, Counts(), 60.0)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A builder of its own."""
    return Rig(tmp_path)


def of(mode: Mode, source: str) -> Mode:
    """The mode with another WAMR."""
    return dataclasses.replace(mode, runtime_source=source)


def good(made: CellArtifacts | BuildError) -> CellArtifacts:
    """What was built, which must be."""
    assert isinstance(made, CellArtifacts), str(made)
    return made


def bad(made: CellArtifacts | BuildError) -> str:
    """Why it was not built, on one line; a compiler's own words come below it."""
    assert isinstance(made, BuildError)
    assert "\n" not in made.message
    return made.message


def made_by(cell: CellArtifacts, kind: ArtifactKind) -> list[tuple[str, ...]]:
    """The words and trees of each recipe of a kind in a cell's provenance."""
    return [
        (*step.argv, *(i.digest.sha256 for i in step.ingredients if i.role == "tree"))
        for step in cell.provenance
        if step.product.kind is kind
    ]


def test_flags_and_tree_are_in_every_recipe(rig: Rig) -> None:
    """Runner and AOT compiler of a source are its own; the module is the pinned one's too."""
    rig.tree("branch")
    rig.sources["lean"] = RuntimeSource(rig.pinned, (("TAIL_CALL", 0),))
    (rig.pinned / "build-scripts" / "flags.cmake").write_text("# WAMR_BUILD_TAIL_CALL\n")
    names = (PINNED, "branch", "lean")
    found = rig.build(*(of(mode, name) for mode in (FAST, AOT) for name in names))
    fast = [good(found[of(FAST, name).label]) for name in names]
    aot = [good(found[of(AOT, name).label]) for name in names]
    assert len({cell.program.digest for cell in fast}) == 1
    for kind, cells in ((ArtifactKind.ARCHIVE, fast), (ArtifactKind.COMPILER, aot)):
        pinned, branch, lean = (made_by(cell, kind) for cell in cells)
        assert pinned
        assert all("-DFARM_FLAGS=TAIL_CALL=0" in recipe for recipe in lean)
        assert not any("FARM_FLAGS" in word for recipe in pinned + branch for word in recipe)
        assert {recipe[-1] for recipe in pinned} == {recipe[-1] for recipe in lean}
        assert {recipe[-1] for recipe in pinned}.isdisjoint(recipe[-1] for recipe in branch)
    assert fast[0].runner.digest != fast[2].runner.digest


def test_other_sources_cost_the_pinned_one_nothing(rig: Rig) -> None:
    """What was built before there were others is known after, and native code needs no other."""
    rig.build(FAST, AOT, NATIVE)
    rig.tree("branch")
    states = rig.survey(FAST, AOT, NATIVE, of(FAST, "branch"))
    ours = {name: state for name, state in states.items() if "[branch]" not in name}
    assert set(ours.values()) == {"known"}
    assert {state for name, state in states.items() if "[branch]" in name} == {"waiting"}


def test_an_edit_is_seen_and_undone(rig: Rig) -> None:
    """A changed file of the tree builds its runner anew; undone, the old one is known again."""
    tree = rig.tree("branch")
    first = good(rig.build(of(FAST, "branch"))[of(FAST, "branch").label])
    file = tree / "core" / "version.h"
    file.write_text("// edited\n")
    assert rig.survey(of(FAST, "branch"))["libfarm-wamr.a fast x86_64 [branch]"] == "waiting"
    rig.build(of(FAST, "branch"))
    assert rig.log.made()["libfarm-wamr.a fast x86_64 [branch]"] == "wamr changed"
    file.write_text("")
    again = good(rig.build(of(FAST, "branch"))[of(FAST, "branch").label])
    assert rig.log.made() == {}
    assert again.runner == first.runner
    # What a checkout holds beside is no part of a runner.
    (tree / ".git").mkdir()
    (tree / ".git" / "index").write_text("moves with every status")
    assert set(rig.survey(of(FAST, "branch")).values()) == {"known"}


@pytest.mark.parametrize("mode", [FAST, AOT])
def test_a_tree_that_changes_under_the_compiler_is_not_believed(rig: Rig, mode: Mode) -> None:
    """Nothing is kept under a digest that was not built from; the next build can do it."""
    tree = rig.tree("branch", 'file(WRITE "${WAMR_SOURCE}/core/config.h" "1")\n')
    found = rig.build(of(mode, "branch"), mode)
    told = bad(found[of(mode, "branch").label])
    assert told.endswith(f"{tree} changed while it was built; try again when its files rest")
    good(found[mode.label])
    good(rig.build(of(mode, "branch"))[of(mode, "branch").label])


def test_what_is_wrong_with_a_source_fails_its_cells_alone(rig: Rig) -> None:
    """No WAMR, gone, a flag it does not know, a build that fails: one line each."""
    shutil.rmtree(rig.tree("gone"))
    shutil.rmtree(rig.tree("half") / "core")
    rig.tree("broken", 'message(FATAL_ERROR "this WAMR cannot be")\n')
    rig.sources["odd"] = RuntimeSource(rig.pinned, (("SHRUNK_MEMORY", 0),))
    names = ("gone", "half", "broken", "odd", "unheard")
    found = rig.build(FAST, *(of(FAST, name) for name in names))
    good(found[FAST.label])
    told = {name: bad(found[of(FAST, name).label]) for name in names}
    assert told["gone"] == (
        f"runtime source gone: {rig.folder}/gone is no tree of WAMR: it has no"
        " build-scripts/runtime_lib.cmake"
    )
    assert told["half"].startswith(f"runtime source half: {rig.folder}/half is no whole tree")
    assert told["broken"].startswith("lib")
    assert "[broken]: cmake failed (exit code 1)" in told["broken"]
    assert told["odd"] == (
        f"runtime source odd: the WAMR in {rig.pinned} has no WAMR_BUILD_SHRUNK_MEMORY"
    )
    assert told["unheard"] == (
        "farm.toml has no runtime source unheard; add it to runtime_sources"
    )
    broken = found[of(FAST, "broken").label]
    assert isinstance(broken, BuildError)
    assert "this WAMR cannot be" in broken.output
