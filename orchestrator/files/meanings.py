"""What each key of the files a person writes means: for the reference, held to the schemas.

A key is written with dots; ``NAME`` stands for a name of the user's choice, ``[]`` for the items
of a list. What a value may be is the schema's own word; only farm.toml's, which has none, is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.config import (
    DATA_NAME,
    DEFAULT_GRACE_S,
    DEFAULT_LEASE_S,
    DEFAULT_LISTEN,
    DEFAULT_RETRIES,
    MAX_RETRIES,
    MAX_S,
)
from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.domain.workload import Limits
from orchestrator.files.modefile import LABELS
from orchestrator.files.sources import FEATURES, SWITCHES
from orchestrator.machine import EMULATORS
from orchestrator.matrix import EXCLUDE_KEYS


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is told of a key besides what its schema says."""

    text: str
    #: What counts where the key is left out; empty: nothing is there, or it is required.
    default: str = ""
    #: What it may be, where the schema does not say it well.
    value: str = ""


def _words(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_LIMITS = Limits()
_COUNTS = Counts()
_MODE = Mode(Runtime.AOT)
_REMOTE = Meaning("devices over SSH")

WORKLOAD: Mapping[str, Meaning] = {
    "name": Meaning("the folder's own name"),
    "description": Meaning("one line for people"),
    "sources": Meaning("C files; exactly one of `sources`, `module` and `program` is given"),
    "module": Meaning(
        "a ready module; what it needs is read from its bytes. A benchmark of Sightglass without"
        " `output` here takes input and expected output from"
        " [beside it](../how-to/run-foreign-modules.md)"
    ),
    "program": Meaning("a ready ELF; runs in mode `native` on devices of its architecture"),
    "flags": Meaning("extra compiler flags, the same in every mode; with `sources` only"),
    "parameters": Meaning("what may be varied"),
    "parameters.NAME": Meaning(
        "one that may be varied: its default alone, or with the values it may have",
        value="text, a number, true or false, or a map of the two keys below",
    ),
    "parameters.NAME.default": Meaning("its value where a matrix says nothing"),
    "parameters.NAME.values": Meaning("the values it may have", "any of the default's kind"),
    "arguments": Meaning(
        "argv after the program's name; `{size}` stands for the parameter's value, `{{` and `}}`"
        " for braces"
    ),
    "environment": Meaning("the program sees only these variables; taken as written"),
    "stdin": Meaning("what it reads from stdin", "empty"),
    "inputs": Meaning(
        "folders the program may use; each attempt gets a fresh copy under the same name in its"
        " working folder"
    ),
    "kernels": Meaning("functions with kernels of their own; with `sources` only"),
    "kernels.NAME": Meaning("variants in `native/kernels/NAME/`"),
    "outputs": Meaning(
        "relative to its working folder, `{parameter}` is filled in. Their folders are made, they"
        " are kept as the last repeat left them, and one that is missing, larger than"
        " `limits.output_bytes` or no plain file fails the workload"
    ),
    "output": Meaning("how the output is judged", "any output is right"),
    "output.exact": Meaning("equal byte for byte; the path may hold `{parameter}` and `{arch}`"),
    "output.digest": Meaning(
        "the output's sha256, or a file that begins with it, as sha256sum writes; the path may"
        " hold `{parameter}` and `{arch}`"
    ),
    "output.tolerance": Meaning("numbers may be a little off"),
    "output.tolerance.expected": Meaning("the path may hold `{parameter}` and `{arch}`"),
    "output.tolerance.relative": Meaning("by this share of the expected number", "0"),
    "output.tolerance.absolute": Meaning("or by this much", "0"),
    "output.of": Meaning("judge this one of `outputs`", "stdout is judged"),
    "output.top_k": Meaning("the best classes of a model's output"),
    "metrics": Meaning("further numbers to keep"),
    "limits": Meaning("what the program may use; the runner holds it to them"),
    "limits.timeout_s": Meaning("of the whole attempt", f"{_LIMITS.timeout_s:g}"),
    "limits.memory_bytes": Meaning("of the program's memory", "1 GiB"),
    "limits.output_bytes": Meaning("of stdout, of stderr and of each file", "16 MiB"),
    "limits.processes": Meaning("at once", f"{_LIMITS.processes}"),
    "limits.stack_bytes": Meaning("of the native stack", "8 MiB"),
}

_OPTION = "a list of such values is an axis: one mode for each"
MATRIX: Mapping[str, Meaning] = {
    "name": Meaning("what the run is called"),
    "workloads": Meaning("what is measured"),
    "modes": Meaning(f"how: {_words(LABELS)}, or with options `wamr-aot[simd=false]`, in quotes"),
    "modes[].mode": Meaning("the mode"),
    "modes[].simd": Meaning(f"whether the module has SIMD; {_OPTION}", "in AOT, where it exists"),
    "modes[].kernels": Meaning("native functions in place of the module's", _MODE.kernels),
    "modes[].opt": Meaning("level of the AOT compiler and of native code", f"{_MODE.opt}"),
    "modes[].bounds_checks": Meaning("by code, not by the hardware", "the architecture's own"),
    "modes[].cpu": Meaning("in place of the device type's `cpu`", "the device type's"),
    "modes[].runtime_source": Meaning("which WAMR runs it", _MODE.runtime_source),
    "modes[].segue": Meaning("memory accesses by a segment register"),
    "modes[].threads": Meaning("a number of threads"),
    "devices": Meaning("where: names, or a map; of a map every device that matches all its keys"),
    "devices.arch": Meaning("of one of these architectures"),
    "devices.names": Meaning("one of these"),
    "devices.tags": Meaning("that has one of these tags"),
    "devices.device_type": Meaning(
        "stands alone: one cell per type, which any device of it may take"
    ),
    "parameters": Meaning("values for the workloads that have the parameter"),
    "parameters.NAME": Meaning(
        "a list of values is an axis",
        "the workload's default",
        "text, a number, true or false, or a list of them",
    ),
    "attempts": Meaning("fresh processes per cell, each in a block of its own", "1"),
    "warmups": Meaning("discarded repeats of each attempt", f"{_COUNTS.warmups}"),
    "repeats": Meaning("kept repeats of each attempt", f"{_COUNTS.repeats}"),
    "emulated_counts": Meaning("for emulated devices, whose times mean nothing", "as the rest"),
    "emulated_counts.attempts": Meaning("as `attempts`", "as the rest"),
    "emulated_counts.warmups": Meaning("as `warmups`", "as the rest"),
    "emulated_counts.repeats": Meaning("as `repeats`", "as the rest"),
    "exclude": Meaning(
        "cells to leave out: those that match every entry of one map. Keys:"
        f" {_words(EXCLUDE_KEYS)}, and any parameter; `mode` is a label, `emulated` true or false"
    ),
    "timeout_s": Meaning("of an attempt", "the workload's own limit"),
    "priority": Meaning("a higher one goes first", "0"),
}

INVENTORY: Mapping[str, Meaning] = {
    "device_types": Meaning("classes of interchangeable devices"),
    "device_types.NAME": Meaning("what all devices of it are"),
    "device_types.NAME.arch": Meaning("of its programs"),
    "device_types.NAME.cpu": Meaning(
        "what programs are compiled for; on armv7 from `cortex-a7` on, which has NEON and integer"
        " division"
    ),
    "device_types.NAME.os_bits": Meaning("of its system", "64, or 32 for armv7"),
    "devices": Meaning("what measures"),
    "devices.NAME": Meaning("one device", value="a map of the keys below"),
    "devices.NAME.type": Meaning("the devices of one type are all emulated, or none is"),
    "devices.NAME.machine": Meaning(
        "devices of one machine never measure at the same time", "the device's own name"
    ),
    "devices.NAME.tags": Meaning("for `devices: {tags: ..}` of a matrix", "none"),
    "devices.NAME.emulator": Meaning(
        "the user-mode emulator that runs its programs: "
        f"{_words(tuple(one.program for one in EMULATORS.values()))}. It plays the type's `cpu`"
        " where it knows it, else all it knows, and marks every result as emulated. Where it is"
        " not installed, the device's cells are unsupported and the rest runs",
        "none: a real device",
    ),
    "devices.NAME.share_machine": Meaning(
        "measure whatever else runs on the machine; marks every result", "false"
    ),
    "devices.NAME.ssh": _REMOTE,
    "devices.NAME.host_key": _REMOTE,
    "devices.NAME.power": Meaning("switching a device off and on"),
}

_SECONDS = f"a number of seconds from 1 to {MAX_S:g}"
_FOLDER = "a folder, relative to the farm's"
FARM: Mapping[str, Meaning] = {
    "farm_id": Meaning(
        "made by `farm init`; the name in the farm's certificates: never change it",
        value="small letters, digits and '-', at most 63",
    ),
    "database": Meaning(
        "where the farm is kept; a SQLite file's path is relative to the farm's folder,"
        " PostgreSQL's address is as libpq reads it, without a password"
        " ([how](../how-to/use-postgresql.md))",
        f"sqlite:///{DATA_NAME}/farm.db",
        "sqlite:///PATH or postgresql://USER@HOST:PORT/NAME",
    ),
    "data": Meaning("blobs, keys and the socket", DATA_NAME, _FOLDER),
    "listen": Meaning("where agents connect; port 0: any free one", DEFAULT_LISTEN, "HOST:PORT"),
    "lease_s": Meaning(
        "after so long without contact an agent stops its attempt by itself; that costs the"
        " attempt, but no try",
        f"{DEFAULT_LEASE_S:g}",
        _SECONDS,
    ),
    "grace_s": Meaning(
        "what is added to that before the orchestrator gives a silent device up; only time in"
        " which it was serving counts",
        f"{DEFAULT_GRACE_S:g}",
        _SECONDS,
    ),
    "retries": Meaning(
        "further tries of each attempt after a device, a runner or its agent failed",
        f"{DEFAULT_RETRIES}",
        f"a whole number from 0 to {MAX_RETRIES}",
    ),
    "cache": Meaning(
        "the build cache, shared by farms of one user",
        "$FARM_CACHE_DIR, else $XDG_CACHE_HOME/farm, else ~/.cache/farm",
        _FOLDER,
    ),
    "workloads": Meaning(
        "further workloads folders; the farm's own `workloads/` is read where it exists",
        "none",
        "a list of folders, relative to the farm's",
    ),
    "runtime_sources": Meaning(
        "other WAMRs, by names that a mode's `runtime_source` takes beside `pinned`",
        "none",
        "a map of names",
    ),
    "runtime_sources.NAME": Meaning(
        "a tree alone, or one of the two keys below or both",
        value="a folder in quotes, or {tree = .., flags = ..}",
    ),
    "runtime_sources.NAME.tree": Meaning("a tree of WAMR", "the pinned one", _FOLDER),
    "runtime_sources.NAME.flags": Meaning(
        f"proposals: {_words(FEATURES)} (as in `native/features.cmake`); WAMR's switches:"
        f" {_words(SWITCHES)}. The prefix `WAMR_BUILD_` may be left out",
        "as in the pinned build",
        "a map: FLAG -> 0 or 1",
    ),
}
