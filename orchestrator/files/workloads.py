"""workload.yaml: reads what can be measured."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.domain.errors import WorkloadFileError
from orchestrator.domain.workload import (
    SHA256,
    Case,
    Checker,
    CheckerKind,
    Grant,
    Limits,
    Parameter,
    Workload,
)
from orchestrator.files.elf import elf_arch
from orchestrator.files.expected import check_expected
from orchestrator.files.given import (
    ENVIRONMENT_NAME,
    FARMS_OWN_VARIABLES,
    leads_out,
    output_problem,
)
from orchestrator.files.schema import (
    MEMORY_BYTES,
    NAME_PATTERN,
    OUTPUT_BYTES,
    Schema,
    closed,
    later,
    named,
    seconds,
    sized,
    text,
    texts,
)
from orchestrator.files.schema import whole as whole_number
from orchestrator.files.sightglass import with_suite
from orchestrator.files.spelling import next_step
from orchestrator.files.wasm import read_module
from orchestrator.files.wasmcheck import check_runnable
from orchestrator.files.yamlfile import Document, Where, check, read_yaml, show
from orchestrator.files.yamlfile import name as name_of_place

FILE_NAME = "workload.yaml"

#: Words of matrix files that a parameter may not be called.
RESERVED = frozenset(
    """
    workload mode runtime simd kernels opt bounds_checks cpu device device_type arch emulated
    attempts warmups repeats emulated_counts timeout_s priority arguments environment stdin
    """.split()  # noqa: SIM905  # a list of quoted words says no more
)
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

_VALUE: Schema = {
    "type": ["string", "integer", "number", "boolean"],
    "says": "text, a number, or true or false",
}
_PARAMETER: Schema = {
    "if": {"type": "object"},
    "then": closed(
        {
            "default": _VALUE,
            "values": {
                "type": "array",
                "items": _VALUE,
                "minItems": 1,
                "uniqueItems": True,
                "says": "a list of the values it may have",
            },
        },
        "default and values",
        required=["default"],
    ),
    "else": _VALUE,
}
_GIB = 1 << 30
_LIMITS = closed(
    {
        "timeout_s": seconds(86_400),
        "memory_bytes": sized(MEMORY_BYTES),
        "output_bytes": sized(OUTPUT_BYTES),
        "processes": whole_number(1, 100_000),
        # WAMR's own frames need some hundred KiB; above 1 GiB nothing is left of small memories.
        "stack_bytes": whole_number(1 << 18, _GIB),
    },
    "timeout_s, memory_bytes, output_bytes, processes or stack_bytes",
)
#: How far off a number may be; more is a slip of the keyboard.
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1e300, "says": "a number from 0"}
_CHECKER = closed(
    {
        "exact": text("the path of the expected output"),
        "digest": text("a sha256, or the path of a file that holds it"),
        "tolerance": closed(
            {
                "expected": text("the path of the expected output"),
                "relative": _SHARE,
                "absolute": _SHARE,
            },
            "{expected: PATH, relative: 1e-6, absolute: 0}",
            required=["expected"],
        ),
        "of": text("one of the outputs"),
        "top_k": later("exact, digest and tolerance are the checkers so far"),
    },
    "{exact: PATH}, {digest: SHA256} or {tolerance: {expected: PATH, relative: 1e-6}}",
)
#: Of workload.yaml; each key has its meaning in ``meanings.py``.
SCHEMA = closed(
    {
        "name": {"type": "string", "pattern": NAME_PATTERN, "says": "the folder's name"},
        "description": text("one line for people"),
        "sources": texts("a list of C files"),
        "module": text("the path of a .wasm"),
        "program": text("the path of an ELF"),
        "flags": texts("a list of compiler flags", at_least=0),
        "parameters": named(_PARAMETER, "a map: name -> default, or {default, values}"),
        "arguments": {
            "type": "array",
            "items": {"type": "string", "says": "text in quotes"},
            "says": "a list of text",
        },
        "environment": {
            "type": "object",
            "additionalProperties": {"type": "string", "says": "text in quotes"},
            "says": "a map: NAME -> text",
        },
        "stdin": text("the path of a file"),
        "inputs": texts("a list of folders"),
        "outputs": texts("a list of files the program leaves"),
        "kernels": named(texts("a list of variants, best last"), "a map: function -> variants"),
        "output": _CHECKER,
        "metrics": later("time and memory are what is measured so far"),
        "limits": _LIMITS,
    },
    "name, description, sources, ..",
    required=["name", "description"],
)


def catalogue(roots: Sequence[Path]) -> dict[str, Workload]:
    """Read every workload below some folders.

    Args:
        roots: folders of workload folders; one that is not there holds none.

    Returns:
        Workloads by name, in the order of roots and names.

    Raises:
        WorkloadFileError: with file and line: a workload.yaml is wrong, or two share a name.
    """
    found: dict[str, Workload] = {}
    for root in roots:
        for file in sorted(root.glob(f"*/{FILE_NAME}")):
            workload = read_workload(file.parent)
            other = found.setdefault(workload.name, workload)
            if other is not workload:
                raise WorkloadFileError(
                    f"workload '{workload.name}' is in {other.folder} too: rename one of them",
                    file=file,
                    line=1,
                )
    return found


def read_workload(folder: Path) -> Workload:
    """Read one workload.

    Args:
        folder: with its workload.yaml.

    Raises:
        WorkloadFileError: with file and line: an unknown key, a missing file, a wrong value.
    """
    document = read_yaml(folder / FILE_NAME, WorkloadFileError)
    check(document, SCHEMA)
    data: Mapping[str, Any] = document.data
    folder = folder.absolute()
    _check_kind(document, folder)
    parameters = tuple(
        _parameter(document, name, value) for name, value in data.get("parameters", {}).items()
    )
    workload = Workload(
        name=data["name"],
        description=data["description"],
        folder=folder,
        sources=tuple(data.get("sources", ())),
        module=_file(document, folder, "module"),
        program=_file(document, folder, "program"),
        parameters=parameters,
        arguments=tuple(data.get("arguments", ())),
        environment=_environment(document),
        stdin=_file(document, folder, "stdin"),
        grants=_inputs(document, folder),
        kernels={name: tuple(variants) for name, variants in data.get("kernels", {}).items()},
        flags=tuple(data.get("flags", ())),
        outputs=tuple(data.get("outputs", ())),
        checker=_checker(document) if "output" in data else None,
        limits=Limits(**data.get("limits", {})),
    )
    _check_templates(document, workload)
    if workload.module is not None:
        check_runnable(read_module(workload.module))
    if workload.program is not None:
        elf_arch(workload.program)
    return with_suite(workload)


def _check_kind(document: Document, folder: Path) -> None:
    data = document.data
    if data["name"] != folder.name:
        raise document.complaint(
            ("name",), f"'name' is '{data['name']}': write the folder's name, '{folder.name}'"
        )
    kinds = [key for key in ("sources", "module", "program") if key in data]
    if len(kinds) != 1:
        raise document.complaint(
            tuple(kinds[1:2]),
            f"{' and '.join(kinds) or 'nothing to run'} given: write one of sources, module and"
            " program",
        )
    for key in ("flags", "kernels"):
        if key in data and kinds != ["sources"]:
            raise document.complaint(
                (key,), f"'{key}' goes with sources only: remove it, or build from sources"
            )
    for index, source in enumerate(data.get("sources", ())):
        _source(document, ("sources", index), folder, source)


def _source(document: Document, where: Where, folder: Path, source: str) -> None:
    _refuse_special(document, where, _inside(document, where, folder, source))
    if not source.endswith(".c"):
        raise document.complaint(where, f"{show(source)} is no C file: name files that end in .c")


def _refuse_special(document: Document, where: Where, path: Path) -> None:
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise document.complaint(where, f"{name_of_place(where)} is {kind}: name a file")


def _inside(document: Document, where: Where, folder: Path, path: str) -> Path:
    """Answer an existing file or folder below the workload's."""
    _refuse_outside(document, where, path)
    if not (folder / path).exists():
        raise document.complaint(where, f"no file {path}: make it, or correct the path")
    if not (folder / path).resolve().is_relative_to(folder.resolve()):
        # A backup, and whoever is given the folder, would have the link and not the file.
        raise document.complaint(
            where, f"{show(path)} leads out of the folder by a link: copy the file into it"
        )
    return folder / path


