"""Owns what a recipe is, and its keys (D1).

A target is known by two keys. The *order key* hashes all that is known before a tool runs: tools,
arguments, declared inputs. Under it lie records, one per set of files the tool was seen to read
beside those (headers); the first record whose files are still the same names the product. The
record's own key hashes the order key and those files: that one is the recipe's name in results.
A header that newly appears in front of another in the search path is not noticed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from orchestrator.build.digests import Snapshot
from orchestrator.domain.artifact import Artifact, ArtifactKind, Digest, Ingredient, Provenance
from orchestrator.domain.errors import BuildError

#: Part of every key; raised when keys or records change their meaning.
_FORMAT = 1
#: Where a command works: its outputs and the products it takes lie there by name.
SCRATCH = "out"
#: Why a target is made of which nothing is remembered.
NEVER = "never built"
#: A file below none of a target's places.
_ELSEWHERE = ""

_PLACE = re.compile(r"\{([a-z]+)\}/?")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that makes things."""

    #: As a command's first word shows it, ``zig``.
    name: str
    #: ``0.15.2``
    version: str
    #: Of all that decides what it makes.
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Source:
    """An input that is a file of somebody's."""

    role: str
    #: For people.
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Constant:
    """An input known by its digest alone: a tree, a library of the system."""

    role: str
    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Tree:
    """An input that is a folder of the user's, as it was when the build was planned.

    It is looked at again before and after the tools ran: they read it where it lies.
    """

    role: str
    name: str
    #: Of the parts' files, as ``digests.parts_digest``.
    digest: Digest
    folder: Path
    #: Folders in it that count.
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """An input that the farm writes itself; it lies in the scratch folder under its name."""

    role: str
    name: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """An input that another target makes; it lies in the scratch folder under its name."""

    role: str
    name: str
    target: Target


@dataclass(frozen=True, slots=True)
class Command:
    """One start of a tool.

    Arguments name places in braces, ``{native}/bench``: that is how they are hashed and recorded.
    """

    #: A tool, or the name of a product with role ``tool``.
    tool: Tool | str
    arguments: tuple[str, ...]
    #: Place it works in.
    cwd: str = SCRATCH
    #: File in the scratch folder that takes its stdout; empty: none reads it.
    stdout: str = ""
    #: Of a tool that is a product; for people.
    version: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Something to make: commands, their inputs and what becomes of them."""

    #: For people and unique in a build.
    name: str
    kind: ArtifactKind
    arch: str
    commands: tuple[Command, ...]
    inputs: tuple[Source | Constant | Tree | Text | Product, ...]
    #: The product's file name in the scratch folder.
    file_name: str
    #: Folders of this machine that arguments and names may be relative to.
    places: Mapping[str, Path] = field(default_factory=dict)
    #: Answers the paths the commands read beside the inputs, from a file they left in scratch;
    #: relative ones are relative to the last command's working folder.
    reads: Callable[[Path], Iterable[str]] | None = None
    #: Folders whose files the tools' digests and the constants speak for.
    covered: tuple[Path, ...] = ()
    #: Variables the commands see beside the usual few.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Made first if this has to be made at all; not an input.
    after: tuple[Target, ...] = ()
    #: The tool that a result names; None: the last command's.
    main: Tool | None = None
    #: Why it takes long when it was never made.
    slow: str = ""

    @property
    def identity(self) -> str:
        """What it is called from one build to the next, on this machine."""
        folder = self.places.get("folder", "")
        return hashlib.sha256(f"{folder}\0{self.name}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Read:
    """A file that a tool was seen to read."""

    place: str
    #: Relative to the place.
    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Record:
    """What an order key once made."""

    reads: tuple[Read, ...]
    product: Digest
    wall_s: float
    made_at: datetime


@dataclass(frozen=True, eq=False)
class Made:
    """A target with its product."""

    target: Target
    ingredients: tuple[Ingredient, ...]
    order: str
    record: Record
    #: Products it was made from.
    parts: tuple[Made, ...] = ()

    @property
    def digest(self) -> Digest:
        """Of the product."""
        return self.record.product

    @cached_property
    def provenance(self) -> Provenance:
        """How it was made."""
        return describe(self.target, self.ingredients, self.order, self.record)

    @property
    def sources(self) -> list[tuple[str, Digest]]:
        """Files of somebody's that it was made from, headers included, with their paths here."""
        declared = [
            (source.path, ingredient.digest)
            for source, ingredient in zip(self.target.inputs, self.ingredients, strict=True)
            if isinstance(source, Source)
        ]
        return declared + [(locate(self.target, read), read.digest) for read in self.record.reads]


def bind(target: Target, parts: Mapping[Target, Made], files: Snapshot) -> tuple[Ingredient, ...]:
    """Look up the digests of a target's inputs.

    Raises:
        BuildError: a source is missing.
    """
    found = []
    for each in target.inputs:
        if isinstance(each, Product):
            digest: Digest | None = parts[each.target].digest
        elif isinstance(each, Constant | Tree):
            digest = each.digest
        elif isinstance(each, Text):
            digest = text_digest(each.text)
        else:
            digest = files.digest(each.path)
        if digest is None:
            raise BuildError(f"{target.name}: {each.name} is missing")
        found.append(Ingredient(each.role, each.name, digest))
    return tuple(found)


