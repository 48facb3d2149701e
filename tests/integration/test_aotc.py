"""The AOT compiler's driver, kernels, and that all modes of a workload agree."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.build.toolchain import PLATFORMS, find_zig
from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.domain.workload import Workload
from tests.support import native
from tests.support.builds import user_cache
from tests.support.native import CONDUCT, GEMM, NOOP, Built, measure

#: A cold cache builds WAMR's compiler first.
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1200)]

ARCHS = [
    pytest.param(Arch.X86_64, id="x86_64"),
    pytest.param(Arch.AARCH64, id="aarch64", marks=pytest.mark.emulator),
    pytest.param(Arch.ARMV7, id="armv7", marks=pytest.mark.emulator),
]
MODES = [
    Mode(Runtime.CLASSIC),
    Mode(Runtime.FAST),
    Mode(Runtime.FAST, simd=True),
    Mode(Runtime.FAST, kernels="tiled"),
    Mode(Runtime.AOT, simd=False),
    Mode(Runtime.AOT),
    Mode(Runtime.AOT, bounds_checks=True),
    Mode(Runtime.AOT, opt=0),
    Mode(Runtime.AOT, kernels="plain"),
    Mode(Runtime.AOT, kernels="tiled"),
    Mode(Runtime.NATIVE),
    Mode(Runtime.NATIVE, kernels="tiled"),
]
PROGRAMS = Path(native.__file__).parent / "programs"
NUMBERS = Workload(
    name="numbers",
    description="what a processor may have no instructions for",
    folder=PROGRAMS,
    sources=("numbers.c",),
)
TARGETS = [
    pytest.param(arch.values[0], mode, id=f"{arch.id}-{mode.label}", marks=arch.marks)
    for arch in ARCHS
    for mode in MODES
    if not (arch.id == "armv7" and mode.simd)
]


@pytest.mark.parametrize(("arch", "mode"), TARGETS)
def test_gemm_agrees_in_every_mode(mode: Mode, arch: Arch, tmp_path: Path) -> None:
    """Every mode computes the same product, and marks the same region."""
    built = native.build(GEMM, mode, arch)
    attempt = measure(built, tmp_path, "small", name="gemm")
    assert attempt.one("end")["stage"] == "done", attempt.one("end")
    assert attempt.stdout() == (GEMM.folder / "expected" / "small.txt").read_text()
    (repeat,) = attempt.all("repeat")
    assert 0 < repeat["region_ns"] < repeat["ns"]


@pytest.mark.parametrize("arch", ARCHS)
def test_wide_numbers_agree_in_every_mode(arch: Arch, tmp_path: Path) -> None:
    """What a 32-bit processor does by calling helpers is what this machine does itself."""
    told = {}
    for name, built in {
        "here": native.build(NUMBERS, Mode(Runtime.NATIVE), Arch.X86_64),
        **{runtime.value: native.build(NUMBERS, Mode(runtime), arch) for runtime in Runtime},
    }.items():
        (tmp_path / name).mkdir()
        attempt = measure(built, tmp_path / name)
        assert attempt.one("end")["stage"] == "done", attempt.one("end")
        told[name] = attempt.stdout()
    assert len(told["here"].splitlines()) == 7 * 7 * 3 + 9
    assert set(told.values()) == {told["here"]}


@pytest.mark.emulator
def test_helpers_of_32_bit_arm_are_what_their_names_say(tmp_path: Path) -> None:
    """Also with NaNs; WAMR's loader names them, though code for a Cortex-A7 calls none."""
    program = tmp_path / "helpers"
    sources = (PROGRAMS / "armhelpers.c", native.NATIVE / "runner" / "armhelpers.c")
    words = ["cc", *PLATFORMS[Arch.ARMV7].flags(), "-O3", *map(str, sources), "-o", str(program)]
    cache = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(user_cache() / "zig")}
    subprocess.run([find_zig().path, *words], env=cache, timeout=300, check=True)
    done = subprocess.run(
        [native.emulator_of(Arch.ARMV7), program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("mode", [Mode(Runtime.AOT), Mode(Runtime.NATIVE)], ids=lambda m: m.label)
def test_gemm_layer_is_as_expected(mode: Mode, tmp_path: Path) -> None:
    """The layer's size has its expected output too."""
    attempt = measure(native.build(GEMM, mode, Arch.X86_64), tmp_path, "layer")
    assert attempt.stdout() == (GEMM.folder / "expected" / "layer.txt").read_text()


@pytest.mark.parametrize("arch", ARCHS)
def test_noop_marks_a_region(arch: Arch, tmp_path: Path) -> None:
    """Nothing between the marks is still a region, of at least a nanosecond."""
    for runtime in Runtime:
        folder = tmp_path / runtime.value
        folder.mkdir()
        attempt = measure(native.build(NOOP, Mode(runtime), arch), folder)
        (repeat,) = attempt.all("repeat")
        assert repeat["region_ns"] >= 1
        assert attempt.stdout() == "ok\n"


def test_runner_names_its_kernels() -> None:
    """What a runner is linked with, it says: in `info` and in every start event."""
    runner = native.runner(Arch.X86_64, "fast", kernels="tiled")
    text = subprocess.check_output([runner, "info"], text=True, timeout=10)
    info = json.loads(text)
    assert info["kernels"] == ["gemm_nn/tiled"]
    assert (info["interpreter"], info["simd"], info["arch"]) == ("fast", True, "x86_64")


def test_kernel_that_is_not_there(tmp_path: Path) -> None:
    """A module that imports a kernel is refused by a runner without it, by name."""
    with_kernel = native.build(GEMM, Mode(Runtime.AOT, kernels="tiled"), Arch.X86_64)
    bare = Built(native.runner(Arch.X86_64, "fast"), with_kernel.program, "run", Arch.X86_64)
    ended = measure(bare, tmp_path, "small").one("end")
    assert ended["stage"] == "load"
    assert "no import kernels.gemm_nn" in ended["message"]


@pytest.mark.parametrize(
    ("case", "trap"),
    [
        ("inside", ""),
        ("past-end", "out of bounds memory access"),
        ("huge", "larger than the memory"),
        ("negative", "negative rows"),
        ("odd", "not aligned"),
        ("empty", ""),
    ],
)
@pytest.mark.parametrize("runtime", [Runtime.FAST, Runtime.AOT], ids=lambda r: r.value)
def test_kernel_checks_its_pointers(
    runtime: Runtime, case: str, trap: str, tmp_path: Path
) -> None:
    """A kernel touches nothing outside the module's memory, whatever the module asks for."""
    built = native.build(native.MATRICES, Mode(runtime, kernels="tiled"), Arch.X86_64)
    ended = measure(built, tmp_path, case).one("end")
    assert trap in ended["trap"]
    assert bool(ended["trap"]) == bool(trap)
    assert (ended["stage"] == "done") == (not trap)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "name one module"),
        (["--arch", "mips", "--cpu", "x", "--out", "o", "m"], "x86_64, aarch64 or armv7"),
        (["--arch", "armv7", "--cpu", "cortex-a7", "--out", "o", "m"], "say --simd 0"),
        (["--arch", "x86_64", "--cpu", "native", "--out", "o", "m"], "--cpu must name one"),
        (["--arch", "x86_64", "--cpu", "x86-64-v3", "m"], "--out is missing"),
        (["--opt", "7"], "--opt is 0 to 3"),
        (["--arch", "x86_64", "--cpu", "x86-64-v3", "--out", "o", "m"], "cannot be read"),
    ],
)
def test_compiler_refuses_bad_arguments(words: list[str], complaint: str, tmp_path: Path) -> None:
    """Bad arguments of the compiler are one line on stderr and exit code 1."""
    done = _compile(words, tmp_path)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_compiler_refuses_a_damaged_module(tmp_path: Path) -> None:
    """A module that is none is refused with WAMR's reason; no output file is left."""
    (tmp_path / "m.wasm").write_bytes(b"\0asm\1\0\0\0\1\xff")
    done = _compile(["--arch", "x86_64", "--cpu", "x86-64-v3", "--out", "o", "m.wasm"], tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("farm-aotc: m.wasm: ")
    assert [path.name for path in tmp_path.iterdir()] == ["m.wasm"]


def test_compiler_is_quiet_and_repeatable(tmp_path: Path) -> None:
    """Two compilations of one module are the same bytes, and say nothing."""
    module = native.build(CONDUCT, Mode(Runtime.FAST), Arch.X86_64).program
    for out in ("a", "b"):
        words = ["--arch", "aarch64", "--cpu", "cortex-a72", "--simd", "0", "--out", out]
        done = _compile([*words, str(module)], tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_compiler_names_its_parts() -> None:
    """The compiler says which WAMR and which LLVM it is."""
    done = subprocess.run(
        [native.compiler(), "--version"], capture_output=True, text=True, timeout=10, check=True
    )
    assert done.stdout.startswith("farm-aotc WAMR 2.4.3 LLVM 19.")


def _compile(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [native.compiler(), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
