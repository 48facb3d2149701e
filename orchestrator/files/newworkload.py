"""Makes a workload's folder of a program of the user's: whole and read back, or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from orchestrator.domain.errors import DiskFull, UsageError
from orchestrator.domain.order import ProgramOrder
from orchestrator.domain.workload import Case, Limits, Workload
from orchestrator.files.below import files_below
from orchestrator.files.expected import check_expected
from orchestrator.files.programs import program_workload
from orchestrator.files.schema import NAME_PATTERN, NAME_SAYS
from orchestrator.files.workloads import FILE_NAME, read_workload

_EXPECTED = "expected/stdout"
#: An include, as C writes it.
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]', re.MULTILINE)


def new_workload(
    root: Path,
    name: str,
    order: ProgramOrder,
    *,
    expected: Path | None,
    taken: Collection[str],
    private: Path,
) -> Path:
    """Make a workload of what an order names and gives; nothing is run.

    Args:
        root: the folder of workloads; made where it is missing.
        name: of the workload and its folder.
        order: the program, and what it is given.
        expected: the output that is right; None: any is.
        taken: names of workloads that are known.
        private: the farm's data, which is never copied.

    Returns:
        The new folder.

    Raises:
        UsageError: the name is taken or none, or something cannot be copied; nothing was made.
        WorkloadFileError: the program cannot be run.
        DiskFull: no room is left.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"'{name}' is no workload's name: write {NAME_SAYS}")
    folder = root / name
    _refuse_taken(folder, taken)
    workload = program_workload(order)
    _check_parts(order, workload, expected, private)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=root) as scratch:
            made = Path(scratch) / name
            _fill(made, workload, expected)
            _read_back(made)
            made.rename(folder)
    except OSError as error:
        raise _told(error, folder) from error
    return folder


def _refuse_taken(folder: Path, taken: Collection[str]) -> None:
    if folder.name in taken:
        raise UsageError(f"there is a workload {folder.name} already: choose another name")
    if os.path.lexists(folder):
        raise UsageError(f"{folder} is there already: choose another name")


def _check_parts(
    order: ProgramOrder, workload: Workload, expected: Path | None, private: Path
) -> None:
    if (order.path / FILE_NAME).exists():
        raise UsageError(
            f"{order.path} has a workload.yaml: copy the folder, and write its new name into that"
        )
    if expected is not None and not expected.is_file():
        raise UsageError(f"no file {expected} for --expect: check the path")
    if expected is not None and _beside(workload):
        judged = ", ".join(path.name for path in _beside(workload))
        raise UsageError(f"--expect: {order.path.name} is judged by {judged}: leave --expect out")
    secret = private.resolve()
    for grant in workload.grants:
        host = grant.host.resolve()
        if host.is_relative_to(secret) or secret.is_relative_to(host):
            raise UsageError(
                f"{grant.host} holds the farm's own data, its keys included: grant a folder"
                " beside it"
            )


def _told(error: OSError, folder: Path) -> UsageError | DiskFull:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no room is left for {folder}; free some, then try again")
    why = error.strerror or str(error)
    return UsageError(f"{error.filename or folder} cannot be used ({why}): nothing was made")


def _read_back(made: Path) -> None:
    """Make sure that what was written means something, and can be judged."""
    case = Case(read_workload(made), ())
    check_expected(case, ("x86_64",), made / FILE_NAME)


def _fill(made: Path, workload: Workload, expected: Path | None) -> None:
    made.mkdir()
    for source in _with_headers(workload):
        _copy(workload.folder / source, made / source)
    for program in (workload.module, workload.program):
        if program is not None:
            _copy(program, made / program.name)
    if workload.stdin is not None:
        _copy(workload.stdin, made / _stdin_name(workload.stdin))
    for grant in workload.grants:
        (made / grant.guest).mkdir(parents=True, exist_ok=True)
        for file in files_below(grant.host) if grant.names is None else grant.names:
            _copy(grant.host / file, made / grant.guest / file)
    for judged in _beside(workload):
        _copy(judged, made / judged.name)
    if expected is not None:
        _copy(expected, made / _EXPECTED)
    text = workload_text(made.name, workload, judged=expected is not None)
    if os.path.lexists(made / FILE_NAME):
        raise UsageError(f"a folder that is granted would hide {FILE_NAME}: give it another name")
    (made / FILE_NAME).write_text(text)


