"""Modes: their defaults, and the combinations a plan refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.build.modes import resolve_mode, why_impossible
from orchestrator.build.toolchain import PLATFORMS
from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
from orchestrator.domain.workload import Case, Workload
from orchestrator.machine import EMULATORS, KNOWN_CPUS

NATIVE = Path(__file__).resolve().parents[2] / "native"
PC = DeviceType("pc", Arch.X86_64, "x86-64-v3")
PI = DeviceType("pi", Arch.AARCH64, "cortex-a72")
OLD_PI = DeviceType("old-pi", Arch.ARMV7, "cortex-a7", 32)
GEMM = Workload(
    "gemm",
    "",
    Path("gemm"),
    ("gemm.c",),
    kernels={"gemm_nn": ("plain", "tiled"), "axpy": ("plain",)},
)
NOOP = Workload("noop", "", Path("noop"), ("noop.c",))
#: ``\0asm``, version 1, nothing else.
EMPTY_MODULE = b"\0asm\x01\0\0\0"
#: A type that takes a vector.
SIMD_SECTION = b"\x01\x05\x01\x60\x01\x7b\x00"
#: Imports function kernels.gemm_nn of type () -> ().
KERNEL_IMPORT = b"\x01\x04\x01\x60\x00\x00" + b"\x02\x13\x01\x07kernels\x07gemm_nn\x00\x00"


def why(mode: Mode, device: DeviceType = PC, workload: Workload = GEMM) -> str:
    """The refusal, empty for none."""
    return why_impossible(Case(workload, ()), mode, device)


def ready_module(folder: Path, data: bytes) -> Workload:
    """A workload of a .wasm somebody brought."""
    path = folder / "theirs.wasm"
    path.write_bytes(data)
    return Workload("theirs", "", folder, module=path)


@pytest.mark.parametrize("device", [PC, PI])
@pytest.mark.parametrize(
    ("mode", "interpreter", "simd"),
    [
        (Mode(Runtime.CLASSIC), "classic", False),
        (Mode(Runtime.FAST), "fast", False),
        (Mode(Runtime.FAST, simd=True), "fast", True),
        (Mode(Runtime.AOT), "fast", True),
        (Mode(Runtime.AOT, simd=False), "fast", False),
        (Mode(Runtime.NATIVE), "fast", False),
    ],
)
def test_defaults(device: DeviceType, mode: Mode, interpreter: str, simd: bool) -> None:
    """Interpreters take scalar modules, AOT takes SIMD, and classic has a runner of its own."""
    found = resolve_mode(mode, device, GEMM)
    assert (found.interpreter, found.simd, found.cpu) == (interpreter, simd, device.cpu)
    assert why(mode, device) == ""


@pytest.mark.parametrize("runtime", Runtime)
def test_all_is_scalar_on_armv7(runtime: Runtime) -> None:
    """WAMR has no vectors there, so AOT too takes a scalar module without being told."""
    assert resolve_mode(Mode(runtime), OLD_PI, GEMM).simd is False
    assert why(Mode(runtime), OLD_PI) == ""


@pytest.mark.parametrize("arch", Arch)
def test_every_architecture_can_be_built_for_and_emulated(arch: Arch) -> None:
    """A compiler's target, the runner's toolchain for the same CPU, an emulator that plays one."""
    platform = PLATFORMS[arch]
    toolchain = (NATIVE / "toolchains" / f"{arch}.cmake").read_text()
    assert f"set(FARM_TARGET {platform.triple})" in toolchain
    assert f"set(FARM_CPU_FLAGS -mcpu={platform.base_cpu})" in toolchain
    assert EMULATORS[arch].cpu in EMULATORS[arch].plays
    assert EMULATORS[arch].plays.keys() <= set(KNOWN_CPUS[arch])


def test_best_kernels_are_the_last_named() -> None:
    """``+kernels`` takes each function's last variant; a name takes the functions that have it."""
    best = resolve_mode(Mode(Runtime.AOT, kernels=BEST_KERNELS), PC, GEMM)
    tiled = resolve_mode(Mode(Runtime.AOT, kernels="tiled"), PC, GEMM)
    assert best.kernels == (("axpy", "plain"), ("gemm_nn", "tiled"))
    assert tiled.kernels == (("gemm_nn", "tiled"),)


def test_cpu_option_replaces_the_device() -> None:
    """Native code can be held to a smaller CPU than the device has."""
    mode = Mode(Runtime.NATIVE, cpu="x86-64-v2")
    assert resolve_mode(mode, PC, GEMM).cpu == "x86-64-v2"
    assert why(mode) == ""


