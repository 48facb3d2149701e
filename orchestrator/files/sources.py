"""``runtime_sources`` of farm.toml: trees of WAMR and choices of its flags."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from orchestrator.domain.errors import ConfigError
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.files.schema import NAME_PATTERN, NAME_SAYS
from orchestrator.files.spelling import next_step

KEY = "runtime_sources"
_PREFIX = "WAMR_BUILD_"
_VALUE = re.compile(r"""=\s*("[^"]*"|'[^']*')""")
KEYS = ("tree", "flags")
_SAYS = 'a folder in quotes, or {tree = "..", flags = {TAIL_CALL = 0}}'
#: Proposals that a runner works with and without, and what native/features.cmake says of them.
FEATURES: Mapping[str, int] = {
    "BULK_MEMORY": 1,
    "BULK_MEMORY_OPT": 1,
    "CALL_INDIRECT_OVERLONG": 1,
    "EXTENDED_CONST_EXPR": 1,
    "MEMORY64": 0,
    "MULTI_MODULE": 0,
    "REF_TYPES": 1,
    "SHARED_MEMORY": 0,
    "TAIL_CALL": 1,
    "THREAD_MGR": 0,
}
#: Further switches of WAMR's that change the code which is measured.
SWITCHES = (
    "AOT_INTRINSICS",
    "INSTRUCTION_METERING",
    "QUICK_AOT_ENTRY",
    "SHRUNK_MEMORY",
)
FLAGS = tuple(sorted((*FEATURES, *SWITCHES)))
_NOT_WITH_AOT = "WAMR has it without AOT only, and every runner loads AOT files"
#: Why flags that WAMR knows cannot be chosen here.
_NEVER: Mapping[str, str] = {
    "AOT": "every runner loads AOT files",
    "EXCE_HANDLING": _NOT_WITH_AOT,
    "FAST_INTERP": "the mode says which interpreter runs",
    "GC": "the AOT compiler is built without it",
    "INTERP": "the mode says which interpreter runs",
    "LIBC_BUILTIN": "workloads bring their own libc",
    "LIBC_WASI": "workloads need it",
    "MULTI_MEMORY": _NOT_WITH_AOT,
    "SIMD": "the mode's option 'simd' says it",
}
#: Flags that WAMR takes for 1 where another one is 1, whatever was said of them.
IMPLIED: Mapping[str, str] = {
    "BULK_MEMORY_OPT": "BULK_MEMORY",
    "CALL_INDIRECT_OVERLONG": "REF_TYPES",
}


def read_sources(table: Mapping[str, Any], content: str, file: Path) -> dict[str, RuntimeSource]:
    """Read a farm's runtime sources; the trees themselves are looked at when they are needed.

    Args:
        table: what farm.toml says, parsed.
        content: its text, for the lines of mistakes.
        file: its path; trees are relative to its folder.

    Returns:
        By name, ``pinned`` first.

    Raises:
        ConfigError: with file and line.
    """
    written = table.get(KEY, {})
    reader = _Reader(content, file)
    if not isinstance(written, dict):
        reader.refuse((), f"'{KEY}' is {written!r}: write a table of names")
    return {
        PINNED: RuntimeSource(),
        **{name: reader.source(name, value) for name, value in written.items()},
    }


class _Reader:
    def __init__(self, content: str, file: Path) -> None:
        self._lines = content.splitlines()
        self._file = file

    def refuse(self, path: tuple[str, ...], message: str) -> NoReturn:
        line = _line_of(self._lines, (KEY, *path))
        raise ConfigError(message, file=self._file, line=line)

    def source(self, name: str, written: Any) -> RuntimeSource:
        if name == PINNED:
            self.refuse((name,), f"'{PINNED}' is always there: choose another name")
        if not re.fullmatch(NAME_PATTERN, name):
            self.refuse((name,), f"{name!r} cannot be a name: write {NAME_SAYS}")
        if isinstance(written, str):
            return RuntimeSource(self._tree((name,), written))
        if not isinstance(written, dict) or not written:
            self.refuse((name,), f"'{name}' is {written!r}: write {_SAYS}")
        for key in written:
            if key not in KEYS:
                self.refuse((name, key), f"unknown key '{key}': {next_step(key, KEYS)}")
        tree = self._tree((name, "tree"), written["tree"]) if "tree" in written else None
        flags = self._flags((name, "flags"), written.get("flags", {}))
        if tree is None and not flags:
            self.refuse((name,), f"'{name}' is the pinned WAMR as it is: name a tree or flags")
        return RuntimeSource(tree, flags)

    def _tree(self, path: tuple[str, ...], written: Any) -> Path:
        if not isinstance(written, str) or not written or "\0" in written:
            self.refuse(path, f"'{path[-1]}' is {written!r}: write {_SAYS}")
        expanded = os.path.expanduser(written)
        if expanded.startswith("~"):
            self.refuse(path, f"'{written}': there is no such user; write a path")
        return Path(os.path.realpath(self._file.parent / expanded))

    def _flags(self, path: tuple[str, ...], written: Any) -> tuple[tuple[str, int], ...]:
        if not isinstance(written, dict):
            self.refuse(path, f"'flags' is {written!r}: write flags, such as {{TAIL_CALL = 0}}")
        found: dict[str, int] = {}
        for key, value in written.items():
            flag = self._flag((*path, key), value)
            if flag in found:
                self.refuse((*path, key), f"'{flag}' is said twice: keep one of them")
            found[flag] = value
        for flag, master in IMPLIED.items():
            if found.get(flag) == 0 and found.get(master, 1):
                self.refuse(
                    (*path, flag), f"{flag} = 0 changes nothing without {master} = 0: say both"
                )
        return tuple(sorted(found.items()))

    def _flag(self, path: tuple[str, ...], value: Any) -> str:
        flag = path[-1].removeprefix(_PREFIX)
        if flag in _NEVER:
            self.refuse(path, f"'{path[-1]}' cannot be chosen: {_NEVER[flag]}")
        if flag not in FLAGS:
            self.refuse(path, f"unknown flag '{path[-1]}': {next_step(flag, FLAGS)}")
        if type(value) is not int or value not in (0, 1):
            self.refuse(path, f"'{path[-1]}' is {value!r}: write 0 or 1")
        if FEATURES.get(flag) == value:
            self.refuse(path, f"'{path[-1]}' is {value} already: leave it out")
        return flag


def _line_of(lines: list[str], path: tuple[str, ...]) -> int | None:
    """Find the line of a nested key; each is looked for from its parent's on."""
    at = _find(lines, path[0], 0)
    for key in path[1:]:
        found = None if at is None else _find(lines, key, at)
        if found is None:
            break
        at = found
    return None if at is None else at + 1


def _find(lines: list[str], key: str, start: int) -> int | None:
    word = re.compile(rf"""(?<![\w-])["']?{re.escape(key)}["']?\s*[=.\]]""")
    for number in range(start, len(lines)):
        # Text in values is no key.
        if word.search(_VALUE.sub("=", lines[number])):
            return number
    return None
