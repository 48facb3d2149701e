"""Expected outputs: found and looked at before anything is built, so that no device judges by a
broken one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from orchestrator.domain.errors import WorkloadFileError
from orchestrator.domain.workload import SHA256, Case, Checker, CheckerKind
from orchestrator.files.yamlfile import read_yaml

_CHUNK_BYTES = 1 << 20
#: A digest, and the file's name after it, as sha256sum writes it.
_MOST_DIGEST_BYTES = 8192


def check_expected(case: Case, archs: Iterable[str], file: Path) -> None:
    """Refuse a case whose output could not be judged.

    Args:
        case: a workload's.
        archs: of the devices it is for: what is expected may differ between them.
        file: the workload.yaml that says what is expected.

    Raises:
        WorkloadFileError: with file and line of ``output``: no such file, or one that no output
            could be right by.
    """
    checker = case.workload.checker
    if checker is None or checker.is_inline:
        return
    for arch in dict.fromkeys(archs):
        path = case.expected_path(checker, arch)
        problem = "" if path is None else expected_problem(checker, path, case)
        if problem:
            document = read_yaml(file, WorkloadFileError)
            raise document.complaint(("output", checker.kind.value), problem)


def expected_problem(checker: Checker, path: Path, case: Case) -> str:
    """Say why an expected output cannot be judged by; empty: it can."""
    shown = path.relative_to(case.workload.folder)
    if not path.is_file():
        return f"no file {shown}: write the right output there"
    if not path.resolve().is_relative_to(case.workload.folder.resolve()):
        return f"{shown} leads out of the folder by a link: copy the file into it"
    try:
        return _problem(checker, path, str(shown), case.workload.limits.output_bytes)
    except OSError as error:
        return f"{shown} cannot be read ({error.strerror}): make it readable"


def _problem(checker: Checker, path: Path, shown: str, most_bytes: int) -> str:
    if checker.kind is CheckerKind.DIGEST:
        found = read_digest(path)
        return "" if found else f"{shown} holds no sha256: write what sha256sum prints"
    size_bytes = path.stat().st_size
    if size_bytes > most_bytes:
        return (
            f"{shown} has {size_bytes} bytes and no output may have more than {most_bytes}:"
            " raise limits.output_bytes, or write the right output"
        )
    if checker.kind is CheckerKind.TOLERANCE and not _holds_number(path):
        return f"{shown} holds no number to be close to: use exact, or write the right output"
    return ""


def read_digest(path: Path) -> str:
    """Read the sha256 a file begins with; empty: it does not begin with one."""
    with path.open("rb") as file:
        words = file.read(_MOST_DIGEST_BYTES).decode(errors="replace").split(maxsplit=1)
    word = words[0].removeprefix("\\") if words else ""
    return word if SHA256.fullmatch(word) else ""


def _holds_number(path: Path) -> bool:
    """Any digit begins a number, or goes on with one."""
    with path.open("rb") as file:
        return any(re.search(rb"\d", part) for part in iter(lambda: file.read(_CHUNK_BYTES), b""))
