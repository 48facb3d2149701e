"""The words our schemas are written in: JSON Schema, with ``says`` and ``later`` beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

#: Names of workloads, devices, types and parameters become parts of file names and of commands.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
NAME_SAYS = "a name of letters, digits, '.', '_' and '-'"

#: The most that may be ordered of each count, and of an attempt's time in seconds: a day. More is
#: a slip of the keyboard, and would fill the database with one cell.
MOST: Mapping[str, int] = {"attempts": 10_000, "warmups": 100_000, "repeats": 1_000_000}
MOST_S = 86_400.0

#: What a limit of memory may be.
MEMORY_BYTES = range(1 << 16, (1 << 50) + 1)
#: What a limit of output may be: no upload is larger (``rpc/uploads.py``), so a report that names
#: more could never be delivered.
OUTPUT_BYTES = range(1, (1 << 30) + 1)


def later(reason: str) -> Schema:
    """A key of the design that this version refuses.

    Args:
        reason: what takes its place today.
    """
    return {"not": {}, "later": reason}


def text(says: str) -> Schema:
    """Text that is not empty."""
    return {"type": "string", "minLength": 1, "says": says}


def a_name() -> Schema:
    """A name of the user's choice."""
    return {"type": "string", "pattern": NAME_PATTERN, "says": NAME_SAYS}


def whole(low: int, high: int) -> Schema:
    """A whole number in a range."""
    return {
        "type": "integer",
        "minimum": low,
        "maximum": high,
        "says": f"a whole number from {low} to {high}",
    }


def sized(allowed: range) -> Schema:
    """A whole number of bytes."""
    return whole(allowed.start, allowed.stop - 1)


def seconds(high: float) -> Schema:
    """A positive number of seconds."""
    return {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": high,
        "says": f"a number of seconds above 0, at most {high:g}",
    }


def texts(says: str, *, at_least: int = 1) -> Schema:
    """A list of text without doubles."""
    return {
        "type": "array",
        "minItems": at_least,
        "items": {"type": "string", "minLength": 1, "says": "text"},
        "uniqueItems": True,
        "says": says,
    }


def flag(says: str = "true or false") -> Schema:
    """True or false."""
    return {"type": "boolean", "says": says}


def closed(properties: Mapping[str, Schema], says: str, *, required: Sequence[str] = ()) -> Schema:
    """A map with these keys and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        "says": says,
    }


def named(values: Schema, says: str, *, at_least: int = 0) -> Schema:
    """A map of names of the user's choice."""
    return {
        "type": "object",
        "propertyNames": {
            "pattern": NAME_PATTERN,
            "says": NAME_SAYS,
        },
        "additionalProperties": values,
        "minProperties": at_least,
        "says": says,
    }
