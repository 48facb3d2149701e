"""Recipes: what their keys depend on, and what is said of a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.build.cmake import parse_ninja_deps
from orchestrator.build.recipes import (
    Command,
    Constant,
    Read,
    Record,
    Source,
    Target,
    Tool,
    describe,
    order_key,
    real_argument,
    recipe_key,
    shown_argument,
    why_made,
)
from orchestrator.build.toolchain import object_name, parse_depfile
from orchestrator.domain.artifact import ArtifactKind, Digest, Ingredient, Provenance

TOOL = Tool("cc", "1.0", "a" * 64, "/usr/bin/cc")
ONE, TWO = Digest("1" * 64, 1), Digest("2" * 64, 2)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def target(*, tool: Tool = TOOL, flag: str = "-O3", folder: str = "/home/me/w") -> Target:
    """A target that compiles one file."""
    return Target(
        name="w/a.o",
        kind=ArtifactKind.OBJECT,
        arch="aarch64",
        commands=(Command(tool, ("-c", flag, "{folder}/a.c", "-o", "a.o")),),
        inputs=(Source("source", "a.c", f"{folder}/a.c"),),
        file_name="a.o",
        places={"folder": Path(folder)},
    )


def source(digest: Digest = ONE) -> tuple[Ingredient, ...]:
    """The digest of its one input."""
    return (Ingredient("source", "a.c", digest),)


def made(of: Target, ingredients: tuple[Ingredient, ...], *reads: Read) -> Provenance:
    """How the target was made."""
    record = Record(reads, TWO, 1.0, NOW)
    return describe(of, ingredients, order_key(of, ingredients), record)


def test_key_is_of_the_work_and_not_of_the_place() -> None:
    """Two checkouts on two machines share a key: names and paths of a machine are not in it."""
    elsewhere = target(tool=replace(TOOL, path="/opt/cc"), folder="/srv/w")
    assert order_key(target(), source()) == order_key(elsewhere, source())


@pytest.mark.parametrize(
    ("changed", "ingredients"),
    [
        (target(tool=replace(TOOL, sha256="b" * 64)), source()),
        (target(flag="-O2"), source()),
        (target(), source(TWO)),
        (replace(target(), arch="x86_64"), source()),
        (replace(target(), file_name="b.o"), source()),
    ],
    ids=["tool", "flags", "source", "arch", "product"],
)
def test_key_changes_with_everything_that_may_change_the_product(
    changed: Target, ingredients: tuple[Ingredient, ...]
) -> None:
    """Tool, flags, source bytes, architecture and product each make another key."""
    assert order_key(target(), source()) != order_key(changed, ingredients)


def test_recipe_key_holds_what_the_compiler_read() -> None:
    """Another header, or other bytes of the same header, is another recipe."""
    none = recipe_key("order", ())
    one = recipe_key("order", (Read("folder", "a.h", ONE),))
    two = recipe_key("order", (Read("folder", "a.h", TWO),))
    assert len({none, one, two}) == 3


def test_provenance_names_no_path_of_this_machine() -> None:
    """The recorded command has names where this machine has paths."""
    of = replace(
        target(),
        commands=(Command(TOOL, ("-I", "{native}/bench", "{folder}/a.c", "-o", "{out}/a.o")),),
    )
    told = made(of, source(), Read("native", "bench/bench.h", ONE))
    assert told.argv == ("cc", "-I", "native/bench", "a.c", "-o", "a.o")
    assert [i.name for i in told.ingredients] == ["a.c", "native/bench/bench.h"]


def test_arguments_become_paths_again() -> None:
    """A place in braces becomes its folder; braces of the user's stay."""
    places = {"native": Path("/n")}
    assert real_argument("-ffile-prefix-map={native}/=native/", places) == (
        "-ffile-prefix-map=/n/=native/"
    )
    assert real_argument("-DX={y}", places) == "-DX={y}"
    assert shown_argument("{folder}") == "."


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (made(target(tool=replace(TOOL, sha256="b" * 64)), source()), "cc changed"),
        (made(target(flag="-O2"), source()), "flags changed"),
        (made(target(), source(TWO)), "a.c changed"),
        (made(target(), source()), "not in the cache"),
        (
            made(
                replace(target(), inputs=(*target().inputs, Constant("tree", "wamr", TWO))),
                (*source(TWO), Ingredient("tree", "wamr", TWO)),
            ),
            "a.c changed and 1 more",
        ),
    ],
)
def test_reason_names_what_changed(now: Provenance, reason: str) -> None:
    """A person reads which input, or that tool or flags, differ from last time."""
    before = made(target(), source())
    assert why_made(before, target(), now) == reason


def test_reason_of_the_first_time() -> None:
    """What was never made says so, or why it takes long."""
    now = made(target(), source())
    assert why_made(None, target(), now) == "never built"
    assert why_made(None, replace(target(), slow="builds its C library"), now) == (
        "builds its C library"
    )


def test_depfile_is_read_as_compilers_write_it() -> None:
    """Continued lines, blanks, dollars and hashes in names come out right."""
    text = "out/a.o: a.c \\\n  my\\ dir/b.h \\\n  c$$d.h e\\#f.h\n"
    assert parse_depfile(text) == ["a.c", "my dir/b.h", "c$d.h", "e#f.h"]


@given(
    st.lists(
        st.text(
            st.characters(codec="ascii", exclude_characters="\\\n\r\t:\0\x0b\x0c"), min_size=1
        ).filter(lambda name: name == name.strip() and name.isprintable())
    )
)
def test_depfile_round_trip(names: list[str]) -> None:
    """Any printable name a compiler escapes is read back."""
    escaped = [n.replace(" ", "\\ ").replace("#", "\\#").replace("$", "$$") for n in names]
    assert parse_depfile("a.o: " + " \\\n  ".join(escaped) + "\n") == names


def test_ninja_deps_lists_each_file_once() -> None:
    """The indented lines of ``ninja -t deps`` are the files, whatever their order."""
    text = "a.o: #deps 2, deps mtime 1 (VALID)\n    ../a.c\n    b.h\n\nc.o: #deps 1\n    b.h\n"
    assert parse_ninja_deps(text) == ["../a.c", "b.h"]


def test_objects_of_one_program_never_collide() -> None:
    """Files of one name in different folders, and names that spell a folder, differ."""
    names = ["a.c", "x/a.c", "x_a.c", "../a.c", "x__a.c"]
    assert len({object_name(name) for name in names}) == len(names)