def _beside(workload: Workload) -> list[Path]:
    """Name what a benchmark of a suite is judged by; it is found there again by its name."""
    checker = workload.checker
    stdout = None if checker is None else Case(workload, ()).expected_path(checker, "")
    return [path for path in (stdout, workload.expected_stderr) if path is not None]


def _copy(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise UsageError(f"{source} and another file would be one: rename one of them")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _stdin_name(stdin: Path) -> str:
    return f"input/{stdin.name}"


def _with_headers(workload: Workload) -> Sequence[str]:
    """Name the sources, and every file of their own that they include."""
    searched = _search_folders(workload.flags)
    found = dict.fromkeys(workload.sources)
    waiting = list(found)
    while waiting:
        source = waiting.pop()
        for path in _includes(workload.folder, source, [os.path.dirname(source), *searched]):
            if path not in found:
                found[path] = None
                waiting.append(path)
    return tuple(found)


def _search_folders(flags: Sequence[str]) -> list[str]:
    """Name the folders that ``-I`` adds; they are relative to the sources' folder."""
    words = "\0".join(flags).replace("-I\0", "-I").split("\0")
    return [word.removeprefix("-I") for word in words if word.startswith("-I")]


def _includes(folder: Path, source: str, searched: Sequence[str]) -> Iterator[str]:
    """Name the files a file includes, as far as they are not the system's.

    Raises:
        UsageError: one lies outside the folder.
    """
    for match in _INCLUDE.findall((folder / source).read_bytes()):
        name = os.fsdecode(match)
        places = (os.path.normpath(os.path.join(place, name)) for place in searched)
        path = next((place for place in places if (folder / place).is_file()), None)
        if path is None:
            continue
        if path.startswith("..") or os.path.isabs(path):
            raise UsageError(
                f"{folder / source} includes {name}, which lies outside {folder}: copy it there"
            )
        yield path


def workload_text(name: str, workload: Workload, *, judged: bool) -> str:
    """Write a workload.yaml, with a word on what a person may want to change; pure.

    Args:
        name: the workload's.
        workload: what it is to say.
        judged: whether the right output lies beside it.
    """
    lines = [
        "# What is measured; every key: docs/reference/files.md.",
        f"name: {_quoted(name)}",
        f"description: {_quoted(workload.description)}",
        *_program_lines(workload),
        *_listed("arguments", workload.arguments),
    ]
    if workload.environment:
        pairs = (f"{_quoted(key)}: {_quoted(text)}" for key, text in workload.environment.items())
        lines.append(f"environment: {{{', '.join(pairs)}}}")
    if workload.stdin is not None:
        lines.append(f"stdin: {_quoted(_stdin_name(workload.stdin))}")
    lines += _listed("inputs", [one.guest for one in workload.grants if one.names is None])
    lines += _listed("outputs", workload.outputs)
    if judged:
        lines.append(f"output: {{exact: {_EXPECTED}}}")
    elif _beside(workload):
        lines.append("# It is judged by what lies beside it, by the naming of its suite.")
    else:
        lines.append(f"# output: {{exact: {_EXPECTED}}}  # without it any output is right")
    return "\n".join([*lines, *_limit_lines(workload.limits)]) + "\n"


def _program_lines(workload: Workload) -> list[str]:
    if workload.module is not None:
        return [f"module: {_quoted(workload.module.name)}"]
    if workload.program is not None:
        return [f"program: {_quoted(workload.program.name)}"]
    return [*_listed("sources", workload.sources), *_listed("flags", workload.flags)]


def _limit_lines(limits: Limits) -> list[str]:
    return [
        "limits:",
        f"  timeout_s: {limits.timeout_s:g}  # of a whole attempt, warmups and repeats included",
        f"  memory_bytes: {limits.memory_bytes}",
        f"  output_bytes: {limits.output_bytes}  # of stdout, stderr and each file",
    ]


def _listed(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}: [{', '.join(map(_quoted, values))}]"] if values else []


def _quoted(text: str) -> str:
    """Write text so that YAML reads just that: JSON's strings are YAML's too."""
    return json.dumps(text, ensure_ascii=False)