def text_digest(text: str) -> Digest:
    """The digest of a text as it is written to a file."""
    data = text.encode()
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def order_key(target: Target, ingredients: Sequence[Ingredient]) -> str:
    """Hash what is known of a target before its tools run; the same on every machine."""
    commands = [
        [
            *([c.tool] if isinstance(c.tool, str) else [c.tool.name, c.tool.sha256]),
            c.cwd,
            c.stdout,
            *c.arguments,
        ]
        for c in target.commands
    ]
    inputs = [[i.role, i.name, i.digest.sha256] for i in ingredients]
    return _hash([_FORMAT, target.arch, target.file_name, commands, inputs])


def recipe_key(order: str, reads: Sequence[Read]) -> str:
    """Hash what made a product, files seen to be read included."""
    return _hash([order, [[read.place, read.name, read.digest.sha256] for read in reads]])


def find_record(target: Target, records: Sequence[Record], files: Snapshot) -> Record | None:
    """The newest record whose files are what they were."""
    folders = {place: str(folder) for place, folder in target.places.items()}
    for record in records:
        for read in record.reads:
            path = f"{folders[read.place]}/{read.name}" if read.place else read.name
            if files.digest(path) != read.digest:
                break
        else:
            return record
    return None


def locate(target: Target, read: Read) -> str:
    """Where a file that was read lies on this machine."""
    if read.place == _ELSEWHERE:
        return read.name
    return f"{target.places[read.place]}/{read.name}"


def place_reads(target: Target, paths: Iterable[str], files: Snapshot) -> tuple[Read, ...]:
    """Name what a tool read relative to the target's places; inputs and covered files left out.

    Raises:
        BuildError: a file it read is gone.
    """
    declared = {files.real(i.path) for i in target.inputs if isinstance(i, Source)}
    covered = tuple(f"{files.real(str(folder))}/" for folder in target.covered)
    places = {place: files.real(str(folder)) for place, folder in target.places.items()}
    found = {}
    for path in paths:
        real = files.real(path)
        if real in declared or real.startswith(covered):
            continue
        digest = files.digest(real)
        if digest is None:
            raise BuildError(f"{target.name}: {path} vanished while it was built")
        place, name = _nearest(places, real)
        found[place, name] = Read(place, name, digest)
    return tuple(found[key] for key in sorted(found))


def describe(
    target: Target, ingredients: Sequence[Ingredient], order: str, record: Record
) -> Provenance:
    """Say how a product was made."""
    headers = tuple(Ingredient("header", _shown(read), read.digest) for read in record.reads)
    tools = [_tool(target, ingredients, command) for command in target.commands]
    main = target.main or tools[-1]
    argv: list[str] = []
    for tool, command in zip(tools, target.commands, strict=True):
        argv += ["&&"] if argv else []
        argv += [tool.name, *map(shown_argument, command.arguments)]
    return Provenance(
        key=recipe_key(order, record.reads),
        product=Artifact(record.product, target.kind, target.name, target.arch),
        tool=f"{main.name} {main.version}".rstrip(),
        tool_sha256=main.sha256,
        argv=tuple(argv),
        ingredients=(*ingredients, *headers),
        wall_s=record.wall_s,
        made_at=record.made_at,
    )


@functools.lru_cache(maxsize=4096)
def shown_argument(argument: str) -> str:
    """An argument as people read it: places by name, the two obvious ones by nothing."""
    return (
        _PLACE.sub(
            lambda found: "" if found[1] in (SCRATCH, "folder") else found[0].translate(_BRACES),
            argument,
        )
        or "."
    )


_BRACES = str.maketrans("", "", "{}")


def real_argument(argument: str, places: Mapping[str, Path]) -> str:
    """An argument as this machine needs it; braces that name no place stay."""
    return _PLACE.sub(
        lambda found: (
            found[0].replace("{" + found[1] + "}", str(places[found[1]]))
            if found[1] in places
            else found[0]
        ),
        argument,
    )


def why_made(previous: Provenance | None, target: Target, wanted: Provenance) -> str:
    """Why a known recipe does not do: what differs from the last time this target was made.

    Args:
        previous: how it was made last; None: never.
        target: the target.
        wanted: how it would be made now; its product does not matter.
    """
    if previous is None:
        return target.slow or NEVER
    if previous.tool_sha256 != wanted.tool_sha256:
        return f"{wanted.tool.split(' ')[0]} changed"
    if previous.argv != wanted.argv:
        return "flags changed"
    before = {(i.role, i.name): i.digest for i in previous.ingredients}
    after = {(i.role, i.name): i.digest for i in wanted.ingredients}
    changed = [
        name for (role, name), digest in after.items() if before.get((role, name)) != digest
    ] or [name for role, name in before if (role, name) not in after and role != "header"]
    if not changed:
        return "not in the cache"
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{changed[0]} changed{more}"


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


def _nearest(places: Mapping[str, str], path: str) -> tuple[str, str]:
    """The deepest place that holds a path; all without links."""
    best = (_ELSEWHERE, path)
    depth = 0
    for place, folder in places.items():
        root = f"{folder}/"
        if place != SCRATCH and path.startswith(root) and len(root) > depth:
            best, depth = (place, path[len(root) :]), len(root)
    return best


def _shown(read: Read) -> str:
    """A header's name for people; the folder it lies in outside all places is this machine's."""
    if read.place == _ELSEWHERE:
        return os.path.basename(read.name)
    return read.name if read.place == "folder" else f"{read.place}/{read.name}"


def _tool(target: Target, ingredients: Sequence[Ingredient], command: Command) -> Tool:
    if isinstance(command.tool, Tool):
        return command.tool
    made = next(i for i in ingredients if i.role == "tool" and i.name == command.tool)
    return Tool(command.tool, command.version, made.digest.sha256, command.tool)
