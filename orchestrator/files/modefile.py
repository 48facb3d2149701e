"""Modes as people write them: a label, or a map with options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.domain.errors import MatrixError
from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
from orchestrator.files.schema import Schema, closed, flag, later, text, whole
from orchestrator.files.spelling import next_step
from orchestrator.files.yamlfile import Document, Where, check, parse_value, show
from orchestrator.machine import KNOWN_CPUS

#: The modes a person reads about first.
LABELS = (*(runtime.value for runtime in Runtime), f"{Runtime.AOT.value}+kernels")

OPTIONS: Mapping[str, Schema] = {
    "simd": flag(),
    "kernels": text("none, best or the name of a variant"),
    "opt": whole(0, 3),
    "bounds_checks": flag(),
    "cpu": text("the CPU to compile for, such as x86-64-v2"),
}
#: A mode in a list of modes.
SCHEMA: Schema = {
    "if": {"type": "object"},
    "then": closed(
        {
            "mode": text(f"one of {', '.join(LABELS)}"),
            **OPTIONS,
            "segue": later("WAMR runs without it so far"),
            "threads": later("programs run on one thread so far"),
            "runtime_source": later("the pinned WAMR is the only one so far"),
        },
        "a mode and its options",
        required=["mode"],
    ),
    "else": text("a mode, or a map {mode, options}"),
}
_LABEL = re.compile(r"(?P<name>[^\[\]]+?)(?P<kernels>\+kernels)?(\[(?P<options>[^\[\]]*)\])?")


def read_mode(document: Document, where: Where, written: Any) -> Mode:
    """Make a mode of what a file says, once the file fits ``SCHEMA``.

    Args:
        document: the file.
        where: the mode in it.
        written: a label, or a map with ``mode`` and options.

    Raises:
        UsageError: as the document's: an unknown mode, option or CPU.
    """
    if isinstance(written, str):
        return _labelled(document, where, written)
    base = _labelled(document, (*where, "mode"), written["mode"])
    options = {key: value for key, value in written.items() if key != "mode"}
    return _with_options(document, where, base, options)


def parse_mode(label: str, origin: str) -> Mode:
    """Make a mode of an option's label: ``wamr-aot+kernels``, ``wamr-aot[simd=false,opt=2]``.

    Args:
        label: as ``Mode.label`` writes it.
        origin: what the user typed; complaints begin with it.

    Raises:
        MatrixError: an unknown mode, option or CPU.
    """
    where: Where = ("mode",)
    document = Document(Path(origin), label, {}, MatrixError, origins={where: origin})
    return _labelled(document, where, label)


def _labelled(document: Document, where: Where, label: str) -> Mode:
    match = _LABEL.fullmatch(label)
    known = [runtime.value for runtime in Runtime]
    if match is None or match["name"] not in known:
        raise document.complaint(where, f"unknown mode '{label}': {next_step(label, LABELS)}")
    mode = Mode(Runtime(match["name"]))
    if match["kernels"]:
        mode = replace(mode, kernels=BEST_KERNELS)
    options = dict(_option(document, where, pair) for pair in _pairs(match["options"]))
    # The bracket's values have not been checked yet; the options of a map have.
    bracket = Document(document.path, label, options, document.error, origins=document.origins)
    try:
        check(bracket, closed(OPTIONS, "options"))
    except document.error as cause:
        raise document.complaint(where, f"in '{label}' {cause.message}") from None
    return _with_options(document, where, mode, options)


def _pairs(options: str | None) -> list[str]:
    return options.split(",") if options else []


def _option(document: Document, where: Where, pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals or not value:
        raise document.complaint(where, f"{show(pair)} is no option: write it as OPTION=VALUE")
    return key.strip(), parse_value(value.strip())


def _with_options(
    document: Document, where: Where, mode: Mode, options: Mapping[str, Any]
) -> Mode:
    cpu = options.get("cpu")
    known = sorted({name for names in KNOWN_CPUS.values() for name in names})
    if cpu is not None and cpu not in known:
        raise document.complaint((*where, "cpu"), f"unknown CPU '{cpu}': {next_step(cpu, known)}")
    return replace(mode, **options)
