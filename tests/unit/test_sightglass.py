"""Sightglass's layout: what lies beside a benchmark is found by that suite's naming."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.order import ProgramOrder
from orchestrator.domain.workload import Checker, CheckerKind, Grant
from orchestrator.files.programs import program_workload
from orchestrator.files.sightglass import find_suite, told_of
from orchestrator.files.workloads import read_workload
from tests.support.wasmfiles import function_import, module

BENCHMARK = module(function_import("bench", "start"), function_import("bench", "end"))


def lay(folder: Path, *names: str, data: bytes = BENCHMARK) -> Path:
    """A benchmark with files beside it."""
    for name in names:
        (folder / name).write_text(name)
    path = folder / "benchmark.wasm"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("names", "stdout", "stderr"),
    [
        (
            ("benchmark.stdout.expected", "default.stdout.expected"),
            "benchmark.stdout.expected",
            "",
        ),
        (("default.stdout.expected", "stdout.expected"), "default.stdout.expected", ""),
        (("stdout.expected", "stderr.expected"), "stdout.expected", "stderr.expected"),
        (
            ("benchmark.stderr.expected", "other.stdout.expected"),
            "",
            "benchmark.stderr.expected",
        ),
        (("default.input",), "", ""),
    ],
)
def test_the_nearest_name_judges(
    tmp_path: Path, names: tuple[str, ...], stdout: str, stderr: str
) -> None:
    """By the module's own name, else the default's, else the bare one; each stream for itself."""
    suite = find_suite(lay(tmp_path, *names))
    assert suite is not None
    assert (suite.stdout, suite.stderr) == (stdout, stderr)


def test_a_benchmark_may_open_what_lies_beside_it(tmp_path: Path) -> None:
    """Files of its own folder, and no module, no expected output, nothing hidden or below."""
    (tmp_path / "src.d").mkdir()
    path = lay(
        tmp_path,
        *("default.input", "small.input", "model.onnx", "default.stdout.expected"),
        *("other.wasm", "README.md", "Dockerfile", ".secret.txt", "build.sh"),
    )
    suite = find_suite(path)
    assert suite is not None
    assert suite.inputs == ("default.input", "model.onnx", "small.input")
    assert told_of(path) == (
        "benchmark.wasm is a benchmark as Sightglass has them: it is given default.input,"
        " model.onnx, small.input and judged by default.stdout.expected"
    )


def test_only_a_benchmark_of_that_layout_is_one(tmp_path: Path) -> None:
    """Neither marks without such files nor such files without marks give anything away."""
    assert find_suite(lay(tmp_path, "notes.txt")) is None
    assert find_suite(lay(tmp_path, "default.input", data=module())) is None
    assert told_of(tmp_path / "gone.wasm") == ""


def test_a_benchmark_becomes_a_workload(tmp_path: Path) -> None:
    """Alone or with a workload.yaml: its folder is its working folder, both streams are judged."""
    folder = tmp_path / "shout"
    folder.mkdir()
    path = lay(folder, "default.input", "benchmark.stdout.expected", "stderr.expected")
    (folder / "workload.yaml").write_text(
        "name: shout\ndescription: shouts\nmodule: benchmark.wasm\n"
    )
    for found in (program_workload(ProgramOrder(path)), read_workload(folder)):
        assert found.grants == (Grant(folder, ".", ("default.input",)),)
        assert found.checker == Checker(CheckerKind.EXACT, "benchmark.stdout.expected")
        assert found.expected_stderr == folder / "stderr.expected"


def test_what_a_workload_says_itself_counts(tmp_path: Path) -> None:
    """An output of its own takes the place of the suite's."""
    folder = tmp_path / "shout"
    folder.mkdir()
    lay(folder, "default.input", "default.stdout.expected", "right.txt")
    (folder / "workload.yaml").write_text(
        "name: shout\ndescription: shouts\nmodule: benchmark.wasm\noutput: {exact: right.txt}\n"
    )
    found = read_workload(folder)
    assert found.checker == Checker(CheckerKind.EXACT, "right.txt")
    assert (found.grants, found.expected_stderr) == ((), None)
