"""docs/reference/files.md: every key of the files a person writes, from their schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator import config, inventory
from orchestrator.files import matrixfile, meanings, sources, workloads
from orchestrator.files.meanings import Meaning
from orchestrator.files.schema import Schema
from scripts.reference_pages.markdown import code, opening, table

#: The words and examples around the tables; ``<!-- keys of FILE -->`` is where one goes.
WORDS = Path(__file__).with_name("files.md")
HEADS = ("key", "value", "default", "meaning")

#: Each file's schema; farm.toml is TOML and has none.
SCHEMAS: Mapping[str, tuple[Schema, Mapping[str, Meaning]]] = {
    "workload.yaml": (workloads.SCHEMA, meanings.WORKLOAD),
    "a matrix": (matrixfile.SCHEMA, meanings.MATRIX),
    "inventory.yaml": (inventory.SCHEMA, meanings.INVENTORY),
}
_SIZES = {1 << shift: f"1 {unit}" for shift, unit in ((20, "MiB"), (30, "GiB"), (50, "PiB"))}
_SIZES |= {1 << 16: "64 KiB", 1 << 18: "256 KiB"}


def files_page() -> str:
    """Write the page."""
    text = WORDS.read_text(encoding="utf-8")
    for name, (schema, told) in SCHEMAS.items():
        text = text.replace(f"<!-- keys of {name} -->\n", table(HEADS, _rows(schema, told)))
    text = text.replace("<!-- keys of farm.toml -->\n", table(HEADS, _farm_rows()))
    head = opening(
        "The files a person writes",
        "the schemas in `orchestrator/`, `orchestrator/files/meanings.py` and"
        " `scripts/reference_pages/files.md`",
    )
    return f"{head}\n{text}"


def keys_of(schema: Schema, at: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Walk all keys a schema names: each with its own schema and whether it must be there."""
    for name, rule in schema.get("properties", {}).items():
        key = f"{at}.{name}" if at else name
        yield key, rule, name in schema.get("required", ())
        yield from _below(rule, key)


def _below(rule: Schema, key: str) -> Iterator[tuple[str, Schema, bool]]:
    for branch in ("then", "else"):
        if branch in rule:
            yield from _below(rule[branch], key)
    yield from keys_of(rule, key)
    if "propertyNames" in rule:
        own: Schema = rule["additionalProperties"]
        yield f"{key}.NAME", own, False
        yield from _below(own, f"{key}.NAME")
    if isinstance(rule.get("items"), Mapping):
        yield from _below(rule["items"], f"{key}[]")


def farm_keys() -> list[str]:
    """List all keys of farm.toml."""
    below = [f"{sources.KEY}.NAME", *(f"{sources.KEY}.NAME.{key}" for key in sources.KEYS)]
    return [*config.KEYS, *below]


def _rows(schema: Schema, told: Mapping[str, Meaning]) -> Iterator[tuple[str, ...]]:
    for key, rule, required in keys_of(schema):
        meaning = told[key]
        if "later" in rule:
            yield code(key), "", "*later*", f"{meaning.text}; refused: {rule['later']}"
        else:
            default = "*required*" if required else meaning.default
            yield code(key), meaning.value or _value(key, rule), default, meaning.text


def _farm_rows() -> Iterator[tuple[str, ...]]:
    for key in farm_keys():
        meaning = meanings.FARM[key]
        default = "*required*" if key == "farm_id" else meaning.default
        yield code(key), meaning.value, default, meaning.text


def _value(key: str, rule: Schema) -> str:
    """Say what a value may be, as complaints do; bytes in units."""
    if key.endswith("_bytes"):
        low, high = (_bytes(rule[word]) for word in ("minimum", "maximum"))
        return f"a whole number of bytes from {low} to {high}"
    # Where one value or a list will do, the list's words speak of both.
    says = str(rule["says"] if "says" in rule else rule["then"]["says"])
    is_map = rule.get("type") == "object" and not says.startswith(("a map", "{"))
    return f"a map: {says}" if is_map else says


def _bytes(value: int) -> str:
    return _SIZES.get(value, str(value))
