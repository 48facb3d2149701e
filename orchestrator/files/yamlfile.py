"""The one door to YAML files: values with a line for each, and a schema's verdict on them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from orchestrator.domain.errors import UsageError
from orchestrator.files.schema import Schema
from orchestrator.files.spelling import next_step
from orchestrator.files.textfile import read_text

#: Keys and indexes from the top of a file down to one value.
Where = tuple[str | int, ...]

#: A file a person writes is far below these; they stop an alias that holds itself, or doubles.
_MAX_BYTES = 1 << 20
_MAX_VALUES = 50_000
_MAX_DEPTH = 24
#: Longest value a complaint repeats.
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Document:
    """A parsed file: its values, and where each was written."""

    path: Path
    text: str
    #: dict, list, str, int, float, bool and None only.
    data: Any
    error: type[UsageError]
    #: Line, from 1, of each value.
    lines: Mapping[Where, int] = field(default_factory=dict)
    #: Values that did not come from the file: how the user gave them, ``--set repeats=3``.
    origins: Mapping[Where, str] = field(default_factory=dict)

    def line(self, where: Where) -> int:
        """Answer the line of a value, or of the nearest value around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def complaint(self, where: Where, message: str) -> UsageError:
        """Make the error that points at a value.

        Args:
            where: the value.
            message: what is wrong and the next step, one line.
        """
        for size in range(len(where), 0, -1):
            if where[:size] in self.origins:
                return self.error(f"{self.origins[where[:size]]}: {message}")
        return self.error(message, file=self.path, line=self.line(where))

    def put(self, where: Where, value: Any, origin: str) -> Document:
        """Answer a copy with one value replaced by one of another origin.

        Args:
            where: a key of the top, or of a map below it.
            value: the plain value.
            origin: how the user gave it.
        """
        data = _replaced(self.data, where, value)
        return replace(self, data=data, origins={**self.origins, where: origin})


def _replaced(data: Any, where: Where, value: Any) -> Any:
    if not where:
        return value
    base = data if isinstance(data, dict) else {}
    return {**base, where[0]: _replaced(base.get(where[0]), where[1:], value)}


def read_yaml(path: Path, error: type[UsageError]) -> Document:
    """Read a file.

    Args:
        path: the file, shown as given.
        error: the class of every complaint.

    Raises:
        UsageError: as ``error``: no such file, not UTF-8, not YAML.
    """
    text = read_text(path, error, missing="check the path")
    return parse_yaml(text, path, error)


def parse_yaml(text: str, path: Path, error: type[UsageError]) -> Document:
    """Parse YAML text to plain values with their lines.

    Args:
        text: the file's text.
        path: the name complaints carry.
        error: the class of every complaint.

    Raises:
        UsageError: as ``error``: not YAML, a doubled key, a value no file of ours holds.
    """
    if len(text) > _MAX_BYTES:
        raise error("larger than 1 MiB: this is not a file of the farm's", file=path)
    try:
        loaded = YAML().load(text)
    except YAMLError as cause:
        _raise_syntax(text, cause, path, error)
    except (RecursionError, ValueError) as cause:
        raise error("not valid YAML: simplify the file", file=path, line=1) from cause
    flat = _Flattening(path, error)
    return Document(path, text, flat.value(loaded, (), 1), error, flat.lines)


def parse_value(text: str) -> Any:
    """Parse the value of an option as YAML would.

    Args:
        text: ``3``, ``layer``, ``[small, layer]``.

    Returns:
        The plain value; the text itself where it is not YAML.
    """
    try:
        return parse_yaml(text, Path("value"), UsageError).data
    except UsageError:
        return text


def dump_yaml(data: Any) -> str:
    """Write plain values as YAML, keys in their order."""
    # Every JSON document is a YAML 1.2 document.
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _raise_syntax(text: str, cause: YAMLError, path: Path, error: type[UsageError]) -> NoReturn:
    if isinstance(cause, ReaderError):
        line = text[: cause.position].count("\n") + 1
        raise error("a control character: remove it", file=path, line=line) from cause
    if not isinstance(cause, MarkedYAMLError) or cause.problem_mark is None:
        raise error("not valid YAML: simplify the file", file=path, line=1) from cause
    line = cause.problem_mark.line + 1
    if isinstance(cause, DuplicateKeyError):
        found = re.search(r'duplicate key "([^"]*)"', cause.problem or "")
        name = f" '{found.group(1)}'" if found else ""
        raise error(f"doubled key{name}: keep one of them", file=path, line=line) from cause
    problem = " ".join((cause.problem or "").split())
    raise error(
        f"not valid YAML ({problem}): check the indentation, quote text that holds {{ }} [ ] : #",
        file=path,
        line=line,
    ) from cause