def _refuse_outside(document: Document, where: Where, path: str) -> None:
    if leads_out(path):
        raise document.complaint(
            where, f"{show(path)} leads out of the folder: copy the file into it"
        )


def _file(document: Document, folder: Path, key: str) -> Path | None:
    if key not in document.data:
        return None
    path = _inside(document, (key,), folder, document.data[key])
    _refuse_special(document, (key,), path)
    return path


def _inputs(document: Document, folder: Path) -> tuple[Grant, ...]:
    grants = []
    for index, name in enumerate(document.data.get("inputs", ())):
        path = _inside(document, ("inputs", index), folder, name)
        if not path.is_dir():
            raise document.complaint(
                ("inputs", index), f"{name} is a file: put it in a folder and name that"
            )
        grants.append(Grant(path, str(PurePosixPath(name))))
    return tuple(grants)


def _environment(document: Document) -> dict[str, str]:
    found: dict[str, str] = document.data.get("environment", {})
    for name in found:
        where = ("environment", name)
        if not ENVIRONMENT_NAME.fullmatch(name):
            raise document.complaint(
                where, f"{show(name)} is no variable's name: use A-Z, 0-9 and _"
            )
        if name in FARMS_OWN_VARIABLES:
            raise document.complaint(where, f"the farm sets {name} itself: choose another name")
    return dict(found)


