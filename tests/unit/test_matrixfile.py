"""Matrix files: resolved to what they name, with every mistake by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.errors import MatrixError
from orchestrator.domain.matrix import BEST_KERNELS, Counts, MatrixSpec, Mode, Runtime
from orchestrator.files.matrixfile import parse_matrix, read_matrix
from orchestrator.files.modefile import parse_mode
from orchestrator.files.workloads import catalogue
from orchestrator.inventory import read_inventory
from orchestrator.matrix import expand
from tests.support.files import complaint, inventory, workloads

ROOT = Path(__file__).parents[2]

M = """\
name: m
workloads: [gemm]
modes: [native]
devices: [local]
"""


def lines(**changed: str) -> str:
    """Write a matrix with some keys changed; an empty one is left out."""
    base = {"name": "m", "workloads": "[gemm]", "modes": "[native]", "devices": "[local]"}
    return "".join(f"{key}: {value}\n" for key, value in {**base, **changed}.items() if value)


BAD = [
    ("", "1: the file is empty: write name, workloads, modes and devices"),
    (lines(modes=""), "1: 'modes' is missing: add a list of modes, such as [wamr-fast, native]"),
    (lines(workloads="[]"), "2: 'workloads' is []: write a list of workload names"),
    (lines(modes="[]"), "3: 'modes' is []: write a list of modes, such as [wamr-fast, native]"),
    (
        lines(devices="[]"),
        "4: 'devices' is []: write a list of device names, or a map such as {arch: [x86_64]}",
    ),
    (
        lines(devices="{}"),
        "4: 'devices' is {}: write a list of device names, or a map such as {arch: [x86_64]}",
    ),
    (lines(workloads="[gem]"), "2: unknown workload 'gem': did you mean 'gemm'?"),
    (lines(workloads="[gemm, gemm]"), "2: 'gemm' is listed twice: keep one of them"),
    (lines(modes="[wamr-fats]"), "3: unknown mode 'wamr-fats': did you mean 'wamr-fast'?"),
    (
        lines(modes="[jit]"),
        "3: unknown mode 'jit': known are wamr-classic, wamr-fast, wamr-aot, native,"
        " wamr-aot+kernels",
    ),
    (
        lines(modes="\n- native\n- {mode: native, opt: 9}"),
        "5: 'opt' is 9: write a whole number from 0 to 3",
    ),
    (
        lines(modes="\n- {mode: wamr-aot, smid: false}"),
        "4: unknown key 'smid': did you mean 'simd'?",
    ),
    (
        lines(modes="\n- {mode: wamr-aot, segue: true}"),
        "4: 'segue' is not supported yet: remove it (WAMR runs without it so far)",
    ),
    (
        lines(modes="\n- {mode: native, cpu: x86-64-v9}"),
        "4: unknown CPU 'x86-64-v9': did you mean 'x86-64-v4'?",
    ),
    (
        lines(modes="\n- native\n- {mode: native}"),
        "5: mode 'native' is listed twice: keep one of them",
    ),
    (
        lines(modes='["wamr-aot[simd=no]"]'),
        "3: in 'wamr-aot[simd=no]' 'simd' is 'no': write true or false",
    ),
    (
        lines(modes='["wamr-aot[simd]"]'),
        "3: 'simd' is no option: write it as OPTION=VALUE",
    ),
    (lines(modes="[1]"), "3: item 1 of 'modes' is 1: write a mode, or a map {mode, options}"),
    (lines(devices="[lokal]"), "4: unknown device 'lokal': did you mean 'local'?"),
    (
        lines(devices="{arch: [arm64]}"),
        "4: unknown architecture 'arm64': did you mean 'aarch64'?",
    ),
    (
        lines(devices="{arch: [armv7]}"),
        '4: no device is all of {"arch": ["armv7"]}: the inventory has local (x86_64), emu'
        " (aarch64), pi-1 (aarch64), pi-2 (aarch64)",
    ),
    (
        lines(devices="\n  tags: [shef]"),
        "5: unknown tag 'shef': did you mean 'shelf'?",
    ),
    (
        lines(devices="\n  device_type: [bord]"),
        "5: unknown device type 'bord': did you mean 'board'?",
    ),
    (
        lines(devices="{device_type: [board], tags: [fan]}"),
        "4: 'device_type' stands alone: remove the other keys, or name devices",
    ),
    (lines(devices="{archs: [x86_64]}"), "4: unknown key 'archs': did you mean 'arch'?"),
    (
        M + "parameters: {siez: small}",
        "5: no workload here has a parameter 'siez': did you mean 'size'?",
    ),
    (
        M + "parameters:\n  size: [small, big]",
        "6: parameter 'size' of gemm cannot be 'big': write one of small, layer",
    ),
    (
        M + "parameters: {seed: x}",
        "5: parameter 'seed' of gemm is 'x': write a value like its default, 1",
    ),
    (M + "parameters: {size: []}", "5: 'size' is []: write a value or a list of values"),
    (M + "repeats: 0", "5: 'repeats' is 0: write a whole number from 1 to 1000000"),
    (M + "repeat: 1", "5: unknown key 'repeat': did you mean 'repeats'?"),
    (
        M + "emulated_counts: {tries: 1}",
        "5: unknown key 'tries': known are attempts, warmups, repeats",
    ),
    (
        M + "exclude: {mode: native}",
        '5: \'exclude\' is {"mode": "native"}: write a list; each item a map such as'
        " {mode: wamr-classic, arch: armv7}",
    ),
    (
        M + "exclude:\n- {mod: native}",
        "6: unknown key 'mod': did you mean 'mode'?",
    ),
    (
        M + "exclude:\n- {mode: natiev}",
        "6: unknown mode 'natiev': did you mean 'native'?",
    ),
    (
        M + "exclude:\n- {arch: arm}",
        "6: unknown arch 'arm': did you mean 'armv7'?",
    ),
    (
        M + "exclude:\n- {device: emu-1}",
        "6: unknown device 'emu-1': did you mean 'emu'?",
    ),
    (M + "exclude:\n- {mode: native}", "5: the matrix is empty: exclude fewer cells"),
    (
        M + "timeout_s: 100000",
        "5: 'timeout_s' is 100000: write a number of seconds above 0, at most 86400",
    ),
    (lines(name="a/b"), "1: 'a/b' is no name: write a name of letters, digits, '.', '_' and '-'"),
    (lines(name="a", modes="", mode="[native]"), "4: unknown key 'mode': did you mean 'modes'?"),
]


@pytest.mark.parametrize(("written", "told"), BAD)
def test_a_mistake_is_one_line(tmp_path: Path, written: str, told: str) -> None:
    """The line says file, line, what is wrong and what to write."""
    known = workloads(tmp_path)
    said = complaint(lambda: parse_matrix(written, Path("m.yaml"), known, inventory()))
    assert said == f"m.yaml:{told}"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("repeats", "three", "'repeats' is 'three': write a whole number from 1 to 1000000"),
        ("repeats", "", "'repeats' is empty: write a whole number from 1 to 1000000"),
        ("repeets", "3", "unknown key 'repeets': did you mean 'repeats'?"),
        ("size", "big", "parameter 'size' of gemm cannot be 'big': write one of small, layer"),
        (
            "size",
            "[small, big]",
            "parameter 'size' of gemm cannot be 'big': write one of small, layer",
        ),
        (
            "emulated_counts.repeats",
            "0",
            "'repeats' is 0: write a whole number from 1 to 1000000",
        ),
        ("modes", "[native]", "unknown key 'modes': "),
    ],
)
def test_a_wrong_override_is_named_as_typed(
    tmp_path: Path, key: str, value: str, told: str
) -> None:
    """A mistake on the command line is not looked for in the file."""
    known = workloads(tmp_path)
    said = complaint(lambda: parse_matrix(M, Path("m.yaml"), known, inventory(), [(key, value)]))
    assert said.startswith(f"--set {key}={value}: {told}")


def test_overrides_replace_what_the_file_says(tmp_path: Path) -> None:
    """``--set`` changes counts and parameters, and the kept text holds them."""
    known = workloads(tmp_path)
    overrides = [
        ("repeats", "2"),
        ("attempts", "4"),
        ("warmups", "0"),
        ("size", "[small, layer]"),
        ("parameters.seed", "7"),
        ("emulated_counts.repeats", "1"),
        ("timeout_s", "1.5"),
        ("priority", "3"),
    ]
    spec = parse_matrix(M, Path("m.yaml"), known, inventory(), overrides)
    assert spec.counts == Counts(4, 0, 2)
    assert spec.emulated_counts == Counts(4, 0, 1)
    assert [dict(case.parameters) for case in spec.cases] == [
        {"size": "small", "seed": 7},
        {"size": "layer", "seed": 7},
    ]
    assert (spec.timeout_s, spec.priority) == (1.5, 3)
    assert spec.text.startswith("# --set repeats='2'\n# --set attempts='4'\n")
    again = parse_matrix(spec.text, Path("run 1"), known, inventory())
    assert again == spec


def test_a_matrix_is_resolved(tmp_path: Path) -> None:
    """Names become workloads, modes and devices; what is left out has its default."""
    known = workloads(tmp_path)
    text = """\
