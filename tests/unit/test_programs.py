"""Programs of the user's own: looked at, given input, and made a matrix of one case."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.domain.order import ProgramOrder
from orchestrator.domain.workload import Case, Grant
from orchestrator.files.programs import program_spec, program_workload
from tests.support.elffiles import elf
from tests.support.files import complaint, inventory, write_workload
from tests.support.wasmfiles import module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one program of each kind."""
    (tmp_path / "p.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "p.wasm").write_bytes(module())
    (tmp_path / "simd.wasm").write_bytes(module(body=b"\xfd\x0c" + bytes(16) + b"\x1a"))
    (tmp_path / "x86").write_bytes(elf(62))
    (tmp_path / "arm").write_bytes(elf(183))
    (tmp_path / "text").write_text("hello")
    (tmp_path / "in.txt").write_text("input")
    (tmp_path / "data").mkdir()
    return tmp_path


def test_what_a_program_is_given_arrives(folder: Path) -> None:
    """Arguments stay literal, input is absolute, and results can be told apart by them."""
    order = ProgramOrder(
        folder / "p.c",
        arguments=("-k", "a {b}", "c"),
        environment={"B": "2", "A": "1 x"},
        stdin=folder / "in.txt",
        directories=((folder / "data", "data/in"),),
        timeout_s=7.5,
        outputs=("out/{x}",),
        memory_bytes=1 << 20,
        output_bytes=5,
        flags=("-DX={1}",),
    )
    found = program_workload(order)
    case = Case(found, tuple((one.name, one.default) for one in found.parameters))
    assert [case.fill(argument) for argument in found.arguments] == ["-k", "a {b}", "c"]
    assert dict(case.parameters) == {
        "arguments": "-k 'a {b}' c",
        "stdin": "in.txt",
        "environment": "'A=1 x' B=2",
        "flags": "'-DX={1}'",
    }
    assert [case.fill(output) for output in found.outputs] == ["out/{x}"]
    assert found.flags == ("-DX={1}",)
    assert (found.limits.memory_bytes, found.limits.output_bytes) == (1 << 20, 5)
    assert found.grants == (Grant(folder / "data", "data/in"),)
    assert found.stdin == folder / "in.txt"
    assert found.environment == {"A": "1 x", "B": "2"}
    assert found.limits.timeout_s == 7.5
    assert (found.name, found.folder, found.sources) == ("p", folder, ("p.c",))


def test_a_programs_name_becomes_a_name(folder: Path) -> None:
    """A file may be called anything; the workload's name is safe in paths."""
    (folder / "..my prog(1).c").touch()
    assert program_workload(ProgramOrder(folder / "..my prog(1).c")).name == "my-prog-1"


@pytest.mark.parametrize("guest", ["", ".", "/abs", "../up", "a/../../b"])
def test_a_guest_name_stays_inside(folder: Path, guest: str) -> None:
    """A folder given to a program lands below its working folder."""
    order = ProgramOrder(folder / "p.c", directories=((folder / "data", guest),))
    assert complaint(lambda: program_workload(order), folder) == (
        f"--dir DIR/data::{guest}: write a relative guest name, such as DIR/data::data"
    )


def test_input_that_is_not_there_is_told(folder: Path) -> None:
    """A wrong option is named as it was typed."""
    order = ProgramOrder(folder / "p.c", stdin=folder / "no")
    assert complaint(lambda: program_workload(order), folder) == (
        "no file DIR/no for --stdin: check the path"
    )
    order = ProgramOrder(folder / "p.c", directories=((folder / "no", "no"),))
    assert complaint(lambda: program_workload(order), folder) == (
        "--dir DIR/no::no: no folder DIR/no; check the path"
    )


@pytest.mark.parametrize(
    ("program", "options", "told"),
    [
        ("p.c", {"outputs": ("../x",)}, "--output ../x: write a relative path, such as"),
        ("p.c", {"memory_bytes": 1}, "--memory 1: write from 65536 to 1125899906842624 bytes"),
        ("p.wasm", {"flags": ("-O1",)}, "--cflag -O1: only C files are compiled: leave it out"),
        ("p.wasm", {"sources": (Path("x.c"),)}, "--source x.c: p.wasm is no C file: leave"),
        (
            "w",
            {"arguments": ("1",)},
            "DIR/w has a workload.yaml, which says what it is given: leave arguments out, or",
        ),
        ("w", {"memory_bytes": 1 << 20}, "DIR/w has a workload.yaml, which says what it is"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(
    folder: Path, program: str, options: dict[str, object], told: str
) -> None:
    """It is named as it was typed, with what to do."""
    write_workload(folder, "w", "name: w\ndescription: d\nsources: [main.c]\n")
    order = ProgramOrder(folder / program, **options)  # type: ignore[arg-type]  # any field, by name
    assert complaint(lambda: program_workload(order), folder).startswith(told)


def test_a_folder_with_a_workload_is_measured_as_it_says(folder: Path) -> None:
    """At its parameters' defaults; what it is judged by must be there."""
    text = "name: w\ndescription: d\nsources: [main.c]\nparameters: {size: 3}\n"
    write_workload(folder, "w", text + "output: {exact: '{size}.txt'}\n")
    told = complaint(lambda: program_spec(ProgramOrder(folder / "w"), inventory()), folder)
    assert told == "DIR/w/workload.yaml:5: no file 3.txt: write the right output there"
    (folder / "w" / "3.txt").touch()
    spec = program_spec(ProgramOrder(folder / "w", modes=("native",)), inventory())
    assert [case.parameters for case in spec.cases] == [(("size", 3),)]


CLASSIC, FAST, AOT, NATIVE = (Mode(runtime) for runtime in Runtime)


@pytest.mark.parametrize(
    ("program", "modes", "devices"),
    [
        ("p.c", (CLASSIC, FAST, AOT, NATIVE), ["local", "emu", "pi-1", "pi-2"]),
        ("p.wasm", (CLASSIC, FAST, AOT), ["local", "emu", "pi-1", "pi-2"]),
        ("simd.wasm", (FAST, AOT), ["local", "emu", "pi-1", "pi-2"]),
        ("x86", (NATIVE,), ["local"]),
        ("arm", (NATIVE,), ["emu", "pi-1", "pi-2"]),
    ],
)
def test_a_program_runs_wherever_it_can(
    folder: Path, program: str, modes: tuple[Mode, ...], devices: list[str]
) -> None:
    """Without a choice of the user's: every mode that fits, every device that can."""
    spec = program_spec(ProgramOrder(folder / program, repeats=2), inventory())
    assert spec.modes == modes
    assert [target.name for target in spec.targets] == devices
    assert spec.counts == Counts(1, 1, 2)
    assert len(spec.cases) == 1


def test_modes_and_devices_can_be_chosen(folder: Path) -> None:
    """Labels are read as they are shown, each once."""
    order = ProgramOrder(
        folder / "p.c",
        modes=("native", "wamr-aot[opt=2,simd=false]", "native"),
        devices=("emu", "emu"),
    )
    spec = program_spec(order, inventory())
    assert spec.modes == (NATIVE, Mode(Runtime.AOT, simd=False, opt=2))
    assert [target.name for target in spec.targets] == ["emu"]


@pytest.mark.parametrize(
    ("program", "options", "told"),
    [
        (
            "p.c",
            {"modes": ("wamr-jit",)},
            "--mode wamr-jit: unknown mode 'wamr-jit': did you mean 'wamr-aot'?",
        ),
        (
            "p.c",
            {"modes": ("wamr-aot[smid=true]",)},
            "--mode wamr-aot[smid=true]: in 'wamr-aot[smid=true]' unknown key 'smid': did you"
            " mean 'simd'?",
        ),
        (
            "p.wasm",
            {"modes": ("native",)},
            "--mode native: p.wasm cannot run so: choose one of wamr-classic, wamr-fast, wamr-aot",
        ),
        (
            "p.c",
            {"devices": ("lokal",)},
            "--device lokal: unknown device 'lokal': did you mean 'local'?",
        ),
        (
            "arm",
            {"devices": ("local",)},
            "arm is for aarch64, and no device here is: name a device that is, or build it for"
            " theirs",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    folder: Path, program: str, options: dict[str, tuple[str, ...]], told: str
) -> None:
    """The option is named as it was typed, with what to type."""
    order = ProgramOrder(folder / program, **options)  # type: ignore[arg-type]  # two fields, both of text
    assert complaint(lambda: program_spec(order, inventory()), folder) == told
