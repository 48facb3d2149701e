"""What a command line says of a program of the user's own, and the order it means."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.order import MatrixOrder, Order, ProgramOrder

_MATRIX_SUFFIXES = (".yaml", ".yml")
#: No machine has more.
_MOST_BYTES = 1 << 60
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

TargetArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="MATRIX|PROGRAM", help="A .yaml; or a .wasm, a .c, an ELF, a folder with one."
    ),
]
ArgumentsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ARGS", help="The program's, after a --.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="K=V", help="A value in place of the matrix's own; repeatable."),
]
SourceOption = Annotated[
    list[Path] | None,
    typer.Option("--source", metavar="F", help="Program: of a folder, this C file; repeatable."),
]
CflagOption = Annotated[
    list[str] | None,
    typer.Option("--cflag", metavar="FLAG", help="Program: for its C compiler; repeatable."),
]
ModeOption = Annotated[
    list[str] | None,
    typer.Option("--mode", metavar="M", help="Program: in this mode; repeatable."),
]
DeviceOption = Annotated[
    list[str] | None,
    typer.Option("--device", metavar="D", help="Program: on this device; repeatable."),
]
DirectoryOption = Annotated[
    list[str] | None,
    typer.Option("--dir", metavar="HOST::GUEST", help="Program: a folder; repeatable."),
]
StdinOption = Annotated[
    Path | None, typer.Option("--stdin", metavar="F", help="Program: its input.")
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="K=V", help="Program: its environment; repeatable."),
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option("--output", metavar="NAME", help="Program: a file it leaves; repeatable."),
]
MemoryOption = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="Program: limit of memory, such as 256M."),
]
OutputBytesOption = Annotated[
    str | None,
    typer.Option("--output-bytes", metavar="SIZE", help="Program: limit of each output."),
]
AttemptsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Program: fresh processes; default 1.")
]
WarmupsOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Program: discarded repeats; default 1.")
]
RepeatsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Program: kept repeats; default 5.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(min=0.001, metavar="S", help="Program: limit of an attempt in seconds."),
]


@dataclass(frozen=True, slots=True)
class Given:
    """What was given beside the target; nothing where an option was not given."""

    arguments: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    sources: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    stdin: Path | None = None
    environment: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    memory: str | None = None
    output_bytes: str | None = None
    attempts: int | None = None
    warmups: int | None = None
    repeats: int | None = None
    timeout_s: float | None = None

    @property
    def named(self) -> frozenset[str]:
        """The names of what was given."""
        pairs = ((one.name, getattr(self, one.name)) for one in fields(self))
        return frozenset(name for name, value in pairs if value not in (None, ()))


def order_of(target: Path | None, given: Given) -> Order:
    """Make the order of a command line; an option of the other kind of order is refused.

    Raises:
        UsageError: an option does not fit the target, or is not written as it must be.
    """
    if target is not None and target.suffix in _MATRIX_SUFFIXES:
        return _matrix_order(target, given)
    if given.overrides:
        raise UsageError("--set is for a matrix; a program has options of its own")
    return program_order(target, given)


def _matrix_order(target: Path, given: Given) -> MatrixOrder:
    from orchestrator.domain.order import MatrixOrder

    if given.named - {"overrides"}:
        raise UsageError(
            "a matrix takes --set only, such as --set repeats=3; the other options and arguments"
            " are for a program"
        )
    return MatrixOrder(target.absolute(), tuple(pair(text) for text in given.overrides))


def program_order(target: Path | None, given: Given) -> ProgramOrder:
    """Make the order of a program of the user's own.

    Args:
        target: the program; None: the first of the sources, which the others go with.
        given: what it is given.

    Raises:
        UsageError: an option is not written as it must be, or nothing is named.
    """
    from orchestrator.domain.order import ProgramOrder

    sources = tuple(source.absolute() for source in given.sources)
    if target is None and not sources:
        raise UsageError("name a matrix (.yaml), a program (.wasm, .c, ELF, folder) or --resume")
    if target is not None and sources and not target.exists():
        raise UsageError(
            f"no file {target}: where arguments follow, name the program first, such as"
            f" farm run {given.sources[0]} .. -- {target}"
        )
    counts = {name: getattr(given, name) for name in ("attempts", "warmups", "repeats")}
    order = ProgramOrder(
        path=sources[0] if target is None else target.absolute(),
        arguments=given.arguments,
        environment=dict(pair(text, "LEVEL=2") for text in given.environment),
        stdin=None if given.stdin is None else given.stdin.absolute(),
        directories=tuple(map(_directory, given.directories)),
        modes=given.modes,
        devices=given.devices,
        timeout_s=given.timeout_s,
        sources=sources,
        outputs=given.outputs,
        memory_bytes=_size("--memory", given.memory),
        output_bytes=_size("--output-bytes", given.output_bytes),
        flags=given.flags,
    )
    return replace(order, **{name: count for name, count in counts.items() if count is not None})


def pair(text: str, example: str = "repeats=3") -> tuple[str, str]:
    """Read ``K=V``.

    Raises:
        UsageError: it is not written so.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"'{text}' is not K=V, such as {example}")
    return key, value


#: The options whose values an order keeps as they were written.
_LISTS = (
    ("--source", "sources"),
    ("--cflag", "flags"),
    ("--mode", "modes"),
    ("--device", "devices"),
    ("--output", "outputs"),
)
_VALUES = (
    ("--stdin", "stdin"),
    ("--memory", "memory_bytes"),
    ("--output-bytes", "output_bytes"),
    ("--timeout", "timeout_s"),
    ("--attempts", "attempts"),
    ("--warmups", "warmups"),
    ("--repeats", "repeats"),
)


def command_line(order: Mapping[str, Any]) -> str:
    """Write the command that orders a program again, from its order as a run keeps it.

    Args:
        order: as ``runs show --json`` shows it; of a program.
    """
    words = ["farm", "run", order["path"]]
    for option, name in _LISTS:
        words += [word for value in order.get(name, ()) for word in (option, str(value))]
    for host, guest in order["directories"]:
        words += ["--dir", f"{host}::{guest}"]
    for name, value in order["environment"].items():
        words += ["--env", f"{name}={value}"]
    for option, name in _VALUES:
        value = order.get(name)
        words += [option, str(value)] if value is not None else []
    words += ["--", *order["arguments"]] if order["arguments"] else []
    return shlex.join(words)


def _directory(text: str) -> tuple[Path, str]:
    host, colons, guest = text.partition("::")
    if not host or not colons or not guest:
        raise UsageError(f"'{text}' is not HOST::GUEST, such as /srv/data::data")
    return Path(host).absolute(), guest


def _size(option: str, text: str | None) -> int | None:
    """Read a number of bytes: ``65536``, ``256M`` (of 1,048,576 bytes each)."""
    if text is None:
        return None
    number, unit = (text, "") if text[-1:].isdigit() else (text[:-1], text[-1:].upper())
    if not (number.isascii() and number.isdigit() and unit in _UNITS and len(number) < 20):
        raise UsageError(f"{option} '{text}': write a whole number of bytes, or 64K, 256M, 2G")
    size_bytes = int(number) * _UNITS[unit]
    if not 0 < size_bytes <= _MOST_BYTES:
        raise UsageError(f"{option} '{text}': write a size above 0, and below an exabyte")
    return size_bytes