name: all
workloads: [noop, gemm]
modes: [wamr-classic, wamr-aot+kernels, {mode: wamr-aot, simd: false, bounds_checks: true}]
devices: {arch: [aarch64], tags: [shelf, fan]}
parameters: {size: layer}
exclude: [{mode: "wamr-aot[bounds_checks=true,simd=false]", workload: noop}]
"""
    spec = parse_matrix(text, Path("m.yaml"), known, inventory())
    assert [case.workload.name for case in spec.cases] == ["noop", "gemm"]
    assert dict(spec.cases[1].parameters) == {"size": "layer", "seed": 1}
    assert spec.modes == (
        Mode(Runtime.CLASSIC),
        Mode(Runtime.AOT, kernels=BEST_KERNELS),
        Mode(Runtime.AOT, simd=False, bounds_checks=True),
    )
    assert [target.name for target in spec.targets] == ["pi-1", "pi-2"]
    assert (spec.counts, spec.emulated_counts) == (Counts(1, 1, 5), None)
    assert (spec.timeout_s, spec.priority, spec.text) == (None, 0, text)
    assert len(expand(spec, inventory().devices, lambda *_: "").cells) == 10


def selected(tmp_path: Path, devices: str) -> list[str]:
    """Name the targets of a matrix."""
    spec = parse_matrix(lines(devices=devices), Path("m"), workloads(tmp_path), inventory())
    return [target.name for target in spec.targets]


@pytest.mark.parametrize(
    ("devices", "names"),
    [
        ("[pi-2, local]", ["pi-2", "local"]),
        ("{names: [pi-2, local]}", ["pi-2", "local"]),
        ("{arch: [aarch64]}", ["emu", "pi-1", "pi-2"]),
        ("{arch: [aarch64, armv7], tags: [fan]}", ["pi-2"]),
        ("{tags: [desk, fan]}", ["local", "pi-2"]),
        ("{device_type: [board, laptop]}", ["board", "laptop"]),
    ],
)
def test_devices_are_selected(tmp_path: Path, devices: str, names: list[str]) -> None:
    """All keys have to match, one word of each is enough, a type is a target of its own."""
    assert selected(tmp_path, devices) == names


def test_a_value_is_taken_as_its_author_wrote_it(tmp_path: Path) -> None:
    """A number for a parameter of text is text, so that one case never has two keys."""
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "main.c").touch()
    (tmp_path / "w" / "workload.yaml").write_text(
        "name: w\ndescription: d\nsources: [main.c]\nparameters: {n: '1', on: 'true'}\n"
    )
    spec = parse_matrix(
        lines(workloads="[w]", parameters="{n: 2, on: false}"),
        Path("m"),
        catalogue([tmp_path]),
        inventory(),
    )
    assert dict(spec.cases[0].parameters) == {"n": "2", "on": "false"}


MODES = [
    Mode(Runtime.CLASSIC),
    Mode(Runtime.AOT, kernels=BEST_KERNELS),
    Mode(Runtime.AOT, kernels="tiled", simd=False, opt=0, bounds_checks=True),
    Mode(Runtime.NATIVE, cpu="x86-64-v2"),
    Mode(Runtime.AOT, kernels=BEST_KERNELS, simd=True),
]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.label)
def test_a_label_is_read_as_it_is_shown(mode: Mode) -> None:
    """What a table shows can be typed."""
    assert parse_mode(mode.label, "--mode") == mode


def demo() -> MatrixSpec:
    """Read the demo over the checkout's own inventory."""
    return read_matrix(
        ROOT / "matrices" / "demo.yaml",
        catalogue([ROOT / "workloads"]),
        read_inventory(ROOT / "inventory.yaml"),
    )


