"""What is expected of an output, read from workload.yaml and looked at before a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.workload import Case, Checker, CheckerKind
from orchestrator.files.matrixfile import parse_matrix
from orchestrator.files.workloads import check_case, read_workload
from tests.support.files import complaint, inventory, write_workload

SHA256 = "ab" * 32
HEAD = "name: w\ndescription: d\nsources: [main.c]\noutputs: [out.txt]\n"
MATRIX = "name: m\nworkloads: [w]\nmodes: [native]\ndevices: {devices}\n"


def write(root: Path, output: str, **files: str | bytes) -> Case:
    """Make a workload with a checker and files beside it; answers its case."""
    folder = write_workload(root, "w", HEAD + output + "\nlimits: {output_bytes: 20}\n")
    for name, data in files.items():
        path = folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return Case(read_workload(folder), ())


@pytest.mark.parametrize(
    ("output", "checker"),
    [
        ("output: {exact: a, of: out.txt}", Checker(CheckerKind.EXACT, "a", of="out.txt")),
        (f"output: {{digest: {SHA256.upper()}}}", Checker(CheckerKind.DIGEST, SHA256)),
        ("output: {digest: '{arch}.sha256'}", Checker(CheckerKind.DIGEST, "{arch}.sha256")),
        (
            "output: {tolerance: {expected: a, relative: 1e-6}}",
            Checker(CheckerKind.TOLERANCE, "a", 1e-6),
        ),
        (
            "output: {tolerance: {expected: a, absolute: 2}, of: out.txt}",
            Checker(CheckerKind.TOLERANCE, "a", 0.0, 2.0, "out.txt"),
        ),
    ],
)
def test_each_checker_arrives(tmp_path: Path, output: str, checker: Checker) -> None:
    """As it is written, of stdout or of a file."""
    assert write(tmp_path, output).workload.checker == checker


def test_what_can_be_judged_by_is_taken(tmp_path: Path) -> None:
    """Text, numbers, and what sha256sum prints; a digest in place needs no file."""
    for number, (output, data) in enumerate(
        (
            ("output: {exact: a}", ""),
            ("output: {tolerance: {expected: a, relative: 1}}", "x = 1.5"),
            ("output: {digest: a}", f"{SHA256}  out.txt\n"),
            (f"output: {{digest: {SHA256}}}", "not read"),
        )
    ):
        check_case(write(tmp_path / str(number), output, a=data), ["x86_64"])


@pytest.mark.parametrize(
    ("output", "data", "told"),
    [
        ("exact: a", "x" * 21, "a has 21 bytes and no output may have more than 20: raise"),
        ("tolerance: {expected: a, relative: 1}", "nan\n", "a holds no number to be close to"),
        ("tolerance: {expected: a, relative: 1}", b"\0\xff", "a holds no number to be close to"),
        ("digest: a", "1234", "a holds no sha256: write what sha256sum prints"),
        ("digest: a", "", "a holds no sha256: write what sha256sum prints"),
    ],
)
def test_a_checker_that_would_fail_is_told_before_anything_is_built(
    tmp_path: Path, output: str, data: str | bytes, told: str
) -> None:
    """Too large for any output, no numbers, no digest: by the line that names it."""
    case = write(tmp_path, f"output:\n  {output}", a=data)
    said = complaint(lambda: check_case(case, ["x86_64"]), tmp_path)
    assert said.startswith(f"DIR/w/workload.yaml:6: {told}")


@pytest.mark.parametrize(
    ("devices", "missing"),
    [("[local]", ""), ("[emu]", "aarch64.txt"), ("{arch: [x86_64, aarch64]}", "aarch64.txt")],
)
def test_what_is_expected_may_differ_between_architectures(
    tmp_path: Path, devices: str, missing: str
) -> None:
    """Only those that are measured need their file."""
    case = write(tmp_path, "output: {exact: '{arch}.txt'}", **{"x86_64.txt": "1"})

    def read() -> None:
        text = MATRIX.format(devices=devices)
        parse_matrix(text, tmp_path / "m.yaml", {"w": case.workload}, inventory())

    if not missing:
        read()
        return
    assert complaint(read, tmp_path) == (
        f"DIR/w/workload.yaml:5: no file {missing}: write the right output there"
    )


def test_an_architecture_that_is_left_out_needs_no_expected_output(tmp_path: Path) -> None:
    """The exclusion counts first."""
    case = write(tmp_path, "output: {exact: '{arch}.txt'}", **{"x86_64.txt": "1"})
    text = MATRIX.format(devices="[local, emu]") + "exclude: [{arch: aarch64}]\n"
    parse_matrix(text, tmp_path / "m.yaml", {"w": case.workload}, inventory())
