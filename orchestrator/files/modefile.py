"""Modes as people write them: a label, or a map with options."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.domain.errors import MatrixError
from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
from orchestrator.domain.runtime_source import PINNED
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
    "runtime_source": text("a name of farm.toml's runtime_sources, or pinned"),
}


def _axis(value: Schema) -> Schema:
    """A value, or a list of them: one mode for each."""
    return {
        "if": {"type": "array"},
        "then": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": value,
            "says": f"{value['says']}, or a list of such values",
        },
        "else": value,
    }


#: A mode in a list of modes.
SCHEMA: Schema = {
    "if": {"type": "object"},
    "then": closed(
        {
            "mode": text(f"one of {', '.join(LABELS)}"),
            **{option: _axis(value) for option, value in OPTIONS.items()},
            "segue": later("WAMR runs without it so far"),
            "threads": later("programs run on one thread so far"),
        },
        "a mode and its options",
        required=["mode"],
    ),
    "else": text("a mode, or a map {mode, options}"),
}
_LABEL = re.compile(r"(?P<name>[^\[\]]+?)(?P<kernels>\+kernels)?(\[(?P<options>[^\[\]]*)\])?")


def read_modes(
    document: Document, where: Where, written: Any, sources: Collection[str] = (PINNED,)
) -> tuple[Mode, ...]:
    """Make modes of an item of a list of modes, once the file fits ``SCHEMA``.

    Args:
        document: the file.
        where: the item in it.
        written: a label, or a map with ``mode`` and options; lists among its values are axes.
        sources: the runtime sources' names.

    Raises:
        UsageError: as the document's: an unknown mode, option, CPU or runtime source.
    """
    if isinstance(written, str):
        return (read_mode(document, where, written, sources),)
    base = read_mode(document, (*where, "mode"), written["mode"], sources)
    axes = [
        [(key, value) for value in (values if isinstance(values, list) else [values])]
        for key, values in written.items()
        if key != "mode"
    ]
    return tuple(
        _with_options(document, where, base, dict(chosen), sources)
        for chosen in itertools.product(*axes)
    )


def parse_mode(label: str, origin: str, sources: Collection[str] = (PINNED,)) -> Mode:
    """Make a mode of an option's label: ``wamr-aot+kernels``, ``wamr-aot[simd=false,opt=2]``.

    Args:
        label: as ``Mode.label`` writes it.
        origin: what the user typed; complaints begin with it.
        sources: the runtime sources' names.

    Raises:
        MatrixError: an unknown mode, option, CPU or runtime source.
    """
    where: Where = ("mode",)
    document = Document(Path(origin), label, {}, MatrixError, origins={where: origin})
    return read_mode(document, where, label, sources)


def read_mode(
    document: Document, where: Where, label: str, sources: Collection[str] = (PINNED,)
) -> Mode:
    """Make a mode of a label in a file.

    Args:
        document: the file.
        where: the label in it.
        label: as ``Mode.label`` writes it.
        sources: the runtime sources' names.

    Raises:
        UsageError: as the document's: an unknown mode, option, CPU or runtime source.
    """
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
    return _with_options(document, where, mode, options, sources)


def _pairs(options: str | None) -> list[str]:
    return options.split(",") if options else []


def _option(document: Document, where: Where, pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals or not value:
        raise document.complaint(where, f"{show(pair)} is no option: write it as OPTION=VALUE")
    return key.strip(), parse_value(value.strip())


def _with_options(
    document: Document,
    where: Where,
    mode: Mode,
    options: Mapping[str, Any],
    sources: Collection[str],
) -> Mode:
    cpus = sorted({name for names in KNOWN_CPUS.values() for name in names})
    _look_up(document, (*where, "cpu"), "CPU", options, cpus)
    _look_up(document, (*where, "runtime_source"), "runtime source", options, sources)
    return replace(mode, **options)


def _look_up(
    document: Document,
    where: Where,
    noun: str,
    options: Mapping[str, Any],
    known: Collection[str],
) -> None:
    name = options.get(str(where[-1]))
    if name is not None and name not in known:
        raise document.complaint(where, f"unknown {noun} '{name}': {next_step(name, known)}")