def test_the_demo_is_what_it_says() -> None:
    """Every runtime on three architectures; the layer on real hardware only; emulators once."""
    cells = expand(demo(), read_inventory(ROOT / "inventory.yaml").devices, lambda *_: "").cells
    shown = {
        (cell.case.workload.name, dict(cell.case.parameters).get("size"), cell.target.name)
        for cell in cells
    }
    assert shown == {
        ("noop", None, "local"),
        ("noop", None, "emu-aarch64"),
        ("noop", None, "emu-armv7"),
        ("gemm", "small", "local"),
        ("gemm", "small", "emu-aarch64"),
        ("gemm", "small", "emu-armv7"),
        ("gemm", "layer", "local"),
    }
    assert {cell.mode.label for cell in cells if cell.target.name == "emu-armv7"} == {
        "wamr-classic",
        "wamr-fast",
        "wamr-aot",
        "wamr-aot+kernels",
        "native",
    }
    emulated = {cell.counts for cell in cells if cell.target.name != "local"}
    assert emulated == {Counts(1, 0, 1)}


@pytest.mark.parametrize("path", sorted((ROOT / "matrices").glob("*.yaml")), ids=lambda p: p.stem)
def test_each_ready_matrix_can_be_read(path: Path) -> None:
    """A matrix that ships names only what ships."""
    known = catalogue([ROOT / "workloads"])
    spec = read_matrix(path, known, read_inventory(ROOT / "inventory.yaml"))
    assert spec.name == path.stem


def test_errors_are_matrix_errors(tmp_path: Path) -> None:
    """A command line can tell a wrong matrix from a wrong farm."""
    with pytest.raises(MatrixError) as caught:
        parse_matrix(M + "x: 1", Path("m.yaml"), workloads(tmp_path), inventory())
    assert (caught.value.file, caught.value.line) == (Path("m.yaml"), 5)