def _parameter(document: Document, name: str, value: Any) -> Parameter:
    where: Where = ("parameters", name)
    if not _PARAMETER_NAME.fullmatch(name) or name in RESERVED:
        raise document.complaint(
            where, f"a parameter cannot be called '{name}': choose another name"
        )
    if not isinstance(value, dict):
        return Parameter(name, value)
    values = tuple(value.get("values", ()))
    if values and value["default"] not in values:
        raise document.complaint(
            (*where, "default"),
            f"default {show(value['default'])} is not among the values: write one of"
            f" {', '.join(map(str, values))}",
        )
    return Parameter(name, value["default"], values)


def _check_templates(document: Document, workload: Workload) -> None:
    names = [parameter.name for parameter in workload.parameters]
    for index, argument in enumerate(workload.arguments):
        _check_template(document, ("arguments", index), argument, names)
    for index, output in enumerate(workload.outputs):
        where: Where = ("outputs", index)
        _check_template(document, where, output, names)
        problem = output_problem(output)
        if problem:
            raise document.complaint(where, f"{show(output)}: {problem}")
    checker = workload.checker
    if checker is not None and not checker.is_inline:
        where = ("output", checker.kind.value)
        _check_template(document, where, checker.expected, [*names, "arch"])
        _refuse_outside(document, where, checker.expected)


def _check_template(document: Document, where: Where, template: str, names: Sequence[str]) -> None:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise document.complaint(
            where, f"a lone brace in {show(template)}: write {{{{ or }}}} for a brace"
        ) from None
    for _, used, specification, conversion in parts:
        if used is None:
            continue
        if used not in names:
            raise document.complaint(
                where, f"unknown parameter '{used}' in {show(template)}: {next_step(used, names)}"
            )
        if specification or conversion:
            raise document.complaint(where, f"write {{{used}}} and nothing else inside the braces")


def _checker(document: Document) -> Checker:
    found: Mapping[str, Any] = document.data["output"]
    kinds = [kind for kind in CheckerKind if kind.value in found]
    if len(kinds) != 1:
        raise document.complaint(
            ("output",), "write one of exact, digest and tolerance, and 'of' beside it"
        )
    of = found.get("of", "")
    outputs = document.data.get("outputs", ())
    if of and of not in outputs:
        known = next_step(of, outputs) if outputs else "list it there"
        raise document.complaint(("output", "of"), f"{show(of)} is not among the outputs: {known}")
    if kinds[0] is CheckerKind.TOLERANCE:
        return _tolerance(document, found["tolerance"], of)
    expected = found[kinds[0].value]
    if kinds[0] is CheckerKind.DIGEST and SHA256.fullmatch(expected.lower()):
        expected = expected.lower()
    return Checker(kinds[0], expected, of=of)


def _tolerance(document: Document, found: Mapping[str, Any], of: str) -> Checker:
    relative, absolute = (float(found.get(name, 0)) for name in ("relative", "absolute"))
    if not relative and not absolute:
        raise document.complaint(
            ("output", "tolerance"), "nothing is tolerated: write relative or absolute, or exact"
        )
    return Checker(CheckerKind.TOLERANCE, found["expected"], relative, absolute, of)


def check_case(case: Case, archs: Iterable[str]) -> None:
    """Refuse a case whose output could not be judged on some architecture; as its file's line.

    Raises:
        WorkloadFileError: with file and line of ``output``.
    """
    check_expected(case, archs, case.workload.folder / FILE_NAME)
