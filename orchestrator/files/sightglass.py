"""Sightglass's layout: what lies beside a benchmark, by the naming of that suite.

Its modules mark a region with ``bench.start`` and ``bench.end``, are given no arguments and no
stdin, run in their own folder, and must print what ``NAME.stdout.expected`` and
``NAME.stderr.expected`` say, else ``default.*``, else, as in its first years, the bare words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.domain.workload import Checker, CheckerKind, Grant, Workload
from orchestrator.files.wasm import read_module
from orchestrator.files.wasmsections import Import

_MARK = Import("bench", "start", "function")
_EXPECTED = ".expected"
_INPUT = ".input"
#: What is beside a benchmark and never its input.
_NO_INPUT = (".wasm", ".wat", ".md", ".sh", ".yaml", ".yml", _EXPECTED)
#: The working folder itself.
_HERE = "."


@dataclass(frozen=True, slots=True)
class Suite:
    """What one benchmark finds beside it."""

    module: Path
    #: Names of files it may open.
    inputs: tuple[str, ...]
    #: Names of what it must print; empty: anything is right.
    stdout: str
    stderr: str

    @property
    def told(self) -> str:
        """One line for people."""
        judged = " and ".join(name for name in (self.stdout, self.stderr) if name)
        given = ", ".join(self.inputs)
        return (
            f"{self.module.name} is a benchmark as Sightglass has them:"
            f" it is given {given or 'no file'} and judged by {judged or 'nothing'}"
        )


def find_suite(module: Path) -> Suite | None:
    """Look for what Sightglass lays beside a module.

    Args:
        module: a .wasm that can be run.

    Returns:
        What is there; None: the module marks no region, or nothing is named as that suite does.

    Raises:
        WorkloadFileError: the module cannot be read.
    """
    if _MARK not in read_module(module).imports:
        return None
    names = sorted(file.name for file in module.parent.iterdir() if file.is_file())
    found = Suite(
        module=module,
        inputs=tuple(name for name in names if _is_input(name)),
        stdout=_expected(module, names, "stdout"),
        stderr=_expected(module, names, "stderr"),
    )
    is_suite = found.stdout or found.stderr or any(n.endswith(_INPUT) for n in found.inputs)
    return found if is_suite else None


def _is_input(name: str) -> bool:
    return "." in name.strip(".") and not name.startswith(".") and not name.endswith(_NO_INPUT)


def _expected(module: Path, names: list[str], stream: str) -> str:
    usual = (f"{module.stem}.{stream}{_EXPECTED}", f"default.{stream}{_EXPECTED}")
    return next((name for name in (*usual, f"{stream}{_EXPECTED}") if name in names), "")


def told_of(path: Path) -> str:
    """Say what a benchmark is given and judged by, for people; empty: it is none.

    Raises:
        WorkloadFileError: the module cannot be read.
    """
    suite = find_suite(path.absolute()) if path.suffix == ".wasm" and path.is_file() else None
    return "" if suite is None else suite.told


def with_suite(workload: Workload) -> Workload:
    """Give a benchmark what lies beside it, where its workload says nothing of its own.

    Args:
        workload: any; one that is no benchmark of that layout stays as it is.

    Raises:
        WorkloadFileError: its module cannot be read.
    """
    suite = None if workload.module is None else find_suite(workload.module)
    if suite is None or workload.checker is not None:
        return workload
    place = suite.module.parent
    judged = place.relative_to(workload.folder) / suite.stdout
    literal = str(judged).replace("{", "{{").replace("}", "}}")
    own = (Grant(place, _HERE, suite.inputs),) if suite.inputs and not workload.grants else ()
    return replace(
        workload,
        grants=workload.grants + own,
        checker=Checker(CheckerKind.EXACT, literal) if suite.stdout else None,
        expected_stderr=place / suite.stderr if suite.stderr else None,
    )