@pytest.mark.parametrize(
    ("mode", "device", "workload", "words"),
    [
        (Mode(Runtime.AOT, simd=True), OLD_PI, NOOP, "no SIMD for armv7; leave simd out"),
        (Mode(Runtime.FAST, simd=True), OLD_PI, NOOP, "no SIMD for armv7; leave simd out"),
        (Mode(Runtime.CLASSIC, simd=True), PC, NOOP, "classic interpreter has no SIMD"),
        (Mode(Runtime.NATIVE, simd=True), PC, NOOP, "option of modules"),
        (Mode(Runtime.FAST, bounds_checks=True), PC, NOOP, "option of wamr-aot"),
        (Mode(Runtime.FAST, cpu="x86-64"), PC, NOOP, "changes nothing"),
        (Mode(Runtime.AOT, opt=4), PC, NOOP, "0 to 3"),
        (Mode(Runtime.AOT, kernels=BEST_KERNELS), PC, NOOP, "noop has no kernels"),
        (Mode(Runtime.AOT, kernels="magic"), PC, GEMM, "it has plain, tiled"),
    ],
)
def test_misfits_are_refused(
    mode: Mode, device: DeviceType, workload: Workload, words: str
) -> None:
    """What cannot run, or an option that would change nothing, is refused with the reason."""
    assert words in why(mode, device, workload)


def test_kernels_make_cpu_matter_to_an_interpreter() -> None:
    """An interpreter's runner holds kernels that are compiled for the CPU."""
    assert why(Mode(Runtime.FAST, cpu="x86-64-v2", kernels="plain")) == ""


def test_ready_module_is_used_as_it_is(tmp_path: Path) -> None:
    """A module is not compiled: native is impossible, levels and vectors of C change nothing."""
    scalar = ready_module(tmp_path, EMPTY_MODULE)
    assert why(Mode(Runtime.CLASSIC), workload=scalar) == ""
    assert why(Mode(Runtime.AOT, opt=1), workload=scalar) == ""
    assert "is a module" in why(Mode(Runtime.NATIVE), workload=scalar)
    assert "opt changes nothing" in why(Mode(Runtime.FAST, opt=1), workload=scalar)
    assert "simd changes nothing" in why(Mode(Runtime.FAST, simd=True), workload=scalar)


def test_ready_simd_module_needs_simd(tmp_path: Path) -> None:
    """A module that uses SIMD is refused by the classic interpreter and by scalar AOT."""
    vectors = ready_module(tmp_path, EMPTY_MODULE + SIMD_SECTION)
    assert "uses SIMD" in why(Mode(Runtime.CLASSIC), workload=vectors)
    assert "uses SIMD" in why(Mode(Runtime.AOT, simd=False), workload=vectors)
    assert why(Mode(Runtime.AOT), workload=vectors) == ""
    assert why(Mode(Runtime.FAST), workload=vectors) == ""


def test_ready_module_that_imports_kernels_needs_them(tmp_path: Path) -> None:
    """Without kernels nothing provides its import."""
    module = ready_module(tmp_path, EMPTY_MODULE + KERNEL_IMPORT)
    assert "needs a mode with kernels" in why(Mode(Runtime.FAST), workload=module)


def test_module_is_read_again_when_it_changed(tmp_path: Path) -> None:
    """What was read once is believed only while the file stays the same."""
    module = ready_module(tmp_path, EMPTY_MODULE)
    assert why(Mode(Runtime.CLASSIC), workload=module) == ""
    ready_module(tmp_path, EMPTY_MODULE + SIMD_SECTION)
    assert "uses SIMD" in why(Mode(Runtime.CLASSIC), workload=module)


def elf(machine: int) -> bytes:
    """The head of a 64-bit program with one, empty segment."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little")
    table = bytes(12) + (64).to_bytes(8, "little") + bytes(14) + b"\x38\0\x01\0"
    return (head + table).ljust(64 + 56, b"\0")


def test_ready_program_runs_natively_on_its_own_architecture(tmp_path: Path) -> None:
    """An ELF is for one architecture, for mode native, and takes no options."""
    path = tmp_path / "prog"
    path.write_bytes(elf(183))
    program = Workload("prog", "", tmp_path, program=path)
    assert why(Mode(Runtime.NATIVE), PI, program) == ""
    assert "program for aarch64" in why(Mode(Runtime.NATIVE), PC, program)
    assert "mode native only" in why(Mode(Runtime.FAST), PI, program)
    assert "opt changes nothing" in why(Mode(Runtime.NATIVE, opt=1), PI, program)
