"""Changes single keys of a farm.toml and leaves the rest as a person wrote it; pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

Value = str | list[str]


def with_settings(content: str, changes: Mapping[str, Value]) -> str:
    """Answer the text of a farm.toml with some keys set anew.

    Args:
        content: its text, which is valid.
        changes: key -> what it is to be.
    """
    lines = content.splitlines()
    before = tomllib.loads(content)
    for key, value in changes.items():
        if before.get(key) == value:
            continue
        # A JSON string is a TOML string but for this one character, which no path has.
        written = f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        start, end = _statement(lines, key)
        lines[start:end] = [written]
    return "\n".join(lines) + "\n"


def _statement(lines: list[str], key: str) -> tuple[int, int]:
    """Find the lines that set a key; where none does, the place before the first line."""
    begins = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
    for start, line in enumerate(lines):
        if not begins.match(line):
            continue
        for end in range(start + 1, len(lines) + 1):
            if _is_toml("\n".join(lines[start:end])):
                return start, end
    return 0, 0


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True
