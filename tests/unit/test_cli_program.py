"""What a command line says of a program, and the command that says it again."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path

import pytest

from orchestrator.cli.program import Given, command_line, order_of, program_order
from orchestrator.domain.order import MatrixOrder, ProgramOrder
from orchestrator.orders import order_text
from tests.support.files import complaint


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("65536", 65536), ("64K", 65536), ("256m", 256 << 20), ("2G", 2 << 30), ("1T", 1 << 40)],
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: int) -> None:
    """Bytes, or with a binary unit."""
    order = program_order(Path("p.c"), Given(memory=text, output_bytes=text))
    assert (order.memory_bytes, order.output_bytes) == (size_bytes, size_bytes)


@pytest.mark.parametrize(
    "text", ["", "M", "-1", "1.5G", "1e9", "64 K", "64KB", "²", "0", "9" * 19]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    """The line says how to write one."""
    said = complaint(lambda: program_order(Path("p.c"), Given(memory=text)))
    assert said.startswith(f"--memory '{text}': write a ")


def test_sources_alone_are_a_program() -> None:
    """The first gives its name."""
    order = program_order(None, Given(sources=(Path("/a.c"), Path("/b.c"))))
    assert (order.path, order.sources) == (Path("/a.c"), (Path("/a.c"), Path("/b.c")))
    said = complaint(partial(program_order, Path("7"), Given(sources=(Path("a.c"),))))
    assert said == (
        "no file 7: where arguments follow, name the program first, such as farm run a.c .. -- 7"
    )


def test_options_of_the_other_kind_are_refused() -> None:
    """A matrix says itself what a program is given, and a program has no --set."""
    assert order_of(Path("/m.yaml"), Given(overrides=("a=1",))) == MatrixOrder(
        Path("/m.yaml"), (("a", "1"),)
    )
    for given in (
        Given(outputs=("x",)),
        Given(memory="1M"),
        Given(warmups=0),
        Given(flags=("-g",)),
    ):
        said = complaint(partial(order_of, Path("m.yaml"), given))
        assert said.startswith("a matrix takes --set only")
    said = complaint(lambda: order_of(Path("p.c"), Given(overrides=("a=1",))))
    assert said.startswith("--set is for a matrix")


def test_the_command_of_an_order_says_everything() -> None:
    """As a shell reads it."""
    order = ProgramOrder(
        Path("/a b.c"),
        arguments=("-x", "it's"),
        environment={"A": "1 2"},
        stdin=Path("/in"),
        directories=((Path("/d"), "guest"),),
        modes=("native",),
        devices=("local",),
        timeout_s=2.5,
        sources=(Path("/c.c"),),
        outputs=("out",),
        memory_bytes=65536,
        output_bytes=7,
        flags=("-DX=1",),
    )
    written = shlex.split(command_line(json.loads(order_text(order, ""))))
    assert written == [
        *("farm", "run", "/a b.c", "--source", "/c.c", "--cflag", "-DX=1", "--mode", "native"),
        *("--device", "local", "--output", "out", "--dir", "/d::guest", "--env", "A=1 2"),
        *("--stdin", "/in", "--memory", "65536", "--output-bytes", "7", "--timeout", "2.5"),
        *("--attempts", "1", "--warmups", "1", "--repeats", "5", "--", "-x", "it's"),
    ]
