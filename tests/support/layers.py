"""The import rules of the house (design, section 3), and their judge, which reads syntax only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

#: The project's own packages that ship; nothing else of the checkout may be imported by them.
PACKAGES = ("protos", "orchestrator", "agent", "migrations")

#: Layers from the bottom up, by prefix of module; the longest prefix that fits decides.
#: A module imports its own layer and those below.
LAYERS: Mapping[str, int] = {
    "protos": 0,
    "orchestrator.domain": 1,
    "orchestrator.store": 2,
    "orchestrator.blobs": 2,
    "migrations": 2,
    # scheduler, rollout, build, results, matrix, placement, trust, transport, and readers of files
    "orchestrator": 3,
    "orchestrator.service": 4,
    "orchestrator.rpc": 5,
    "orchestrator.app": 6,
    "orchestrator.cli": 7,
}

#: Foreign packages, by import name, and the only places that may open the door to each.
DOORS: Mapping[str, tuple[str, ...]] = {
    "sqlalchemy": ("orchestrator.store", "migrations"),
    "psycopg": ("orchestrator.store.postgresql",),
    "alembic": ("migrations",),
    "grpc": ("orchestrator.rpc", "orchestrator.cli.control", "agent.link"),
    "cryptography": ("orchestrator.trust",),
    "typer": ("orchestrator.cli",),
    "rich": ("orchestrator.cli",),
    "ruamel": ("orchestrator.files.yamlfile",),
    "zstandard": ("orchestrator.care.archive",),
    "jsonschema": ("orchestrator.files.yamlfile",),
    # Event loops live in rpc/ alone (section 3, "one colour").
    "asyncio": ("orchestrator.rpc",),
}

#: Import nothing but the standard library and each other; they decide, others act.
PURE = ("orchestrator.domain", "orchestrator.matrix", "orchestrator.placement", "protos.states")

#: Where generated messages may not go: they travel at the edges only.
WITHOUT_MESSAGES = (*PURE, "orchestrator.store", "orchestrator.blobs", "orchestrator.results")

GENERATED = "protos.farm"


@dataclass(frozen=True)
class Import:
    """One import somewhere in a tree."""

    module: str
    target: str
    file: Path
    line: int
    #: Runs when the module is imported: not inside a function, not under ``TYPE_CHECKING``.
    eager: bool


def find_complaints(root: Path) -> list[str]:
    """Hold a tree against the rules.

    Args:
        root: the checkout; its ``PACKAGES`` are read, none is imported.

    Returns:
        One line per breach, ``file:line: module may not import target: why``, sorted.
    """
    modules = dict(_modules(root))
    imports = [
        found
        for module, file in modules.items()
        if not _inside(module, GENERATED)
        for found in _imports(module, file, modules)
    ]
    complaints = [
        f"{found.file.relative_to(root)}:{found.line}: {found.module} may not import "
        f"{found.target}: {why}"
        for found in imports
        if (why := _why_not(found))
    ]
    return sorted(complaints) + _cycles(imports, modules)


def _why_not(found: Import) -> str:
    """Answer the first rule an import breaks; empty where it breaks none."""
    top = found.target.partition(".")[0]
    if top in PACKAGES:
        return _why_not_own(found.module, found.target)
    if top in DOORS:
        if _inside_any(found.module, DOORS[top]):
            return ""
        return f"the door to {top} is {', '.join(DOORS[top])}"
    if top == "google":
        return _why_no_messages(found.module)
    if top in sys.stdlib_module_names:
        return ""
    return f"no door is named for {top} in tests/support/layers.py"


def _why_not_own(module: str, target: str) -> str:
    """Judge an import of one of the project's packages by another."""
    mine, other = module.partition(".")[0], target.partition(".")[0]
    if mine == "agent" and other not in {"agent", "protos"}:
        return "the agent knows protos and itself only"
    if other == "agent" and mine != "agent":
        return "an agent is started, never imported"
    if _inside_any(module, PURE) and not _inside_any(target, PURE):
        return "a pure module imports only the standard library and pure modules"
    if _inside(target, GENERATED) and (why := _why_no_messages(module)):
        return why
    if mine != "agent" and _layer(target) > _layer(module):
        return "imports go down"
    return ""


def _why_no_messages(module: str) -> str:
    """Say why generated messages stay out of a module; empty where they may be."""
    return "messages stay at the edges" if _inside_any(module, WITHOUT_MESSAGES) else ""


def _layer(module: str) -> int:
    return LAYERS[max((p for p in LAYERS if _inside(module, p)), key=len)]


def _inside(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def _inside_any(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(_inside(module, prefix) for prefix in prefixes)


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def _imports(module: str, file: Path, modules: Mapping[str, Path]) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    eager = {id(node) for node in _eager_nodes(tree.body)}
    for node in ast.walk(tree):
        for target in _targets(node, module, file, modules):
            yield Import(module, target, file, getattr(node, "lineno", 0), id(node) in eager)


def _eager_nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Walk what runs at import time."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from _eager_nodes(statement.orelse)
            continue
        yield statement
        for name in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(statement, name, [])
            for part in inner:
                yield from _eager_nodes(
                    part.body if isinstance(part, ast.ExceptHandler) else [part]
                )


def _targets(node: ast.AST, module: str, file: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """Name the modules that one piece of syntax imports."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=base, names=names, level=level):
            base = _absolute(base or "", level, module, file)
            for alias in names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in modules or (base in PACKAGES and not level) else base
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield name
        case _:
            pass


def _absolute(base: str, level: int, module: str, file: Path) -> str:
    if not level:
        return base
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - level + 1], *([base] if base else [])])


def _cycles(imports: list[Import], modules: Mapping[str, Path]) -> list[str]:
    """Find one ring of modules that import each other while being imported, if there is one."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if found.eager and found.target in modules and found.target != found.module:
            graph.setdefault(found.module, set()).add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring = error.args[1]
        return [f"modules import each other in a ring: {' -> '.join(reversed(ring))}"]
    return []
