"""``farm run``: measures a matrix, or a program of the user's own, and follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import FarmOption, JsonOption, new_app
from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.order import Order
    from orchestrator.service import Farm

app = new_app()

_MATRIX_SUFFIXES = (".yaml", ".yml")

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="K=V", help="A value in place of the matrix's own; repeatable."),
]


@app.command()
def run(
    target: Annotated[
        Path | None,
        typer.Argument(metavar="MATRIX|PROGRAM", help="A .yaml; or a .wasm, a .c or an ELF."),
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGS", help="The program's, after a --."),
    ] = None,
    set_: SetOption = None,
    resume: Annotated[
        int | None, typer.Option("--resume", metavar="RUN", help="Take up a cancelled run.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not follow; needs a running orchestrator.")
    ] = False,
    mode: Annotated[
        list[str] | None,
        typer.Option("--mode", metavar="M", help="Program: in this mode; repeatable."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="D", help="Program: on this device; repeatable."),
    ] = None,
    directory: Annotated[
        list[str] | None,
        typer.Option("--dir", metavar="HOST::GUEST", help="Program: a folder; repeatable."),
    ] = None,
    stdin: Annotated[
        Path | None, typer.Option("--stdin", metavar="F", help="Program: its input.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="K=V", help="Program: its environment; repeatable."),
    ] = None,
    attempts: Annotated[
        int | None, typer.Option(min=1, help="Program: fresh processes; default 1.")
    ] = None,
    warmups: Annotated[
        int | None, typer.Option(min=0, help="Program: discarded repeats; default 1.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Program: kept repeats; default 5.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="S", help="Program: limit of an attempt in seconds."),
    ] = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a matrix, or a program of your own, and show the numbers.

    Exits with 0 if all went well, 1 if an outcome failed, 130 after Ctrl-C.
    """
    given = Given(
        arguments=tuple(arguments or ()),
        overrides=tuple(set_ or ()),
        modes=tuple(mode or ()),
        devices=tuple(device or ()),
        directories=tuple(directory or ()),
        stdin=stdin,
        environment=tuple(env or ()),
        counts={"attempts": attempts, "warmups": warmups, "repeats": repeats},
        timeout_s=timeout,
    )
    begin = _beginning(target, resume, given)
    config = session.this_farm(farm)
    if detach:
        _submit(farm, begin, as_json)
        return
    from orchestrator.cli.ending import measure_and_show

    code = measure_and_show(config, begin, as_json=as_json)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Given:
    """What was given beside the target."""

    arguments: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    stdin: Path | None = None
    environment: tuple[str, ...] = ()
    #: None: not given.
    counts: dict[str, int | None] = field(default_factory=dict)
    timeout_s: float | None = None


def _beginning(target: Path | None, resume: int | None, given: Given) -> Callable[[Farm], int]:
    if resume is not None:
        if target is not None or given != Given(counts=dict.fromkeys(given.counts)):
            raise UsageError("--resume takes a run's own order and nothing else")
        return lambda farm: _resumed(farm, resume)
    if target is None:
        raise UsageError("name a matrix (.yaml), a program (.wasm, .c, ELF) or --resume")
    order = order_of(target, given)
    return lambda farm: farm.submit(order)


def _resumed(farm: Farm, run_id: int) -> int:
    farm.resume(run_id)
    return run_id


def order_of(target: Path, given: Given) -> Order:
    """Make the order of a command line; an option of the other kind of order is refused.

    Raises:
        UsageError: an option does not fit the target, or is not written as it must be.
    """
    from orchestrator.domain.order import MatrixOrder

    if target.suffix in _MATRIX_SUFFIXES:
        _refuse_for_matrix(given)
        return MatrixOrder(target.absolute(), tuple(pair(text) for text in given.overrides))
    if given.overrides:
        raise UsageError("--set is for a matrix; a program has options of its own")
    return _program_order(target, given)


def _program_order(target: Path, given: Given) -> Order:
    from orchestrator.domain.order import ProgramOrder

    counts = {name: count for name, count in given.counts.items() if count is not None}
    return ProgramOrder(
        path=target.absolute(),
        arguments=given.arguments,
        environment=dict(pair(text, "LEVEL=2") for text in given.environment),
        stdin=None if given.stdin is None else given.stdin.absolute(),
        directories=tuple(map(_directory, given.directories)),
        modes=given.modes,
        devices=given.devices,
        timeout_s=given.timeout_s,
        **counts,
    )


def _refuse_for_matrix(given: Given) -> None:
    own = Given(overrides=given.overrides, counts=dict.fromkeys(given.counts))
    if given != own:
        raise UsageError(
            "a matrix takes --set only, such as --set repeats=3; the other options and arguments"
            " are for a program"
        )


def pair(text: str, example: str = "repeats=3") -> tuple[str, str]:
    """Read ``K=V``.

    Raises:
        UsageError: it is not written so.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"'{text}' is not K=V, such as {example}")
    return key, value


def _directory(text: str) -> tuple[Path, str]:
    host, colons, guest = text.partition("::")
    if not host or not colons or not guest:
        raise UsageError(f"'{text}' is not HOST::GUEST, such as /srv/data::data")
    return Path(host).absolute(), guest


def _submit(farm: Path | None, begin: Callable[[Farm], int], as_json: bool) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        run_id = begin(session.living(stack, session.this_farm(farm)).farm)
    if as_json:
        view.document({"run_id": run_id})
    else:
        view.say(f"run {run_id}; follow it with: farm runs show {run_id}")