class _Flattening:
    """Turns ruamel's values into plain ones and notes their lines."""

    def __init__(self, path: Path, error: type[UsageError]) -> None:
        self.path = path
        self.error = error
        self.lines: dict[Where, int] = {}

    def value(self, loaded: Any, where: Where, line: int) -> Any:
        self.lines[where] = line
        if len(self.lines) > _MAX_VALUES or len(where) > _MAX_DEPTH:
            raise self.error(
                "too many or too deep values: simplify the file", file=self.path, line=line
            )
        if isinstance(loaded, CommentedMap | CommentedSeq | TaggedScalar) and loaded.tag.value:
            raise self.error(f"a tag, {loaded.tag.value}: remove it", file=self.path, line=line)
        if isinstance(loaded, CommentedMap):
            return {
                (known := self._key(key, loaded)): self.value(
                    item, (*where, known), self._key_line(loaded, key, line)
                )
                for key, item in loaded.items()
            }
        if isinstance(loaded, CommentedSeq):
            return [
                self.value(item, (*where, index), loaded.lc.item(index)[0] + 1)
                for index, item in enumerate(loaded)
            ]
        return self._scalar(loaded, line)

    def _key(self, key: Any, table: CommentedMap) -> str:
        if isinstance(key, str):
            return str(key)
        line = table.lc.key(key)[0] + 1 if key in table.lc.data else table.lc.line + 1
        raise self.error(
            f"key {show(key)} is not text: put it in quotes", file=self.path, line=line
        )

    @staticmethod
    def _key_line(table: CommentedMap, key: Any, line: int) -> int:
        # A key that came by a merge (<<) has no place of its own.
        places = table.lc.data or {}
        return int(places[key][0]) + 1 if key in places else line

    def _scalar(self, loaded: Any, line: int) -> Any:
        if loaded is None or isinstance(loaded, bool):
            return loaded
        if isinstance(loaded, float) and not math.isfinite(loaded):
            raise self.error("not a finite number: write one that is", file=self.path, line=line)
        if isinstance(loaded, str) and "\0" in loaded:
            raise self.error("a null character: remove it", file=self.path, line=line)
        for kind in (str, int, float):
            if isinstance(loaded, kind):
                return kind(loaded)
        raise self.error(
            f"{type(loaded).__name__} {loaded}: put it in quotes", file=self.path, line=line
        )


def show(value: Any) -> str:
    """Write a value as a complaint repeats it: short, on one line."""
    if isinstance(value, str):
        text = repr(value)
    elif value is None:
        text = "empty"
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[: _SHOWN_CHARACTERS - 4]} ..."
    return text


def name(where: Where) -> str:
    """Name a place for people: ``'repeats'``, ``item 2 of 'modes'``."""
    if not where:
        return "the file"
    last = where[-1]
    if isinstance(last, str):
        return f"'{last}'"
    return f"item {last + 1} of {name(where[:-1])}"


def check(document: Document, schema: Schema) -> None:
    """Hold a document against a schema and complain about the first mistake, by line.

    Beside JSON Schema's words a subschema may hold ``says``, a noun phrase for what is wanted, and
    ``later``, for a key that the design knows and this version does not (``schema.py``).

    Args:
        document: the parsed file.
        schema: JSON Schema, draft 2020-12.

    Raises:
        UsageError: as the document's error class.
    """
    errors = list(Draft202012Validator(schema).iter_errors(document.data))
    if not errors:
        return
    # A misspelt key is also a missing one: what stands there is told before what does not.
    ranked = [(error.validator == "required", _complaint(document, error)) for error in errors]
    raise min(ranked, key=lambda one: (one[0], one[1].line or 0))[1]


def _complaint(document: Document, error: ValidationError) -> UsageError:
    where: Where = tuple(error.absolute_path)
    explain = _EXPLAIN.get(str(error.validator), _explain_value)
    below, message = explain(where, error)
    return document.complaint(below, message)


def _explain_unknown(where: Where, error: ValidationError) -> tuple[Where, str]:
    schema = _schema(error)
    properties: Mapping[str, Schema] = schema.get("properties", {})
    unknown = next(key for key in _items(error) if key not in properties)
    known = [key for key, rule in properties.items() if "later" not in rule]
    return (*where, unknown), f"unknown key {show(unknown)}: {next_step(unknown, known)}"


def _explain_missing(where: Where, error: ValidationError) -> tuple[Where, str]:
    schema = _schema(error)
    wanted: Sequence[str] = schema["required"]
    missing = next(key for key in wanted if key not in _items(error))
    says = schema["properties"][missing].get("says", "it")
    of = f" of {name(where)}" if where else ""
    return where, f"'{missing}'{of} is missing: add {says}"


def _explain_later(where: Where, error: ValidationError) -> tuple[Where, str]:
    return where, f"{name(where)} is not supported yet: remove it ({_schema(error)['later']})"


def _explain_doubled(where: Where, error: ValidationError) -> tuple[Where, str]:
    items = _items(error)
    place = next(index for index, item in enumerate(items) if item in items[:index])
    return (*where, place), f"{show(items[place])} is listed twice: keep one of them"


def _explain_value(where: Where, error: ValidationError) -> tuple[Where, str]:
    says = _schema(error).get("says", error.message)
    return where, f"{name(where)} is {show(error.instance)}: write {says}"


def _explain_name(where: Where, error: ValidationError) -> tuple[Where, str]:
    says = _schema(error)["says"]
    return (*where, str(error.instance)), f"{show(error.instance)} is no name: write {says}"


def _schema(error: ValidationError) -> Schema:
    found: Any = error.schema
    return cast("Schema", found)


def _items(error: ValidationError) -> Any:
    # jsonschema's types allow for an error that never met its value.
    return error.instance


_EXPLAIN: Mapping[str, Callable[[Where, ValidationError], tuple[Where, str]]] = {
    "additionalProperties": _explain_unknown,
    "required": _explain_missing,
    "not": _explain_later,
    "uniqueItems": _explain_doubled,
    "pattern": _explain_name,
}
